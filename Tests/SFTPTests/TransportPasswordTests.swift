import Foundation
import TestKit
import Testing

@testable import SFTP

/// Passwords that have expired, and passwords that are kept back.
@Suite(.serialized) struct TransportPasswordTests {
    /// As RFC 4252, section 8, has it: the server answers the password with SSH_MSG_USERAUTH_PASSWD_CHANGEREQ.
    @Test func expiredPasswordIsToldFromAWrongOne() async throws {
        let (fixture, server) = try Self.server(["--password=right", "--expired"])
        defer { server.stop() }
        let expired = try #require(await fixture.failure())
        #expect(expired.step == .authentication && expired.reason == .authenticationRejected)
        #expect(
            expired.message.hasPrefix("the password of the user u at 127.0.0.1 has to be changed"), "\(expired.message)"
        )
        #expect(expired.message.contains("the server wants a new password first"), "\(expired.message)")
        #expect(expired.remedy.contains("set SFTP_PASSWORD") && !expired.message.contains("right"))
        var wrong = fixture
        wrong.configuration.credentials = SSHCredentials(password: "wrong")
        let refused = try #require(await wrong.failure())
        #expect(refused.message.hasPrefix("the user u was refused at 127.0.0.1"), "\(refused.message)")
    }

    /// A way in which OpenSSH tells that a password has expired, and what is made of it.
    struct Expired: CustomTestStringConvertible, Sendable {
        let testDescription: String
        /// The way that the server has not.
        let without: String
        let step: SFTPError.Step
        let reason: SFTPError.Reason
        let words: String
        /// Whether the server took the password.
        let isAccepted: Bool

        static let all = [
            // As PAM has it: after the old password the new one is asked for, twice. The old one is no answer to that.
            Expired(
                testDescription: "questions for a new one", without: "PasswordAuthentication", step: .authentication,
                reason: .authenticationRejected, words: "has to be changed", isAccepted: false),
            // It takes the old one, and ends the session instead.
            Expired(
                testDescription: "a session that ends", without: "KbdInteractiveAuthentication", step: .sftpStart,
                reason: .connectionLost, words: "whether its password has expired", isAccepted: true),
        ]
    }

    /// PAM itself refuses the old password as the new one; here the server tells what came.
    @Test func questionForANewPasswordGetsNoAnswer() async throws {
        let (fixture, server) = try Self.server(["--asks-for-new-password"])
        defer { server.stop() }
        let failure = try #require(await fixture.failure())
        #expect(failure.message.contains("has to be changed"), "\(failure.message)")
        #expect(try Self.log(server).contains("new passwords that came: 0"))
    }

    @Test(.enabled(if: canPasswords, "password logins need root"), arguments: Expired.all)
    func expiredPasswordIsThoughtOfAndNoNewOneMadeUp(_ expired: Expired) async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["\(expired.without) no"]
        options.isPasswordExpired = true
        var fixture = try TransportFixture(options)
        fixture.configuration.credentials = SSHCredentials(password: fixture.server.password)
        let configuration = fixture.configuration
        let failure = await #expect(throws: SFTPError.self) {
            try await SFTPClient.connect(configuration, logger: LogRecorder().logger()).close()
        }
        #expect(failure?.step == expired.step && failure?.reason == expired.reason)
        let text = "\(failure?.message ?? "") \(failure?.remedy ?? "")"
        #expect(text.contains(expired.words), "\(text)")
        #expect(fixture.server.log.contains("Accepted") == expired.isAccepted)
    }

    @Test(arguments: [
        ("New password: ", true), ("Retype new password: ", true), ("Enter new UNIX password:", true),
        ("Password (again):", true), ("Re-enter password", true), ("Password: ", false), ("Current password: ", false),
        ("(u@h) Password:", false), ("Verification code: ", false), ("", false), ("News: ", false),
    ]) func questionForANewPasswordIsKnown(text: String, asks: Bool) {
        #expect(SSHSession.asksForNewPassword(text) == asks)
    }

    // MARK: Kept back

    @Test func passwordIsKeptBackWhereNobodyKnowsWhoWouldGetIt() async throws {
        var (fixture, server) = try Self.server(["--password=right"])
        defer { server.stop() }
        let expected = fixture.configuration.hostKeys
        fixture.configuration.hostKeys = .unset
        fixture.configuration.withholdsPassword = true
        fixture.configuration.asksForMethods = true
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .authentication && failure.reason == .invalidConfiguration)
        #expect(failure.message.contains("the password was not sent"), "\(failure.message)")
        #expect(failure.message.contains("the server offers ") && failure.message.contains("password"))
        #expect(failure.message.hasSuffix("SFTP_HOST_KEY='\(try #require(server.ready["hostKey"]))'"))
        #expect(try !Self.log(server).contains("a password came"))

        // With the key set, it is sent: the check above can fail.
        fixture.configuration.hostKeys = expected
        #expect(try await fixture.logIn().authentication == "password")
        #expect(try Self.log(server).contains("a password came"))
    }

    /// What a key signs is of no use elsewhere.
    @Test func keyIsUsedAllTheSame() async throws {
        var (fixture, server) = try Self.server(["--password=right"])
        defer { server.stop() }
        fixture.configuration.hostKeys = .unset
        fixture.configuration.withholdsPassword = true
        fixture.configuration.credentials.privateKey = try fixture.server.privateKey()
        #expect(try await fixture.logIn().authentication == "publickey")

        // A key that is refused does not bring the password out either.
        fixture.configuration.credentials.privateKey = try fixture.server.privateKey(.ecdsa)
        let failure = try #require(await fixture.failure())
        #expect(failure.message.contains("tried without it: publickey"), "\(failure.message)")
        #expect(try !Self.log(server).contains("a password came"))
    }

    private static func log(_ server: StandIn) throws -> String { try String(contentsOf: server.log, encoding: .utf8) }

    /// A server of asyncssh, and a login with the right password.
    private static func server(_ arguments: [String]) throws -> (TransportFixture, StandIn) {
        var fixture = try TransportFixture.shared()
        let key = "--authorized-key=\(try fixture.server.publicKey())"
        let server = try StandIn(
            "old_ssh_server.py", ["--root", fixture.folder.url.path, key] + arguments,
            workFolder: fixture.folder.url, python: StandIn.pythonWithPeers)
        fixture.configuration.port = try #require(UInt16(server.ready["port"] ?? ""))
        fixture.configuration.user = "u"
        fixture.configuration.hostKeys = try HostKeyPolicy(parsing: try #require(server.ready["hostKey"]))
        fixture.configuration.credentials = SSHCredentials(password: "right")
        return (fixture, server)
    }
}
