import Glibc
import Transfers

/// Points in time as log lines have them.
enum Timestamp {
    /// Milliseconds since 1970-01-01 00:00:00 UTC, now.
    static func epochMilliseconds() -> Int64 {
        var time = timespec()
        let status = clock_gettime(CLOCK_REALTIME, &time)
        precondition(status == 0, "Linux always has this clock")
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// `2026-01-02T03:04:05.678Z` (RFC 3339, section 5.6), for the years 0 to 9999.
    static func rfc3339(epochMilliseconds: Int64) -> String {
        let millisecond = (epochMilliseconds % 1000 + 1000) % 1000
        let second = UnixTime(seconds: (epochMilliseconds - millisecond) / 1000)
        let digits = String(1000 + millisecond).dropFirst()
        return "\(second.rfc3339.dropLast()).\(digits)Z"
    }
}
