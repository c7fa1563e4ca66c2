import Foundation
import TestKit
import Testing
import TextForms

@testable import SFTP

/// Logging in to a real OpenSSH server.
@Suite(.serialized) struct TransportLogInTests {
    // MARK: Keys

    @Test func ed25519KeyLogsIn() async throws {
        let fixture = try TransportFixture.shared()
        let info = try await fixture.logIn()
        #expect(info.authentication == "publickey")
        #expect(info.serverIdentification.hasPrefix("SSH-2.0-OpenSSH"))
        #expect(info.hostKey == fixture.server.hostKey)
        #expect(info.hostKeyFingerprint == fixture.server.hostKeyFingerprint)
        #expect(info.hostKeyAlgorithm == "ssh-ed25519")
        #expect(!info.keyExchange.isEmpty && !info.cipherToServer.isEmpty && !info.macToServer.isEmpty)
    }

    /// Every form that people have their keys in; RSA only where libssh2 can sign with SHA-2.
    @Test func keysOfEveryFormLogIn() async throws {
        if !SSHSession.signsWithSHA2 { Self.sayRSAIsSkipped() }
        var fixture = try TransportFixture.shared()
        for type in SSHSession.signsWithSHA2 ? LocalSSHD.KeyType.allCases : [.ed25519, .ecdsa] {
            for form in LocalSSHD.KeyForm.allCases where type != .ed25519 || form != .pem {
                for isEncrypted in type == .ed25519 && form == .pkcs8 ? [false] : [false, true] {
                    fixture.configuration.credentials = SSHCredentials(
                        privateKey: try fixture.server.privateKey(type, form, encrypted: isEncrypted),
                        passphrase: isEncrypted ? fixture.server.passphrase : nil)
                    let failure = await fixture.failure()
                    #expect(failure == nil, "\(type) \(form) encrypted: \(isEncrypted)")
                }
            }
        }
    }

    /// With the libssh2 of `.deps`: asking whether the server knows the key would cost a round trip.
    @Test(.enabled(if: SSHSession.signsWithSHA2)) func keySignsWithoutAskingWhetherItIsKnown() async throws {
        for type in LocalSSHD.KeyType.allCases {
            var options = LocalSSHD.Options()
            options.clientKeyTypes = [type]
            let fixture = try TransportFixture(options)
            try await fixture.logIn()
            #expect(fixture.server.log.contains("Accepted publickey"))
            // That is how sshd calls it when it has said that it knows a key.
            #expect(!fixture.server.log.contains("Postponed publickey"), "\(type)")
        }
    }

    @Test(.enabled(if: !SSHSession.signsWithSHA2)) func rsaKeyWithOldLibssh2SaysWhatItNeeds() async throws {
        var options = LocalSSHD.Options()
        options.clientKeyTypes = [.rsa]
        let failure = try await #require(TransportFixture(options).failure())
        #expect(failure.reason == .unsupported)
        #expect(failure.message.contains("with SHA-1 alone"))
        #expect(failure.message.contains(SSHSession.libraryVersion))
    }

    @Test func keyPastedWithoutLineBreaksLogsIn() async throws {
        var fixture = try TransportFixture.shared()
        let pasted = try fixture.server.privateKey().replacingOccurrences(of: "\n", with: " ")
        fixture.configuration.credentials = SSHCredentials(privateKey: "\"\(pasted)\"")
        try await fixture.logIn()
    }

    @Test func passphraseThatIsNotNeededDoesNoHarm() async throws {
        var fixture = try TransportFixture.shared()
        fixture.configuration.credentials.passphrase = "not needed"
        try await fixture.logIn()
    }

    @Test func wrongPassphraseIsNamed() async throws {
        var fixture = try TransportFixture.shared()
        for (type, form) in [(LocalSSHD.KeyType.ed25519, LocalSSHD.KeyForm.openssh), (.ecdsa, .pem), (.ecdsa, .pkcs8)] {
            fixture.configuration.credentials = SSHCredentials(
                privateKey: try fixture.server.privateKey(type, form, encrypted: true), passphrase: "wrong horse")
            let failure = try #require(await fixture.failure())
            #expect(failure.step == .authentication && failure.reason == .invalidConfiguration)
            #expect(failure.message.contains("SFTP_PRIVATE_KEY_PASSPHRASE is wrong"))
            #expect(!failure.message.contains("wrong horse"))
        }
    }

    @Test func missingPassphraseIsFoundWithoutAConnection() async throws {
        var fixture = try TransportFixture()
        fixture.configuration.credentials = SSHCredentials(
            privateKey: try fixture.server.privateKey(.ed25519, .openssh, encrypted: true))
        let failure = try #require(await fixture.failure())
        #expect(failure.reason == .invalidConfiguration)
        #expect(failure.message.contains("set SFTP_PRIVATE_KEY_PASSPHRASE"))
        #expect(!fixture.server.log.contains("Connection from"))
    }

