/// A proxy through which the server is reached (SFTP_PROXY).
public struct ProxyServer: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    /// What is spoken with it.
    public enum Kind: String, Sendable, CaseIterable {
        /// SOCKS version 5 (RFC 1928), with a user and a password if there are any (RFC 1929).
        case socks5
        /// The method CONNECT of HTTP/1.1 (RFC 9110, section 9.3.6), with basic authentication (RFC 7617).
        case http
    }

    /// What is spoken with it.
    public var kind: Kind
    /// Its name or address, without brackets.
    public var host: String
    /// Its port.
    public var port: UInt16
    /// Who we are to it; nil for a proxy that asks nobody.
    public var user: String?
    /// The password of the user. Sent as it is, to the proxy alone.
    public var password: String?

    /// Makes a proxy.
    public init(kind: Kind, host: String, port: UInt16, user: String? = nil, password: String? = nil) {
        self.kind = kind
        self.host = host
        self.port = port
        self.user = user
        self.password = password
    }

    /// The proxy, without the user and the password.
    public var description: String { "the \(kind.rawValue) proxy \(host) port \(port)" }

    /// Shows no secret.
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
