import Foundation
import HTTP
import Synchronization
import TestKit
import Testing

@Suite("HTTPClient: response bodies")
struct HTTPResponseBodyTests {
    private let client = makeClient()

    /// Serves an endless body and counts what has gone.
    private final class EndlessServer: Sendable {
        let server: ScriptedHTTPServer
        private let sent: Sent

        private final class Sent: Sendable {
            let bytes = Mutex(0)
        }

        init() throws {
            let sent = Sent()
            self.sent = sent
            server = try ScriptedHTTPServer { exchange in
                try exchange.sendHead(200, headers: ["Content-Length": String(1 << 40)])
                let piece = [UInt8](repeating: 7, count: 64 << 10)
                while true {
                    try exchange.send(piece)
                    sent.bytes.withLock { $0 += piece.count }
                }
            }
        }

        var sentBytes: Int { sent.bytes.withLock { $0 } }
    }

    @Test func largeResponseArrivesWhole() async throws {
        let piece = (0..<65_537).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let server = try ScriptedHTTPServer { exchange in
            try exchange.sendHead(200, headers: ["Content-Length": String(64 << 20)])
            try exchange.send(piece, repeatedTo: 64 << 20)
        }
        defer { server.stop() }
        let response = try await client.execute(HTTPRequest(.get, "\(server.url)/large"))
        let received = try await response.body.collect(upTo: 64 << 20)
        var expected: [UInt8] = []
        while expected.count < 64 << 20 { expected += piece }
        expected.removeLast(expected.count - 64 << 20)
        let isSame = received == expected
        #expect(isSame)
    }

    @Test func unreadResponsePausesTheTransferAndHoldsUpNoOther() async throws {
        let endless = try EndlessServer()
        defer { endless.server.stop() }
        let other = try ScriptedHTTPServer(answering: { _ in .init(200, text: "here") })
        defer { other.stop() }
        let response = try await client.execute(HTTPRequest(.get, endless.server.url))
        _ = try await response.body.next()
        try await waitUntilSteady { endless.sentBytes }
        let before = endless.sentBytes
        // What the buffers of both sockets hold, and ours.
        #expect(before < 16 << 20)
        let second = try await client.execute(HTTPRequest(.get, other.url))
        #expect(try await second.body.collect(upTo: 10) == Array("here".utf8))
        #expect(endless.sentBytes == before)
        for _ in 0..<64 { #expect(try await (response.body.next()?.count ?? 0) <= 512 << 10) }
        try await eventually("the transfer goes on") { endless.sentBytes > before }
    }

    @Test func pausedTransferDoesNotCountAsStalled() async throws {
        let endless = try EndlessServer()
        defer { endless.server.stop() }
        let limits = HTTPLimits(stallSeconds: 1, stallBytesPerSecond: 1_000)
        let response = try await client.execute(HTTPRequest(.get, endless.server.url, limits: limits))
        _ = try await response.body.next()
        try await waitUntilSteady { endless.sentBytes }
        // Three times the limit, with nobody reading.
        try await Task.sleep(for: .seconds(3))
        for _ in 0..<32 { #expect(try await response.body.next() != nil) }
    }

    @Test func silentServerIsAStall() async throws {
        let gate = ScriptedHTTPServer.Gate()
        let server = try ScriptedHTTPServer { exchange in
            try exchange.sendHead(200, headers: ["Content-Length": "10"])
            try exchange.send("12345")
            try gate.wait()
        }
        defer { server.stop() }
        defer { gate.open() }
        let limits = HTTPLimits(stallSeconds: 1, stallBytesPerSecond: 1)
        let response = try await client.execute(HTTPRequest(.get, server.url, limits: limits))
        #expect(try await response.body.next() == Array("12345".utf8))
        let error = try await failure { try await response.body.next() as Any }
        #expect(error.kind == .stalled)
        #expect(error.message.contains("GET 127.0.0.1:\(server.port)"))
        // The server has been let go of.
        gate.open()
        try await server.waitForOpenConnections(atMost: 0)
    }

    @Test func serverThatDoesNotReadIsAStall() async throws {
        let gate = ScriptedHTTPServer.Gate()
        let server = try ScriptedHTTPServer { _ in try gate.wait() }
        defer { server.stop() }
        defer { gate.open() }
        let body = HTTPRequestBody.buffered(Array(repeating: [UInt8](repeating: 1, count: 1 << 20), count: 64))
        let limits = HTTPLimits(stallSeconds: 1, stallBytesPerSecond: 1)
        let error = try await failure {
            try await client.execute(HTTPRequest(.put, server.url, body: body, limits: limits))
        }
        #expect(error.kind == .stalled)
    }

    @Test func trickleAboveTheLimitIsNoStall() async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.sendHead(200, headers: ["Content-Length": "8"])
            for _ in 0..<8 {
                // The one thing that can only be had by waiting: a slow server.
                usleep(300_000)
                try exchange.send("x")
            }
        }
        defer { server.stop() }
        let limits = HTTPLimits(stallSeconds: 2, stallBytesPerSecond: 1)
        let response = try await client.execute(HTTPRequest(.get, server.url, limits: limits))
        #expect(try await response.body.collect(upTo: 8) == Array("xxxxxxxx".utf8))
    }

