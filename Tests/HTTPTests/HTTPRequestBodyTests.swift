import Foundation
import HTTP
import Synchronization
import TestKit
import Testing

/// Gives prepared pieces and remembers how many it was asked for.
private final class ListSource: HTTPBodySource {
    struct Broken: Error {}

    private let pieces: [[UInt8]]
    private let failsAtEnd: Bool
    private let position = Mutex(0)
    private let beforePiece: @Sendable (Int) async throws -> Void

    init(
        _ pieces: [[UInt8]], failsAtEnd: Bool = false,
        beforePiece: @escaping @Sendable (Int) async throws -> Void = { _ in }
    ) {
        self.pieces = pieces
        self.failsAtEnd = failsAtEnd
        self.beforePiece = beforePiece
    }

    var askedCount: Int { position.withLock { $0 } }

    func next() async throws -> [UInt8]? {
        let index = position.withLock { position in
            defer { position += 1 }
            return position
        }
        try await beforePiece(index)
        if index < pieces.count { return pieces[index] }
        if failsAtEnd { throw Broken() }
        return nil
    }
}

@Suite("HTTPClient: request bodies")
struct HTTPRequestBodyTests {
    private let client = makeClient()

    @Test func largeBufferedBodyArrivesWhole() async throws {
        let server = try ScriptedHTTPServer(answering: { .init(200, text: String($0.body.count)) })
        defer { server.stop() }
        let pieces = (0..<40).map { number in [UInt8](repeating: UInt8(number), count: 300_001 + number) }
        let response = try await client.execute(HTTPRequest(.put, server.url, body: .buffered(pieces)))
        #expect(response.status == 200)
        let isSame = server.requests.first?.body == joined(pieces)
        #expect(isSame)
        #expect(server.requests.first?.headers["Expect"] == nil)
    }

