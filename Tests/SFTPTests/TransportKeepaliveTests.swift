import Foundation
import Synchronization
import TestKit
import Testing

@testable import SFTP

/// When a silent server is asked whether it is still there.
struct KeepaliveTests {
    private let start = ContinuousClock.now

    @Test func silenceIsAskedAboutThreeTimesAndThenGivenUp() {
        var keepalive = Keepalive(interval: .seconds(30), at: start)
        func step(_ receivedBytes: Int, _ seconds: Int) -> Keepalive.Step {
            keepalive.step(receivedBytes: receivedBytes, at: start + .seconds(seconds))
        }
        #expect(step(10, 0) == .wait(until: start + .seconds(30)))
        #expect(step(10, 29) == .wait(until: start + .seconds(30)))
        #expect(step(10, 30) == .ask(wantsAnswer: true))
        #expect(step(10, 31) == .wait(until: start + .seconds(60)))
        #expect(step(10, 65) == .ask(wantsAnswer: true))
        #expect(step(10, 66) == .wait(until: start + .seconds(90)))
        #expect(step(10, 90) == .ask(wantsAnswer: true))
        #expect(step(10, 119) == .wait(until: start + .seconds(120)))
        #expect(step(10, 120) == .giveUp)
    }

    @Test func whateverComesIsAnAnswer() {
        var keepalive = Keepalive(interval: .seconds(30), at: start)
        _ = keepalive.step(receivedBytes: 10, at: start)
        for round in 1...20 {
            let now = start + .seconds(round * 40)
            #expect(keepalive.step(receivedBytes: 10 * round, at: now) != .giveUp)
            #expect(keepalive.step(receivedBytes: 10 * round, at: now + .seconds(35)) == .ask(wantsAnswer: true))
            #expect(
                keepalive.step(receivedBytes: 10 * round + 1, at: now + .seconds(36))
                    == .wait(until: now + .seconds(66)))
        }
    }

    /// libssh2 keeps the answers: there has to be an end of them, and then silence means nothing any more.
    @Test func answersAreNotAskedForWithoutEnd() {
        var keepalive = Keepalive(interval: .seconds(1), at: start)
        var asked = 0
        for second in 0..<(Keepalive.maximumAnswers * 3) {
            // Each question is answered at once.
            if keepalive.step(receivedBytes: asked, at: start + .seconds(second)) == .ask(wantsAnswer: true) {
                asked += 1
            }
        }
        #expect(asked == Keepalive.maximumAnswers)
        var given = 0
        for second in 0..<10 {
            let now = start + .seconds(Keepalive.maximumAnswers * 3 + second)
            switch keepalive.step(receivedBytes: asked, at: now) {
            case .ask(let wantsAnswer):
                #expect(!wantsAnswer)
                given += 1
            case .giveUp: Issue.record("it was not asked for an answer")
            case .wait: break
            }
        }
        #expect(given >= 8, "it is still kept alive")
    }
}

/// The same over a real connection.
@Suite(.serialized) struct TransportKeepaliveTests {
    /// What sshd logs of a request that it does not know.
    private static let question = "rtype keepalive@libssh2.org want_reply 1"

    private func fixture(keepaliveSeconds: Double?) throws -> TransportFixture {
        var options = LocalSSHD.Options()
        options.configuration = ["LogLevel DEBUG1"]
        var fixture = try TransportFixture(options)
        fixture.configuration.keepaliveSeconds = keepaliveSeconds
        return fixture
    }

    @Test(.timeLimit(.minutes(1))) func silentServerIsAskedAndTheSessionGoesOn() async throws {
        let fixture = try fixture(keepaliveSeconds: 0.05)
        try await fixture.withChannel { sftp, _ in
            try await eventually { fixture.server.log.contains(Self.question) }
            let bytes = TransportLoopTests.noise(100_000, seed: 9)
            try await TransportLoopTests.upload(bytes, to: "kept", sftp)
            #expect(try await TransportLoopTests.download("kept", bytes.count, sftp) == bytes)
            #expect(sftp.ends.isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(1))) func serverThatAnswersNothingIsGivenUpAlthoughNothingWasAsked() async throws {
        let fixture = try fixture(keepaliveSeconds: 0.2)
        try await fixture.withChannel { sftp, _ in
            sftp.setDeadline(nil)
            fixture.server.freezeSessions()
            defer { fixture.server.thawSessions() }
            try await eventually { !sftp.ends.isEmpty }
            let end = try #require(sftp.ends.first)
            #expect(end.reason == .connectionLost && end.isTransient)
            #expect(end.message.contains("did not answer when it was asked 3 times"))
            #expect(end.message.contains("SFTP_KEEPALIVE_SECONDS=0"))
        }
    }

    /// Between us and the server stands what ends a connection over which nothing has gone for a while. The first
    /// question comes in good time; without any, the connection ends.
    @Test(.timeLimit(.minutes(1)), arguments: [true, false])
    func connectionIsKeptFromWhoEndsIdleOnes(isKept: Bool) async throws {
        var fixture = try fixture(keepaliveSeconds: isKept ? 0.5 : nil)
        let idle = try IdleRelay(to: fixture.configuration.port, maximumSilenceSeconds: 2)
        fixture.configuration.port = idle.port
        try await fixture.withChannel { sftp, _ in
            sftp.setDeadline(nil)
            if isKept {
                try await eventually { fixture.server.log.contains(Self.question) }
                _ = try await sftp.request(16, RawSFTP.string(Array(".".utf8)))
            } else {
                try await eventually { !sftp.ends.isEmpty }
                #expect(sftp.ends.first?.reason == .connectionLost)
            }
        }
    }
}

/// Passes one connection on to a server, and ends it when nothing has gone over it for a time.
private final class IdleRelay: Sendable {
    let port: UInt16

    init(to serverPort: UInt16, maximumSilenceSeconds: Int) throws {
        let listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = Self.loopback(0)
        var lengthBytes = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listening, $0, lengthBytes) == 0 && listen(listening, 1) == 0
                    && getsockname(listening, $0, &lengthBytes) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRINUSE) }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread {
            let client = accept(listening, nil, nil)
            close(listening)
            guard client >= 0 else { return }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            var address = Self.loopback(serverPort)
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            Self.pass(between: client, server, maximumSilenceMilliseconds: Int32(maximumSilenceSeconds) * 1_000)
            close(client)
            close(server)
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return address
    }

    private static func pass(between client: Int32, _ server: Int32, maximumSilenceMilliseconds: Int32) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            var polled = [client, server].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, 2, maximumSilenceMilliseconds) > 0 else { return }
            for (from, to) in [(0, 1), (1, 0)] where polled[from].revents != 0 {
                let count = recv(polled[from].fd, &buffer, buffer.count, 0)
                guard count > 0, send(polled[to].fd, buffer, count, Int32(MSG_NOSIGNAL)) == count else { return }
            }
        }
    }
}
