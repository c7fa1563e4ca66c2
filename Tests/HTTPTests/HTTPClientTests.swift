import Foundation
import HTTP
import TestKit
import Testing

@Suite("HTTPClient: requests and responses")
struct HTTPClientTests {
    private let client = makeClient()

    @Test func sendsTheRequestAndGivesTheResponse() async throws {
        let server = try ScriptedHTTPServer(answering: { request in
            .init(201, headers: ["ETag": "\"1\"", "X-Twice": "a", "x-twice": "b"], body: request.body.reversed())
        })
        defer { server.stop() }
        let response = try await client.execute(
            HTTPRequest(
                .put, "\(server.url)/a", headers: ["X-One": "1", "X-Empty": "", "X-Two": "ä b"],
                body: .buffered([[1, 2], [], [3, 4, 5]])))
        #expect(response.status == 201)
        #expect(response.headers["etag"] == "\"1\"")
        #expect(response.headers.values(of: "X-Twice") == ["a", "b"])
        #expect(try await response.body.collect(upTo: 100) == [5, 4, 3, 2, 1])
        let request = try #require(server.requests.first)
        #expect(request.method == "PUT")
        let host = "127.0.0.1:\(server.port)"
        let expected: HTTPHeaders = [
            "Host": host, "X-One": "1", "X-Empty": "", "X-Two": "ä b", "Content-Length": "5",
        ]
        #expect(request.headers == expected)
        #expect(server.failures == [])
    }

