/// What two sides of SSH agree on in the clear, each for itself (RFC 4253, section 7.1).
public enum AlgorithmKind: String, Sendable, CaseIterable {
    /// How keys are made together.
    case keyExchange = "key exchange"
    /// How the server proves its host key. For ssh-rsa also how we prove ours.
    case hostKey = "host key"
    /// How packets are encrypted.
    case cipher
    /// How packets are protected against changes.
    case mac = "MAC"
}

/// An algorithm that is known to be weak, or is thought to be soon: it is offered to a server only when
/// SFTP_LEGACY_ALGORITHMS names it.
public struct LegacyAlgorithm: Sendable, Hashable, CustomStringConvertible {
    /// Its name in the protocol.
    public let name: String
    /// What it is for.
    public let kind: AlgorithmKind

    /// The name.
    public var description: String { name }

    /// Every one that libssh2 can do with the libcrypto of today, those of a kind from the least weak on. Arcfour,
    /// Blowfish, CAST and DSA are gone from libcrypto or libssh2: no setting brings them back.
    public static let all: [LegacyAlgorithm] = [
        Self(name: "diffie-hellman-group14-sha1", kind: .keyExchange),
        Self(name: "diffie-hellman-group-exchange-sha1", kind: .keyExchange),
        Self(name: "diffie-hellman-group1-sha1", kind: .keyExchange),
        Self(name: "ssh-rsa", kind: .hostKey),
        Self(name: "aes256-cbc", kind: .cipher),
        Self(name: "aes192-cbc", kind: .cipher),
        Self(name: "aes128-cbc", kind: .cipher),
        Self(name: "3des-cbc", kind: .cipher),
        Self(name: "hmac-sha1-etm@openssh.com", kind: .mac),
        Self(name: "hmac-sha1", kind: .mac),
        Self(name: "hmac-sha1-96", kind: .mac),
        Self(name: "hmac-md5", kind: .mac),
        Self(name: "hmac-md5-96", kind: .mac),
    ]

    private init(name: String, kind: AlgorithmKind) {
        self.name = name
        self.kind = kind
    }

    /// The algorithm of that name; nil when there is none that can be switched on.
    public init?(named name: String) {
        guard let found = Self.all.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    /// The setting that switches on more than is switched on already, for messages.
    static func setting(_ enabled: [LegacyAlgorithm], with more: [LegacyAlgorithm]) -> String {
        "SFTP_LEGACY_ALGORITHMS=" + (enabled + more).map(\.name).joined(separator: ",")
    }

    /// RSA signatures with SHA-1, of host keys and of ours.
    static let rsaSHA1 = Self(name: "ssh-rsa", kind: .hostKey)
}
