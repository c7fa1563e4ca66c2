/// How often and how long a call is tried (AWS Architecture Blog, "Exponential Backoff And Jitter": full jitter).
public struct RetryPolicy: Sendable, Hashable {
    /// The most attempts, the first included.
    public var maximumAttempts: Int
    /// The longest time from the first attempt to the start of the last. Counts besides the caller's deadline.
    public var maximumSeconds: Double
    /// The longest first wait after a failure of the server or the network.
    public var baseDelaySeconds: Double
    /// The longest first wait after being asked to slow down.
    public var throttledBaseDelaySeconds: Double
    /// The longest wait.
    public var maximumDelaySeconds: Double

    /// Makes a policy.
    public init(
        maximumAttempts: Int = 6, maximumSeconds: Double = 120, baseDelaySeconds: Double = 0.1,
        throttledBaseDelaySeconds: Double = 0.5, maximumDelaySeconds: Double = 20
    ) {
        self.maximumAttempts = maximumAttempts
        self.maximumSeconds = maximumSeconds
        self.baseDelaySeconds = baseDelaySeconds
        self.throttledBaseDelaySeconds = throttledBaseDelaySeconds
        self.maximumDelaySeconds = maximumDelaySeconds
    }

    /// Six attempts within two minutes.
    public static let standard = RetryPolicy()

    /// The wait after the given attempt, counted from 1: a random part of a time that doubles with each attempt.
    func delaySeconds(afterAttempt attempt: Int, isThrottled: Bool, random: Double) -> Double {
        let base = isThrottled ? throttledBaseDelaySeconds : baseDelaySeconds
        let doubled = base * Double(1 << UInt64(min(max(attempt - 1, 0), 30)))
        return random * min(maximumDelaySeconds, doubled)
    }
}
