/// A value of a JSON text (RFC 8259) that knows the bytes it was read from: what cannot be understood is passed on
/// exactly as it came. Foundation's decoder does not tell the bytes, and it ends at a depth that is not ours to choose.
struct JSONValue: Sendable {
    enum Content: Sendable {
        case object([Member])
        case array([JSONValue])
        case text(String)
        case number
        case bool(Bool)
        case null
    }

    struct Member: Sendable {
        let name: String
        let value: JSONValue
    }

    let content: Content
    /// The value as it stands in the text.
    let source: ArraySlice<UInt8>

    /// How deep arrays and objects may lie in one another. An S3 event has six levels; each wrapper adds a few.
    static let maximumDepth = 64

    /// Reads a text.
    init(parsing bytes: [UInt8]) throws(JSONFault) {
        var parser = JSONParser(bytes)
        self = try parser.document()
    }

    fileprivate init(_ content: Content, _ source: ArraySlice<UInt8>) {
        self.content = content
        self.source = source
    }

    /// The member of this name, if this is an object that has one. Of several the last counts, as in JavaScript. Null
    /// is as good as nothing: AWS writes either for what does not apply.
    subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = content,
            let member = members.last(where: { $0.name.utf8.elementsEqual(name.utf8) })
        else { return nil }
        if case .null = member.value.content { return nil }
        return member.value
    }

    var text: String? { if case .text(let text) = content { text } else { nil } }

    var elements: [JSONValue]? { if case .array(let elements) = content { elements } else { nil } }

    var isObject: Bool { if case .object = content { true } else { false } }

    /// The number, if this is one, whole, and not negative.
    var unsignedInteger: UInt64? {
        guard case .number = content else { return nil }
        return UInt64(String(decoding: source, as: UTF8.self))
    }

    /// What kind of value this is, in JSON's own words.
    var kind: String {
        switch content {
        case .object: "an object"
        case .array: "an array"
        case .text: "text"
        case .number: "a number"
        case .bool: "true or false"
        case .null: "null"
        }
    }
}

/// Why a text is not JSON, and where.
struct JSONFault: Error, Hashable, Sendable {
    let reason: String
    let offsetBytes: Int
}

private struct JSONParser {
    private let bytes: [UInt8]
    private var place = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(JSONFault) -> JSONValue {
        guard String(validating: bytes, as: UTF8.self) != nil else { throw fault("it is not UTF-8") }
        let value = try value(depth: 0)
        skipSpace()
        guard place == bytes.count else { throw fault("something follows the value") }
        return value
    }

    private mutating func value(depth: Int) throws(JSONFault) -> JSONValue {
        guard depth <= JSONValue.maximumDepth else {
            throw fault("it is nested deeper than \(JSONValue.maximumDepth) levels")
        }
        skipSpace()
        let start = place
        let content: JSONValue.Content
        switch peek {
        case UInt8(ascii: "{"): content = .object(try members(depth: depth + 1))
        case UInt8(ascii: "["): content = .array(try elements(depth: depth + 1))
        case UInt8(ascii: "\""): content = .text(try text())
        case UInt8(ascii: "t"): content = .bool(try word("true", true))
        case UInt8(ascii: "f"): content = .bool(try word("false", false))
        case UInt8(ascii: "n"):
            _ = try word("null", true)
            content = .null
        default:
            try number()
            content = .number
        }
        return JSONValue(content, bytes[start..<place])
    }

    private mutating func members(depth: Int) throws(JSONFault) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        place += 1
        skipSpace()
        if take("}") { return members }
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw fault("a name is missing") }
            let name = try text()
            skipSpace()
            guard take(":") else { throw fault("a colon is missing") }
            members.append(JSONValue.Member(name: name, value: try value(depth: depth)))
            skipSpace()
        } while take(",")
        guard take("}") else { throw fault("an object does not end") }
        return members
    }

    private mutating func elements(depth: Int) throws(JSONFault) -> [JSONValue] {
        var elements: [JSONValue] = []
        place += 1
        skipSpace()
        if take("]") { return elements }
        repeat {
            elements.append(try value(depth: depth))
            skipSpace()
        } while take(",")
        guard take("]") else { throw fault("an array does not end") }
        return elements
    }

    private mutating func text() throws(JSONFault) -> String {
        var text: [UInt8] = []
        place += 1
        while let byte = peek {
            place += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text += Array(try escape().utf8)
            case 0..<0x20: throw fault("text holds a control character")
            default: text.append(byte)
            }
        }
        throw fault("text does not end")
    }

    /// What stands behind a backslash.
    private mutating func escape() throws(JSONFault) -> String {
        guard let byte = peek else { throw fault("text does not end") }
        place += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return String(UnicodeScalar(byte))
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            var units = [try unit()]
            if UTF16.isLeadSurrogate(units[0]) {
                guard take("\\"), take("u") else { throw fault("half a character is escaped") }
                units.append(try unit())
            }
            guard let text = String(validating: units, as: UTF16.self) else {
                throw fault("half a character is escaped")
            }
            return text
        default: throw fault("an unknown escape")
        }
    }

    private mutating func unit() throws(JSONFault) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = peek.flatMap(hexadecimalValue) else { throw fault("an escape has too few digits") }
            value = value << 4 | UInt16(digit)
            place += 1
        }
        return value
    }

    private mutating func word<Value>(_ word: String, _ value: Value) throws(JSONFault) -> Value {
        guard bytes[place...].starts(with: word.utf8) else { throw fault("an unknown word") }
        place += word.utf8.count
        return value
    }

    private mutating func number() throws(JSONFault) {
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
        }
    }

    private mutating func digits() throws(JSONFault) {
        let start = place
        while let byte = peek, (0x30...0x39).contains(byte) { place += 1 }
        guard place > start else { throw fault(start == bytes.count ? "it ends too early" : "a value is missing") }
    }

    private var peek: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { place += 1 }
    }

    private func fault(_ reason: String) -> JSONFault { JSONFault(reason: reason, offsetBytes: place) }
}

/// The value of a hexadecimal digit.
func hexadecimalValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
}

/// Text as a JSON string with its quotes (RFC 8259, section 7).
func jsonString(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\u{0}"..<" ": result += unicodeEscape(scalar)
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}

/// `\u` and four digits, for a scalar of at most U+FFFF.
func unicodeEscape(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16)
    return "\\u" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
}
