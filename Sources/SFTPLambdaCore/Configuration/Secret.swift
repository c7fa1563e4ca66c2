/// Text that must not be seen: a key, a password, a passphrase. However it is printed, dumped, reflected, encoded or
/// logged, it says `<redacted>`; only `revealed` gives it away.
public struct Secret: Sendable, Hashable {
    /// The secret itself. Hand it to what needs it, and to nothing that describes itself.
    public let revealed: String

    /// Wraps a secret.
    public init(_ text: String) { revealed = text }

    /// What stands for every secret.
    public static let redacted = "<redacted>"
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable, Encodable {
    /// `<redacted>`
    public var description: String { Self.redacted }

    /// `<redacted>`
    public var debugDescription: String { Self.redacted }

    /// A mirror without children, so that `dump` and string interpolation of what holds a secret do not show it.
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>(), displayStyle: .struct) }

    /// Encodes `<redacted>`: a secret leaves the process on purpose only, never as part of something else.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Self.redacted)
    }
}
