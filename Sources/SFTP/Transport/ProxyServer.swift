import TextForms

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

    /// What nobody but the proxy is to read: the login as it is sent, and the password.
    private var secrets: [String] {
        guard let user else { return [] }
        let password = password ?? ""
        return password.isEmpty ? [basicCredentials(user)] : [basicCredentials(user), password]
    }

    /// The user and the password as basic authentication has them (RFC 7617, section 2).
    func basicCredentials(_ user: String) -> String { Base64.encode(Array("\(user):\(password ?? "")".utf8)) }

    /// Whether something that came by way of the proxy has our login to it in it: then nobody is shown it.
    func isRepeated(in bytes: some Collection<UInt8>) -> Bool {
        let text = String(decoding: bytes, as: UTF8.self)
        return secrets.contains { text.firstPlace(of: $0) != nil }
    }

    /// What is shown in its place.
    static let repeatedLogin = "a line with the password in it"

    /// Shows no secret.
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
