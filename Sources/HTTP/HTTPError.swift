/// Why there was no response, or why its body ended early.
public struct HTTPError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong, as far as a caller can act on it.
    public enum Kind: String, Sendable {
        /// The URL or a header cannot be sent as it is.
        case invalidRequest
        /// The host name has no address.
        case resolve
        /// No connection: refused, unreachable, or the proxy refused.
        case connect
        /// The connection did not stand within the connect timeout.
        case connectTimeout
        /// The TLS handshake or the server's certificate failed.
        case tls
        /// Less than the agreed bytes per second for the agreed seconds.
        case stalled
        /// The total timeout passed.
        case totalTimeout
        /// The connection broke after it stood.
        case connectionLost
        /// What the server sent is not HTTP, or not what its head announced.
        case malformedResponse
        /// The source of the request body failed, ended early or gave too much.
        case bodySource
        /// The response body is larger than the caller's limit.
        case bodyTooLarge
        /// The task was cancelled.
        case cancelled
        /// The client has been shut down.
        case closed
        /// libcurl failed in a way that is none of the above.
        case other
    }

    /// What went wrong.
    public var kind: Kind
    /// What was being done, and what was seen. Never holds a header value or a query string.
    public var message: String

    /// Makes an error.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// Whether the same request may succeed when it is sent again.
    public var isTransient: Bool {
        switch kind {
        case .resolve, .connect, .connectTimeout, .stalled, .totalTimeout, .connectionLost, .malformedResponse: true
        case .tls, .invalidRequest, .bodySource, .bodyTooLarge, .cancelled, .closed, .other: false
        }
    }

    /// The kind and the message.
    public var description: String { "\(kind.rawValue): \(message)" }
}