    @Test func targetGoesOutAsItIs() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        // Every printable character but the one that begins a fragment.
        let odd = String(decoding: (0x21...0x7E).filter { $0 != 0x23 }.map { UInt8($0) }, as: UTF8.self)
        let targets = [
            "/", "/a/../b/./c//d", "/%41%7e%2F%2f+%20", "/a?", "/a?b=c&&d=%20&?/../x", "/" + odd, "/?" + odd,
        ]
        for target in targets {
            let response = try await client.execute(HTTPRequest(.get, server.url + target))
            #expect(response.status == 200)
        }
        #expect(server.requests.map(\.target) == targets)
        _ = try await client.execute(HTTPRequest(.get, server.url))
        _ = try await client.execute(HTTPRequest(.get, server.url + "?a/b"))
        #expect(server.requests.suffix(2).map(\.target) == ["/", "/?a/b"])
    }

    @Test(arguments: [
        ("GET", nil), ("DELETE", nil), ("HEAD", nil), ("OPTIONS", nil), ("PUT", "0"), ("POST", "0"), ("PATCH", "0"),
    ])
    func emptyBodyHasALengthWhereTheMethodMeansOne(method: String, length: String?) async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200, text: "answer") })
        defer { server.stop() }
        let request = HTTPRequest(HTTPMethod(rawValue: method), server.url)
        let response = try await client.execute(request)
        let body = try await response.body.collect(upTo: 100)
        #expect(body == (method == "HEAD" ? [] : Array("answer".utf8)))
        #expect(server.requests.map(\.method) == [method])
        #expect(server.requests.first?.headers["Content-Length"] == length)
        #expect(server.requests.first?.headers["Transfer-Encoding"] == nil)
        #expect(response.headers["Content-Length"] == "6")
    }

    @Test(arguments: ["POST", "GET", "DELETE", "PATCH"])
    func everyMethodCanHaveABody(method: String) async throws {
        let server = try ScriptedHTTPServer(answering: { .init(200, body: $0.body) })
        defer { server.stop() }
        let request = HTTPRequest(HTTPMethod(rawValue: method), server.url, body: .bytes(Array("body".utf8)))
        #expect(try await client.execute(request).body.collect(upTo: 10) == Array("body".utf8))
        #expect(server.requests.first?.method == method)
    }

    @Test func headersOfTheCallerReplaceTheOnesOfTheTransfer() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        let headers: HTTPHeaders = [
            "Host": "bucket.example", "Accept": "a/b", "User-Agent": "u", "content-length": "2",
        ]
        _ = try await client.execute(HTTPRequest(.put, server.url, headers: headers, body: .bytes([1, 2])))
        let sent = try #require(server.requests.first).headers
        for field in headers { #expect(sent.values(of: field.name) == [field.value]) }
        #expect(sent.count == 4)
    }

    @Test func redirectIsAnAnswer() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in
            .init(307, headers: ["Location": "http://127.0.0.1:1/"], text: "elsewhere")
        })
        defer { server.stop() }
        let response = try await client.execute(HTTPRequest(.get, server.url))
        #expect(response.status == 307)
        #expect(try await response.body.collect(upTo: 100) == Array("elsewhere".utf8))
    }

    @Test func interimHeadsAndTrailersAreSkipped() async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.send(
                "HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
            try exchange.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Folded: a\r\n  b\r\nTrailer: X-T\r\n\r\n")
            try exchange.send("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n")
        }
        defer { server.stop() }
        for _ in 0..<2 {
            let response = try await client.execute(HTTPRequest(.get, server.url))
            #expect(response.status == 200)
            #expect(response.headers["X-Interim"] == nil)
            #expect(response.headers["Link"] == nil)
            #expect(response.headers["X-Folded"] == "a b")
            #expect(try await response.body.collect(upTo: 5) == Array("abcde".utf8))
            #expect(response.headers["X-T"] == nil)
        }
        #expect(server.connectionCount == 1)
    }

    @Test func bytesThatAreNotUTF8InAHeaderAreNotLost() async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.send(
                Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Old: caf".utf8) + [0xE9, 13, 10, 13, 10])
        }
        defer { server.stop() }
        #expect(try await client.execute(HTTPRequest(.get, server.url)).headers["X-Old"] == "café")
    }

    @Test(arguments: [
        ("X-Evil", "a\r\nX-Injected: 1"), ("X-Evil", "a\nb"), ("X-Evil", "a\u{0}b"), ("X-Evil\r\nX-Injected", "1"),
        ("X Evil", "1"), ("X-Evil:", "1"), ("", "1"), ("X-Evil;", ""), ("Transfer-Encoding", "chunked"),
        ("Content-Length", "7"),
    ])
    func headerThatCannotBeSentIsRefused(name: String, value: String) async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        var headers = HTTPHeaders()
        headers.add(name, value)
        let request = HTTPRequest(.put, server.url + "/?secret", headers: headers, body: .bytes([1]))
        let error = try await failure { try await client.execute(request) }
        #expect(error.kind == .invalidRequest)
        #expect(!error.message.contains("Injected") && !error.message.contains("secret"))
        #expect(server.connectionCount == 0)
    }

    @Test(arguments: [
        "", "ftp://a/", "file:///etc/passwd", "http://", "http:///a", "http://a:0/", "http://a:65536/", "http://a:x/",
        "http://user:pass@a/", "http://a/#f", "http://a/ b", "http://a/\r\nX: y", "http://a/ä", "http://[::1/",
        "http://[::1]x/", "/a", "HTTP//a",
    ])
    func urlThatCannotBeSentIsRefused(url: String) async throws {
        let error = try await failure { try await client.execute(HTTPRequest(.get, url)) }
        #expect(error.kind == .invalidRequest)
        #expect(!error.message.contains("pass"))
    }

    @Test(arguments: ["", "GE T", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET"])
    func methodThatIsNoTokenIsRefused(method: String) async throws {
        let request = HTTPRequest(HTTPMethod(rawValue: method), "http://127.0.0.1:1/")
        let error = try await failure { try await client.execute(request) }
        #expect(error.kind == .invalidRequest)
    }

    @Test func headOfUnlimitedSizeIsRefused() async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.send("HTTP/1.1 200 OK\r\n")
            while true { try exchange.send("X-Filler: \(String(repeating: "x", count: 1_000))\r\n") }
        }
        defer { server.stop() }
        let error = try await failure {
            try await client.execute(HTTPRequest(.get, server.url))
        }
        #expect(error.kind == .malformedResponse)
        #expect(error.message.contains("65536"))
    }

    @Test(arguments: ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 abc\r\n\r\n", "\r\n\r\n"])
    func answerThatIsNotHTTPIsMalformed(answer: String) async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.send(answer)
            exchange.close()
        }
        defer { server.stop() }
        let error = try await failure {
            try await client.execute(HTTPRequest(.get, server.url))
        }
        #expect(error.kind == .malformedResponse)
        #expect(error.isTransient)
    }

    @Test func errorNamesMethodAndHostButNoQuery() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        server.stop()
        let url = "\(server.url)/path?X-Amz-Signature=secret"
        let error = try await failure {
            try await client.execute(HTTPRequest(.put, url, headers: ["Authorization": "secret"]))
        }
        #expect(error.kind == .connect)
        #expect(error.message.hasPrefix("PUT 127.0.0.1:\(server.port): "))
        #expect(!error.message.contains("secret"))
    }

    @Test func unknownHostIsAResolveError() async throws {
        let error = try await failure {
            try await client.execute(HTTPRequest(.get, "http://no-such-host.invalid/"))
        }
        #expect(error.kind == .resolve)
        #expect(error.message.contains("GET no-such-host.invalid:80"))
    }
}