    @Test func totalTimeoutCountsToTheLastByte() async throws {
        let endless = try EndlessServer()
        defer { endless.server.stop() }
        let limits = HTTPLimits(totalTimeoutSeconds: 0.5)
        let response = try await client.execute(HTTPRequest(.get, endless.server.url, limits: limits))
        let error = try await failure {
            while try await response.body.next() != nil {}
        }
        #expect(error.kind == .totalTimeout)
        try await endless.server.waitForOpenConnections(atMost: 0)
    }

    @Test func handshakeThatNeverEndsIsAConnectTimeout() async throws {
        let gate = ScriptedHTTPServer.Gate()
        // A server that takes the connection and never answers the TLS greeting.
        let server = try ScriptedHTTPServer { _ in try gate.wait() }
        defer { server.stop() }
        defer { gate.open() }
        let limits = HTTPLimits(connectTimeoutSeconds: 0.3)
        let error = try await failure {
            try await client.execute(HTTPRequest(.get, "https://127.0.0.1:\(server.port)/", limits: limits))
        }
        #expect(error.kind == .connectTimeout)
    }

    @Test(arguments: [true, false])
    func brokenBodyIsALostConnection(byReset: Bool) async throws {
        let gate = ScriptedHTTPServer.Gate()
        let server = try ScriptedHTTPServer { exchange in
            try exchange.sendHead(200, headers: ["Content-Length": "10"])
            try exchange.send("12345")
            try gate.wait()
            if byReset { exchange.reset() } else { exchange.close() }
        }
        defer { server.stop() }
        defer { gate.open() }
        let response = try await client.execute(HTTPRequest(.get, server.url))
        #expect(try await response.body.next() == Array("12345".utf8))
        gate.open()
        let error = try await failure { try await response.body.next() as Any }
        #expect(error.kind == .connectionLost)
        #expect(error.isTransient)
        // And again the same: the end stays the end.
        let again = try await failure { try await response.body.next() as Any }
        #expect(again == error)
    }

    @Test func tooLargeBodyEndsTheTransfer() async throws {
        let endless = try EndlessServer()
        defer { endless.server.stop() }
        let error = try await failure {
            try await client.execute(HTTPRequest(.get, endless.server.url)).body.collect(upTo: 1_000)
        }
        #expect(error.kind == .bodyTooLarge)
        try await endless.server.waitForOpenConnections(atMost: 0)
    }

    @Test func lettingGoOfABodyEndsTheTransfer() async throws {
        let endless = try EndlessServer()
        defer { endless.server.stop() }
        for isRead in [false, true] {
            var response: HTTPResponse? = try await client.execute(HTTPRequest(.get, endless.server.url))
            if isRead { _ = try await response?.body.next() }
            #expect(endless.server.openConnectionCount == 1)
            response = nil
            try await endless.server.waitForOpenConnections(atMost: 0)
        }
    }

    @Test func cancellingTheReaderEndsTheTransfer() async throws {
        let server = try ScriptedHTTPServer { exchange in
            try exchange.sendHead(200, headers: ["Content-Length": "10"])
            try exchange.send("12345")
            try exchange.waitForPeerToGo()
        }
        defer { server.stop() }
        let response = try await client.execute(HTTPRequest(.get, server.url))
        #expect(try await response.body.next() == Array("12345".utf8))
        let reading = Task { try await response.body.next() }
        reading.cancel()
        let error = try await failure { try await reading.value as Any }
        #expect(error.kind == .cancelled)
        try await server.waitForOpenConnections(atMost: 0)
    }

    @Test func cancelledTaskReadsNoFurther() async throws {
        let endless = try EndlessServer()
        defer { endless.server.stop() }
        let reading = Task {
            let response = try await client.execute(HTTPRequest(.get, endless.server.url))
            try await waitUntilSteady { endless.sentBytes }
            withUnsafeCurrentTask { $0?.cancel() }
            // There is much to read, but not for this task.
            return try await response.body.next()?.count ?? 0
        }
        let error = try await failure { try await reading.value }
        #expect(error.kind == .cancelled)
        try await endless.server.waitForOpenConnections(atMost: 0)
    }
}
