import SFTP
import TestKit
import Testing
import Transfers

@testable import SFTPLambdaCore

/// The least that each function needs: the variables of the original alone (rule S1).
enum Example {
    static let pull = [
        "SFTP_HOST": "sftp.example.com", "SFTP_USER": "acme", "SFTP_PRIVATE_KEY": "the key",
        "SFTP_TARGET_S3_BUCKET": "acme-inbox", "SFTP_SOURCE_DIR": "/outbox",
    ]
    static let push = [
        "SFTP_HOST": "sftp.example.com", "SFTP_USER": "acme", "SFTP_PRIVATE_KEY": "the key",
        "SFTP_RETRY_QUEUE_NAME": "acme-retry",
    ]

    static func pull(
        _ changes: [String: String] = [:], without missing: Set<String> = []
    ) throws(SettingsError) -> PullSettings {
        try PullSettings(environment: pull.merging(changes) { $1 }.filter { !missing.contains($0.key) })
    }

    static func push(
        _ changes: [String: String] = [:], without missing: Set<String> = []
    ) throws(SettingsError) -> PushSettings {
        try PushSettings(environment: push.merging(changes) { $1 }.filter { !missing.contains($0.key) }, for: .push)
    }

    /// The faults of the settings of pull; empty when there is none.
    static func pullFaults(_ changes: [String: String] = [:], without missing: Set<String> = []) -> [SettingFault] {
        do throws(SettingsError) {
            _ = try pull(changes, without: missing)
            return []
        } catch {
            return error.faults
        }
    }

    /// The faults of the settings of push; empty when there is none.
    static func pushFaults(_ changes: [String: String] = [:], without missing: Set<String> = []) -> [SettingFault] {
        do throws(SettingsError) {
            _ = try push(changes, without: missing)
            return []
        } catch {
            return error.faults
        }
    }
}

@Suite struct SettingsReadingTests {
    @Test func theOriginalVariablesAloneAreEnoughForPull() throws {
        let settings = try Example.pull([:])
        #expect(settings.connection.host.text == "sftp.example.com")
        #expect(settings.connection.port == 22)
        #expect(settings.connection.login == PartialLogin(user: "acme", privateKey: Secret("the key")))
        #expect(settings.connection.secretID == nil)
        #expect(settings.connection.readyTimeoutSeconds == 20)
        #expect(settings.connection.legacyAlgorithms == [])
        #expect(settings.connection.login.proxy == nil)
        #expect(settings.sourceDirectory == RemotePath("/outbox"))
        #expect(settings.bucket.text == "acme-inbox")
        #expect(settings.keyPrefix == "")
        #expect(settings.afterPull == .done)
        #expect(settings.doneDirectory == .done)
        #expect(settings.fileRetentionDays == nil)
        #expect(settings.minimumFileAgeSeconds == 0)
        #expect(settings.steadySeconds == 0)
        #expect(settings.readyMarker == nil)
        #expect(settings.connection.maximumFilesInFlight == 768)
        #expect(settings.connection.maximumBytesPerSecond == nil)
        #expect(settings.connection.keepaliveSeconds == 30)
        #expect(settings.include == [])
        #expect(settings.exclude == [])
        #expect(settings.warnings == [])
    }

    @Test(arguments: [LambdaFunction.push, .pushRetry])
    func theOriginalVariablesAloneAreEnoughForPush(function: LambdaFunction) throws {
        let settings = try PushSettings(environment: Example.push, for: function)
        #expect(settings.targetDirectory == RemotePath(""))
        #expect(settings.strip == nil)
        #expect(settings.targetName == nil)
        #expect(settings.retryQueue == .name("acme-retry"))
        #expect(settings.pushTimeoutSeconds == nil)
        #expect(settings.fileMode == nil && settings.directoryMode == nil)
        #expect(!settings.allowInPlace)
        #expect(settings.warnings == [])
    }

