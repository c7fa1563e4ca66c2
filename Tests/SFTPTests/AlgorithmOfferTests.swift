import Testing

@testable import SFTP

/// The server's SSH_MSG_KEXINIT, read from its first bytes, and what becomes of two offers.
@Suite struct AlgorithmOfferTests {
    /// SSH_MSG_KEXINIT (RFC 4253, section 7.1) in a packet.
    static func keyExchangeInit(_ lists: [String]) -> [UInt8] {
        packet([20] + [UInt8](repeating: 7, count: 16) + lists.flatMap(string) + [0, 0, 0, 0, 0])
    }

    static func packet(_ payload: [UInt8]) -> [UInt8] {
        let padding = 16 - (payload.count + 5) % 8 < 12 ? 16 - (payload.count + 5) % 8 : 8 - (payload.count + 5) % 8
        let length = UInt32(payload.count + padding + 1)
        return word(length) + [UInt8(padding)] + payload + [UInt8](repeating: 0, count: padding)
    }

    private static func word(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }
    private static func string(_ text: String) -> [UInt8] { word(UInt32(text.utf8.count)) + text.utf8 }

    static let ancient = [
        "diffie-hellman-group1-sha1", "ssh-dss", "arcfour,blowfish-cbc", "arcfour,blowfish-cbc", "hmac-md5,hmac-sha1",
        "hmac-md5,hmac-sha1", "none", "none", "", "",
    ]

    private static let ours = AlgorithmOffer(
        SSHConfiguration(host: "h", user: "u", credentials: SSHCredentials()), takesWholePackets: true)

    @Test func offerIsReadBehindGreetingsAndOtherPackets() throws {
        let identification = Array("Welcome\r\nto this server\r\nSSH-2.0-old\r\n".utf8)
        let ignore = Self.packet([2, 0, 0, 0, 0])
        let bytes =
            identification + ignore
            + Self.keyExchangeInit(
                ["a,kex-strict-s-v00@openssh.com,ext-info-s"]
                    + Self.ancient.dropFirst())
        let offer = try #require(AlgorithmOffer(openingOfServer: bytes))
        #expect(offer.keyExchange == ["a"])
        #expect(offer.hostKey == ["ssh-dss"])
        #expect(offer.cipherFromServer == ["arcfour", "blowfish-cbc"])
        #expect(offer.macToServer == ["hmac-md5", "hmac-sha1"])
        for length in 0..<(bytes.count - 80) {
            #expect(AlgorithmOffer(openingOfServer: Array(bytes[..<length])) == nil)
        }
        #expect(AlgorithmOffer(openingOfServer: identification + [UInt8](repeating: 0xFF, count: 400)) == nil)
        #expect(AlgorithmOffer(openingOfServer: identification + [UInt8](repeating: 0, count: 400)) == nil)
    }

    /// A server of the nineties, as far as it comes before both sides would talk in cipher.
    @Test func whatNobodyCanDoAnyMoreIsNamedWithoutASetting() async throws {
        let server = try SilentListener(Array("SSH-2.0-ancient\r\n".utf8) + Self.keyExchangeInit(Self.ancient))
        defer { server.stop() }
        var configuration = SSHConfiguration(
            host: "127.0.0.1", port: server.port, user: "u", credentials: SSHCredentials(password: "p"))
        configuration.legacyAlgorithms = LegacyAlgorithm.all
        let failure = try #require(await TransportFixture.failure(of: configuration))
        #expect(failure.reason == .unsupported)
        #expect(
            failure.message.contains(
                "as host key only ssh-dss, and as cipher only arcfour,blowfish-cbc, and no setting"),
            "\(failure.message)")
        #expect(failure.message.contains("cipher aes128-gcm@openssh.com,"), "\(failure.message)")
    }

    @Test func directionsAreJudgedEachForItself() throws {
        var server = Self.ours
        server.cipherFromServer = ["aes128-cbc"]
        server.macFromServer = ["hmac-md5"]
        let refusal = try #require(AlgorithmRefusal(ours: Self.ours, server: server))
        #expect(refusal.remedy?.map(\.name) == ["aes128-cbc", "hmac-md5"])
        // A cipher that brings its own needs no MAC.
        server.cipherFromServer = ["aes128-gcm@openssh.com"]
        #expect(AlgorithmRefusal(ours: Self.ours, server: server) == nil)
        #expect(AlgorithmRefusal(ours: Self.ours, server: Self.ours) == nil)
    }

    /// Each name of the weak kinds, in whatever spelling: none is offered by default.
    @Test func nothingWeakIsOfferedByDefault() {
        let offered =
            Self.ours.keyExchange + Self.ours.hostKey + Self.ours.cipherToServer + Self.ours.macToServer
        for sign in ["sha1", "md5", "-96", "group1-", "cbc", "arcfour", "3des", "blowfish", "cast", "dss", "none"] {
            #expect(!offered.contains { $0.contains(sign) }, "\(sign)")
        }
        #expect(!offered.contains("ssh-rsa"))
    }

    @Test func longOffersAreCutShort() throws {
        var server = Self.ours
        server.macToServer = (0..<500).map { "mac-\($0)" }
        server.cipherToServer = ["aes128-ctr"]
        let refusal = try #require(AlgorithmRefusal(ours: Self.ours, server: server))
        #expect(refusal.advice(ours: Self.ours, enabled: []).contains("mac-11 and 488 more, and no setting"))
    }
}
