/// The algorithms that one side offers, the best first (RFC 4253, section 7.1).
struct AlgorithmOffer: Equatable {
    var keyExchange: [String]
    var hostKey: [String]
    var cipherToServer: [String]
    var cipherFromServer: [String]
    var macToServer: [String]
    var macFromServer: [String]
}

// What we offer.
extension AlgorithmOffer {
    /// What is sound, and behind it the legacy algorithms that are named.
    init(_ configuration: SSHConfiguration, takesWholePackets: Bool) {
        func legacy(_ kind: AlgorithmKind) -> [String] {
            configuration.legacyAlgorithms.filter { $0.kind == kind }.map(\.name)
        }
        let ciphers =
            configuration.ciphers ?? SSHConfiguration.standardCiphers(takesWholePackets: takesWholePackets)
        keyExchange = Self.soundKeyExchange + legacy(.keyExchange)
        hostKey = configuration.hostKeys.algorithmPreference(legacy: legacy(.hostKey))
        cipherToServer = ciphers + legacy(.cipher)
        cipherFromServer = cipherToServer
        macToServer = Self.soundMACs + legacy(.mac)
        macFromServer = macToServer
    }

    /// Those with SHA-1 are left out, and the groups of 1,024 bits with them.
    private static let soundKeyExchange = [
        "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521", "diffie-hellman-group-exchange-sha256", "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512", "diffie-hellman-group14-sha256",
    ]

    /// Those with MD5 or SHA-1, or with their tags cut short, are left out.
    private static let soundMACs = [
        "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
    ]
}

// What the server offers.
extension AlgorithmOffer {
    private static let keyExchangeInit: UInt8 = 20
    private static let cookieBytes = 16
    /// Packets that may stand before SSH_MSG_KEXINIT: more is no server that we know.
    private static let packetLimit = 8

    /// Reads the first bytes of a server: its identification, with lines before it, and its SSH_MSG_KEXINIT. Nil when
    /// they are something else, or end too early.
    init?(openingOfServer opening: [UInt8]) {
        guard var rest = Self.afterIdentification(opening[...]) else { return nil }
        for _ in 0..<Self.packetLimit {
            guard let (payload, behind) = Self.packet(rest) else { return nil }
            if payload.first == Self.keyExchangeInit {
                self.init(lists: payload.dropFirst(1 + Self.cookieBytes))
                return
            }
            rest = behind
        }
        return nil
    }

    private init?(lists: ArraySlice<UInt8>) {
        var reader = KeyBlobReader(lists)
        var read: [[String]] = []
        for _ in 0..<6 {
            guard let bytes = reader.string() else { return nil }
            read.append(bytes.split(separator: UInt8(ascii: ",")).map { ServerText.printable($0) })
        }
        self.init(
            keyExchange: read[0].filter { !Self.isMarker($0) }, hostKey: read[1], cipherToServer: read[2],
            cipherFromServer: read[3], macToServer: read[4], macFromServer: read[5])
    }

    /// Names among the key exchanges that say something else (RFC 8308, section 2.1; OpenSSH's PROTOCOL).
    private static func isMarker(_ name: String) -> Bool {
        name.hasPrefix("ext-info-") || name.hasPrefix("kex-strict-")
    }

    private static func afterIdentification(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var rest = bytes
        while let end = rest.firstIndex(of: 0x0A) {
            let line = rest[..<end]
            rest = rest[(end + 1)...]
            if line.starts(with: Array("SSH-".utf8)) { return rest }
        }
        return nil
    }

    /// The payload of the first packet, which is not encrypted, and what follows it (RFC 4253, section 6).
    private static func packet(_ bytes: ArraySlice<UInt8>) -> (payload: ArraySlice<UInt8>, rest: ArraySlice<UInt8>)? {
        var reader = KeyBlobReader(bytes.prefix(4))
        guard let length = reader.uint32(), let padding = bytes.dropFirst(4).first else { return nil }
        let body = bytes.dropFirst(4).prefix(Int(length))
        guard body.count == Int(length), Int(padding) + 1 < body.count else { return nil }
        return (body.dropFirst().dropLast(Int(padding)), bytes[body.endIndex...])
    }
}

