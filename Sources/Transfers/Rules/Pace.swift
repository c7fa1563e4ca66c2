/// How fast this run is, and so whether a file that is begun now can finish in time (rule P7).
///
/// Before the first file has finished nothing is known, and everything may begin: a run that dared nothing would never
/// learn. What then does not finish is cut off in an orderly way and reported.
struct Pace: Sendable {
    /// When no new file may begin and the rest is cut off, on the clock's `uptimeSeconds`; nil without a deadline.
    let deadlineUptimeSeconds: Double?
    /// How many bytes come a second at the most; nil where nothing limits them.
    private let maximumBytesPerSecond: Int?
    /// When the first file began.
    private var beganUptimeSeconds: Double?
    private var finishedBytes: UInt64 = 0
    private var finishedFiles = 0
    /// The time a file takes apart from its bytes: a moving average over the last ones.
    private var perFileSeconds = 0.0

    /// How many bytes a second a file brought that was large enough to tell: a moving average over the last ones; nil
    /// while there was none. Small files say nothing of the line: what they cost is the way there and back.
    private var bytesPerSecond: Double?

    /// From this size on a file tells how fast bytes come.
    private static let tellingBytes: UInt64 = 1_000_000
    /// How much longer than estimated a file may take.
    private static let slack = 1.5
    /// The weight of the newest file in the average.
    private static let newestWeight = 0.1

    init(deadlineUptimeSeconds: Double?, maximumBytesPerSecond: Int? = nil) {
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.maximumBytesPerSecond = maximumBytesPerSecond
    }

    mutating func began(atUptimeSeconds now: Double) {
        beganUptimeSeconds = beganUptimeSeconds ?? now
    }

    mutating func finished(bytes: UInt64, afterSeconds seconds: Double) {
        finishedBytes += bytes
        finishedFiles += 1
        if bytes >= Self.tellingBytes, seconds > 0 {
            let rate = Double(bytes) / seconds
            bytesPerSecond = bytesPerSecond.map { $0 + Self.newestWeight * (rate - $0) } ?? rate
        }
        // Only files of one piece tell what a file costs apart from its bytes.
        guard bytes <= UInt64(PartPlan.partBytes) else { return }
        perFileSeconds = finishedFiles == 1 ? seconds : perFileSeconds + Self.newestWeight * (seconds - perFileSeconds)
    }

    func canFinish(sizeBytes: UInt64, now: Double) -> Bool {
        // The bytes of a small file are in its time per file already.
        isInTime(bytes: sizeBytes > UInt64(PartPlan.partBytes) ? sizeBytes : 0, now: now)
    }

    /// Whether so many bytes can come in the time that is left, if no others do. What is measured says nothing of that
    /// before the first file has finished.
    func isWithinLimit(bytes: UInt64, now: Double) -> Bool {
        guard let deadlineUptimeSeconds, let maximumBytesPerSecond else { return true }
        return Double(bytes) / Double(maximumBytesPerSecond) < deadlineUptimeSeconds - now
    }

    /// Whether a part of a larger file can still be read and stored.
    func canFinishPart(now: Double) -> Bool { isInTime(bytes: UInt64(PartPlan.partBytes), now: now) }

    private func isInTime(bytes: UInt64, now: Double) -> Bool {
        guard let deadlineUptimeSeconds else { return true }
        let leftSeconds = deadlineUptimeSeconds - now
        guard leftSeconds > 0 else { return false }
        guard let beganUptimeSeconds, finishedFiles > 0, now > beganUptimeSeconds else { return true }
        var bytesSeconds = 0.0
        if bytes > 0, let bytesPerSecond {
            // Files that came at once have shared the line.
            let together = Double(finishedBytes) / (now - beganUptimeSeconds)
            bytesSeconds = Double(bytes) / max(bytesPerSecond, together)
        }
        return (perFileSeconds + bytesSeconds) * Self.slack < leftSeconds
    }
}