    @Test func streamedBodyArrivesWhole() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        let pieces = [[1], [], [UInt8](repeating: 2, count: 3_000_000), [3, 4], [UInt8](repeating: 5, count: 70_000)]
        let whole = joined(pieces)
        let source = ListSource(pieces)
        let body = HTTPRequestBody.stream(lengthBytes: UInt64(whole.count), source: source)
        #expect(try await client.execute(HTTPRequest(.put, server.url, body: body)).status == 200)
        let isSame = server.requests.first?.body == whole
        #expect(isSame)
        #expect(server.requests.first?.headers["Content-Length"] == String(whole.count))
        // The last look is for the end.
        #expect(source.askedCount == pieces.count + 1)
    }

    @Test func streamedBodyOfNothingIsSent() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        let body = HTTPRequestBody.stream(lengthBytes: 0, source: ListSource([[]]))
        #expect(try await client.execute(HTTPRequest(.put, server.url, body: body)).status == 200)
        #expect(server.requests.first?.headers["Content-Length"] == "0")
    }

    @Test func sourceIsAskedOnePieceAhead() async throws {
        let gate = ScriptedHTTPServer.Gate()
        let server = try ScriptedHTTPServer(behind: gate)
        defer { server.stop() }
        defer { gate.open() }
        // Larger than what the sockets' buffers hold, so that the upload stops while the server does not read.
        let count = 64
        let source = ListSource(Array(repeating: [UInt8](repeating: 1, count: 1 << 20), count: count))
        let body = HTTPRequestBody.stream(lengthBytes: UInt64(count) << 20, source: source)
        async let response = client.execute(HTTPRequest(.put, server.url, body: body))
        try await server.waitForRequests(1)
        try await waitUntilSteady { source.askedCount }
        #expect(source.askedCount < count / 2)
        gate.open()
        #expect(try await response.status == 200)
        #expect(server.requests.first?.bodyBytes == UInt64(count) << 20)
    }

    @Test(arguments: [
        (lengthBytes: 10, pieces: [[1, 2, 3]], fails: false),
        (lengthBytes: 10, pieces: [[1, 2, 3]], fails: true),
        (lengthBytes: 4, pieces: [[1, 2, 3], [4, 5]], fails: false),
        (lengthBytes: 3, pieces: [[1, 2, 3], [], [4]], fails: false),
        (lengthBytes: 3, pieces: [[1, 2, 3]], fails: true),
        (lengthBytes: 0, pieces: [[1]], fails: false),
    ])
    func sourceThatBreaksItsWordFailsTheRequest(lengthBytes: UInt64, pieces: [[UInt8]], fails: Bool) async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        let source = ListSource(pieces, failsAtEnd: fails)
        let body = HTTPRequestBody.stream(lengthBytes: lengthBytes, source: source)
        let error = try await failure {
            try await client.execute(HTTPRequest(.put, server.url, body: body))
        }
        #expect(error.kind == .bodySource)
        // No server has seen a whole body.
        try await server.waitForOpenConnections(atMost: 0)
        #expect(server.requests.allSatisfy { $0.bodyBytes < max(1, lengthBytes) })
    }

    @Test func sourceThatGivesNothingForEverFailsTheRequest() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        let source = ListSource(Array(repeating: [], count: 2_000))
        let error = try await failure {
            try await client.execute(HTTPRequest(.put, server.url, body: .stream(lengthBytes: 1, source: source)))
        }
        #expect(error.kind == .bodySource)
        #expect(source.askedCount == 1_000)
    }

    @Test func slowSourceDoesNotCountAsStalled() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        let source = ListSource([[1], [2]]) { index in
            // Three times the limit.
            if index == 1 { try await Task.sleep(for: .seconds(3)) }
        }
        let limits = HTTPLimits(stallSeconds: 1, stallBytesPerSecond: 1)
        let body = HTTPRequestBody.stream(lengthBytes: 2, source: source)
        #expect(try await client.execute(HTTPRequest(.put, server.url, body: body, limits: limits)).status == 200)
    }

    @Test(arguments: [true, false])
    func errorAnswerEndsAnUploadWhoseSourceIsSlow(serverCloses: Bool) async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.discardBody(1)
            try exchange.sendResponse(.init(403, text: "denied"))
            if serverCloses { exchange.close() } else { try exchange.waitForPeerToGo() }
        }
        defer { server.stop() }
        let source = ListSource([[1], [2]]) { index in
            if index == 1 { try await Task.sleep(for: .seconds(3_600)) }
        }
        let body = HTTPRequestBody.stream(lengthBytes: 2, source: source)
        let response = try await client.execute(HTTPRequest(.put, server.url, body: body))
        #expect(response.status == 403)
        #expect(try await response.body.collect(upTo: 100) == Array("denied".utf8))
    }

    @Test func errorAnswerEndsALargeUpload() async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.discardBody(100_000)
            try exchange.sendResponse(.init(400, headers: ["Connection": "close"], text: "bad"))
            try exchange.waitForPeerToGo()
        }
        defer { server.stop() }
        let body = HTTPRequestBody.buffered(Array(repeating: [UInt8](repeating: 1, count: 1 << 20), count: 64))
        let response = try await client.execute(HTTPRequest(.put, server.url, body: body))
        #expect(response.status == 400)
        #expect(try await response.body.collect(upTo: 100) == Array("bad".utf8))
        try await server.waitForOpenConnections(atMost: 0)
    }

    @Test func sourceIsNotAskedAfterTheRequestHasFailed() async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.discardBody(1)
            exchange.reset()
        }
        defer { server.stop() }
        let isBusy = Mutex(false)
        let source = ListSource([[1], [2]]) { index in
            guard index == 1 else { return }
            isBusy.withLock { $0 = true }
            defer { isBusy.withLock { $0 = false } }
            try await Task.sleep(for: .seconds(3_600))
        }
        let body = HTTPRequestBody.stream(lengthBytes: 2, source: source)
        let error = try await failure {
            try await client.execute(HTTPRequest(.put, server.url, body: body))
        }
        #expect(error.kind == .connectionLost)
        #expect(isBusy.withLock { $0 } == false)
    }

    /// The break is noticed while sending or while reading, as it happens: so more than once.
    @Test(arguments: [0, 1_000, 500_000])
    func bufferedBodyIsSentAgainWhenTheReusedConnectionIsDead(afterBytes: UInt64) async throws {
        let server = try ScriptedHTTPServer { exchange in
            if exchange.request.number % 3 == 1 {
                // The connection breaks on its second request, before a byte of the answer.
                try exchange.discardBody(afterBytes)
                exchange.reset()
            } else {
                try exchange.readBody()
                try exchange.respond(
                    200, headers: ["Connection": exchange.request.number % 3 == 2 ? "close" : "keep-alive"])
            }
        }
        defer { server.stop() }
        let pieces = (0..<8).map { [UInt8](repeating: UInt8($0), count: 100_003) }
        let whole = joined(pieces)
        // Each round: a good request, a dead connection, the second attempt.
        for _ in 0..<5 {
            for _ in 0..<2 {
                let response = try await client.execute(HTTPRequest(.put, server.url, body: .buffered(pieces)))
                #expect(response.status == 200)
            }
        }
        #expect(server.requests.count == 15)
        #expect(server.connectionCount == 10)
        let areSame = server.requests.enumerated().allSatisfy { $0 % 3 == 1 || $1.body == whole }
        #expect(areSame)
    }

    @Test func requestThatBreaksOnAFreshConnectionIsNotSentAgain() async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.discardBody(1_000)
            exchange.reset()
        }
        defer { server.stop() }
        let body = HTTPRequestBody.bytes([UInt8](repeating: 1, count: 4 << 20))
        let error = try await failure { try await client.execute(HTTPRequest(.put, server.url, body: body)) }
        #expect(error.kind == .connectionLost)
        #expect(server.requests.count == 1)
    }
}
