import Foundation
import Logging
import Synchronization
import TestKit
import Testing

@testable import SFTP

/// Connections that fail at each step, and sessions that end early: every one with its own words, in time, and with
/// nothing left behind.
@Suite(.serialized) struct TransportFailureTests {
    // MARK: Before the server is reached

    @Test func nameWithoutAddressIsNamed() async throws {
        var fixture = try TransportFixture.shared()
        fixture.configuration.host = "no-such-host.invalid"
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .resolve && failure.isTransient)
        #expect(failure.message.contains("no-such-host.invalid") && failure.message.contains("SFTP_HOST"))
        #expect(failure.remedy.contains("SFTP_HOST") && !failure.finding.contains(failure.remedy))
    }

    @Test func slowNameServiceIsGivenUp() async throws {
        let resolver = StuckResolver()
        defer { resolver.release() }
        var fixture = try TransportFixture.shared()
        fixture.configuration.resolver = resolver
        fixture.configuration.host = "stuck.invalid"
        fixture.configuration.connectTimeoutSeconds = 0.2
        let (failure, seconds) = await timed { await fixture.failure() }
        #expect(failure?.step == .resolve && failure?.reason == .timeout)
        #expect(seconds < 5)
    }

    @Test func closedPortIsRefused() async throws {
        let listener = try SilentListener()
        var fixture = try TransportFixture.shared()
        fixture.configuration.port = listener.port
        listener.stop()
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .connect && failure.reason == .unreachable)
        #expect(
            failure.message.contains("127.0.0.1 port \(listener.port) refuses the connection"), "\(failure.message)")
        #expect(failure.message.contains("127.0.0.1:\(listener.port): Connection refused"))
        #expect(failure.message.contains("SFTP_PORT"))
    }

    /// A port that refuses and an address that no packet gets to are mended in different places. No kernel connects to the
    /// broadcast address.
    @Test func addressWithoutAWayIsToldFromAClosedPort() async throws {
        var fixture = try TransportFixture.shared()
        fixture.configuration.host = "255.255.255.255"
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .connect && failure.reason == .unreachable)
        #expect(failure.message.contains("cannot be reached") && failure.remedy.contains("route"), "\(failure.message)")
    }

    @Test func secondAddressIsTakenWhenTheFirstRefuses() async throws {
        let listener = try SilentListener()
        listener.stop()
        var fixture = try TransportFixture.shared()
        fixture.configuration.host = "two.addresses"
        fixture.configuration.resolver = ListedResolver([
            try #require(SocketAddress("::1", port: listener.port)),
            try #require(SocketAddress("127.0.0.1", port: listener.port)),
            try #require(SocketAddress("127.0.0.1", port: UInt16(fixture.server.port))),
        ])
        let info = try await fixture.logIn()
        #expect(info.address == "127.0.0.1:\(fixture.server.port)")
    }

    /// A full backlog swallows the first packet of a connection, as a firewall does.
    @Test func secondAddressIsTriedBesideASilentFirst() async throws {
        let silent = try SilentListener(backlog: 0)
        defer { silent.stop() }
        try silent.fillBacklog()
        var fixture = try TransportFixture.shared()
        fixture.configuration.host = "two.addresses"
        fixture.configuration.resolver = ListedResolver([
            try #require(SocketAddress("127.0.0.1", port: silent.port)),
            try #require(SocketAddress("127.0.0.1", port: UInt16(fixture.server.port))),
        ])
        let (info, seconds) = try await timed { try await fixture.logIn() }
        #expect(info.address == "127.0.0.1:\(fixture.server.port)")
        #expect(seconds > 0.2)

        fixture.configuration.resolver = ListedResolver([try #require(SocketAddress("127.0.0.1", port: silent.port))])
        fixture.configuration.connectTimeoutSeconds = 0.3
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .connect && failure.reason == .timeout)
        #expect(failure.message.contains("no answer"))
        #expect(failure.message.contains("port \(fixture.configuration.port) does not answer (0.3 s"))
        #expect(failure.remedy.contains("SFTP_PORT") && failure.remedy.contains("admits your address"))
    }

    @Test func familiesTakeTurns() throws {
        let texts = ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"]
        let addresses = try texts.map { try #require(SocketAddress($0, port: 22)) }
        let order = SocketConnector.interleaved(addresses).map(\.description)
        #expect(order == ["[::1]:22", "127.0.0.1:22", "[::2]:22", "127.0.0.2:22", "[::3]:22"])
        #expect(SocketAddress("localhost", port: 22) == nil)
    }

    // MARK: What is no SSH server

    @Test func portThatSaysNothingIsGivenUpAtTheReadyTimeout() async throws {
        let silent = try SilentListener()
        defer { silent.stop() }
        var fixture = try TransportFixture.shared()
        fixture.configuration.port = silent.port
        fixture.configuration.readyTimeoutSeconds = 0.3
        let (failure, seconds) = await timed { await fixture.failure() }
        #expect(failure?.step == .handshake && failure?.reason == .timeout)
        #expect(failure?.message.contains("never said a word") == true)
        #expect(failure?.message.contains("SFTP_SSH_READY_TIMEOUT_SECONDS") == true)
        #expect((0.3..<5).contains(seconds))
    }

    @Test func webServerIsToldApart() async throws {
        let web = try SilentListener(answer: "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n")
        defer { web.stop() }
        var fixture = try TransportFixture.shared()
        fixture.configuration.port = web.port
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .handshake && failure.reason == .protocolViolation)
        #expect(failure.message.contains("no SSH server") && failure.message.contains("HTTP/1.1 400 Bad Request"))
    }

    /// OpenSSH says it in the clear, in place of its identification.
    @Test(arguments: [
        ("Exceeded MaxStartups\r\n", "higher MaxStartups"), ("Not allowed at this time\r\n", "PerSourcePenalties"),
    ])
    func serverThatTakesNoConnectionNowIsTriedAgain(words: String, advice: String) async throws {
        let full = try SilentListener(answer: words)
        defer { full.stop() }
        var fixture = try TransportFixture.shared()
        fixture.configuration.port = full.port
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .handshake && failure.reason == .connectionLost && failure.isTransient)
        #expect(failure.message.contains(words.dropLast(2)), "\(failure.message)")
        #expect(failure.message.contains(advice) && !failure.message.contains("no SSH server"), "\(failure.message)")
    }

    @Test func endlessWordsBeforeTheIdentificationAreCutOff() async throws {
        let talker = try SilentListener(answer: String(repeating: "welcome to this machine\r\n", count: 20_000))
        defer { talker.stop() }
        var fixture = try TransportFixture.shared()
        fixture.configuration.port = talker.port
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .handshake && failure.reason == .protocolViolation)
    }

    @Test func serverThatHangsUpAtOnceIsLost() async throws {
        let listener = try SilentListener(answer: "")
        defer { listener.stop() }
        var fixture = try TransportFixture.shared()
        fixture.configuration.port = listener.port
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .handshake && failure.reason == .connectionLost)
        #expect(failure.message.contains("before it said a word"))
    }

    /// Whoever changes a bit on the way ends the connection: no byte behind it is believed.
    @Test(arguments: SSHConfiguration.standardCiphers(takesWholePackets: true))
    func tamperedPacketEndsTheConnection(cipher: String) async throws {
        var fixture = try TransportFixture.shared()
        fixture.configuration.ciphers = [cipher]
        let bytes = [UInt8](repeating: 7, count: 300_000)
        try await fixture.withChannel { sftp, _ in try await TransportLoopTests.upload(bytes, to: "tampered", sftp) }
        // Far behind the handshake, in the middle of the file.
        let relay = try TamperingRelay(to: fixture.configuration.port, tampersWithByte: 150_000)
        defer { relay.stop() }
        fixture.configuration.port = relay.port
        let error = await #expect(throws: SFTPError.self) {
            try await fixture.withChannel { sftp, _ in
                try await TransportLoopTests.download("tampered", bytes.count, sftp)
            }
        }
        #expect(error?.reason == .protocolViolation, "\(cipher): \(String(describing: error))")
    }

    @Test func noCommonCipherIsNamed() async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["Ciphers aes128-cbc"]
        var fixture = try TransportFixture(options)
        fixture.configuration.ciphers = ["aes256-ctr"]
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .handshake && failure.reason == .unsupported)
        #expect(failure.message.contains("offers as cipher only aes128-cbc"))

        fixture.configuration.ciphers = ["rot13"]
        #expect(await fixture.failure()?.reason == .invalidConfiguration)
    }

    @Test func accountWithoutSFTPIsNamed() async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["ForceCommand /bin/false"]
        let command = try #require(await TransportFixture(options).failure())
        #expect(command.reason == .connectionLost)
        #expect(command.message.contains("the server ended the SFTP session"))

        options.configuration = ["MaxSessions 0"]
        let channel = try #require(await TransportFixture(options).failure())
        #expect(channel.step == .sftpStart && channel.reason == .unsupported)
        #expect(channel.message.contains("refused to open a channel"))
    }

    // MARK: Sessions that end early

    @Test func serverKilledInTheMiddleIsAConnectionLost() async throws {
        let fixture = try TransportFixture()
        let handler = RawSFTP()
        let channel = try await SSHTransport(fixture.configuration, logger: quiet).open(handler: handler)
        try await handler.start(on: channel)
        fixture.server.dropSessions()
        let failure = await #expect(throws: SFTPError.self) {
            while true { _ = try await handler.request(16, RawSFTP.string(Array(".".utf8))) }
        }
        #expect(failure?.reason == .connectionLost)
        await channel.close()
        await channel.close()
        #expect(handler.ends.count == 1)
    }

    @Test func deadlineOfTheHandlerEndsAFrozenSession() async throws {
        let fixture = try TransportFixture()
        let handler = RawSFTP()
        let channel = try await SSHTransport(fixture.configuration, logger: quiet).open(handler: handler)
        try await handler.start(on: channel)
        fixture.server.freezeSessions()
        defer { fixture.server.thawSessions() }
        handler.setDeadline(.now + .milliseconds(200))
        try await eventually { !handler.ends.isEmpty }
        #expect(handler.ends.map(\.reason) == [.timeout])
        await channel.close()
    }

    @Test func closeIsOrderlyAndAnswersEveryWaiter() async throws {
        let fixture = try TransportFixture()
        let handler = RawSFTP()
        let channel = try await SSHTransport(fixture.configuration, logger: quiet).open(handler: handler)
        try await handler.start(on: channel)
        await channel.close()
        #expect(handler.ends.map(\.reason) == [.cancelled])
        await #expect(throws: SFTPError.self) { _ = try await handler.request(16, RawSFTP.string([])) }
        try await eventually { fixture.server.log.contains("Received disconnect from") }
    }

    @Test func channelThatIsLetGoOfIsClosed() async throws {
        let fixture = try TransportFixture.shared()
        let handler = RawSFTP()
        _ = try await SSHTransport(fixture.configuration, logger: quiet).open(handler: handler)
        try await eventually { !handler.ends.isEmpty }
        #expect(handler.ends.map(\.reason) == [.cancelled])
    }

    // MARK: Cancellation

    @Test(arguments: ["resolve", "connect", "handshake"])
    func cancellationEndsTheAttemptAtOnce(step: String) async throws {
        let resolver = StuckResolver()
        defer { resolver.release() }
        let silent = try SilentListener(backlog: step == "connect" ? 0 : 16)
        defer { silent.stop() }
        if step == "connect" { try silent.fillBacklog() }
        var fixture = try TransportFixture.shared()
        fixture.configuration.port = silent.port
        if step == "resolve" {
            fixture.configuration.host = "stuck.invalid"
            fixture.configuration.resolver = resolver
        }
        let configuration = fixture.configuration
        let attempt = Task {
            let handler = RawSFTP()
            return try await SSHTransport(configuration, logger: quiet).open(handler: handler)
        }
        if step == "resolve" { try await eventually { resolver.isAsked } }
        if step == "handshake" { try await eventually { silent.hasAccepted } }
        attempt.cancel()
        let (result, seconds) = await timed { await attempt.result }
        #expect(throws: SFTPError.self) { _ = try result.get() }
        if case .failure(let error) = result { #expect((error as? SFTPError)?.reason == .cancelled) }
        #expect(seconds < 3)
    }
}

private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A result, and how long it took.
func timed<Result>(_ body: () async throws -> Result) async rethrows -> (Result, seconds: Double) {
    let start = ContinuousClock.now
    let result = try await body()
    return (result, start.duration(to: .now) / .seconds(1))
}

/// Knows what it was told.
struct ListedResolver: AddressResolver {
    let list: [SocketAddress]
    init(_ list: [SocketAddress]) { self.list = list }
    func addresses(host: String, port: UInt16) throws(SFTPError) -> [SocketAddress] { list }
}

/// Never answers, until it is released.
final class StuckResolver: AddressResolver {
    private let gate = DispatchSemaphore(value: 0)
    private let asked = Mutex(false)
    var isAsked: Bool { asked.withLock { $0 } }
    func release() { gate.signal() }
    func addresses(host: String, port: UInt16) throws(SFTPError) -> [SocketAddress] {
        asked.withLock { $0 = true }
        gate.wait()
        return []
    }
}