    @Test func wrongKeyIsRefusedWithTheServersOffer() async throws {
        let stranger = try TransportFixture.shared().server
        var options = LocalSSHD.Options()
        options.clientKeyTypes = [.ecdsa]
        var fixture = try TransportFixture(options)
        fixture.configuration.credentials = SSHCredentials(privateKey: try stranger.privateKey(.ed25519))
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .authentication && failure.reason == .authenticationRejected)
        #expect(failure.message.contains("the user \(fixture.server.user) was refused"))
        #expect(failure.message.contains("the server offers publickey"))
        let fingerprint = PublicKey(line: try stranger.publicKey())?.fingerprint
        #expect(failure.message.contains("the key given is ssh-ed25519 \(try #require(fingerprint))"))
        #expect(failure.message.contains("tried: publickey") && failure.remedy.contains("check SFTP_USER"))
        #expect(failure.remedy.contains("ssh-keygen -y -f key"))
    }

    // MARK: Passwords

    @Test(.enabled(if: canPasswords, "password logins need root")) func passwordLogsIn() async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["KbdInteractiveAuthentication no"]
        var fixture = try TransportFixture(options)
        fixture.configuration.credentials = SSHCredentials(password: fixture.server.password)
        #expect(try await fixture.logIn().authentication == "password")
    }

    @Test(.enabled(if: canPasswords, "password logins need root")) func keyboardInteractiveLogsIn() async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["PasswordAuthentication no"]
        var fixture = try TransportFixture(options)
        fixture.configuration.credentials = SSHCredentials(password: fixture.server.password)
        #expect(try await fixture.logIn().authentication == "keyboard-interactive")
    }

    @Test(.enabled(if: canPasswords, "password logins need root")) func wrongPasswordIsRefusedAndNotShown() async throws
    {
        var fixture = try TransportFixture.shared()
        fixture.configuration.credentials = SSHCredentials(password: "wrong horse")
        let failure = try #require(await fixture.failure())
        #expect(failure.reason == .authenticationRejected)
        #expect(failure.message.contains("the server offers publickey,password,keyboard-interactive"))
        #expect(failure.message.contains("tried: password, keyboard-interactive"))
        #expect(!failure.message.contains("wrong horse"))
    }

    /// A password is no reason to ask for another one where none is taken.
    @Test func serverThatTakesOnlyKeysIsToldSo() async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["PasswordAuthentication no", "KbdInteractiveAuthentication no"]
        var fixture = try TransportFixture(options)
        fixture.configuration.credentials = SSHCredentials(password: "wrong horse")
        let failure = try #require(await fixture.failure())
        #expect(failure.reason == .authenticationRejected && failure.remedy == "set SFTP_PRIVATE_KEY", "\(failure)")
    }

    /// Whatever order the server wants its proofs in.
    @Test(
        .enabled(if: canPasswords, "password logins need root"),
        arguments: [
            "publickey,password", "password,publickey", "publickey,keyboard-interactive",
            "publickey,password publickey,keyboard-interactive",
        ])
    func keyAndPasswordTogetherLogIn(methods: String) async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["AuthenticationMethods \(methods)"]
        var fixture = try TransportFixture(options)
        fixture.configuration.credentials.password = fixture.server.password
        try await fixture.logIn()

        fixture.configuration.credentials.password = nil
        let failure = try #require(await fixture.failure())
        #expect(failure.reason == .authenticationRejected)
        #expect(failure.message.contains("set SFTP_PASSWORD"))
    }

    @Test func nothingToLogInWithIsAFaultOfTheSettings() async throws {
        var fixture = try TransportFixture.shared()
        fixture.configuration.credentials = SSHCredentials(privateKey: "", password: "")
        let failure = try #require(await fixture.failure())
        #expect(failure.reason == .invalidConfiguration)
        #expect(failure.message.contains("SFTP_PRIVATE_KEY or SFTP_PASSWORD"))
    }

    @Test func serverThatHangsUpWhileLoggingInIsToldApart() async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["MaxAuthTries 1"]
        options.clientKeyTypes = [.ecdsa]
        var fixture = try TransportFixture(options)
        let stranger = try TransportFixture.shared().server
        fixture.configuration.credentials = SSHCredentials(privateKey: try stranger.privateKey(.ed25519))
        let failure = try #require(await fixture.failure())
        #expect(failure.step == .authentication && failure.reason == .authenticationRejected)
        #expect(failure.message.contains("Too many authentication failures"))
    }

    @Test func descriptionsShowNoSecret() throws {
        let credentials = SSHCredentials(privateKey: "KEY-SECRET", passphrase: "PHRASE-SECRET", password: "WORD-SECRET")
        let configuration = SSHConfiguration(host: "h", user: "u", credentials: credentials)
        for shown in [
            "\(configuration)", "\(credentials)", String(reflecting: configuration), Self.dumped(configuration),
        ] {
            #expect(!shown.contains("SECRET"))
        }
    }

    private static func dumped(_ value: Any) -> String {
        var text = ""
        dump(value, to: &text)
        return text
    }

    private static func sayRSAIsSkipped() {
        print("SKIPPED: logging in with RSA keys needs libssh2 >= 1.11; this is \(SSHSession.libraryVersion)")
    }
}

/// Whether this machine lets `local/sshd` offer passwords. Said aloud where it does not.
let canPasswords: Bool = {
    if geteuid() == 0 { return true }
    print("SKIPPED: password and keyboard-interactive logins need root")
    return false
}()

extension PublicKey {
    /// Reads `ssh-ed25519 AAAA… comment`.
    init?(line: String) {
        let words = line.split(separator: " ")
        guard words.count >= 2, let blob = Base64.decode(words[1]) else { return nil }
        self.init(blob: blob)
    }
}
