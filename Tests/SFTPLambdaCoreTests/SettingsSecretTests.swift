import AWS
import Foundation
import SFTP
import Testing

@testable import SFTPLambdaCore

@Suite struct SettingsSecretTests {
    @Test func aSecretIsNeverShown() throws {
        let secret = Secret("hunter2")
        var dumped = ""
        let settings = try Example.pull([
            "SFTP_PRIVATE_KEY": "hunter2", "SFTP_PASSWORD": "hunter2", "SFTP_PROXY": "socks5://hunter2:hunter2@proxy:1",
        ])
        dump(secret, to: &dumped)
        dump(settings, to: &dumped)
        dump([secret: [Optional(secret)]], to: &dumped)
        let encoded = String(decoding: try JSONEncoder().encode(["a": secret]), as: UTF8.self)
        let shown = [
            "\(secret)", String(reflecting: secret), "\(Optional(secret) as Any)", String(describing: [secret]), dumped,
            String(reflecting: settings), "\(settings.connection.login)", encoded,
            "\(Mirror(reflecting: secret).children)",
        ]
        for text in shown {
            #expect(!text.contains("hunter2"))
        }
        #expect("\(secret)" == "<redacted>")
        #expect(encoded == #"{"a":"<redacted>"}"#)
        #expect(secret.revealed == "hunter2")
    }

