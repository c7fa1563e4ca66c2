import Logging

/// Writes JSON (RFC 8259) into a buffer of bytes, one pass, no tree.
struct JSONText {
    private(set) var bytes: [UInt8] = []
    /// No string gets longer than this in bytes of the text it stands for; what is cut ends in `…`.
    let maximumStringBytes: Int
    /// Whether a string was cut.
    private(set) var isCut = false

    init(maximumStringBytes: Int) { self.maximumStringBytes = maximumStringBytes }

    /// Appends text that is JSON already.
    mutating func append(raw text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Appends a number that is written as JSON writes it.
    mutating func append(number text: String) { bytes.append(contentsOf: text.utf8) }

    /// Appends a name and its colon, after a comma where one is due.
    mutating func append(name: String) {
        if let last = bytes.last, last != UInt8(ascii: "{") { bytes.append(UInt8(ascii: ",")) }
        append(string: name)
        bytes.append(UInt8(ascii: ":"))
    }

    /// Appends a string.
    mutating func append(string text: String) {
        bytes.append(UInt8(ascii: "\""))
        var room = maximumStringBytes
        for scalar in text.unicodeScalars {
            room -= UTF8.width(scalar)
            guard room >= 0 else {
                bytes.append(contentsOf: "…".utf8)
                isCut = true
                break
            }
            append(scalar)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends one scalar of a string, escaped where JSON demands it or where a line could look like what it is not.
    mutating func append(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": append(raw: #"\""#)
        case "\\": append(raw: #"\\"#)
        case "\n": append(raw: #"\n"#)
        case "\r": append(raw: #"\r"#)
        case "\t": append(raw: #"\t"#)
        case _ where Self.isMisleading(scalar):
            // All of them lie below U+10000, where one escape is enough.
            append(raw: #"\u"#)
            for shift in [12, 8, 4, 0] as [UInt32] { bytes.append(Self.digits[Int(scalar.value >> shift & 15)]) }
        default: bytes.append(contentsOf: String(scalar).utf8)
        }
    }

    /// Control characters, which end lines or steer terminals; the line and paragraph separators; and the marks that
    /// turn the direction of writing, so that a name reads as another (Unicode Technical Report 36, section 2.7).
    static func isMisleading(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F...0x9F, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)
}

extension JSONText {
    /// Appends a metadata value: numbers and booleans as such, lists and dictionaries as such, anything else as text.
    mutating func append(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): append(string: text)
        case .stringConvertible(let value):
            if let literal = Self.literal(value) {
                append(number: literal)
            } else {
                append(string: value.description)
            }
        case .array(let values):
            append(raw: "[")
            for (index, value) in values.enumerated() {
                if index > 0 { append(raw: ",") }
                append(value)
            }
            append(raw: "]")
        case .dictionary(let values):
            append(raw: "{")
            for (name, value) in values.sorted(by: { $0.key < $1.key }) {
                append(name: name)
                append(value)
            }
            append(raw: "}")
        }
    }

    /// A value as a JSON literal; nil when it is to be text. JSON has no infinity and no NaN.
    private static func literal(_ value: any CustomStringConvertible) -> String? {
        switch value {
        case let value as Bool: value ? "true" : "false"
        case let value as any BinaryInteger: String(describing: value)
        case let value as Double: value.isFinite ? value.description : nil
        case let value as Float: value.isFinite ? value.description : nil
        default: nil
        }
    }
}
