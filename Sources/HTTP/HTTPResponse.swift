/// The answer to a request: its head has arrived, its body is still on the way.
public struct HTTPResponse: Sendable {
    /// The status code.
    public var status: Int
    /// The header fields of the final response (not of an interim 1xx one).
    public var headers: HTTPHeaders
    /// The body. Reading it to its end, or letting go of it, frees the connection.
    public var body: HTTPResponseBody

    /// Makes a response.
    public init(status: Int, headers: HTTPHeaders = [:], body: HTTPResponseBody) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Where a response body comes from.
public protocol HTTPResponseBodySource: AnyObject, Sendable {
    /// The next piece, or nil at the end.
    func next() async throws(HTTPError) -> [UInt8]?
}

/// The body of a response, handed out piece by piece with back-pressure: while nobody asks, the transfer pauses.
public struct HTTPResponseBody: Sendable {
    private let source: any HTTPResponseBodySource

    /// Makes a body from its source.
    public init(_ source: any HTTPResponseBodySource) { self.source = source }

    /// Makes a body that is already here.
    public init(bytes: [UInt8]) { source = ReadyBody(bytes) }

    /// The next piece, or nil at the end. One caller at a time.
    /// - Throws: `HTTPError` when the transfer fails before the end of the body.
    public func next() async throws(HTTPError) -> [UInt8]? { try await source.next() }

    /// The whole body.
    /// - Throws: `HTTPError` of kind `.bodyTooLarge` when it has more than `maximumBytes`; the transfer is then ended.
    public func collect(upTo maximumBytes: Int) async throws(HTTPError) -> [UInt8] {
        var whole: [UInt8] = []
        while let piece = try await next() {
            guard piece.count <= maximumBytes - whole.count else {
                throw HTTPError(.bodyTooLarge, "the response body is larger than \(maximumBytes) bytes")
            }
            whole.append(contentsOf: piece)
        }
        return whole
    }
}

/// What sends requests. The one implementation that does I/O is `HTTPClient`; tests have others.
public protocol HTTPExecutor: Sendable {
    /// Sends a request and returns when the head of the response is here. Any status is a response, not an error.
    /// Cancelling the task ends the transfer.
    /// - Throws: `HTTPError` when there is no response.
    func execute(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse
}

private actor ReadyBody: HTTPResponseBodySource {
    private var bytes: [UInt8]?

    init(_ bytes: [UInt8]) { self.bytes = bytes.isEmpty ? nil : bytes }

    func next() async throws(HTTPError) -> [UInt8]? {
        defer { bytes = nil }
        return bytes
    }
}
