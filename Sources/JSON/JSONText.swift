/// Writes JSON (RFC 8259) into a buffer of bytes, one pass, no tree.
public struct JSONText: Sendable {
    /// What has been written.
    public private(set) var bytes: [UInt8] = []
    /// No string gets longer than this in bytes of the text it stands for; what is cut ends in `…`.
    public let maximumStringBytes: Int
    /// Whether a string was cut.
    public private(set) var isCut = false

    /// Makes an empty text.
    public init(maximumStringBytes: Int = .max) { self.maximumStringBytes = maximumStringBytes }

    /// Appends text that is JSON already.
    public mutating func append(raw text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Appends a literal, such as a number as JSON writes it.
    public mutating func append(literal text: String) { bytes.append(contentsOf: text.utf8) }

    /// Appends a name and its colon, after a comma where one is due.
    public mutating func append(name: String) {
        if let last = bytes.last, last != UInt8(ascii: "{") { bytes.append(UInt8(ascii: ",")) }
        append(string: name)
        bytes.append(UInt8(ascii: ":"))
    }

    /// Appends a string.
    public mutating func append(string text: String) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { append(escaping: $0) }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends the inside of a string: in one piece what stands between two characters that have to be escaped.
    private mutating func append(escaping text: UnsafeBufferPointer<UInt8>) {
        var (start, place) = (0, 0)
        while place < text.count {
            let scalar = Self.scalar(text, at: place)
            let next = place + UTF8.width(scalar)
            guard next <= maximumStringBytes else {
                bytes.append(contentsOf: text[start..<place])
                bytes.append(contentsOf: "…".utf8)
                isCut = true
                return
            }
            if Self.isEscaped(scalar) {
                bytes.append(contentsOf: text[start..<place])
                append(scalar)
                start = next
            }
            place = next
        }
        bytes.append(contentsOf: text[start...])
    }

    /// The scalar whose first byte stands there. The bytes are a `String`'s: they are UTF-8.
    private static func scalar(_ text: UnsafeBufferPointer<UInt8>, at place: Int) -> Unicode.Scalar {
        let first = text[place]
        if first < 0x80 { return Unicode.Scalar(first) }
        let followers = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3
        var value = UInt32(first) & (0x3F >> UInt32(followers))
        for byte in text[(place + 1)...(place + followers)] { value = value << 6 | UInt32(byte & 0x3F) }
        guard let scalar = Unicode.Scalar(value) else { preconditionFailure("a String that is not UTF-8") }
        return scalar
    }

    /// Appends one scalar of a string, escaped where JSON demands it or where a line could look like what it is not.
    public mutating func append(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": append(raw: #"\""#)
        case "\\": append(raw: #"\\"#)
        case "\n": append(raw: #"\n"#)
        case "\r": append(raw: #"\r"#)
        case "\t": append(raw: #"\t"#)
        case _ where Self.isMisleading(scalar): bytes.append(contentsOf: Self.unicodeEscape(scalar).utf8)
        default: bytes.append(contentsOf: String(scalar).utf8)
        }
    }

    private static func isEscaped(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "\"" || scalar == "\\" || isMisleading(scalar)
    }

    /// Control characters, which end lines or steer terminals; the line and paragraph separators; and the marks that
    /// turn the direction of writing, so that a name reads as another (Unicode Technical Report 36, section 2.7).
    public static func isMisleading(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x20..<0x7F: false
        case 0..<0x20, 0x7F...0x9F, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }

    /// `\u` and four digits, for each unit of UTF-16: one, or two above U+FFFF.
    public static func unicodeEscape(_ scalar: Unicode.Scalar) -> String {
        var escape: [UInt8] = []
        for unit in UTF16.encode(scalar) ?? UTF16.EncodedScalar() {
            escape += [UInt8(ascii: "\\"), UInt8(ascii: "u")]
            for shift in [12, 8, 4, 0] as [UInt16] { escape.append(digits[Int(unit >> shift & 15)]) }
        }
        return String(decoding: escape, as: UTF8.self)
    }

    private static let digits = Array("0123456789abcdef".utf8)
}
