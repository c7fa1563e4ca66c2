/// What tells one version of an object's content from another. S3 writes it with quotes in headers and EventBridge and
/// S3 notifications write it without: here they are the same.
public struct ETag: Hashable, Sendable, CustomStringConvertible {
    /// The tag without quotes.
    public let text: String

    /// Makes a tag from any of its forms; nil when there is nothing in it.
    public init?(_ text: String) {
        var bytes = text.utf8.drop { $0 == 0x20 }
        while bytes.last == 0x20 { bytes = bytes.dropLast() }
        if bytes.count >= 2, bytes.first == UInt8(ascii: "\""), bytes.last == UInt8(ascii: "\"") {
            bytes = bytes.dropFirst().dropLast()
        }
        guard !bytes.isEmpty, bytes.count <= Self.maximumBytes, let text = String(validating: bytes, as: UTF8.self),
            bytes.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: ",") })
        else { return nil }
        self.text = text
    }

    /// The longest tag that is taken. Those of S3 have 32 digits and, for multipart objects, up to 6 characters more.
    public static let maximumBytes = 128

    /// The tag as headers such as `If-Match` have it.
    public var quoted: String { "\"\(text)\"" }

    /// The tag without quotes.
    public var description: String { text }
}
