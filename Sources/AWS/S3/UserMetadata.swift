import HTTP
import TextForms

/// User metadata as header fields.
///
/// S3 takes values that are not plain ASCII as encoded words of RFC 2047 and answers with them so (Amazon S3 User Guide,
/// "Working with object metadata"); the SDKs that take such values at all do the same.
enum UserMetadata {
    static let prefix = "x-amz-meta-"
    /// The limit of S3 on all names and values together, in bytes of UTF-8.
    static let maximumBytes = 2048

    /// The fields for metadata, or why there are none.
    static func fields(_ metadata: [String: String]) throws(AWSRejection) -> [HTTPHeaders.Field] {
        let total = metadata.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard total <= maximumBytes else {
            throw AWSRejection("the metadata has \(total) bytes; S3 takes \(maximumBytes)")
        }
        var fields: [HTTPHeaders.Field] = []
        for (name, value) in metadata.sorted(by: { $0.key < $1.key }) {
            guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte) else {
                throw AWSRejection("'\(printable(name))' cannot be the name of metadata: it must be a header name")
            }
            fields.append(.init(name: prefix + Text.lowercasedASCII(name), value: encoded(value)))
        }
        return fields
    }

    /// The metadata in the fields of a response; names in lower case.
    static func read(_ headers: HTTPHeaders) -> [String: String] {
        var metadata: [String: String] = [:]
        for field in headers {
            let name = Text.lowercasedASCII(field.name)
            guard name.utf8.starts(with: prefix.utf8) else { continue }
            let key = String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
            let value = decoded(field.value)
            metadata[key] = metadata[key].map { "\($0),\(value)" } ?? value
        }
        return metadata
    }

    /// A value as it is sent: as it stands if it survives the way so, else as encoded words.
    static func encoded(_ value: String) -> String {
        let isPlain = value.utf8.allSatisfy { (0x20..<0x7F).contains($0) }
        let hasEdges = value.utf8.first == 0x20 || value.utf8.last == 0x20
        // What looks like an encoded word would be decoded on the way.
        if isPlain && !hasEdges && !containsEncodedWord(value) { return value }
        var words: [String] = []
        var piece: [UInt8] = []
        for scalar in value.unicodeScalars {
            let bytes = Array(String(scalar).utf8)
            if piece.count + bytes.count > maximumWordBytes {
                words.append(word(piece))
                piece = []
            }
            piece += bytes
        }
        words.append(word(piece))
        return words.joined(separator: " ")
    }

    /// The text that a received value stands for. What is no encoded word stays as it is.
    static func decoded(_ value: String) -> String {
        guard containsEncodedWord(value) else { return value }
        var result: [UInt8] = []
        var gap: [UInt8] = []
        var lastWasEncoded = false
        var rest = Array(value.utf8)[...]
        while !rest.isEmpty {
            let space = rest.prefix { $0 == 0x20 || $0 == 0x09 }
            gap = Array(space)
            rest = rest.dropFirst(space.count)
            let token = rest.prefix { $0 != 0x20 && $0 != 0x09 }
            rest = rest.dropFirst(token.count)
            let content = decodedWord(token)
            // White space between two encoded words belongs to the encoding (RFC 2047, section 6.2).
            if !(lastWasEncoded && content != nil) { result += gap }
            result += content ?? Array(token)
            lastWasEncoded = content != nil
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// 45 bytes are 60 digits of base 64; with its frame a word may have 75 (RFC 2047, section 2).
    private static let maximumWordBytes = 45

    private static func word(_ bytes: [UInt8]) -> String { "=?UTF-8?B?\(Base64.encode(bytes))?=" }

    private static func containsEncodedWord(_ value: String) -> Bool {
        value.utf8.split { $0 == 0x20 || $0 == 0x09 }.contains { decodedWord($0) != nil }
    }

    private static func decodedWord(_ token: some Collection<UInt8>) -> [UInt8]? {
        let parts = token.split(separator: UInt8(ascii: "?"), omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].elementsEqual("=".utf8), parts[4].elementsEqual("=".utf8) else { return nil }
        let charset = Text.lowercasedASCII(String(decoding: parts[1], as: UTF8.self))
        let content: [UInt8]?
        switch Text.lowercasedASCII(String(decoding: parts[2], as: UTF8.self)) {
        case "b": content = Base64.decode(padded: parts[3])
        case "q": content = quotedDecoded(Array(parts[3]))
        default: content = nil
        }
        guard let content else { return nil }
        switch charset {
        case "utf-8", "us-ascii": return content
        case "iso-8859-1": return content.flatMap { Array(String(Unicode.Scalar($0)).utf8) }
        default: return nil
        }
    }

    private static func quotedDecoded(_ bytes: [UInt8]) -> [UInt8]? {
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "_"): result.append(0x20)
            case UInt8(ascii: "="):
                guard index + 2 < bytes.count, let high = Hexadecimal.value(bytes[index + 1]),
                    let low = Hexadecimal.value(bytes[index + 2])
                else { return nil }
                result.append(high << 4 | low)
                index += 2
            default: result.append(bytes[index])
            }
            index += 1
        }
        return result
    }

    /// The bytes of a header name (RFC 9110, section 5.6.2).
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

/// A request that is refused before it is sent.
struct AWSRejection: Error, Sendable, Hashable {
    var message: String

    init(_ message: String) { self.message = message }
}