    @Test func theSecretDocumentHasTheNamesOfAWSTransfer() throws {
        let text = #"""
            {"Username": " acme ", "PrivateKey": "-----BEGIN\nx\n-----END\n", "Password": " p ", "Passphrase": "q",
             "HostKey": "SHA256:a", "Port": 22, "Tags": {"a": [1]}, "Proxy": " http://u:w@[::1]:3128/ "}
            """#
        let login = try SecretDocument(text).login
        #expect(
            login
                == PartialLogin(
                    user: "acme", privateKey: Secret("-----BEGIN\nx\n-----END"), passphrase: Secret("q"),
                    password: Secret(" p "), hostKey: "SHA256:a",
                    proxy: ProxyServer(kind: .http, host: "::1", port: 3128, user: "u", password: "w")))
    }

    @Test func aByteOrderMarkBeforeTheDocumentIsIgnored() throws {
        #expect(try SecretDocument("\u{FEFF}{\"Username\": \"acme\"}").login == PartialLogin(user: "acme"))
        #expect(throws: SettingsError.self) { try SecretDocument("\u{FEFF}\u{FEFF}{}") }
    }

    @Test func severalHostKeysMayBeAList() throws {
        #expect(try SecretDocument(#"{"HostKey": ["SHA256:a", "SHA256:b"]}"#).login.hostKey == "SHA256:a\nSHA256:b")
        #expect(try SecretDocument(#"{"HostKey": []}"#).login.hostKey == nil)
    }

    @Test func emptyAndNullCountAsMissing() throws {
        let login = try SecretDocument(#"{"Username": "", "Password": null, "PrivateKey": " ", "HostKey": ""}"#).login
        #expect(login == PartialLogin())
    }

    @Test(arguments: [
        ("hunter2", "is not JSON"), (#"{"Password": "hunter2""#, "is not JSON: an object does not end, at byte 22"),
        ("", "is not JSON"),
        (#"["hunter2"]"#, "not an object"), (#""hunter2""#, "not an object"), ("null", "object"),
        (#"{"Password": {"hunter2": 1}}"#, "has a Password that is not text"),
        (#"{"Password": 7}"#, "has a Password that is not text"),
        (#"{"HostKey": ["a", null]}"#, "has a HostKey that is not text"),
        (#"{"HostKey": ["a", 1]}"#, "has a HostKey that is not text"),
        (#"{"HostKey": {"hunter2": 1}}"#, "has a HostKey that is not text"),
        (#"{"Proxy": ["hunter2"]}"#, "has a Proxy that is not text"),
        (#"{"Proxy": "http://acme:hunter2@proxy"}"#, "has a Proxy that names no port"),
        ("{\"Password\": \"" + String(repeating: "hunter2", count: 10_000) + "\"}", "is larger than 65536 bytes"),
    ])
    func aSecretThatCannotBeReadIsAFaultThatDoesNotShowIt(text: String, words: String) throws {
        let error = try #require(throws: SettingsError.self) { try SecretDocument(text) }
        #expect(error.faults.map(\.name) == ["SFTP_SECRET_ID"])
        #expect("\(error)".contains(words))
        #expect(!"\(error)".contains("hunter2"))
    }

    @Test func theSecretGoesBeforeTheVariablesAndTheyFillItsGaps() async throws {
        let settings = try Example.pull([
            "SFTP_SECRET_ID": "sftp/acme", "SFTP_PASSWORD": "old", "SFTP_HOST_KEY": "SHA256:old",
        ])
        let secrets = CountingSecrets(answers: [#"{"Username": "bob", "Password": "new"}"#])
        let login = try await LoginSource(settings.connection, secrets: secrets).login(deadlineUptimeSeconds: later)
        #expect(
            login
                == Login(
                    user: "bob", privateKey: Secret("the key"), passphrase: nil, password: Secret("new"),
                    hostKey: "SHA256:old"))
        #expect(await secrets.askedFor == ["sftp/acme"])
    }

    @Test func withoutSecretIDNoSecretIsAskedFor() async throws {
        let secrets = CountingSecrets(answers: [])
        let login = try await LoginSource(try Example.pull([:]).connection, secrets: secrets).login(
            deadlineUptimeSeconds: later)
        #expect(login.user == "acme")
        #expect(await secrets.askedFor == [])
    }

    @Test func theSecretIsReadOnceAndAgainAfterInvalidation() async throws {
        let secrets = CountingSecrets(answers: [#"{"Password": "one"}"#, #"{"Password": "two"}"#])
        let source = LoginSource(try Example.pull(["SFTP_SECRET_ID": "x"]).connection, secrets: secrets)
        #expect(try await source.login(deadlineUptimeSeconds: later).password?.revealed == "one")
        #expect(try await source.login(deadlineUptimeSeconds: later).password?.revealed == "one")
        await source.invalidate()
        #expect(try await source.login(deadlineUptimeSeconds: later).password?.revealed == "two")
        #expect(await secrets.askedFor.count == 2)
    }

    @Test func concurrentCallersShareOneRead() async throws {
        let secrets = CountingSecrets(answers: [#"{"Password": "one"}"#], isHeld: true)
        let source = LoginSource(try Example.pull(["SFTP_SECRET_ID": "x"]).connection, secrets: secrets)
        let passwords = try await withThrowingTaskGroup(of: String?.self) { group in
            for _ in 0..<50 {
                group.addTask { try await source.login(deadlineUptimeSeconds: later).password?.revealed }
            }
            await secrets.release()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(passwords == Array(repeating: "one", count: 50))
        #expect(await secrets.askedFor.count == 1)
    }

    @Test func aFailedReadIsNotRemembered() async throws {
        let secrets = CountingSecrets(answers: ["not JSON", #"{"Password": "two"}"#])
        let source = LoginSource(try Example.pull(["SFTP_SECRET_ID": "x"]).connection, secrets: secrets)
        await #expect(throws: SettingsError.self) { try await source.login(deadlineUptimeSeconds: later) }
        #expect(try await source.login(deadlineUptimeSeconds: later).password?.revealed == "two")
    }

    @Test func aReadFromBeforeTheInvalidationIsNotKept() async throws {
        let secrets = CountingSecrets(answers: [#"{"Password": "old"}"#, #"{"Password": "new"}"#], isHeld: true)
        let source = LoginSource(try Example.pull(["SFTP_SECRET_ID": "x"]).connection, secrets: secrets)
        async let first = source.login(deadlineUptimeSeconds: later)
        await secrets.waitUntilAsked()
        await source.invalidate()
        await secrets.release()
        _ = try await first
        #expect(try await source.login(deadlineUptimeSeconds: later).password?.revealed == "new")
    }

    @Test func aLoginThatIsNotWholeNamesWhatIsMissing() async throws {
        let environment = Example.pull.filter { $0.key != "SFTP_USER" && $0.key != "SFTP_PRIVATE_KEY" }
            .merging(["SFTP_SECRET_ID": "x"]) { $1 }
        let settings = try PullSettings(environment: environment)
        let secrets = CountingSecrets(answers: [#"{"username": "a", "password": "hunter2"}"#])
        let error = await #expect(throws: SettingsError.self) {
            try await LoginSource(settings.connection, secrets: secrets).login(deadlineUptimeSeconds: later)
        }
        #expect(error?.faults.map(\.name) == ["SFTP_USER", "SFTP_PRIVATE_KEY"])
        #expect(error?.description.contains("Username") == true)
        #expect(error?.description.contains("hunter2") == false)
    }
}

/// A deadline that no test comes near.
private let later = AWSClock.system.uptimeSeconds() + 600

/// Gives its answers in turn, at once or when it is released.
private actor CountingSecrets: SecretSource {
    private(set) var askedFor: [String] = []
    private var answers: [String]
    private var isHeld: Bool
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var watchers: [CheckedContinuation<Void, Never>] = []

    init(answers: [String], isHeld: Bool = false) {
        self.answers = answers
        self.isHeld = isHeld
    }

    func secretText(id: String, deadlineUptimeSeconds: Double) async throws -> String {
        askedFor.append(id)
        for watcher in watchers { watcher.resume() }
        watchers = []
        let answer = answers.isEmpty ? "" : answers.removeFirst()
        if isHeld { await withCheckedContinuation { waiting.append($0) } }
        return answer
    }

    func waitUntilAsked() async {
        if askedFor.isEmpty { await withCheckedContinuation { watchers.append($0) } }
    }

    func release() {
        isHeld = false
        for continuation in waiting { continuation.resume() }
        waiting = []
    }
}
