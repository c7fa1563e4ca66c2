import Foundation
import HTTP
import TestKit
import Testing

/// Certificates of a test's own, made with the openssl command.
private struct Authority {
    let folder: TemporaryFolder
    let name: String

    var certificate: String { folder.url.appendingPathComponent("\(name).crt").path }
    private var key: String { folder.url.appendingPathComponent("\(name).key").path }

    init(_ name: String, in folder: TemporaryFolder) throws {
        (self.folder, self.name) = (folder, name)
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=Test \(name)", "-keyout", key, "-out", certificate)
    }

    /// A certificate and its key for these names.
    func issue(_ server: String, names: String, isExpired: Bool = false) throws -> (certificate: String, key: String) {
        let base = folder.url.appendingPathComponent("\(name)-\(server)").path
        try openssl(
            "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(server)",
            "-keyout", "\(base).key", "-out", "\(base).csr")
        try Data().write(to: URL(fileURLWithPath: "\(base).index"))
        let settings = """
            [ca]
            default_ca = this
            [this]
            database = \(base).index
            new_certs_dir = \(folder.url.path)
            rand_serial = yes
            default_md = sha256
            policy = any
            x509_extensions = server
            [any]
            commonName = supplied
            [server]
            subjectAltName = \(names)
            """
        try Data(settings.utf8).write(to: URL(fileURLWithPath: "\(base).cnf"))
        let validity =
            isExpired ? ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"] : ["-days", "2"]
        try openssl(
            ["ca", "-batch", "-notext", "-config", "\(base).cnf", "-cert", certificate, "-keyfile", key]
                + ["-in", "\(base).csr", "-out", "\(base).crt"] + validity)
        return ("\(base).crt", "\(base).key")
    }

    private func openssl(_ arguments: String...) throws { try openssl(arguments) }

    private func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "openssl \(arguments)")
    }
}

@Suite("HTTPClient: TLS", .serialized)
struct HTTPTLSTests {
    private let folder: TemporaryFolder
    private let authority: Authority

    init() throws {
        folder = try TemporaryFolder()
        authority = try Authority("one", in: folder)
    }

    private func start(_ pair: (certificate: String, key: String)) throws -> StandIn {
        try StandIn("https_server.py", ["--certificate", pair.certificate, "--key", pair.key], workFolder: folder.url)
    }

    private func url(_ server: StandIn, host: String = "localhost") throws -> String {
        "https://\(host):\(try #require(server.ready["port"]))/"
    }

    private func get(_ url: String, _ environment: [String: String]) async throws -> HTTPResponse {
        try await HTTPClient(HTTPClientConfiguration(environment: environment)).execute(HTTPRequest(.get, url))
    }

    @Test(arguments: ["SSL_CERT_FILE", "AWS_CA_BUNDLE"])
    func serverOfOurAuthorityIsTrusted(variable: String) async throws {
        let server = try start(authority.issue("good", names: "DNS:localhost,IP:127.0.0.1"))
        defer { server.stop() }
        let client = HTTPClient(HTTPClientConfiguration(environment: [variable: authority.certificate]))
        for host in ["localhost", "127.0.0.1"] {
            let body = [UInt8](repeating: 7, count: 3_000_000)
            let request = HTTPRequest(.put, try url(server, host: host), body: .bytes(body))
            let isSame = try await client.execute(request).body.collect(upTo: body.count) == body
            #expect(isSame)
        }
        await client.shutdown()
    }

    @Test func awsBundleWinsOverTheGeneralOne() async throws {
        let server = try start(authority.issue("good", names: "DNS:localhost"))
        defer { server.stop() }
        let environment = ["AWS_CA_BUNDLE": authority.certificate, "SSL_CERT_FILE": "/does/not/exist"]
        #expect(try await get(url(server), environment).status == 200)
    }

    @Test func strangeAuthorityIsRefused() async throws {
        let server = try start(authority.issue("good", names: "DNS:localhost"))
        defer { server.stop() }
        let other = try Authority("two", in: folder)
        for environment in [["SSL_CERT_FILE": other.certificate], [:]] {
            let error = try await failure { try await get(url(server), environment) }
            #expect(error.kind == .tls)
            #expect(!error.isTransient)
            #expect(error.message.contains("GET localhost:"))
        }
    }

