import TextForms

/// A public key in the wire form of RFC 4253, section 6.6: its type as a string, then what the type says.
struct PublicKey: Hashable, Sendable {
    /// What RSA keys call themselves; also the name of their signatures with SHA-1.
    static let rsaType = "ssh-rsa"

    /// Such as `ssh-ed25519`.
    let type: String
    /// The whole key, type included.
    let blob: [UInt8]

    /// Takes a key of any type; nil when the bytes do not begin with a type's name.
    init?(blob: [UInt8]) {
        var reader = KeyBlobReader(blob)
        guard let name = reader.string(), (1...64).contains(name.count), !reader.isAtEnd,
            name.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        type = String(decoding: name, as: UTF8.self)
        self.blob = blob
    }

    /// The key as known_hosts has it, without a host: `ssh-ed25519 AAAA…`.
    var line: String { "\(type) \(Base64.encode(blob))" }

    /// `SHA256:…`
    var fingerprint: String { Digest.fingerprint(ofKey: blob) }

    /// The sound algorithms that a server can prove this type of key with, the best first.
    var signatureAlgorithms: [String] {
        type == Self.rsaType ? ["rsa-sha2-512", "rsa-sha2-256"] : [type]
    }
}

/// Reads the strings that keys are made of (RFC 4251, section 5). Returns nil where the bytes end too early.
struct KeyBlobReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: some Sequence<UInt8>) { rest = Array(bytes)[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func uint32() -> UInt32? {
        guard rest.count >= 4 else { return nil }
        defer { rest = rest.dropFirst(4) }
        return rest.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func string() -> [UInt8]? {
        guard let count = uint32(), count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(Int(count)) }
        return Array(rest.prefix(Int(count)))
    }

    /// Steps over bytes that have to be exactly these.
    mutating func skip(_ expected: [UInt8]) -> Bool {
        guard rest.starts(with: expected) else { return false }
        rest = rest.dropFirst(expected.count)
        return true
    }
}
