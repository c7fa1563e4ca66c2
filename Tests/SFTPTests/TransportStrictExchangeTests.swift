import Foundation
import Synchronization
import TestKit
import Testing

@testable import SFTP

/// Strict key exchange against packets slipped in before encryption begins (CVE-2023-48795, "Terrapin"; section 1.10 of
/// OpenSSH's PROTOCOL).
///
/// AES-GCM numbers its packets by itself, so a packet more or less before encryption begins is not noticed by it: what
/// refuses the connection here is strict key exchange and nothing else, as the last test shows.
@Suite(.serialized) struct TransportStrictExchangeTests {
    enum Place: CaseIterable {
        case beforeKeyExchangeInit
        case afterKeyExchangeInit
    }

    @Test func strictKeyExchangeIsAnnounced() async throws {
        var fixture = try TransportFixture.shared()
        let relay = try TamperingRelay(to: fixture.configuration.port)
        defer { relay.stop() }
        fixture.configuration.port = relay.port
        try await fixture.logIn()
        let opening = String(decoding: relay.openingOfClient, as: UTF8.self)
        #expect(opening.contains("kex-strict-c-v00@openssh.com"))
        #expect(opening.contains("ext-info-c"))
    }

    @Test(arguments: Place.allCases)
    func packetSlippedInBeforeEncryptionEndsTheConnection(place: Place) async throws {
        let failure = try await slipIn(at: place, .shared(), announcesStrictness: true)
        #expect(failure?.step == .handshake, "\(String(describing: failure))")
    }

    /// That the packet itself does no harm where neither side is strict, so that the test above means something.
    @Test(arguments: Place.allCases)
    func serverThatIsNotStrictGetsAway(place: Place) async throws {
        var fixture = try TransportFixture.shared()
        let server = try StandIn(
            "old_ssh_server.py",
            [
                "--root", fixture.folder.url.path, "--no-strict-key-exchange",
                "--authorized-key=\(try fixture.server.publicKey(.ed25519))",
            ], workFolder: fixture.folder.url, python: StandIn.pythonWithPeers)
        defer { server.stop() }
        fixture.configuration.port = try #require(UInt16(server.ready["port"] ?? ""))
        fixture.configuration.hostKeys = try HostKeyPolicy(parsing: try #require(server.ready["hostKey"]))
        let failure = try await slipIn(at: place, fixture, announcesStrictness: false)
        #expect(failure == nil)
    }

    private func slipIn(
        at place: Place, _ fixture: TransportFixture, announcesStrictness: Bool
    ) async throws -> SFTPError? {
        var fixture = fixture
        let stream = Slipping(place)
        let relay = try TamperingRelay(to: fixture.configuration.port) { stream.changed($0) }
        defer { relay.stop() }
        fixture.configuration.port = relay.port
        fixture.configuration.ciphers = ["aes128-gcm@openssh.com"]
        let failure = await fixture.failure()
        #expect(stream.hasSlippedIn, "\(String(describing: failure))")
        let opening = String(decoding: stream.opening, as: UTF8.self)
        #expect(opening.contains("kex-strict-s-v00@openssh.com") == announcesStrictness)
        return failure
    }
}

/// A server's bytes with SSH_MSG_IGNORE before or behind its SSH_MSG_KEXINIT.
private final class Slipping: Sendable {
    private struct State {
        var held: [UInt8] = []
        var hasSlippedIn = false
    }
    private let state = Mutex(State())
    private let place: TransportStrictExchangeTests.Place

    init(_ place: TransportStrictExchangeTests.Place) { self.place = place }

    var hasSlippedIn: Bool { state.withLock { $0.hasSlippedIn } }
    /// The identification and SSH_MSG_KEXINIT.
    var opening: [UInt8] { state.withLock { $0.held } }

    /// Holds everything back until SSH_MSG_KEXINIT is whole.
    func changed(_ piece: [UInt8]) -> [UInt8] {
        state.withLock { state in
            if state.hasSlippedIn { return piece }
            state.held += piece
            guard let lineEnd = state.held.firstIndex(of: 0x0A) else { return [] }
            let start = lineEnd + 1
            let header = state.held[start...].prefix(4)
            guard header.count == 4 else { return [] }
            let end = start + 4 + header.reduce(0) { $0 << 8 | Int($1) }
            guard state.held.count >= end else { return [] }
            state.hasSlippedIn = true
            var changed = state.held
            let ignore = AlgorithmOfferTests.packet([2, 0, 0, 0, 0])
            changed.insert(contentsOf: ignore, at: place == .beforeKeyExchangeInit ? start : end)
            return changed
        }
    }
}
