/// How much may pass one way so that no more than a number of bytes a second does: a bucket that fills at that rate, and
/// that what passes takes from. Pure: it is told what time it is.
struct TokenBucket: Sendable {
    /// The rate.
    let bytesPerSecond: Int
    /// The most that may pass at once after a silence: what comes in a tenth of a second, and at least what begins a
    /// connection without a wait.
    let capacityBytes: Int
    /// Less is not worth a call to the system, unless there is no more to pass.
    let worthwhileBytes: Int

    private var tokens: Double
    private var countedUntil: ContinuousClock.Instant

    private static let capacitySeconds = 0.1
    private static let leastCapacityBytes = 16 * 1_024
    private static let worthwhileShare = 4

    init(bytesPerSecond: Int, at now: ContinuousClock.Instant) {
        precondition(bytesPerSecond > 0, "a rate of nothing moves nothing")
        self.bytesPerSecond = bytesPerSecond
        capacityBytes = max(Self.leastCapacityBytes, Int(Double(bytesPerSecond) * Self.capacitySeconds))
        worthwhileBytes = capacityBytes / Self.worthwhileShare
        tokens = Double(capacityBytes)
        countedUntil = now
    }

    /// How much of so many bytes may pass now; 0 when that is too little to be worth it.
    mutating func granted(_ wantedBytes: Int, at now: ContinuousClock.Instant) -> Int {
        fill(until: now)
        return tokens >= Double(neededBytes(wantedBytes)) ? min(wantedBytes, Int(tokens)) : 0
    }

    /// Notes that so many bytes have passed.
    mutating func take(_ bytes: Int) { tokens -= Double(bytes) }

    /// When some of so many bytes may pass; nil when they may now.
    mutating func pause(_ wantedBytes: Int, at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        guard granted(wantedBytes, at: now) == 0 else { return nil }
        let missing = Double(neededBytes(wantedBytes)) - tokens
        return now + .seconds(missing / Double(bytesPerSecond) + Self.roundingSeconds)
    }

    /// A wait that ended a rounding error too early would be followed by another one.
    private static let roundingSeconds = 0.000_001

    private func neededBytes(_ wantedBytes: Int) -> Int { min(max(wantedBytes, 1), worthwhileBytes) }

    private mutating func fill(until now: ContinuousClock.Instant) {
        let seconds = countedUntil.duration(to: now) / .seconds(1)
        guard seconds > 0 else { return }
        countedUntil = now
        tokens = min(Double(capacityBytes), tokens + seconds * Double(bytesPerSecond))
    }
}
