import Glibc

/// Time and chance, as the AWS clients see them. Tests give their own.
public struct AWSClock: Sendable {
    /// Seconds since 1970.
    public var epochSeconds: @Sendable () -> Double
    /// Seconds on a clock that only runs forward. Deadlines are points on it.
    public var uptimeSeconds: @Sendable () -> Double
    /// Waits so many seconds; throws when the task is cancelled.
    public var sleep: @Sendable (Double) async throws -> Void
    /// A number from 0 up to but not including 1.
    public var random: @Sendable () -> Double

    /// Makes a clock.
    public init(
        epochSeconds: @escaping @Sendable () -> Double, uptimeSeconds: @escaping @Sendable () -> Double,
        sleep: @escaping @Sendable (Double) async throws -> Void, random: @escaping @Sendable () -> Double
    ) {
        self.epochSeconds = epochSeconds
        self.uptimeSeconds = uptimeSeconds
        self.sleep = sleep
        self.random = random
    }

    /// The clocks of the machine.
    public static let system = AWSClock(
        epochSeconds: { read(CLOCK_REALTIME) },
        uptimeSeconds: { read(CLOCK_MONOTONIC) },
        sleep: { try await Task.sleep(nanoseconds: UInt64($0 * 1_000_000_000)) },
        random: { Double.random(in: 0..<1) })

    private static func read(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1_000_000_000
    }
}