    @Test func everyPullSettingIsRead() throws {
        let settings = try Example.pull([
            "SFTP_PORT": " 2222\n", "SFTP_PRIVATE_KEY_PASSPHRASE": " pass ", "SFTP_PASSWORD": " word ",
            "SFTP_SECRET_ID": "sftp/acme", "SFTP_HOST_KEY": "SHA256:one\\nSHA256:two",
            "SFTP_SSH_READY_TIMEOUT_SECONDS": "5", "SFTP_TARGET_S3_PREFIX": "/in", "SFTP_FILE_RETENTION_DAYS": "30",
            "SFTP_LEGACY_ALGORITHMS": "hmac-sha1, ssh-rsa\n3des-cbc,hmac-sha1",
            "SFTP_AFTER_PULL": "Done", "SFTP_DONE_DIR": "taken", "SFTP_STEADY_SECONDS": "5",
            "SFTP_READY_MARKER": "*.ok",
            "SFTP_MAX_FILES_IN_FLIGHT": "8", "SFTP_MAX_BYTES_PER_SECOND": "65536", "SFTP_KEEPALIVE_SECONDS": "5",
            "SFTP_MIN_FILE_AGE_SECONDS": "60", "SFTP_INCLUDE": "*.csv, *.txt\nreports/**", "SFTP_EXCLUDE": "*.tmp,",
        ])
        #expect(settings.connection.port == 2222)
        #expect(settings.connection.login.passphrase?.revealed == " pass ")
        #expect(settings.connection.login.password?.revealed == " word ")
        #expect(settings.connection.login.hostKey == "SHA256:one\\nSHA256:two")
        #expect(settings.connection.secretID == "sftp/acme")
        #expect(settings.connection.readyTimeoutSeconds == 5)
        #expect(settings.connection.legacyAlgorithms.map(\.name) == ["hmac-sha1", "ssh-rsa", "3des-cbc"])
        #expect(settings.keyPrefix == "in/")
        #expect(settings.fileRetentionDays == 30)
        #expect(settings.minimumFileAgeSeconds == 60)
        #expect(settings.afterPull == .done)
        #expect("\(settings.doneDirectory)" == "taken")
        #expect(settings.steadySeconds == 5)
        #expect(settings.readyMarker?.isMarker("a.ok".utf8) == true)
        #expect(settings.connection.maximumFilesInFlight == 8)
        #expect(settings.connection.maximumBytesPerSecond == 65_536)
        #expect(settings.connection.keepaliveSeconds == 5)
        #expect(try Example.pull(["SFTP_KEEPALIVE_SECONDS": "0"]).connection.keepaliveSeconds == nil)
        #expect(try Example.pull(["SFTP_MAX_BYTES_PER_SECOND": "0"]).connection.maximumBytesPerSecond == nil)
        #expect(try Example.pull(["SFTP_AFTER_PULL": "keep"]).afterPull == .keep)
        #expect(try Example.pull(["SFTP_AFTER_PULL": "delete", "SFTP_FILE_RETENTION_DAYS": "0"]).afterPull == .delete)
        #expect(settings.include.map(\.pattern) == ["*.csv", "*.txt", "reports/**"])
        #expect(settings.exclude.map(\.pattern) == ["*.tmp"])
    }

    @Test(arguments: [
        ("socks5://proxy:1080", ProxyServer(kind: .socks5, host: "proxy", port: 1080)),
        ("http://[fe80::1%25eth0]:3128", ProxyServer(kind: .http, host: "fe80::1%eth0", port: 3128)),
        ("http://[fe80::1%eth0]:3128", ProxyServer(kind: .http, host: "fe80::1%eth0", port: 3128)),
        (" SOCKS5H://10.0.0.1:1/\n", ProxyServer(kind: .socks5, host: "10.0.0.1", port: 1)),
        (
            "http://acme:p%40ss%3A%2F%25@proxy.example.com:3128",
            ProxyServer(kind: .http, host: "proxy.example.com", port: 3128, user: "acme", password: "p@ss:/%")
        ),
        (
            "socks5://a%3Ab:c:d@[2001:db8::1]:65535",
            ProxyServer(kind: .socks5, host: "2001:db8::1", port: 65_535, user: "a:b", password: "c:d")
        ),
        ("http://acme@proxy:80", ProxyServer(kind: .http, host: "proxy", port: 80, user: "acme", password: "")),
        ("http://a:b@c@proxy:80", ProxyServer(kind: .http, host: "proxy", port: 80, user: "a", password: "b@c")),
    ])
    func proxyIsReadFromItsURL(text: String, proxy: ProxyServer) throws {
        #expect(try Example.push(["SFTP_PROXY": text]).connection.login.proxy == proxy)
    }

