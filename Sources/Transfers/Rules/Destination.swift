/// Where one object goes: what a mark says of it (rule U6).
public struct Destination: Hashable, Sendable {
    /// The server and login, host:port:user, as `synced-from` has it (rule P8).
    public let origin: String
    /// SHA-256 of `identity(origin:path:)` in lower-case hexadecimal.
    public let sha256: String

    /// Makes a destination. The digest comes from the caller, since nothing here knows how to hash.
    public init(origin: String, sha256: String) {
        precondition(
            sha256.utf8.count == 64
                && sha256.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) },
            "a SHA-256 in lower-case hexadecimal has 64 digits")
        self.origin = origin
        self.sha256 = sha256
    }

    /// What is hashed: host:port:user:target path.
    public static func identity(origin: String, path: RemotePath) -> [UInt8] {
        Array(origin.utf8) + [UInt8(ascii: ":")] + path.bytes
    }
}
