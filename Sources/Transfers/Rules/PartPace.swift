/// How fast the parts of one file come in this run, and so whether one more, or the rest of the file, still comes in
/// time.
struct PartPace: Sendable {
    /// When what is under way is cut off, on the clock's `uptimeSeconds`; nil without a deadline.
    let deadlineUptimeSeconds: Double?
    /// When its first part of this run began.
    let beganUptimeSeconds: Double
    /// What is kept of the time for what comes behind the last part: the last look, completing the upload, and the move.
    let finishSeconds: Double
    /// How many bytes come a second at the most; nil where nothing limits them.
    private let maximumBytesPerSecond: Int?
    /// What the store has confirmed since.
    private(set) var storedBytes: UInt64 = 0

    /// How much longer than estimated it may take.
    private static let slack = 1.1
    /// How many times as long as what came before the first part, which is requests of the same kind, the finish takes.
    private static let finishFactor = 2.0
    /// The finish is kept at least so much and at most so much, but no more than this share of the time that there is.
    private static let leastFinishSeconds = 1.0
    private static let mostFinishSeconds = 10.0
    private static let finishShare = 0.25

    /// - Parameters:
    ///   - openingSeconds: how long the requests before the first part took.
    ///   - beganUptimeSeconds: when they had been answered.
    init(
        deadlineUptimeSeconds: Double?, maximumBytesPerSecond: Int? = nil, openingSeconds: Double,
        beganUptimeSeconds: Double
    ) {
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.maximumBytesPerSecond = maximumBytesPerSecond
        self.beganUptimeSeconds = beganUptimeSeconds
        let leftSeconds = deadlineUptimeSeconds.map { max(0, $0 - beganUptimeSeconds) } ?? 0
        let wantedSeconds = max(Self.leastFinishSeconds, openingSeconds * Self.finishFactor)
        finishSeconds = min(wantedSeconds, Self.mostFinishSeconds, leftSeconds * Self.finishShare)
    }

    mutating func stored(_ countBytes: Int) { storedBytes += UInt64(countBytes) }

    /// Whether a part may begin behind those that are under way. Before the first is stored nothing is known but
    /// the limit of the rate, and it may.
    /// - Parameter isLast: whether the file ends with it. Then what comes behind it has to be done in time, too: without
    ///   that, the next run does better to begin with it.
    func mayBegin(partBytes: Int, underWayBytes: Int, isLast: Bool, now: Double) -> Bool {
        isInTime(bytes: UInt64(partBytes + underWayBytes), keepingSeconds: isLast ? finishSeconds : 0, now: now) ?? true
    }

    /// Whether the rest of the file comes in time, with all that is to be done behind it; nil while nothing is known.
    func fits(leftBytes: UInt64, now: Double) -> Bool? {
        isInTime(bytes: leftBytes, keepingSeconds: finishSeconds, now: now)
    }

    /// Whether there is time for what comes behind the last part.
    func mayFinish(now: Double) -> Bool {
        deadlineUptimeSeconds.map { now < $0 && now + finishSeconds <= $0 } ?? true
    }

    private func isInTime(bytes: UInt64, keepingSeconds: Double, now: Double) -> Bool? {
        guard let deadlineUptimeSeconds else { return true }
        let leftSeconds = deadlineUptimeSeconds - keepingSeconds - now
        guard leftSeconds > 0 else { return false }
        if let maximumBytesPerSecond, Double(bytes) / Double(maximumBytesPerSecond) >= leftSeconds { return false }
        guard storedBytes > 0, now > beganUptimeSeconds else { return nil }
        let bytesPerSecond = Double(storedBytes) / (now - beganUptimeSeconds)
        return Double(bytes) / bytesPerSecond * Self.slack < leftSeconds
    }
}