    @Test func everyPushSettingIsRead() throws {
        let settings = try Example.push([
            "SFTP_TARGET_DIR": "in/./files/", "SFTP_SOURCE_S3_REGEXP_STRIP": "^out/", "SFTP_PUSH_TIMEOUT_SECONDS": "90",
            "SFTP_ALLOW_IN_PLACE": "Yes", "SFTP_FILE_MODE": "0640", "SFTP_DIRECTORY_MODE": "755",
            "SFTP_RETRY_QUEUE_NAME": "https://sqs.eu-west-1.amazonaws.com/123456789012/acme-retry",
            "SFTP_TARGET_NAME": " {stem}_{date}{ext} ", "SFTP_MAX_FILES_IN_FLIGHT": "3",
        ])
        #expect(settings.connection.maximumFilesInFlight == 3)
        #expect(settings.targetName?.template == "{stem}_{date}{ext}")
        #expect(settings.targetDirectory == RemotePath("in/files"))
        #expect(settings.strip?.stripped(from: "out/a.txt") == "a.txt")
        #expect(settings.pushTimeoutSeconds == 90)
        #expect(settings.fileMode == 0o640 && settings.directoryMode == 0o755)
        #expect(settings.allowInPlace)
        #expect(settings.retryQueue == .url("https://sqs.eu-west-1.amazonaws.com/123456789012/acme-retry"))
    }

    @Test func whatIsDeclaredForAFunctionIsWhatItReads() throws {
        for function in LambdaFunction.allCases {
            var reader = SettingsReader(Example.pull.merging(Example.push) { $1 }, for: function)
            if function == .pull {
                _ = try PullSettings(reading: &reader)
            } else {
                _ = try PushSettings(reading: &reader)
            }
            let declared = Settings.declarations.filter { $0.functions.contains(function) }.map(\.name)
            #expect(reader.namesRead == Set(declared))
        }
        #expect(Set(Settings.names).count == Settings.names.count)
    }

    @Test func everyExampleIsAcceptedByItsOwnSetting() throws {
        let examples = Settings.declarations.map {
            ($0.name, $0.example.filter { $0 != "'" })
        }
        let environment = Dictionary(uniqueKeysWithValues: examples)
        _ = try PullSettings(environment: environment)
        _ = try PushSettings(environment: environment, for: .push)
    }

    @Test func anEmptyVariableCountsAsNotSet() throws {
        let settings = try Example.pull([
            "SFTP_PORT": "", "SFTP_INCLUDE": "  ", "SFTP_PASSWORD": "", "SFTP_SECRET_ID": "",
        ])
        #expect(settings.connection.port == 22)
        #expect(settings.include == [])
        #expect(settings.connection.login.password == nil)
        #expect(settings.connection.secretID == nil)
        #expect(Example.pullFaults(["SFTP_HOST": " "]).map(\.problem) == ["is not set"])
    }

    @Test func whiteSpaceIsDroppedAroundKeysButNotAroundPasswords() throws {
        let settings = try Example.pull(["SFTP_PRIVATE_KEY": "\n  the key\n\n", "SFTP_PASSWORD": "  "])
        #expect(settings.connection.login.privateKey?.revealed == "the key")
        #expect(settings.connection.login.password?.revealed == "  ")
        #expect(Example.pullFaults(["SFTP_PRIVATE_KEY": " \n"]).map(\.name) == ["SFTP_PRIVATE_KEY"])
    }

    @Test(arguments: [
        (".", ""), ("./", ""), ("./in", "in"), ("in//box/", "in/box"), ("/", "/"), ("/a/./b", "/a/b"), ("../a", "../a"),
    ])
    func directoriesAreReadAsPathsFromTheLoginDirectory(text: String, path: String) throws {
        #expect(try Example.pull(["SFTP_SOURCE_DIR": text]).sourceDirectory == RemotePath(path))
    }

    @Test(arguments: ["true", "TRUE", "1", "yes", "on"]) func thisMeansYes(text: String) throws {
        #expect(try Example.push(["SFTP_ALLOW_IN_PLACE": text]).allowInPlace)
    }

    @Test(arguments: ["false", "False", "0", "no", "off"]) func thisMeansNo(text: String) throws {
        #expect(try !Example.push(["SFTP_ALLOW_IN_PLACE": text]).allowInPlace)
    }
}
