import Glibc

/// The time of day, and a clock that only runs forward.
public protocol RuntimeClock: Sendable {
    /// Milliseconds since 1970-01-01 00:00:00 UTC.
    var epochMilliseconds: Int64 { get }

    /// Seconds on a clock that only runs forward, from any origin.
    var uptimeSeconds: Double { get }
}

/// The machine's clocks.
public struct SystemRuntimeClock: RuntimeClock {
    /// Makes a clock.
    public init() {}

    /// CLOCK_REALTIME.
    public var epochMilliseconds: Int64 {
        let time = read(CLOCK_REALTIME)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// CLOCK_MONOTONIC.
    public var uptimeSeconds: Double {
        let time = read(CLOCK_MONOTONIC)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        let status = clock_gettime(clock, &time)
        precondition(status == 0, "Linux always has this clock")
        return time
    }
}
