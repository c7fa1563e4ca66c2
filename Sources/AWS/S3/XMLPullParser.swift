/// What is wrong with an XML document.
struct XMLError: Error, Sendable, Hashable, CustomStringConvertible {
    var description: String
}

/// One step through an XML document.
enum XMLEvent: Sendable, Hashable {
    /// A start tag, without the prefix of its name. Attributes are checked and dropped: none of theirs matters.
    case start(String)
    /// An end tag, an empty element's included.
    case end(String)
    /// Character data with its references resolved.
    case text(String)
}

/// Reads the XML that S3 and STS answer with (XML 1.0, UTF-8), and nothing more: no DTD, so no entities but the five
/// predefined ones. Any input ends in events or an `XMLError`.
struct XMLPullParser {
    /// The most elements inside one another.
    static let maximumDepth = 32
    static let maximumNameBytes = 256

    private let bytes: [UInt8]
    private var position = 0
    private var open: [String] = []
    private var pendingEnd: String?
    private var hasRoot = false

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    /// The next event; nil at the end of a whole document.
    mutating func next() throws(XMLError) -> XMLEvent? {
        if let name = pendingEnd {
            pendingEnd = nil
            return .end(name)
        }
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "<") {
                if let event = try markup() { return event }
            } else if let event = try characters() {
                return event
            }
        }
        guard open.isEmpty, hasRoot else { throw XMLError(description: "the document ends too early") }
        return nil
    }

    private mutating func markup() throws(XMLError) -> XMLEvent? {
        if skip("<!--") {
            try skipBehind("-->")
            return nil
        }
        if skip("<?") {
            try skipBehind("?>")
            return nil
        }
        if skip("<![CDATA[") {
            guard !open.isEmpty else { throw XMLError(description: "text outside the root element") }
            let start = position
            try skipBehind("]]>")
            return .text(String(decoding: bytes[start..<position - 3], as: UTF8.self))
        }
        if skip("<!") { throw XMLError(description: "a document type definition") }
        return skip("</") ? try endTag() : try startTag()
    }

    private mutating func endTag() throws(XMLError) -> XMLEvent {
        let name = try name()
        skipSpace()
        guard skip(">") else { throw XMLError(description: "a malformed end tag") }
        guard let last = open.popLast(), last.utf8.elementsEqual(name.utf8) else {
            throw XMLError(description: "an end tag that closes nothing")
        }
        return .end(Self.local(name))
    }

    private mutating func startTag() throws(XMLError) -> XMLEvent {
        position += 1
        let name = try name()
        guard !open.isEmpty || !hasRoot else { throw XMLError(description: "more than one root element") }
        hasRoot = true
        while true {
            skipSpace()
            if skip("/>") {
                pendingEnd = Self.local(name)
                return .start(Self.local(name))
            }
            if skip(">") { break }
            try attribute()
        }
        guard open.count < Self.maximumDepth else { throw XMLError(description: "elements nested too deep") }
        open.append(name)
        return .start(Self.local(name))
    }

    private mutating func attribute() throws(XMLError) {
        _ = try name()
        skipSpace()
        guard skip("=") else { throw XMLError(description: "an attribute without a value") }
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") || bytes[position] == UInt8(ascii: "'")
        else {
            throw XMLError(description: "an attribute without quotes")
        }
        let quote = bytes[position]
        position += 1
        while position < bytes.count, bytes[position] != quote { position += 1 }
        guard position < bytes.count else { throw XMLError(description: "an attribute without an end") }
        position += 1
    }

    private mutating func characters() throws(XMLError) -> XMLEvent? {
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "<") { position += 1 }
        let raw = bytes[start..<position]
        if open.isEmpty {
            guard raw.allSatisfy(Self.isSpace) else { throw XMLError(description: "text outside the root element") }
            return nil
        }
        guard raw.contains(UInt8(ascii: "&")) else { return .text(String(decoding: raw, as: UTF8.self)) }
        var resolved: [UInt8] = []
        var index = raw.startIndex
        while index < raw.endIndex {
            guard raw[index] == UInt8(ascii: "&") else {
                resolved.append(raw[index])
                index += 1
                continue
            }
            guard let end = raw[index...].prefix(16).firstIndex(of: UInt8(ascii: ";")) else {
                throw XMLError(description: "a reference without an end")
            }
            resolved += try Self.resolved(raw[(index + 1)..<end])
            index = end + 1
        }
        return .text(String(decoding: resolved, as: UTF8.self))
    }

    private static func resolved(_ reference: ArraySlice<UInt8>) throws(XMLError) -> [UInt8] {
        let text = String(decoding: reference, as: UTF8.self)
        switch text {
        case "lt": return [UInt8(ascii: "<")]
        case "gt": return [UInt8(ascii: ">")]
        case "amp": return [UInt8(ascii: "&")]
        case "apos": return [UInt8(ascii: "'")]
        case "quot": return [UInt8(ascii: "\"")]
        default:
            let isHexadecimal = text.utf8.starts(with: "#x".utf8)
            let digits = String(text.dropFirst(isHexadecimal ? 2 : 1))
            guard text.utf8.first == UInt8(ascii: "#"), digits.utf8.first != UInt8(ascii: "+"),
                let value = UInt32(digits, radix: isHexadecimal ? 16 : 10), value > 0,
                let scalar = Unicode.Scalar(value)
            else { throw XMLError(description: "an unknown reference") }
            return Array(String(scalar).utf8)
        }
    }

    private mutating func name() throws(XMLError) -> String {
        let start = position
        while position < bytes.count, !Self.endsName(bytes[position]) { position += 1 }
        guard position > start, position - start <= Self.maximumNameBytes else {
            throw XMLError(description: "a malformed name")
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func skip(_ text: StaticString) -> Bool {
        text.withUTF8Buffer { text in
            guard bytes[position...].starts(with: text) else { return false }
            position += text.count
            return true
        }
    }

    private mutating func skipBehind(_ text: StaticString) throws(XMLError) {
        while position < bytes.count {
            if skip(text) { return }
            position += 1
        }
        throw XMLError(description: "markup without an end")
    }

    private mutating func skipSpace() {
        while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    private static func endsName(_ byte: UInt8) -> Bool {
        isSpace(byte) || byte == UInt8(ascii: ">") || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "=")
            || byte == UInt8(ascii: "<") || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'")
            || byte == UInt8(ascii: "&")
    }

    private static func local(_ name: String) -> String {
        guard let colon = name.utf8.lastIndex(of: UInt8(ascii: ":")) else { return name }
        return String(name[name.utf8.index(after: colon)...])
    }
}

/// An element of a small document, with the text directly inside it.
struct XMLElement: Sendable, Hashable {
    var name: String
    var text = ""
    var children: [XMLElement] = []

    /// The most elements of a document: a page of 1,000 parts has about 6,000.
    static let maximumElements = 100_000

    /// Reads a whole document.
    static func parse(_ bytes: [UInt8]) throws(XMLError) -> XMLElement {
        var parser = XMLPullParser(bytes)
        var path: [XMLElement] = []
        var root: XMLElement?
        var count = 0
        while let event = try parser.next() {
            switch event {
            case .start(let name):
                count += 1
                guard count <= maximumElements else { throw XMLError(description: "too many elements") }
                path.append(XMLElement(name: name))
            case .text(let text): path[path.count - 1].text += text
            case .end:
                guard let closed = path.popLast() else { throw XMLError(description: "an end tag that closes nothing") }
                if path.isEmpty { root = closed } else { path[path.count - 1].children.append(closed) }
            }
        }
        guard let root else { throw XMLError(description: "no root element") }
        return root
    }

    /// The text of the first child of that name, without white space around it; nil when there is none.
    func value(_ name: String) -> String? {
        children.first { $0.name == name }.map { Text.trimmed($0.text) }
    }

    /// All children of that name.
    func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }

    /// Text for use inside an element.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "&": result += "&amp;"
            case "\"": result += "&quot;"
            case "\r": result += "&#13;"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
