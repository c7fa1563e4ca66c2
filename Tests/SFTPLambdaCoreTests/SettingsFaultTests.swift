import LambdaRuntime
import Testing

@testable import SFTPLambdaCore

@Suite struct SettingsFaultTests {
    @Test func allFaultsAreReportedTogether() throws {
        let environment = [
            "SFTP_PORT": "70000", "SFTP_FILE_RETENTION_DAYS": "-1", "SFTP_TARGET_S3_BUCKET": "No_Bucket",
            "SFTP_SSH_READY_TIMEOUT_SECONDS": "soon", "SFTP_INCLUDE": ",",
        ]
        let error = try #require(throws: SettingsError.self) { try PullSettings(environment: environment) }
        #expect(
            error.faults.map(\.name) == [
                "SFTP_HOST", "SFTP_PORT", "SFTP_USER", "SFTP_PRIVATE_KEY", "SFTP_SSH_READY_TIMEOUT_SECONDS",
                "SFTP_SOURCE_DIR", "SFTP_TARGET_S3_BUCKET", "SFTP_FILE_RETENTION_DAYS", "SFTP_INCLUDE",
            ])
        #expect(error.errorMessage.hasPrefix("9 settings cannot be used:\n- SFTP_HOST is not set. Expected: "))
        #expect(
            error.errorMessage.contains(
                "\n- SFTP_PORT is \"70000\", which is not within 1 to 65535. "
                    + "Expected: a whole number from 1 to 65535. Example: SFTP_PORT=2222\n"))
        #expect((error as any LambdaReportableError).errorType == "InvalidSettings")
        #expect("\(error)" == error.errorMessage)
    }

    @Test func eachRequiredSettingOfPullIsMissed() {
        for name in ["SFTP_HOST", "SFTP_TARGET_S3_BUCKET", "SFTP_SOURCE_DIR", "SFTP_USER", "SFTP_PRIVATE_KEY"] {
            #expect(Example.pullFaults(without: [name]).map(\.name) == [name])
        }
        #expect(Example.pushFaults(without: ["SFTP_RETRY_QUEUE_NAME"]).map(\.name) == ["SFTP_RETRY_QUEUE_NAME"])
    }

    @Test(arguments: ["delete", "keep"])
    func retentionHasNoMeaningWhereNothingIsKeptAside(afterPull: String) {
        let faults = Example.pullFaults(["SFTP_AFTER_PULL": afterPull, "SFTP_FILE_RETENTION_DAYS": "7"])
        #expect(faults.map(\.name) == ["SFTP_FILE_RETENTION_DAYS"])
        #expect(faults.first?.description.contains("SFTP_AFTER_PULL=\(afterPull)") == true)
    }

    @Test(arguments: ["000", "277", "155", "077"])
    func directoriesMustTakeFiles(mode: String) {
        #expect(Example.pushFaults(["SFTP_DIRECTORY_MODE": mode]).map(\.name) == ["SFTP_DIRECTORY_MODE"])
    }

    @Test(arguments: ["SFTP_FILE_MODE", "SFTP_DIRECTORY_MODE"], ["1000", "8", "rw-r--r--", "-1", "+7", "0x1ff"])
    func permissionsAreOctal(name: String, value: String) {
        #expect(Example.pushFaults([name: value]).map(\.name) == [name])
    }

    @Test func onePartOfTheLoginIsEnough() {
        #expect(Example.pullFaults(["SFTP_PASSWORD": "x"], without: ["SFTP_PRIVATE_KEY"]) == [])
        #expect(Example.pullFaults(["SFTP_SECRET_ID": "x"], without: ["SFTP_PRIVATE_KEY", "SFTP_USER"]) == [])
    }

    @Test(arguments: [
        ("SFTP_PORT", ["0", "65536", "22x", "-22", "+22", "2 2", "１２", "99999999999999999999", "22.0"]),
        ("SFTP_FILE_RETENTION_DAYS", ["-1", "1.5", "36501", "never"]),
        ("SFTP_MIN_FILE_AGE_SECONDS", ["-1", "60s", "31536001"]),
        ("SFTP_AFTER_PULL", ["move", "true", "done,delete"]),
        ("SFTP_DONE_DIR", ["a/b", "/done", ".", "..", ".sftp-lambda", "a\nb"]),
        ("SFTP_STEADY_SECONDS", ["-1", "301"]),
        ("SFTP_READY_MARKER", [".done", "*", "*.*", "a/*.ok"]),
        ("SFTP_MAX_FILES_IN_FLIGHT", ["0", "769"]),
        (
            "SFTP_PROXY",
            [
                "proxy:1080", "https://proxy:443", "socks4://proxy:1080", "socks5://proxy", "socks5://proxy:0",
                "socks5://proxy:65536", "socks5://proxy:+1", "socks5://:1080", "socks5://@proxy:1080", "http://a b:80",
                "http://proxy:80/path", "http://proxy:80?x", "http://a%3Ab:c@proxy:80", "http://a%zz@proxy:80",
                "http://a%ff@proxy:80", "http://a%0d%0ab@proxy:80", "http://[::1]", "http://::1:80",
                "socks5://" + String(repeating: "a", count: 256) + ":b@proxy:1080", "  ",
            ]
        ),
        ("SFTP_KEEPALIVE_SECONDS", ["1", "4", "301", "-1", "30s"]),
        ("SFTP_MAX_BYTES_PER_SECOND", ["1", "65535", "10000000001", "5M", "-1", "1e6"]),
        ("SFTP_SSH_READY_TIMEOUT_SECONDS", ["0", "901", "1e2"]),
        ("SFTP_LEGACY_ALGORITHMS", [",", "all", "*", "arcfour", "aes128-cbc;3des-cbc", "hmac-sha1, des"]),
        ("SFTP_SOURCE_DIR", ["~", "~/in", "a\nb"]),
        ("SFTP_TARGET_S3_PREFIX", [String(repeating: "é", count: 512)]),
        ("SFTP_INCLUDE", [",\n,", String(repeating: "a,", count: 501), "*.csv,[a", "[z-a]", "a\\"]),
        ("SFTP_EXCLUDE", ["[]"]),
        ("SFTP_USER", ["a\nb"]),
        ("SFTP_SECRET_ID", ["a\u{7}b"]),
    ])
    func badValuesOfPullAreFaults(name: String, values: [String]) {
        for value in values {
            let faults = Example.pullFaults([name: value])
            #expect(faults.map(\.name) == [name], "\(value)")
            #expect(faults.allSatisfy { !$0.description.contains("\n") })
        }
    }

    @Test(arguments: [
        ("SFTP_ALLOW_IN_PLACE", ["maybe", "2", "ja"]), ("SFTP_PUSH_TIMEOUT_SECONDS", ["-1", "901"]),
        ("SFTP_TARGET_NAME", ["file.csv", "{date}", "{name", "{dir}/{name}", "../{name}", "{name}\nx", "{}"]),
        ("SFTP_SOURCE_S3_REGEXP_STRIP", ["(", "[a", "*", "a{2,1}", "(?=a)", "\\1"]), ("SFTP_TARGET_DIR", ["~/x"]),
        (
            "SFTP_RETRY_QUEUE_NAME",
            [
                "a b", String(repeating: "q", count: 81), "arn:aws:sns:eu-west-1:123456789012:q",
                "arn:aws:sqs:eu-west-1:12:q", "https://sqs.eu-west-1.amazonaws.com/", "https://u:p@h/123456789012/q",
                "https://h/123456789012/q?x=1", ".fifo",
            ]
        ),
    ])
    func badValuesOfPushAreFaults(name: String, values: [String]) {
        for value in values { #expect(Example.pushFaults([name: value]).map(\.name) == [name], "\(value)") }
    }

    @Test func faultsOfTheProxyDoNotShowIt() {
        for value in [
            "hunter2", "http://acme:hunter2@proxy", "http://hunter2:hunter2@proxy:x", "http://a:hunter2%@p:1",
        ] {
            let fault = Example.pullFaults(["SFTP_PROXY": value]).first?.description ?? "hunter2"
            #expect(!fault.contains("hunter2"))
        }
    }

    @Test func unknownPlaceholderIsNamedWithItsPlaceAndThoseThereAre() {
        let problem = Example.pushFaults(["SFTP_TARGET_NAME": "ü{name}_{datum}"]).first?.problem ?? ""
        #expect(problem.contains("the placeholder {datum} at character 9, which is none of {path} {dir} {name} {stem}"))
        #expect(problem.contains("{second}"))
    }

    @Test func aValueIsShownCutAndEscaped() {
        let value = "1\u{1B}[2J" + String(repeating: "9", count: 200)
        let problem = Example.pullFaults(["SFTP_PORT": value]).first?.problem ?? ""
        #expect(problem.hasPrefix(#"is "1\x1b[2J999"#))
        #expect(problem.count < 120)
    }

    @Test func misspeltNamesAreWarnedOfWithTheNearestName() throws {
        let settings = try Example.pull([
            "SFTP_HOTS": "x", "SFTP_PASWORD": "secret", "sftp_port": "22", "SFTP_TARGET_BUCKET": "x", "OTHER": "x",
            "SFTP_EXCLUD\n": "x",
        ])
        #expect(
            settings.warnings.map { "\($0.name) \($0.nearest)" } == [
                "SFTP_EXCLUD\\x0a SFTP_EXCLUDE", "SFTP_HOTS SFTP_HOST", "SFTP_PASWORD SFTP_PASSWORD",
                "SFTP_TARGET_BUCKET SFTP_TARGET_S3_BUCKET", "sftp_port SFTP_PORT",
            ])
        #expect(
            settings.warnings[1].description
                == "SFTP_HOTS is not a setting of this program and is ignored; the nearest name is SFTP_HOST")
        #expect(!settings.warnings.description.contains("secret"))
    }

    @Test func aSettingOfAnotherFunctionIsNoWarning() throws {
        let settings = try Example.pull(["SFTP_RETRY_QUEUE_NAME": "not a queue at all", "SFTP_TARGET_DIR": "~"])
        #expect(settings.warnings == [])
    }

    @Test func thousandsOfUnknownNamesGiveAFewWarnings() throws {
        var changes: [String: String] = [:]
        for number in 0..<3000 { changes["SFTP_X\(number)" + String(repeating: "Y", count: 50)] = "x" }
        #expect(try Example.pull(changes).warnings.count == SettingsReader.maximumWarnings)
    }
}
