import HTTP
import TestKit
import Testing

@Suite("HTTPClient: proxies")
struct HTTPProxyTests {
    private static let target = "http://bucket.example:8000/a/../b?x=%20"

    private func client(_ environment: [String: String]) -> HTTPClient {
        HTTPClient(HTTPClientConfiguration(environment: environment))
    }

    @Test func httpGoesThroughTheProxyWithItsCredentials() async throws {
        let proxy = try ScriptedHTTPServer(answering: { _ in .init(200, text: "through") })
        defer { proxy.stop() }
        let client = client(["http_proxy": "http://us%40er:p%3Ass@127.0.0.1:\(proxy.port)/"])
        let response = try await client.execute(HTTPRequest(.get, Self.target))
        #expect(try await response.body.collect(upTo: 100) == Array("through".utf8))
        let request = try #require(proxy.requests.first)
        #expect(request.target == Self.target)
        #expect(request.headers["Host"] == "bucket.example:8000")
        // us@er:p:ss
        #expect(request.headers["Proxy-Authorization"] == "Basic dXNAZXI6cDpzcw==")
    }

    @Test(arguments: ["https_proxy", "HTTPS_PROXY"])
    func httpsAsksTheProxyForATunnel(variable: String) async throws {
        let proxy = try ScriptedHTTPServer { exchange in
            try exchange.sendResponse(.init(407, headers: ["Proxy-Authenticate": "Basic realm=\"r\""], text: "no"))
            exchange.close()
        }
        defer { proxy.stop() }
        let client = client([variable: "user:topsecret@127.0.0.1:\(proxy.port)"])
        let error = try await failure { try await client.execute(HTTPRequest(.get, "https://bucket.example/x?y")) }
        #expect(error.kind == .connect)
        #expect(!error.message.contains("topsecret"))
        let request = try #require(proxy.requests.first)
        #expect(request.method == "CONNECT")
        #expect(request.target == "bucket.example:443")
    }

    @Test func upperCaseHTTPProxyIsNotRead() async throws {
        let proxy = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { proxy.stop() }
        let client = client(["HTTP_PROXY": proxy.url])
        let error = try await failure {
            try await client.execute(HTTPRequest(.get, "http://no-such-host.invalid/"))
        }
        #expect(error.kind == .resolve)
        #expect(proxy.connectionCount == 0)
    }

    @Test(arguments: [
        ("no_proxy", "other.example,.invalid"), ("NO_PROXY", "no-such-host.invalid"), ("no_proxy", "*"),
    ])
    func exceptionsAreReachedDirectly(variable: String, value: String) async throws {
        let proxy = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { proxy.stop() }
        let client = client(["http_proxy": proxy.url, variable: value])
        let error = try await failure {
            try await client.execute(HTTPRequest(.get, "http://no-such-host.invalid/"))
        }
        #expect(error.kind == .resolve)
        #expect(proxy.connectionCount == 0)
    }

    @Test func serverOnThisMachineIsReachedWithoutTheProxy() async throws {
        let proxy = try ScriptedHTTPServer(answering: { _ in .init(500) })
        defer { proxy.stop() }
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        let client = client(["http_proxy": proxy.url])
        for host in ["127.0.0.1", "localhost"] {
            #expect(try await client.execute(HTTPRequest(.get, "http://\(host):\(server.port)/")).status == 200)
        }
        #expect(proxy.connectionCount == 0)
    }

    @Test func brokenProxySettingDoesNotShowItsPassword() async throws {
        for proxy in [
            "nonsense://user:topsecret@a b", "http://user:topsecret@no-such-host.invalid:1", "user:topsecret@:x",
        ] {
            let error = try await failure {
                try await client(["http_proxy": proxy]).execute(HTTPRequest(.get, Self.target))
            }
            #expect(!error.message.contains("topsecret"))
        }
    }
}