    @Test func certificateForAnotherNameIsRefused() async throws {
        let server = try start(authority.issue("other", names: "DNS:elsewhere.example"))
        defer { server.stop() }
        let error = try await failure { try await get(url(server), ["SSL_CERT_FILE": authority.certificate]) }
        #expect(error.kind == .tls)
    }

    @Test func expiredCertificateIsRefused() async throws {
        let server = try start(authority.issue("old", names: "DNS:localhost", isExpired: true))
        defer { server.stop() }
        let error = try await failure { try await get(url(server), ["SSL_CERT_FILE": authority.certificate]) }
        #expect(error.kind == .tls)
        #expect(error.message.contains("expired"))
    }

    /// Whoever answers is believed, but never followed: what is signed and encrypted for one host stays there.
    @Test(arguments: [301, 302, 303, 307, 308])
    func redirectToPlainHTTPIsNotFollowed(status: Int) async throws {
        let plain = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { plain.stop() }
        let pair = try authority.issue("good", names: "DNS:localhost")
        let server = try StandIn(
            "https_server.py",
            ["--certificate", pair.certificate, "--key", pair.key, "--redirect", "\(status)", plain.url],
            workFolder: folder.url)
        defer { server.stop() }
        let response = try await get(url(server), ["SSL_CERT_FILE": authority.certificate])
        #expect(response.status == status)
        #expect(response.headers["Location"] == plain.url)
        // Whoever follows a redirect does so behind its body.
        #expect(try await response.body.collect(upTo: 100) == Array("hello".utf8))
        #expect(plain.connectionCount == 0)
    }

    @Test(arguments: ["SSL_CERT_FILE", "AWS_CA_BUNDLE"])
    func missingBundleIsNamedWithItsVariable(variable: String) async throws {
        let error = try await failure { try await get("https://127.0.0.1:1/", [variable: "/no/such/file"]) }
        #expect(error.kind == .tls)
        #expect(error.message.contains("\(variable) names /no/such/file"))
    }

    @Test func missingBundleDoesNotMatterForHTTP() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        #expect(try await get(server.url, ["SSL_CERT_FILE": "/no/such/file"]).status == 200)
    }

    @Test func serverThatSpeaksNoTLSIsRefused() async throws {
        let server = try ScriptedHTTPServer { exchange in exchange.close() }
        defer { server.stop() }
        let address = "https://127.0.0.1:\(server.port)/"
        let stopped = Task { try await get(address, ["SSL_CERT_FILE": authority.certificate]) }
        // The scripted server waits for the end of a head that never comes.
        try await eventually("a connection") { server.connectionCount > 0 }
        server.stop()
        let error = try await failure { try await stopped.value }
        #expect(error.kind == .tls || error.kind == .connect)
    }

    @Test func serverThatHangsUpDuringTheHandshakeMayBeTriedAgain() async throws {
        let server = try StandIn("https_server.py", ["--hang-up"], workFolder: folder.url)
        defer { server.stop() }
        let error = try await failure { try await get(url(server), ["SSL_CERT_FILE": authority.certificate]) }
        #expect(error.kind == .connect)
        #expect(error.isTransient)
    }

    @Test func secondConnectionToAHostResumesTheSession() async throws {
        let server = try start(authority.issue("good", names: "DNS:localhost"))
        defer { server.stop() }
        let client = HTTPClient(HTTPClientConfiguration(environment: ["SSL_CERT_FILE": authority.certificate]))
        let address = try url(server)
        var reused: [String?] = []
        for _ in 0..<2 {
            let request = HTTPRequest(.get, address, headers: ["Connection": "close"])
            let response = try await client.execute(request)
            _ = try await response.body.collect(upTo: 100)
            reused.append(response.headers["X-Session-Reused"])
        }
        #expect(reused == ["false", "true"])
        await client.shutdown()
    }
}
