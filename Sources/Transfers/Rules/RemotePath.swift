/// A path on the partner's server: bytes, as SFTP has them (draft-ietf-secsh-filexfer-02, section 3 names no
/// character set). Two paths are the same only if their bytes are: Swift's `String` would call the composed and the
/// decomposed form of an accented letter equal, and two files would become one.
public struct RemotePath: Hashable, Sendable, CustomStringConvertible {
    /// The path, without NUL. A path not beginning with `/` counts from the login directory.
    public let bytes: [UInt8]

    /// Makes a path from bytes. Repeated slashes and slashes at the end are dropped; nothing else is interpreted.
    public init(bytes: some Sequence<UInt8>) {
        var clean: [UInt8] = []
        clean.reserveCapacity(bytes.underestimatedCount)
        for byte in bytes where !(byte == Self.slash && clean.last == Self.slash) { clean.append(byte) }
        if clean.count > 1 && clean.last == Self.slash { clean.removeLast() }
        self.bytes = clean
    }

    private init(clean: [UInt8]) { bytes = clean }

    /// Makes a path from text.
    public init(_ text: String) { self.init(bytes: text.utf8) }

    /// The path of `name` inside this directory. `name` must be a valid `RemoteName`, so it cannot lead elsewhere.
    public func appending(_ name: RemoteName) -> RemotePath {
        // Only the root ends in a slash, and there is none in a name.
        let isSlashNeeded = !bytes.isEmpty && bytes.last != Self.slash
        return RemotePath(clean: bytes + (isSlashNeeded ? [Self.slash] : []) + name.bytes)
    }

    /// The directory that holds what is at the path: the root's is the root.
    var parent: RemotePath {
        guard let last = bytes.lastIndex(of: Self.slash) else { return RemotePath(clean: []) }
        return RemotePath(clean: Array(bytes[..<max(last, 1)]))
    }

    /// The path as text for people: see `printable(_:)`.
    public var description: String { bytes.isEmpty ? "." : printable(bytes) }

    private static let slash = UInt8(ascii: "/")
}

/// One name inside a directory: never empty, `.` or `..`, without `/` and NUL, and of at most 1,024 bytes. Only such
/// names are followed (P1).
public struct RemoteName: Hashable, Sendable, CustomStringConvertible {
    /// The name's bytes.
    public let bytes: [UInt8]

    /// Makes a name, or nil when the bytes are not one.
    public init?(bytes: [UInt8]) {
        guard (1...Self.maximumBytes).contains(bytes.count), bytes != Array(".".utf8), bytes != Array("..".utf8) else {
            return nil
        }
        guard !bytes.contains(UInt8(ascii: "/")), !bytes.contains(0) else { return nil }
        self.bytes = bytes
    }

    /// The name as text for people: see `printable(_:)`.
    public var description: String { printable(bytes) }

    /// The longest name in bytes: file systems have up to 255 characters of 3 bytes, and no key of S3 is longer.
    public static let maximumBytes = 1024

    /// The directory that holds what was pulled from its parent (P2).
    public static let done = RemoteName(checked: Array(".done".utf8))

    /// `.sftp-lambda`, no directory of the partner's: keys below one of that name are those of `Checkpoint`.
    public static let ours = RemoteName(checked: Array(".sftp-lambda".utf8))

    private init(checked: [UInt8]) { bytes = checked }
}

/// Bytes as text that is safe in a log: valid UTF-8 stays, control characters and other bytes become `\xNN`.
public func printable(_ bytes: some Collection<UInt8>) -> String {
    let text = String(decoding: bytes, as: UTF8.self)
    let isValid = text.utf8.elementsEqual(bytes)
    var result = ""
    if isValid {
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            result += isControl ? escaped(UInt8(truncatingIfNeeded: scalar.value)) : String(scalar)
        }
    } else {
        for byte in bytes { result += (0x20..<0x7F).contains(byte) ? String(UnicodeScalar(byte)) : escaped(byte) }
    }
    return result
}

private func escaped(_ byte: UInt8) -> String {
    let digits = Array("0123456789abcdef".unicodeScalars)
    return "\\x" + String(digits[Int(byte >> 4)]) + String(digits[Int(byte & 15)])
}
