/// One HTTP request, as the executor sends it: nothing is added but what the transfer itself needs
/// (`Host`, `Content-Length`) and nothing is rewritten, so that a signature over it stays true.
public struct HTTPRequest: Sendable {
    /// The request method, such as `GET`.
    public var method: HTTPMethod
    /// The absolute URL, already percent-encoded: it goes to the server as it stands.
    public var url: String
    /// The header fields, in order. An empty value is sent as an empty field.
    public var headers: HTTPHeaders
    /// The body.
    public var body: HTTPRequestBody
    /// How long the request may take.
    public var limits: HTTPLimits

    /// Makes a request.
    public init(
        _ method: HTTPMethod, _ url: String, headers: HTTPHeaders = [:], body: HTTPRequestBody = .empty,
        limits: HTTPLimits = .standard
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.limits = limits
    }
}

/// An HTTP request method (RFC 9110, section 9).
public struct HTTPMethod: RawRepresentable, Hashable, Sendable {
    /// The method as it stands on the request line.
    public let rawValue: String

    /// Makes a method from its token.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// `GET`
    public static let get = HTTPMethod(rawValue: "GET")
    /// `HEAD`
    public static let head = HTTPMethod(rawValue: "HEAD")
    /// `PUT`
    public static let put = HTTPMethod(rawValue: "PUT")
    /// `POST`
    public static let post = HTTPMethod(rawValue: "POST")
    /// `DELETE`
    public static let delete = HTTPMethod(rawValue: "DELETE")
}

/// The body of a request.
public enum HTTPRequestBody: Sendable {
    /// No body. `PUT` and `POST` still say `Content-Length: 0`.
    case empty
    /// A body held in memory, as the pieces it arrived in: they are sent one after the other and never joined.
    case buffered([[UInt8]])
    /// A body of exactly `lengthBytes`, asked for piece by piece while it is sent. A source that ends early or
    /// gives more fails the request.
    case stream(lengthBytes: UInt64, source: any HTTPBodySource)

    /// A body that is one piece.
    public static func bytes(_ bytes: [UInt8]) -> HTTPRequestBody { .buffered([bytes]) }

    /// The length of the body.
    public var lengthBytes: UInt64 {
        switch self {
        case .empty: 0
        case .buffered(let pieces): pieces.reduce(0) { $0 + UInt64($1.count) }
        case .stream(let lengthBytes, _): lengthBytes
        }
    }
}

/// Where a streamed request body comes from.
public protocol HTTPBodySource: Sendable {
    /// The next piece, or nil at the end. Called by one caller at a time, never again after nil or an error.
    func next() async throws -> [UInt8]?
}

/// How long one request may take. All of them are off when nil or zero.
public struct HTTPLimits: Hashable, Sendable {
    /// From the start of the name look-up until the connection (TLS included) stands.
    public var connectTimeoutSeconds: Double
    /// A transfer that moves fewer than `stallBytesPerSecond` in each of `stallSeconds` seconds is ended. What does not
    /// count: the time before the connection stands, while a response body rests because its reader is slow, and while
    /// the source of the request body has nothing yet.
    public var stallSeconds: Int
    /// See `stallSeconds`.
    public var stallBytesPerSecond: Int
    /// From start to the last byte of the response.
    public var totalTimeoutSeconds: Double?

    /// Makes limits.
    public init(
        connectTimeoutSeconds: Double = 10, stallSeconds: Int = 30, stallBytesPerSecond: Int = 1,
        totalTimeoutSeconds: Double? = nil
    ) {
        self.connectTimeoutSeconds = connectTimeoutSeconds
        self.stallSeconds = stallSeconds
        self.stallBytesPerSecond = stallBytesPerSecond
        self.totalTimeoutSeconds = totalTimeoutSeconds
    }

    /// 10 s to connect, and no more than 30 s without a byte.
    public static let standard = HTTPLimits()
    /// No limit but the connect timeout: for long polls, such as the Lambda Runtime API's `next`.
    public static let longPoll = HTTPLimits(stallSeconds: 0, stallBytesPerSecond: 0)
}
