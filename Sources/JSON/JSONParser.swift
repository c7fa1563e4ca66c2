import TextForms

/// Reads a JSON text from its bytes, one pass and one byte of look-ahead.
struct JSONParser {
    private let bytes: [UInt8]
    private var place = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(JSONFault) -> JSONValue {
        if let offsetBytes = Self.firstFaultyByte(bytes) {
            throw JSONFault(reason: "it is not UTF-8", offsetBytes: offsetBytes)
        }
        let value = try value(depth: 0)
        skipSpace()
        guard place == bytes.count else { throw fault("something follows the value") }
        return value
    }

    /// Where bytes stop being UTF-8; nil when they are.
    private static func firstFaultyByte(_ bytes: [UInt8]) -> Int? {
        if String(validating: bytes, as: UTF8.self) != nil { return nil }
        var parser = Unicode.UTF8.ForwardParser()
        var rest = bytes.makeIterator()
        var place = 0
        while case .valid(let scalar) = parser.parseScalar(from: &rest) { place += scalar.count }
        return place
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
        case UInt8(ascii: "t"):
            try word("true")
            content = .bool(true)
        case UInt8(ascii: "f"):
            try word("false")
            content = .bool(false)
        case UInt8(ascii: "n"):
            try word("null")
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

    /// A string. What stands between two escapes is taken in one piece.
    private mutating func text() throws(JSONFault) -> String {
        place += 1
        var text: [UInt8] = []
        var start = place
        while let byte = peek {
            switch byte {
            case UInt8(ascii: "\""):
                let last = bytes[start..<place]
                place += 1
                return String(decoding: text.isEmpty ? last : text + last, as: UTF8.self)
            case UInt8(ascii: "\\"):
                text += bytes[start..<place]
                place += 1
                try escape(into: &text)
                start = place
            case 0..<0x20: throw fault("text holds a control character")
            default: place += 1
            }
        }
        throw fault("text does not end")
    }

    /// What stands behind a backslash.
    private mutating func escape(into text: inout [UInt8]) throws(JSONFault) {
        guard let byte = peek else { throw fault("text does not end") }
        let meant: UInt8
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): meant = byte
        case UInt8(ascii: "b"): meant = 0x08
        case UInt8(ascii: "f"): meant = 0x0C
        case UInt8(ascii: "n"): meant = 0x0A
        case UInt8(ascii: "r"): meant = 0x0D
        case UInt8(ascii: "t"): meant = 0x09
        case UInt8(ascii: "u"):
            place += 1
            text += String(try scalar()).utf8
            return
        default: throw fault("an unknown escape")
        }
        place += 1
        text.append(meant)
    }

    /// The digits behind `\u`, and those of the second half where a character needs two (RFC 8259, section 7).
    private mutating func scalar() throws(JSONFault) -> Unicode.Scalar {
        let first = try unit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard UTF16.isLeadSurrogate(first), take("\\"), take("u") else { throw fault("half a character is escaped") }
        let second = try unit()
        guard UTF16.isTrailSurrogate(second) else { throw fault("half a character is escaped") }
        return UTF16.decode(UTF16.EncodedScalar([first, second]))
    }

    private mutating func unit() throws(JSONFault) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = peek.flatMap(Hexadecimal.value) else { throw fault("an escape has too few digits") }
            value = value << 4 | UInt16(digit)
            place += 1
        }
        return value
    }

    private mutating func word(_ word: StaticString) throws(JSONFault) {
        let isThere = word.withUTF8Buffer { bytes[place...].starts(with: $0) }
        guard isThere else { throw fault("an unknown word") }
        place += word.utf8CodeUnitCount
    }

    /// RFC 8259, section 6: no zero before other digits, and a digit on each side of the point.
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
