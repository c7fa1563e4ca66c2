import HTTP
import TestKit
import Testing

@Suite("HTTPClient")
struct HTTPClientTests {
    private let client = HTTPClient(HTTPClientConfiguration(environment: [:]))

    @Test func sendsTheRequestAndGivesTheResponse() async throws {
        let server = try ScriptedHTTPServer(answering: { request in
            .init(201, headers: ["ETag": "\"1\"", "X-Twice": "a", "x-twice": "b"], body: request.body.reversed())
        })
        defer { server.stop() }
        let response = try await client.execute(
            HTTPRequest(
                .put, "\(server.url)/a%20b/../c?x=%2F&y", headers: ["X-One": "1", "X-Empty": ""],
                body: .buffered([[1, 2], [], [3, 4, 5]])))
        #expect(response.status == 201)
        #expect(response.headers["etag"] == "\"1\"")
        #expect(response.headers.values(of: "X-Twice") == ["a", "b"])
        #expect(try await response.body.collect(upTo: 100) == [5, 4, 3, 2, 1])
        let request = try #require(server.requests.first)
        #expect(request.method == "PUT")
        #expect(request.target == "/a%20b/../c?x=%2F&y")
        #expect(
            request.headers
                == [
                    "Host": "127.0.0.1:\(server.port)", "X-One": "1", "X-Empty": "", "Content-Length": "5",
                ])
        #expect(server.failures == [])
    }

    @Test func streamsALargeResponse() async throws {
        let piece = (0..<65_537).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let server = try ScriptedHTTPServer { exchange in
            try exchange.sendHead(200, headers: ["Content-Length": String(64 << 20)])
            try exchange.send(piece, repeatedTo: 64 << 20)
        }
        defer { server.stop() }
        let response = try await client.execute(HTTPRequest(.get, "\(server.url)/large"))
        var received: [UInt8] = []
        while let bytes = try await response.body.next() { received += bytes }
        #expect(received.count == 64 << 20)
        var expected: [UInt8] = []
        while expected.count < 64 << 20 { expected += piece }
        #expect(received == Array(expected.prefix(64 << 20)))
    }

    @Test func reusesTheConnection() async throws {
        let server = try ScriptedHTTPServer(answering: { .init(200, text: $0.target) })
        defer { server.stop() }
        for number in 0..<5 {
            let response = try await client.execute(HTTPRequest(.get, "\(server.url)/\(number)"))
            #expect(try await response.body.collect(upTo: 100) == Array("/\(number)".utf8))
        }
        #expect(server.connectionCount == 1)
    }
}
