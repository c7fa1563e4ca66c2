import Foundation
import TestKit
import Testing

@testable import SFTP

/// Logging in to a real OpenSSH server.
@Suite(.serialized) struct TransportLogInTests {
    @Test func ed25519KeyLogsIn() async throws {
        let fixture = try TransportFixture()
        let info = try await fixture.logIn()
        #expect(info.authentication == "publickey")
        #expect(info.serverIdentification.hasPrefix("SSH-2.0-OpenSSH"))
        #expect(info.hostKey == fixture.server.hostKey)
        #expect(info.hostKeyFingerprint == fixture.server.hostKeyFingerprint)
        #expect(info.hostKeyAlgorithm == "ssh-ed25519")
        #expect(!info.keyExchange.isEmpty && !info.cipherToServer.isEmpty && !info.macToServer.isEmpty)
    }
}
