import Foundation
import Glibc
public import HTTP

/// An HTTP/1.1 server of raw sockets for tests, on a free port of the loopback address. Each connection has a thread,
/// and the handler decides every byte of the answer: also broken, late and half ones.
///
/// ```swift
/// let server = try ScriptedHTTPServer { exchange in
///     let body = try exchange.readBody()
///     try exchange.respond(200, headers: ["ETag": "\"1\""], body: Array("hello".utf8))
/// }
/// defer { server.stop() }
/// ```
///
/// Unchecked Sendable: everything that changes is in `state`, which is only touched with `condition` locked (`access`
/// and `wait` are the only two ways to it); the rest is constant.
public final class ScriptedHTTPServer: @unchecked Sendable {
    /// Runs on the connection's thread, once for each request. When it returns, what it left of the request's body is
    /// thrown away and the next request is read. When it throws, the connection is reset.
    public typealias Handler = @Sendable (Exchange) throws -> Void

    /// A request, as it came.
    public struct Request: Sendable {
        /// Counts the server's requests from 0.
        public let number: Int
        /// Counts the server's connections from 0.
        public let connection: Int
        /// The method.
        public let method: String
        /// The request target, byte for byte as it was sent.
        public let target: String
        /// The version, such as `HTTP/1.1`.
        public let version: String
        /// The header fields in their order.
        public let headers: HTTPHeaders
        /// The body, when the handler has collected it with `readBody`.
        public internal(set) var body: [UInt8] = []
        /// How much of the body has been read, collected or not.
        public internal(set) var bodyBytes: UInt64 = 0

        /// The target up to its query.
        public var path: String { String(target.prefix { $0 != "?" }) }
        /// The target behind its first `?`.
        public var query: String { target.contains("?") ? String(target.drop { $0 != "?" }.dropFirst()) : "" }
        /// The body as text.
        public var text: String { String(decoding: body, as: UTF8.self) }
    }

    /// What came while a test waited.
    public struct Timeout: Error, CustomStringConvertible {
        /// What was waited for.
        public let description: String
    }

    private struct State {
        var requests: [Request] = []
        var failures: [String] = []
        var connectionCount = 0
        /// The descriptors of the open connections, and whether a request is under way on them.
        var open: [Int32: Bool] = [:]
        var threadCount = 0
        var isStopped = false
    }

    /// The port it listens on.
    public let port: Int
    private let listener: Int32
    private let handler: Handler
    private let condition = NSCondition()
    private var state = State()

    /// Starts it.
    /// - Throws: `POSIXError` when there is no socket.
    public init(_ handler: @escaping Handler) throws {
        self.handler = handler
        let (listener, port) = try Loopback.listen(backlog: 1_024)
        (self.listener, self.port) = (listener, Int(port))
        state.threadCount = 1
        let server = self
        Thread.detachNewThread { server.acceptConnections() }
    }

    /// Starts one whose handler sees the whole body and gives the answer.
    public convenience init(answering: @escaping @Sendable (Request) throws -> Response) throws {
        try self.init { exchange in
            try exchange.readBody()
            try exchange.respond(answering(exchange.request))
        }
    }

    /// Starts one that answers 200 to everybody once the gate is open.
    public convenience init(behind gate: Gate) throws {
        try self.init { exchange in
            try gate.wait()
            try exchange.respond(200)
        }
    }

    /// Its address, such as `http://127.0.0.1:8080`, without a slash at the end.
    public var url: String { "http://127.0.0.1:\(port)" }

    // MARK: What it saw

    /// The requests so far, in the order they came.
    public var requests: [Request] { access { $0.requests } }
    /// What handlers have thrown; that the client went away is none.
    public var failures: [String] { access { $0.failures } }
    /// How many connections there have been.
    public var connectionCount: Int { access { $0.connectionCount } }
    /// How many connections are open now.
    public var openConnectionCount: Int { access { $0.open.count } }

    /// Waits until so many requests have come; their heads, that is.
    /// - Throws: `Timeout`.
    public func waitForRequests(_ count: Int, limitSeconds: Double = 10) async throws {
        try await wait("\(count) requests", limitSeconds) { $0.requests.count >= count }
    }

    /// Waits until no more than so many connections are open.
    /// - Throws: `Timeout`.
    public func waitForOpenConnections(atMost count: Int, limitSeconds: Double = 10) async throws {
        try await wait("at most \(count) open connections", limitSeconds) { $0.open.count <= count }
    }

    /// Waits until so many connections are open and none of them has a request under way.
    /// - Throws: `Timeout`.
    public func waitForIdleConnections(_ count: Int, limitSeconds: Double = 10) async throws {
        try await wait("\(count) idle connections", limitSeconds) { state in
            state.open.count == count && state.open.values.allSatisfy { !$0 }
        }
    }

    // MARK: What it does

