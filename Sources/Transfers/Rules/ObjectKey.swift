/// The key of an object: UTF-8 text of 1 to 1,024 bytes, compared by its bytes (see `RemotePath` for why).
public struct ObjectKey: Sendable, CustomStringConvertible {
    /// The key as it is sent to the store.
    public let text: String

    /// Makes a key, or nil when the text is empty or longer than S3 takes.
    public init?(_ text: String) {
        guard (1...Self.maximumBytes).contains(text.utf8.count) else { return nil }
        self.text = text
    }

    /// The longest key in bytes of UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects").
    public static let maximumBytes = 1024

    /// The key as text for people: see `printable(_:)`.
    public var description: String { printable(text.utf8) }
}

extension ObjectKey: Hashable {
    /// Whether the bytes are the same.
    public static func == (first: ObjectKey, second: ObjectKey) -> Bool {
        first.text.utf8.elementsEqual(second.text.utf8)
    }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
        hasher.combine(UInt8(0xFF))
    }
}
