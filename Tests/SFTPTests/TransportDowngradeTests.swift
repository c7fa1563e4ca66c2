import Foundation
import TestKit
import Testing

@testable import SFTP

/// Servers that have only weak algorithms: refused by default, with the very value of SFTP_LEGACY_ALGORITHMS that would
/// let them in; and that value does so.
@Suite(.serialized) struct TransportDowngradeTests {
    /// A server, and what has to be switched on for it.
    struct Weakness: CustomTestStringConvertible {
        var lines: [String]
        var keyType = LocalSSHD.KeyType.ed25519
        /// As the message has it.
        var offer: String
        /// Nil: nothing can be switched on.
        var setting: String?

        var testDescription: String { lines.joined(separator: "; ") }

        static let all = [
            Self(
                lines: ["KexAlgorithms diffie-hellman-group1-sha1"],
                offer: "as key exchange only diffie-hellman-group1-sha1", setting: "diffie-hellman-group1-sha1"),
            Self(
                lines: ["KexAlgorithms diffie-hellman-group1-sha1,diffie-hellman-group14-sha1"],
                offer: "as key exchange only diffie-hellman-group1-sha1,diffie-hellman-group14-sha1",
                setting: "diffie-hellman-group14-sha1"),
            Self(
                lines: ["KexAlgorithms diffie-hellman-group-exchange-sha1"],
                offer: "as key exchange only diffie-hellman-group-exchange-sha1",
                setting: "diffie-hellman-group-exchange-sha1"),
            Self(
                lines: ["HostKeyAlgorithms ssh-rsa"], keyType: .rsa, offer: "as host key only ssh-rsa",
                setting: "ssh-rsa"),
            cipher("aes128-cbc"), cipher("aes192-cbc"), cipher("aes256-cbc"), cipher("3des-cbc"),
            mac("hmac-sha1"), mac("hmac-sha1-etm@openssh.com"), mac("hmac-sha1-96"), mac("hmac-md5"),
            mac("hmac-md5-96"), mac("hmac-md5-etm@openssh.com", canBeSet: false),
            mac("hmac-sha1-96-etm@openssh.com", canBeSet: false), mac("umac-64@openssh.com", canBeSet: false),
            Self(
                lines: ["KexAlgorithms diffie-hellman-group1-sha1", "Ciphers 3des-cbc", "MACs hmac-md5"],
                offer: "as key exchange only diffie-hellman-group1-sha1, and as cipher only 3des-cbc, "
                    + "and as MAC only hmac-md5",
                setting: "diffie-hellman-group1-sha1,3des-cbc,hmac-md5"),
        ]

        private static func cipher(_ name: String) -> Self {
            Self(lines: ["Ciphers \(name)"], offer: "as cipher only \(name)", setting: name)
        }

        private static func mac(_ name: String, canBeSet: Bool = true) -> Self {
            Self(
                lines: ["Ciphers aes128-ctr", "MACs \(name)"], offer: "as MAC only \(name)",
                setting: canBeSet ? name : nil)
        }
    }

    @Test(arguments: Weakness.all)
    func weakServerIsRefusedUnlessItsAlgorithmsAreNamed(_ weakness: Weakness) async throws {
        var options = LocalSSHD.Options()
        options.configuration = weakness.lines
        options.hostKeyTypes = [weakness.keyType]
        var fixture = try TransportFixture(options)
        let failure = try #require(await fixture.failure(), "it was let in")
        #expect(failure.step == .handshake && failure.reason == .unsupported && !failure.isTransient)
        #expect(failure.message.contains(weakness.offer), "\(failure.message)")
        #expect(!fixture.server.log.contains("userauth"))
        guard let setting = weakness.setting else {
            #expect(failure.message.contains("no setting allows that"), "\(failure.message)")
            #expect(!failure.message.contains("SFTP_LEGACY_ALGORITHMS"), "\(failure.message)")
            return
        }
        #expect(failure.message.hasSuffix("set SFTP_LEGACY_ALGORITHMS=\(setting)"), "\(failure.message)")

        // Another weak one does not help, and stays in the value to set.
        fixture.configuration.legacyAlgorithms = try Self.named(setting == "ssh-rsa" ? "hmac-md5" : "ssh-rsa")
        let still = try #require(await fixture.failure())
        #expect(
            still.message.hasSuffix("=\(fixture.configuration.legacyAlgorithms[0]),\(setting)"), "\(still.message)")

