import Transfers

/// Text of others as it may be shown on a terminal: no control character gets there, and nothing turns the line around.
enum Printed {
    /// How much of one piece is shown.
    static let maximumScalars = 4096

    /// Text of any origin, on one line.
    static func text(_ text: String) -> String {
        var shown = String.UnicodeScalarView()
        for (index, scalar) in text.unicodeScalars.enumerated() {
            guard index < maximumScalars else {
                shown.append("…")
                break
            }
            if isSafe(scalar) { shown.append(scalar) } else { shown += Array(escaped(scalar).unicodeScalars) }
        }
        return String(shown)
    }

    /// A word that somebody gave, in quotes.
    static func word(_ word: String) -> String { "'\(text(word))'" }

    /// A whole number with its thousands divided: `21,272,588`.
    static func number(_ value: some BinaryInteger) -> String {
        var digits = Array(String(value))
        var place = digits.count - 3
        while place > (value < 0 ? 1 : 0) {
            digits.insert(",", at: place)
            place -= 3
        }
        return String(digits)
    }

    /// Text with blanks up to a width, behind it or before it.
    static func padded(_ text: String, _ width: Int, onTheLeft isOnTheLeft: Bool = false) -> String {
        let blanks = String(repeating: " ", count: max(0, width - text.count))
        return isOnTheLeft ? blanks + text : text + blanks
    }

    /// A number of things: `1 file`, `8 files`.
    static func count(_ value: some BinaryInteger, _ thing: String) -> String {
        "\(number(value)) \(thing)\(value == 1 ? "" : "s")"
    }

    /// A time that something took: `0.7 s`, `12 s`, `3 min 5 s`.
    static func duration(milliseconds: Int64) -> String {
        guard milliseconds >= 10_000 else { return "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s" }
        let seconds = milliseconds / 1000
        return seconds < 60 ? "\(seconds) s" : "\(seconds / 60) min \(seconds % 60) s"
    }

    private static func isSafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String { "\\u{\(String(scalar.value, radix: 16))}" }
}