/// Why two offers lead to nothing: the server has only what we do not take.
struct AlgorithmRefusal {
    /// The kinds without a common algorithm, and what the server offers of each.
    private(set) var offered: [(kind: AlgorithmKind, names: [String])] = []
    /// What would have to be switched on. Nil when the server has nothing that can be.
    private(set) var remedy: [LegacyAlgorithm]? = []

    /// Nil when every kind has an algorithm in common: then it failed for another reason.
    init?(ours: AlgorithmOffer, server: AlgorithmOffer) {
        _ = agree(.keyExchange, ours.keyExchange, server.keyExchange)
        _ = agree(.hostKey, ours.hostKey, server.hostKey)
        let toServer = agree(.cipher, ours.cipherToServer, server.cipherToServer)
        let fromServer = agree(.cipher, ours.cipherFromServer, server.cipherFromServer)
        if !Self.bringsItsOwnMAC(toServer) { _ = agree(.mac, ours.macToServer, server.macToServer) }
        if !Self.bringsItsOwnMAC(fromServer) { _ = agree(.mac, ours.macFromServer, server.macFromServer) }
        if offered.isEmpty { return nil }
    }

    /// What the sides would agree on, with what would have to be switched on for it.
    private mutating func agree(_ kind: AlgorithmKind, _ ours: [String], _ theirs: [String]) -> String? {
        if let common = ours.first(where: theirs.contains) { return common }
        if !offered.contains(where: { $0.kind == kind && $0.names == theirs }) { offered.append((kind, theirs)) }
        guard let legacy = LegacyAlgorithm.all.first(where: { $0.kind == kind && theirs.contains($0.name) }) else {
            remedy = nil
            return nil
        }
        if remedy?.contains(legacy) == false { remedy?.append(legacy) }
        return legacy.name
    }

    private static func bringsItsOwnMAC(_ cipher: String?) -> Bool {
        // libssh2 still asks for one with chacha20-poly1305.
        cipher?.hasSuffix("-gcm@openssh.com") == true
    }

    /// More names than this are not shown.
    private static let shownNames = 12
    /// No name is longer (RFC 4251, section 6).
    private static let shownBytes = 64

    /// What the server offers and what helps, as the end of a sentence.
    /// - Parameter enabled: what is switched on already: the value to set has to hold it still.
    func advice(ours: AlgorithmOffer, enabled: [LegacyAlgorithm]) -> String {
        let kinds = offered.map { "as \($0.kind.rawValue) only \(Self.shown($0.names))" }.joined(separator: ", and ")
        let wanted = AlgorithmKind.allCases.filter { kind in offered.contains { $0.kind == kind } }
            .map { "\($0.rawValue) \(Self.shown(ours.names($0)))" }.joined(separator: "; ")
        let partner = "ask the partner to offer one that is safe (\(wanted))"
        guard let remedy else { return "it offers \(kinds), and no setting allows that: \(partner)" }
        return "it offers \(kinds), which is not safe and not used by default: \(partner). "
            + "To use it nevertheless, set \(LegacyAlgorithm.setting(enabled, with: remedy))"
    }

    private static func shown(_ names: [String]) -> String {
        let more = names.count - shownNames
        let first = names.prefix(shownNames).map { $0.prefix(shownBytes) }.joined(separator: ",")
        return names.isEmpty ? "nothing" : first + (more > 0 ? " and \(more) more" : "")
    }
}

extension AlgorithmOffer {
    /// The names of a kind; those of both directions are the same in what we offer.
    fileprivate func names(_ kind: AlgorithmKind) -> [String] {
        switch kind {
        case .keyExchange: keyExchange
        case .hostKey: hostKey
        case .cipher: cipherToServer
        case .mac: macToServer
        }
    }
}