        fixture.configuration.legacyAlgorithms = try Self.named(setting)
        let info = try await fixture.logIn()
        let agreed = [
            info.keyExchange, info.hostKeyAlgorithm, info.cipherToServer, info.cipherFromServer, info.macToServer,
            info.macFromServer,
        ]
        #expect(Set(setting.split(separator: ",").map(String.init)).isSubset(of: agreed))
    }

    /// What is switched on stands behind everything that is sound.
    @Test func soundAlgorithmsAreTakenWhereThereAreAny() async throws {
        var fixture = try TransportFixture.shared()
        let before = try await fixture.logIn()
        fixture.configuration.legacyAlgorithms = LegacyAlgorithm.all
        #expect(try await fixture.logIn() == before)
    }

    /// What the program can do at all, libssh2 must have: else a setting would promise too much.
    @Test func everyLegacyAlgorithmIsTried() {
        let tried = Weakness.all.compactMap(\.setting).flatMap { $0.split(separator: ",").map(String.init) }
        #expect(Set(tried) == Set(LegacyAlgorithm.all.map(\.name)))
    }

    // MARK: Signatures

    @Test(arguments: [false, true])
    func serverThatMayTakeOnlySHA1IsGivenNoSignature(isHidden: Bool) async throws {
        let (fixture, server) = try Self.oldServer(isHidden: isHidden)
        defer { server.stop() }
        let failure = try #require(await fixture.failure(), "it was given a signature")
        #expect(failure.step == .authentication && failure.reason == .unsupported)
        #expect(failure.message.hasSuffix("set SFTP_LEGACY_ALGORITHMS=ssh-rsa"), "\(failure.message)")
        #expect(try !Self.requests(server).contains("a request with"))
    }

    @Test func signatureWithSHA1IsGivenWhereItIsNamed() async throws {
        var (fixture, server) = try Self.oldServer(isHidden: false)
        defer { server.stop() }
        fixture.configuration.legacyAlgorithms = try Self.named("ssh-rsa")
        #expect(try await fixture.logIn().authentication == "publickey")
        #expect(try Self.requests(server).contains("a request with ssh-rsa\n"))
    }

    /// With a libssh2 as it comes it cannot be known with what it would sign: so it does not.
    @Test(arguments: [[], ["--no-extensions"]])
    func libraryAsItComesGivesNoSignature(arguments: [String]) async throws {
        var (fixture, server) = try Self.oldServer(isHidden: false, arguments: arguments)
        defer { server.stop() }
        fixture.configuration.usesLibraryAsItComes = true
        let failure = try #require(await fixture.failure(), "it was given a signature")
        #expect(failure.step == .authentication && failure.reason == .unsupported)
        #expect(failure.message.contains("without the changes of scripts/deps"), "\(failure.message)")
        #expect(failure.message.hasSuffix("set SFTP_LEGACY_ALGORITHMS=ssh-rsa"), "\(failure.message)")
        #expect(try !Self.requests(server).contains("a request with"))
        // With it, what is better is still taken where the server says that it takes it.
        fixture.configuration.legacyAlgorithms = try Self.named("ssh-rsa")
        #expect(try await fixture.logIn().authentication == "publickey")
        #expect(try Self.requests(server).contains("a request with ssh-rsa\n") == !arguments.isEmpty)
        fixture.configuration.legacyAlgorithms = []
        fixture.configuration.credentials.privateKey = try fixture.server.privateKey(.ed25519)
        #expect(try await fixture.logIn().authentication == "publickey")
    }

    /// A key that would have to be signed for with SHA-1 keeps no password from being tried.
    @Test func passwordIsUsedWhereTheKeyIsLeftOut() async throws {
        var (fixture, server) = try Self.oldServer(isHidden: false, arguments: ["--no-extensions", "--password=right"])
        defer { server.stop() }
        fixture.configuration.credentials.password = "right"
        #expect(try await fixture.logIn().authentication == "password")
        fixture.configuration.credentials.password = "wrong"
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .authentication && failure.reason == .authenticationRejected)
        #expect(failure.message.contains("tried: password"), "\(failure.message)")
        #expect(failure.message.contains("the key was left out"), "\(failure.message)")
        #expect(failure.message.hasSuffix("set SFTP_LEGACY_ALGORITHMS=ssh-rsa"), "\(failure.message)")
        #expect(try !Self.requests(server).contains("a request with"))
    }

    @Test func otherKeysAreNotAffectedByOldServers() async throws {
        var (fixture, server) = try Self.oldServer(isHidden: false)
        defer { server.stop() }
        fixture.configuration.credentials.privateKey = try fixture.server.privateKey(.ed25519)
        #expect(try await fixture.logIn().authentication == "publickey")
    }

    @Test func serverThatSaysWhatItTakesIsSignedForWithSHA2() async throws {
        let (fixture, server) = try Self.oldServer(isHidden: false, arguments: [])
        defer { server.stop() }
        try await fixture.logIn()
        #expect(try Self.requests(server).contains("a request with rsa-sha2-"))
        #expect(try !Self.requests(server).contains("a request with ssh-rsa"))
    }

    private static func requests(_ server: StandIn) throws -> String {
        try String(contentsOf: server.log, encoding: .utf8)
    }

    /// A server that speaks no RFC 8308, and a login with an RSA key.
    /// - Parameter isHidden: whether the key's encryption hides that it is an RSA key.
    private static func oldServer(
        isHidden: Bool, arguments: [String] = ["--no-extensions"]
    ) throws -> (TransportFixture, StandIn) {
        var fixture = try TransportFixture.shared()
        let keys = try ["rsa", "ed25519"].map {
            "--authorized-key=\(try fixture.server.publicKey(#require(LocalSSHD.KeyType(rawValue: $0))))"
        }
        let server = try StandIn(
            "old_ssh_server.py", ["--root", fixture.folder.url.path] + keys + arguments,
            workFolder: fixture.folder.url, python: StandIn.pythonWithPeers)
        fixture.configuration.port = try #require(UInt16(server.ready["port"] ?? ""))
        fixture.configuration.hostKeys = try HostKeyPolicy(parsing: try #require(server.ready["hostKey"]))
        fixture.configuration.credentials = SSHCredentials(
            privateKey: try fixture.server.privateKey(.rsa, isHidden ? .pkcs8 : .openssh, encrypted: isHidden),
            passphrase: isHidden ? fixture.server.passphrase : nil)
        return (fixture, server)
    }

    private static func named(_ names: String) throws -> [LegacyAlgorithm] {
        try names.split(separator: ",").map { try #require(LegacyAlgorithm(named: String($0))) }
    }
}
