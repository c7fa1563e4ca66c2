import Foundation
import Glibc
import HTTP
import TestKit
import Testing

/// Some of these count descriptors and threads of the process, in which other tests run at the same time: what they
/// allow is more than those need and a fraction of what one leak for each request or client would be.
@Suite("HTTPClient: connections and life", .serialized)
struct HTTPConnectionTests {
    private static let strangersCount = 400

    private static func entryCount(_ folder: String) -> Int {
        // A thread or descriptor may go while the folder is read; the callers look again.
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).count
    }

    @Test func connectionIsReused() async throws {
        let client = makeClient()
        let server = try ScriptedHTTPServer(answering: { .init(200, text: $0.target) })
        defer { server.stop() }
        for number in 0..<5 {
            let response = try await client.execute(HTTPRequest(.get, "\(server.url)/\(number)"))
            #expect(try await response.body.collect(upTo: 100) == Array("/\(number)".utf8))
        }
        #expect(server.connectionCount == 1)
        await client.shutdown()
    }

    @Test func idleConnectionThatTheServerClosedIsReplaced() async throws {
        let client = makeClient()
        let server = try ScriptedHTTPServer(answering: { .init(200, body: $0.body) })
        defer { server.stop() }
        for number in 0..<4 {
            let body = HTTPRequestBody.bytes([UInt8](repeating: UInt8(number), count: 1_000))
            let response = try await client.execute(HTTPRequest(.put, server.url, body: body))
            #expect(try await response.body.collect(upTo: 1_000).count == 1_000)
            try await server.waitForIdleConnections(1)
            server.closeIdleConnections()
            try await server.waitForOpenConnections(atMost: 0)
        }
        #expect(server.connectionCount == 4)
        await client.shutdown()
    }

    @Test func connectionThatDiesUnderTheRequestIsReplaced() async throws {
        let client = makeClient()
        let server = try ScriptedHTTPServer { exchange in
            // Each connection dies on its second request, without a byte of an answer.
            if exchange.request.number % 2 == 1, exchange.request.connection == 0 {
                exchange.reset()
            } else {
                try exchange.respond(200)
            }
        }
        defer { server.stop() }
        for _ in 0..<2 {
            #expect(try await client.execute(HTTPRequest(.get, server.url)).status == 200)
        }
        #expect(server.connectionCount == 2)
        #expect(server.requests.count == 3)
        await client.shutdown()
    }

    @Test func requestsAboveTheLimitWaitWithoutTheirConnectTimeoutRunning() async throws {
        let client = makeClient { $0.maximumConnectionsPerHost = 2 }
        let gate = ScriptedHTTPServer.Gate()
        let server = try ScriptedHTTPServer(behind: gate)
        defer { server.stop() }
        defer { gate.open() }
        let url = server.url
        let limits = HTTPLimits(connectTimeoutSeconds: 0.5, stallSeconds: 60)
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<10 {
                group.addTask { try await client.execute(HTTPRequest(.get, url, limits: limits)).status }
            }
            try await server.waitForRequests(2)
            try await Task.sleep(for: .seconds(1))
            #expect(server.requests.count == 2)
            gate.open()
            for try await status in group { #expect(status == 200) }
        }
        #expect(server.connectionCount == 2)
        await client.shutdown()
    }

    @Test func waitingRequestCanBeCancelledAndTimesOut() async throws {
        let client = makeClient { ($0.maximumConnectionsPerHost, $0.maximumWaitingRequests) = (1, 2) }
        let gate = ScriptedHTTPServer.Gate()
        let server = try ScriptedHTTPServer(behind: gate)
        defer { server.stop() }
        defer { gate.open() }
        let url = server.url
        let first = Task { try await client.execute(HTTPRequest(.get, url)).status }
        try await server.waitForRequests(1)
        let second = Task { try await client.execute(HTTPRequest(.get, url)).status }
        let limits = HTTPLimits(totalTimeoutSeconds: 0.2)
        let timedOut = try await failure {
            try await client.execute(HTTPRequest(.get, url, limits: limits))
        }
        #expect(timedOut.kind == .totalTimeout)
        second.cancel()
        let cancelled = try await failure { try await second.value }
        #expect(cancelled.kind == .cancelled)
        let third = Task { try await client.execute(HTTPRequest(.get, url)).status }
        gate.open()
        #expect(try await first.value == 200)
        #expect(try await third.value == 200)
        #expect(server.requests.count == 2)
        await client.shutdown()
    }

    @Test func cancellingARequestEndsItsConnection() async throws {
        let client = makeClient()
        let server = try ScriptedHTTPServer { try $0.waitForPeerToGo() }
        defer { server.stop() }
        let request = Task {
            try await client.execute(HTTPRequest(.get, server.url, limits: .longPoll)).status
        }
        try await server.waitForRequests(1)
        request.cancel()
        let error = try await failure { try await request.value }
        #expect(error.kind == .cancelled)
        try await server.waitForOpenConnections(atMost: 0)
        // And one that is cancelled before it begins sends nothing.
        let early = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await client.execute(HTTPRequest(.get, server.url)).status
        }
        await #expect(throws: HTTPError.self) { try await early.value }
        #expect(server.requests.count == 1)
        await client.shutdown()
    }

    @Test func thousandsOfRequestsLeaveNothingBehind() async throws {
        let client = makeClient { $0.maximumConnectionsPerHost = 16 }
        let server = try ScriptedHTTPServer(answering: { .init(200, body: $0.body) })
        defer { server.stop() }
        let url = server.url
        @Sendable func request(_ number: Int) async throws {
            let body = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: number % 5_000)
            let response = try await client.execute(HTTPRequest(.post, url, body: .bytes(body)))
            #expect(try await response.body.collect(upTo: 5_000).count == body.count)
        }
        for number in 0..<32 { try await request(number) }
        let before = Self.entryCount("/proc/self/fd")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<2_000 {
                if number >= 16 { try await group.next() }
                group.addTask { try await request(number) }
            }
            try await group.waitForAll()
        }
        #expect(server.connectionCount <= 16)
        #expect(Self.entryCount("/proc/self/fd") < before + Self.strangersCount)
        await client.shutdown()
        try await server.waitForOpenConnections(atMost: 0)
    }

    @Test func brokenAndAbandonedRequestsLeaveNothingBehind() async throws {
        let client = makeClient()
        let server = try ScriptedHTTPServer { exchange in
            switch exchange.request.number % 3 {
            case 0: exchange.reset()
            case 1:
                try exchange.sendHead(200, headers: ["Content-Length": "1000"])
                try exchange.send("x")
                exchange.close()
            default:
                try exchange.sendHead(200, headers: ["Content-Length": "1000"])
                try exchange.waitForPeerToGo()
            }
        }
        defer { server.stop() }
        let before = Self.entryCount("/proc/self/fd")
        for _ in 0..<900 {
            // Whether there is a head or an error, it is let go of.
            _ = try? await client.execute(HTTPRequest(.get, server.url))
        }
        #expect(Self.entryCount("/proc/self/fd") < before + Self.strangersCount)
        try await server.waitForOpenConnections(atMost: 0)
        await client.shutdown()
    }

    @Test(arguments: [true, false])
    func clientsLeaveNeitherThreadsNorDescriptorsBehind(byShutdown: Bool) async throws {
        let server = try ScriptedHTTPServer(answering: { _ in .init(200) })
        defer { server.stop() }
        let threads = Self.entryCount("/proc/self/task")
        let descriptors = Self.entryCount("/proc/self/fd")
        for _ in 0..<500 {
            let client = makeClient()
            #expect(try await client.execute(HTTPRequest(.get, server.url)).status == 200)
            if byShutdown { await client.shutdown() }
        }
        try await eventually("the threads end") {
            Self.entryCount("/proc/self/task") < threads + Self.strangersCount
                && Self.entryCount("/proc/self/fd") < descriptors + Self.strangersCount
        }
        try await server.waitForOpenConnections(atMost: 0)
    }

    @Test func shutdownEndsEverything() async throws {
        let client = makeClient { $0.maximumConnectionsPerHost = 1 }
        let server = try ScriptedHTTPServer { try $0.waitForPeerToGo() }
        defer { server.stop() }
        let url = server.url
        let requests = (0..<3).map { _ in
            Task { try await client.execute(HTTPRequest(.get, url)).status }
        }
        try await server.waitForRequests(1)
        await client.shutdown()
        for request in requests {
            let error = try await failure { try await request.value }
            #expect(error.kind == .closed)
        }
        let later = try await failure { try await client.execute(HTTPRequest(.get, url)) }
        #expect(later.kind == .closed)
        await client.shutdown()
        try await server.waitForOpenConnections(atMost: 0)
    }

    @Test func shutdownOfAClientThatWasNeverUsed() async throws {
        let client = makeClient()
        await client.shutdown()
        let error = try await failure {
            try await client.execute(HTTPRequest(.get, "http://127.0.0.1:1/"))
        }
        #expect(error.kind == .closed)
    }

    @Test func droppedClientLetsItsTransfersEndAndThenItsThreadGo() async throws {
        let gate = ScriptedHTTPServer.Gate()
        let server = try ScriptedHTTPServer { exchange in
            try exchange.sendHead(200, headers: ["Content-Length": "10"])
            try exchange.send("12345")
            try gate.wait()
            try exchange.send("67890")
        }
        defer { server.stop() }
        defer { gate.open() }
        let responses = try await {
            var responses: [HTTPResponse] = []
            for _ in 0..<20 { responses.append(try await makeClient().execute(HTTPRequest(.get, server.url))) }
            return responses
        }()
        gate.open()
        for response in responses {
            #expect(try await response.body.collect(upTo: 10) == Array("1234567890".utf8))
        }
        try await server.waitForOpenConnections(atMost: 0)
    }
}
