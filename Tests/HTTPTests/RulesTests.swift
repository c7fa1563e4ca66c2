import Foundation
import TestKit
import Testing

@testable import HTTP

@Suite("HTTP rules")
struct RulesTests {
    // MARK: RequestURL

    @Test(arguments: [
        ("http://a", "a:80", false), ("https://a.b/c?d:e@f", "a.b:443", true), ("HTTPS://A:8443?x", "A:8443", true),
        ("http://[::1]:81/", "[::1]:81", false), ("https://[fe80::1]/", "[fe80::1]:443", true),
        ("http://a:/", "a:80", false),
        ("http://a/b:c", "a:80", false),
    ])
    func urlSaysWhereTheRequestGoes(url: String, hostAndPort: String, isSecure: Bool) throws {
        let destination = try RequestURL(url)
        #expect(destination.hostAndPort == hostAndPort)
        #expect(destination.isSecure == isSecure)
    }

    // MARK: ProxyRules

    @Test(arguments: [
        ("http://127.0.0.1:9001/", true), ("http://127.9.9.9/", true), ("http://localhost/", true),
        ("http://LOCALHOST:1/", true), ("http://169.254.170.2/", true), ("http://169.254.170.23/", true),
        ("http://[::1]/", true), ("http://[fd00:ec2::23]/", true), ("http://[fe80::1]/", true),
        ("http://127.example.com/", false), ("http://169.254.example.com/", false), ("http://10.0.0.1/", false),
        ("http://s3.amazonaws.com/", false), ("http://localhost.example.com/", false),
    ])
    func localAddressesNeverGoThroughAProxy(url: String, isLocal: Bool) throws {
        let rules = ProxyRules(environment: ["http_proxy": "p:1", "https_proxy": "p:2"])
        let secure = "https" + url.dropFirst(4)
        #expect((rules.proxy(for: try RequestURL(url)) == nil) == isLocal)
        #expect((rules.proxy(for: try RequestURL(secure)) == nil) == isLocal)
    }

    @Test func proxyVariablesAreReadAsCurlDoes() throws {
        let http = try RequestURL("http://a")
        let https = try RequestURL("https://a")
        let both = ProxyRules(environment: [
            "https_proxy": "lower:1", "HTTPS_PROXY": "upper:1", "http_proxy": "plain:2", "no_proxy": "x",
            "NO_PROXY": "y",
        ])
        #expect(both.proxy(for: https)?.address == "http://lower:1")
        #expect(both.proxy(for: http)?.address == "http://plain:2")
        #expect(both.exceptions == "x")
        let upper = ProxyRules(environment: [
            "https_proxy": "", "HTTPS_PROXY": "HTTPS://u@upper:1/path", "HTTP_PROXY": "bad",
        ])
        #expect(upper.proxy(for: https) == .init(address: "HTTPS://upper:1", user: "u", password: nil))
        #expect(upper.proxy(for: http) == nil)
        let none = ProxyRules(environment: [:])
        #expect(none.proxy(for: https) == nil)
        #expect(none.exceptions == "")
    }

    // MARK: CertificateBundle

    @Test func firstKnownBundleThatIsThereIsTaken() throws {
        let folder = try TemporaryFolder()
        let present = folder.url.appendingPathComponent("ca.crt").path
        try Data("x".utf8).write(to: URL(fileURLWithPath: present))
        let bundle = CertificateBundle(
            environment: ["AWS_CA_BUNDLE": ""], knownPaths: ["/no/such/one", present, "/etc/passwd"])
        #expect(try bundle.path() == present)
    }

    @Test func noBundleAtAllIsAnErrorThatSaysWhatToDo() throws {
        let bundle = CertificateBundle(environment: [:], knownPaths: ["/no/such/one", "/no/such/two"])
        let error = try #require(throws: HTTPError.self) { try bundle.path() }
        #expect(error.kind == .tls)
        for word in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "/no/such/one", "/no/such/two"] {
            #expect(error.message.contains(word))
        }
    }

    @Test func bundlesOfDebianAmazonLinuxAndAlpineAreKnown() {
        let paths = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"]
        #expect(CertificateBundle.knownPaths == paths)
    }
}
