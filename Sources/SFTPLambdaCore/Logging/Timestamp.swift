import Glibc

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
        let (days, millisecond) = floorDivided(epochMilliseconds, by: 86_400_000)
        let (year, month, day) = civil(days: days)
        let second = millisecond / 1000
        return padded(year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2) + "T" + padded(second / 3600, 2) + ":"
            + padded(second / 60 % 60, 2) + ":" + padded(second % 60, 2) + "." + padded(millisecond % 1000, 3) + "Z"
    }

    /// The date so many days after 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap
    /// day is the last of its year, and in eras of 400 years, which all have the same length.
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let daysOfEra: Int64 = 146_097
        let (era, day) = floorDivided(days + 719_468, by: daysOfEra)
        let year = (day - day / 1460 + day / 36_524 - day / (daysOfEra - 1)) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (year + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }

    private static func floorDivided(_ value: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
