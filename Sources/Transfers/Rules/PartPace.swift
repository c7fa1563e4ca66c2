/// How fast the parts of one file come in this run, and so whether one more, or the rest of the file, still comes in
/// time.
struct PartPace: Sendable {
    /// When what is under way is cut off, on the clock's `uptimeSeconds`; nil without a deadline.
    let deadlineUptimeSeconds: Double?
    /// When its first part of this run began.
    let beganUptimeSeconds: Double
    /// What the store has confirmed since.
    private(set) var storedBytes: UInt64 = 0

    /// How much longer than estimated it may take.
    private static let slack = 1.1

    init(deadlineUptimeSeconds: Double?, beganUptimeSeconds: Double) {
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.beganUptimeSeconds = beganUptimeSeconds
    }

    mutating func stored(_ countBytes: Int) { storedBytes += UInt64(countBytes) }

    /// Whether a part may begin behind those that are under way. Before the first is stored nothing is known, and it may.
    func mayBegin(partBytes: Int, underWayBytes: Int, now: Double) -> Bool {
        isInTime(bytes: UInt64(partBytes + underWayBytes), now: now) ?? true
    }

    /// Whether the rest of the file comes in time; nil while nothing is known.
    func fits(leftBytes: UInt64, now: Double) -> Bool? { isInTime(bytes: leftBytes, now: now) }

    private func isInTime(bytes: UInt64, now: Double) -> Bool? {
        guard let deadlineUptimeSeconds else { return true }
        guard now < deadlineUptimeSeconds else { return false }
        guard storedBytes > 0, now > beganUptimeSeconds else { return nil }
        let bytesPerSecond = Double(storedBytes) / (now - beganUptimeSeconds)
        return Double(bytes) / bytesPerSecond * Self.slack < deadlineUptimeSeconds - now
    }
}
