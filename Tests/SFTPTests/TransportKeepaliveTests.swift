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
        let (listening, port) = try Loopback.listen(backlog: 1)
        self.port = port
        Thread.detachNewThread {
            let client = accept(listening, nil, nil)
            close(listening)
            guard client >= 0 else { return }
            let server = Loopback.connect(to: serverPort).descriptor
            Loopback.pass(between: client, server, maximumSilenceMilliseconds: Int32(maximumSilenceSeconds) * 1_000)
            close(client)
            close(server)
        }
    }
}
