import Testing

@testable import SFTPLambdaCore

@Suite struct SettingsValueTests {
    @Test(arguments: [
        ("sftp.example.com", "sftp.example.com", false), ("localhost", "localhost", false),
        ("sftp_1.example.com.", "sftp_1.example.com.", false), ("192.0.2.7", "192.0.2.7", false),
        ("2001:db8::7", "2001:db8::7", true), ("[2001:db8::7]", "2001:db8::7", true), ("::1", "::1", true),
        ("[fe80::1%eth0]", "fe80::1%eth0", true), ("::ffff:192.0.2.7", "::ffff:192.0.2.7", true),
        ("7bit.example", "7bit.example", false), ("xn--bcher-kva.example", "xn--bcher-kva.example", false),
    ])
    func hostsAreNamesOrAddresses(value: String, text: String, isIPv6: Bool) throws {
        let host = try ServerHost(value)
        #expect(host.text == text)
        #expect(host.isIPv6 == isIPv6)
    }

    @Test(arguments: [
        ("sftp.example.com:22", "SFTP_PORT"), ("[2001:db8::7]:22", "SFTP_PORT"), ("192.0.2.7:22", "SFTP_PORT"),
        ("sftp://sftp.example.com", "URL"), ("acme@sftp.example.com", "SFTP_USER"), ("h/dir", "SFTP_SOURCE_DIR"),
        ("300.1.2.3", "IPv4"), ("10.1", "IPv4"), ("1:2:3", "IPv6"), ("[::1", "IPv6"), ("[x]", "IPv6"),
        ("bücher.example", "xn--"), ("a..b", "empty"), (".", "empty"), ("-a.example", "neither"), ("a b", "neither"),
        ("fe80::1%", "IPv6"), (String(repeating: "a", count: 64) + ".example", "longer than 63"),
        (String(repeating: "a.", count: 130), "longer than 253"),
    ])
    func otherHostsAreFaultsThatSayWhatToDo(value: String, word: String) throws {
        let problem = try #require(throws: SettingProblem.self) { try ServerHost(value) }
        #expect(problem.text.contains(word))
        #expect(value.count < 5 || !problem.text.contains(value))
    }

    @Test func aPasswordInTheHostIsNotRepeated() {
        let faults = Example.pullFaults(["SFTP_HOST": "sftp://acme:hunter2@sftp.example.com"])
        #expect(faults.count == 1)
        #expect(!"\(faults)".contains("hunter2"))
    }

    @Test(arguments: ["abc", "my.bucket-1", "acme-inbox", "acme-abc123-s3alias", String(repeating: "a", count: 63)])
    func bucketNamesAndAliases(name: String) throws {
        #expect(try BucketName(name).text == name)
    }

    @Test(arguments: [
        "ab", "Bucket", "my_bucket", "-abc", "abc-", "a..b", ".abc", "192.168.5.4", "arn:aws:s3:::acme", "s3://acme",
        "acme/in", "bücket", String(repeating: "a", count: 64), "acme--use1-az4--x-s3", "acme.mrap", "a--table-s3",
    ])
    func otherBucketNamesAreFaults(name: String) {
        #expect(throws: SettingProblem.self) { try BucketName(name) }
    }

    @Test func queuesAreNamesURLsOrARNs() throws {
        #expect(try QueueReference("acme-retry_1.fifo") == .name("acme-retry_1.fifo"))
        let arn = try QueueReference("arn:aws-cn:sqs:cn-north-1:123456789012:acme")
        #expect(arn == .arn(region: "cn-north-1", accountID: "123456789012", name: "acme"))
        let url = try QueueReference("http://localhost:4566/queue/eu-west-1/000000000000/acme")
        #expect(url.name == "acme")
        #expect(arn.name == "acme")
    }
}
