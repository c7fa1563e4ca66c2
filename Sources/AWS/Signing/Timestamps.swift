/// Points in time in the forms that AWS uses, in the Gregorian calendar and UTC.
enum Timestamps {
    /// `20150830T123600Z`, as signatures have it.
    static func basicISO8601(epochSeconds: Int64) -> String {
        let (year, month, day) = civil(days: floorDivide(epochSeconds, 86400))
        let second = epochSeconds - floorDivide(epochSeconds, 86400) * 86400
        return padded(year, 4) + padded(month, 2) + padded(day, 2) + "T" + padded(second / 3600, 2)
            + padded(second / 60 % 60, 2) + padded(second % 60, 2) + "Z"
    }

    /// Seconds since 1970 of an RFC 3339 time such as `2026-01-02T03:04:05.678Z`; nil when it is none. Fractions are
    /// dropped.
    static func parseISO8601(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            bytes[10] | 0x20 == UInt8(ascii: "t"), bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"),
            let year = number(bytes[0..<4]), let month = number(bytes[5..<7]), let day = number(bytes[8..<10]),
            let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]), let second = number(bytes[17..<19]),
            let seconds = epochSeconds(year, month, day, hour, minute, second)
        else { return nil }
        var rest = bytes[19...]
        if rest.first == UInt8(ascii: ".") { rest = rest.dropFirst().drop { (0x30...0x39).contains($0) } }
        if rest.elementsEqual("Z".utf8) || rest.elementsEqual("z".utf8) { return seconds }
        let zone = Array(rest)
        guard zone.count == 6, zone[3] == UInt8(ascii: ":"), let zoneHour = number(zone[1..<3]),
            let zoneMinute = number(zone[4..<6]), zoneHour < 24, zoneMinute < 60
        else { return nil }
        let offset = zoneHour * 3600 + zoneMinute * 60
        switch zone[0] {
        case UInt8(ascii: "+"): return seconds - offset
        case UInt8(ascii: "-"): return seconds + offset
        default: return nil
        }
    }

    /// Seconds since 1970 of an HTTP date in its preferred form, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7);
    /// nil when it is none.
    static func parseHTTPDate(_ text: String) -> Int64? {
        let fields = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: true)
        guard fields.count == 6, fields[5].elementsEqual("GMT".utf8) else { return nil }
        let clock = fields[4].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        let month = months.firstIndex { fields[2].elementsEqual($0.utf8) }
        guard clock.count == 3, let month, let day = number(Array(fields[1])), let year = number(Array(fields[3])),
            let hour = number(Array(clock[0])), let minute = number(Array(clock[1])),
            let second = number(Array(clock[2]))
        else { return nil }
        return epochSeconds(year, Int64(month) + 1, day, hour, minute, second)
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static func number(_ digits: some Collection<UInt8>) -> Int64? {
        guard (1...4).contains(digits.count) else { return nil }
        var value: Int64 = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            value = value * 10 + Int64(digit - 0x30)
        }
        return value
    }

    private static func epochSeconds(
        _ year: Int64, _ month: Int64, _ day: Int64, _ hour: Int64, _ minute: Int64, _ second: Int64
    ) -> Int64? {
        // Second 60 is a leap second.
        guard (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60 else { return nil }
        return days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    }

    /// Days since 1970-01-01, counting years from March so that the leap day is the last of its year.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = floorDivide(shifted, 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719468
    }

    /// The inverse of `days`.
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719468
        let era = floorDivide(shifted, 146097)
        let dayOfEra = shifted - era * 146097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : -((-value + divisor - 1) / divisor)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}
