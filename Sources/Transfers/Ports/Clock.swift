/// A point in time in whole seconds since 1970-01-01 00:00:00 UTC, as SFTP version 3 and HTTP dates have it.
public struct UnixTime: Hashable, Comparable, Sendable {
    /// Seconds since the epoch.
    public var seconds: Int64

    /// Makes a time.
    public init(seconds: Int64) { self.seconds = seconds }

    /// Earlier is less.
    public static func < (first: UnixTime, second: UnixTime) -> Bool { first.seconds < second.seconds }

    /// The time so many seconds later.
    public static func + (time: UnixTime, seconds: Int64) -> UnixTime { UnixTime(seconds: time.seconds + seconds) }
}

/// The time of day, and the time that is left. The rules read no other clock.
public protocol Clock: Sendable {
    /// The time of day.
    var now: UnixTime { get }

    /// Seconds on a clock that only runs forward, from any origin.
    var uptimeSeconds: Double { get }

    /// Returns when `uptimeSeconds` has reached the given time, or the task is cancelled.
    func wait(untilUptimeSeconds time: Double) async
}
