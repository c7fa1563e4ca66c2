import Foundation
import Logging
import TestKit
import Testing

@testable import SFTP

/// The host key of a real server against SFTP_HOST_KEY.
@Suite(.serialized) struct TransportHostKeyTests {
    @Test func wrongHostKeyEndsTheConnectionBeforeAnyCredential() async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["LogLevel DEBUG3"]
        var fixture = try TransportFixture(options)
        let expected = try fixture.server.publicKey()
        fixture.configuration.hostKeys = try HostKeyPolicy(parsing: expected)
        fixture.configuration.credentials.password = "also there"

        let failure = try #require(await fixture.failure())
        #expect(failure.step == .hostKey && failure.reason == .hostKeyMismatch)
        #expect(failure.message.contains(fixture.server.hostKeyFingerprint))
        #expect(failure.message.contains(try #require(PublicKey(line: expected)).fingerprint))
        #expect(failure.message.contains("No credential was sent"))
        #expect(
            failure.message.contains("shown: ssh-ed25519 \(fixture.server.hostKeyFingerprint); expected: ssh-ed25519 "))
        #expect(failure.message.hasSuffix("SFTP_HOST_KEY='\(fixture.server.hostKey)'"), "\(failure.message)")

        // The goodbye is the proof that the server has seen everything that we sent.
        try await eventually { fixture.server.log.contains("Received disconnect from") }
        #expect(fixture.server.log.contains("SSH2_MSG_NEWKEYS received"))
        #expect(!fixture.server.log.contains("userauth-request"))
        // The same log shows an attempt when there is one: the check above can fail.
        fixture.configuration.hostKeys = .unset
        try await fixture.logIn()
        #expect(fixture.server.log.contains("userauth-request"))
    }

    @Test func fingerprintAndKnownHostsLineAreAccepted() async throws {
        var fixture = try TransportFixture.shared()
        let server = fixture.server
        for text in [server.hostKeyFingerprint, "[\(server.host)]:\(server.port) \(server.hostKey) a comment"] {
            fixture.configuration.hostKeys = try HostKeyPolicy(parsing: text)
            try await fixture.logIn()
        }
        fixture.configuration.hostKeys = try HostKeyPolicy(parsing: "SHA256:" + String(repeating: "A", count: 43))
        #expect(await fixture.failure()?.reason == .hostKeyMismatch)
    }

    @Test(arguments: [LocalSSHD.KeyType.ed25519, .ecdsa])
    func serverWithSeveralKeysShowsTheOneWeKnow(type: LocalSSHD.KeyType) async throws {
        var fixture = try TransportFixture.shared()
        let line = try fixture.server.hostKey(type)
        fixture.configuration.hostKeys = try HostKeyPolicy(parsing: line)
        #expect(try await fixture.logIn().hostKey == line)
    }

    @Test func revokedKeyIsRefused() async throws {
        var fixture = try TransportFixture.shared()
        fixture.configuration.hostKeys = try HostKeyPolicy(
            parsing: "@revoked * \(fixture.server.hostKey)\n\(fixture.server.hostKeyFingerprint)")
        let failure = try #require(await fixture.failure())
        #expect(failure.reason == .hostKeyMismatch)
        #expect(failure.message.contains("revoked"))
        #expect(
            failure.message.contains(fixture.server.hostKeyFingerprint) && failure.remedy.contains("Ask the partner"))
    }

    @Test func unsetHostKeyWarnsOnceWithTheLineToSet() async throws {
        var fixture = try TransportFixture.shared()
        fixture.configuration.hostKeys = .unset
        let log = LogRecorder()
        try await fixture.withChannel(logger: log.logger()) { _, _ in }
        let warnings = log.lines(.warning)
        #expect(warnings.count == 1)
        #expect(warnings.first?.description.contains("SFTP_HOST_KEY=\(fixture.server.hostKey)") == true)

        fixture.configuration.hostKeys = try HostKeyPolicy(parsing: fixture.server.hostKey)
        try await fixture.withChannel(logger: log.logger()) { _, _ in }
        #expect(log.lines(.warning).count == 1)
    }
}

/// Waits for a condition, with a limit.
func eventually(_ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            throw SFTPError(.operation, .timeout, "a condition never came true")
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}
