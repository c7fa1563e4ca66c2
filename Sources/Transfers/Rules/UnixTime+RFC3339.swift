extension UnixTime {
    /// `2026-01-02T03:04:05Z` (RFC 3339, section 5.6), for the years 0 to 9999.
    public var rfc3339: String {
        let (days, second) = Self.floorDivided(seconds, by: Self.secondsPerDay)
        let (year, month, day) = Self.civil(days: days)
        let date = Self.padded(year, 4) + "-" + Self.padded(month, 2) + "-" + Self.padded(day, 2)
        let time = [second / 3600, second / 60 % 60, second % 60].map { Self.padded($0, 2) }.joined(separator: ":")
        return date + "T" + time + "Z"
    }

    /// Reads what `rfc3339` writes; nil for anything else, other forms of RFC 3339 included.
    public init?(rfc3339 text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 20, let year = Self.number(bytes[0..<4]), let month = Self.number(bytes[5..<7]),
            let day = Self.number(bytes[8..<10]), let hour = Self.number(bytes[11..<13]),
            let minute = Self.number(bytes[14..<16]), let second = Self.number(bytes[17..<19])
        else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        self.init(seconds: days * Self.secondsPerDay + hour * 3600 + minute * 60 + second)
        // What does not come out as it went in was no date, or had other separators.
        guard rfc3339 == text else { return nil }
    }

    private static let secondsPerDay: Int64 = 86_400
    private static let daysOfEra: Int64 = 146_097
    /// Days from 0000-03-01 to 1970-01-01.
    private static let epochDays: Int64 = 719_468

    /// Years count from March, so that the leap day is the last of its year, and in eras of 400 years, which all have
    /// the same length.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let (era, yearOfEra) = floorDivided(month <= 2 ? year - 1 : year, by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * daysOfEra + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - epochDays
    }

    /// The inverse of `days`.
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, day) = floorDivided(days + epochDays, by: daysOfEra)
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

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
