/// What an `HTTPClient` needs to know beyond the single request.
///
/// From the environment it takes:
/// - `AWS_CA_BUNDLE`, or else `SSL_CERT_FILE`: the PEM file of certificate authorities. Without them the bundle of
///   Debian, Amazon Linux or Alpine, whichever is there.
/// - `https_proxy` or `HTTPS_PROXY`; `http_proxy`; `no_proxy` or `NO_PROXY`, as curl reads them. Loopback and
///   link-local addresses, where the Runtime API and the credential endpoints are, never go through a proxy.
public struct HTTPClientConfiguration: Sendable {
    /// At most so many requests to one host are under way; more wait in line, without their connect timeout running.
    public var maximumConnectionsPerHost: Int
    /// So many requests may wait in line; another one fails.
    public var maximumWaitingRequests = 16_384
    /// So many connections are kept for reuse.
    public var maximumIdleConnections: Int
    /// A connection that has been idle for longer is not used again.
    public var maximumIdleSeconds = 60
    /// A response whose reader is slow rests when this much of its body waits.
    public var responseBufferBytes = 512 * 1024
    /// How much libcurl reads from a socket at a time, for each transfer.
    public var receiveBufferBytes = 256 * 1024
    /// How much of a request body libcurl takes at a time, for each transfer.
    public var uploadBufferBytes = 256 * 1024

    let certificates: CertificateBundle
    let proxies: ProxyRules

    /// Makes a configuration.
    /// - Parameter environment: the environment variables of the process.
    public init(
        environment: [String: String], maximumConnectionsPerHost: Int = 64, maximumIdleConnections: Int = 64
    ) {
        self.maximumConnectionsPerHost = maximumConnectionsPerHost
        self.maximumIdleConnections = maximumIdleConnections
        certificates = CertificateBundle(environment: environment)
        proxies = ProxyRules(environment: environment)
    }
}