    /// Closes the connections that no request is under way on, as servers do after a while.
    public func closeIdleConnections() {
        access { state in
            for (descriptor, isBusy) in state.open where !isBusy { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    /// Ends all connections and threads and frees the port. A second call does nothing.
    public func stop() {
        let isFirst = access { state in
            defer { state.isStopped = true }
            for descriptor in state.open.keys { shutdown(descriptor, Int32(SHUT_RDWR)) }
            return !state.isStopped
        }
        guard isFirst else { return }
        shutdown(listener, Int32(SHUT_RDWR))
        do {
            try waitBlocking("the end of its threads", Gate.limitSeconds + 10) { $0.threadCount == 0 }
        } catch {
            FileHandle.standardError.write(Data("ScriptedHTTPServer: a handler does not end\n".utf8))
        }
    }

    deinit { close(listener) }

    // MARK: Its threads

    private func acceptConnections() {
        while true {
            let descriptor = accept(listener, nil, nil)
            if descriptor >= 0 { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
            let number = access { state -> Int? in
                guard descriptor >= 0, !state.isStopped else { return nil }
                defer { state.connectionCount += 1 }
                state.open[descriptor] = false
                state.threadCount += 1
                return state.connectionCount
            }
            guard let number else {
                if descriptor >= 0 { close(descriptor) }
                if access({ $0.isStopped }) { break }
                continue
            }
            Thread.detachNewThread { self.serve(descriptor, number) }
        }
        access { $0.threadCount -= 1 }
    }

    private func serve(_ descriptor: Int32, _ connection: Int) {
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        let stream = ByteStream(descriptor)
        do {
            while let head = try stream.readHead() {
                let exchange = Exchange(server: self, stream: stream, request: try record(head, connection, descriptor))
                try handler(exchange)
                guard try exchange.finish() else { break }
                access { $0.open[descriptor] = false }
            }
        } catch is PeerGone {
            // The client has ended the connection: what it does is the test's business.
        } catch {
            access { $0.failures.append(String(describing: error)) }
            stream.resetOnClose()
        }
        // Taken out first, so that nobody shuts down a descriptor that has meanwhile become another one's.
        access { $0.open[descriptor] = nil }
        close(descriptor)
        access { $0.threadCount -= 1 }
    }

    private func record(_ head: String, _ connection: Int, _ descriptor: Int32) throws -> Request {
        var lines = head.split(separator: "\r\n", omittingEmptySubsequences: true)[...]
        let words = (lines.popFirst() ?? "").split(separator: " ", maxSplits: 2).map(String.init)
        guard words.count == 3 else { throw MalformedRequest(head: head) }
        var headers = HTTPHeaders()
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { throw MalformedRequest(head: head) }
            let value = line[line.index(after: colon)...]
            headers.add(String(line[..<colon]), value.trimmingCharacters(in: .whitespaces))
        }
        return access { state in
            state.open[descriptor] = true
            let request = Request(
                number: state.requests.count, connection: connection, method: words[0], target: words[1],
                version: words[2], headers: headers)
            state.requests.append(request)
            return request
        }
    }

    func update(_ request: Request) { access { $0.requests[request.number] = request } }

    // MARK: State

    @discardableResult
    private func access<Value>(_ body: (inout State) -> Value) -> Value {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        return body(&state)
    }

    private func wait(
        _ what: String, _ limitSeconds: Double, until isMet: @escaping @Sendable (State) -> Bool
    ) async throws {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try self.waitBlocking(what, limitSeconds, until: isMet) })
            }
        }
    }

    private func waitBlocking(_ what: String, _ limitSeconds: Double, until isMet: (State) -> Bool) throws {
        let limit = Date(timeIntervalSinceNow: limitSeconds)
        condition.lock()
        defer { condition.unlock() }
        while !isMet(state) {
            guard condition.wait(until: limit) else {
                let seen = "\(state.requests.count) requests, \(state.open.count) open connections"
                throw Timeout(description: "waited \(limitSeconds) s for \(what); there are \(seen)")
            }
        }
    }
}

extension ScriptedHTTPServer {
    /// A plain answer.
    public struct Response: Sendable {
        /// The status code.
        public var status: Int
        /// Its fields. `Content-Length` is added unless one is here.
        public var headers: HTTPHeaders
        /// Its body.
        public var body: [UInt8]

        /// Makes an answer.
        public init(_ status: Int, headers: HTTPHeaders = [:], body: [UInt8] = []) {
            self.status = status
            self.headers = headers
            self.body = body
        }

        /// Makes an answer of text.
        public init(_ status: Int, headers: HTTPHeaders = [:], text: String) {
            self.init(status, headers: headers, body: Array(text.utf8))
        }
    }

    /// The other side has ended the connection.
    public struct PeerGone: Error {}

    /// What came is not HTTP/1.1.
    struct MalformedRequest: Error {
        let head: String
    }

    /// Holds a handler until the test lets it go on.
    public final class Gate: Sendable {
        /// Nobody waits longer than this.
        public static let limitSeconds = 20.0

        // NSCondition and the flag it guards: `isOpen` is only touched with the lock held.
        private let condition = NSCondition()
        nonisolated(unsafe) private var isOpen = false

        /// Makes a closed one.
        public init() {}

        /// Lets everybody through, from now on.
        public func open() {
            condition.lock()
            isOpen = true
            condition.broadcast()
            condition.unlock()
        }

        /// Blocks the thread until it is open. For handlers.
        /// - Throws: `Timeout`.
        public func wait() throws {
            let limit = Date(timeIntervalSinceNow: Self.limitSeconds)
            condition.lock()
            defer { condition.unlock() }
            while !isOpen {
                guard condition.wait(until: limit) else { throw Timeout(description: "a gate was not opened") }
            }
        }

        /// Waits until it is open. For tests.
        /// - Throws: `Timeout`.
        public func opened() async throws {
            try await withCheckedThrowingContinuation { continuation in
                Thread.detachNewThread { continuation.resume(with: Result { try self.wait() }) }
            }
        }
    }
}
