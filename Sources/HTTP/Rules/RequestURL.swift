/// Where a request goes, read from its URL. The URL itself is sent as it stands; this only tells what to say in
/// errors, which connections count as the same host, and whether a proxy may be used.
struct RequestURL: Hashable, Sendable {
    /// Whether the scheme is `https`.
    let isSecure: Bool
    /// The host as it stands in the URL, an IPv6 address without its brackets.
    let host: String
    /// The port, the scheme's own when the URL has none.
    let port: Int

    /// The host and the port, for messages.
    var hostAndPort: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether it is this machine or its own link: the Lambda Runtime API and the credential endpoints of ECS and EKS
    /// are there. No proxy can reach them, and none may see the tokens they hand out.
    var isLocal: Bool {
        let host = host.lowercased()
        return host == "localhost" || host.hasSuffix(".localhost") || host == "::1" || host.hasPrefix("fe80:")
            || host.hasPrefix("fd00:ec2:")
            || Self.isIPv4(host) && (host.hasPrefix("127.") || host.hasPrefix("169.254."))
    }

    /// Reads a URL.
    /// - Throws: `HTTPError` of kind `.invalidRequest` when it is not an absolute http or https URL in printable ASCII
    ///   without a user and a fragment. The message does not repeat the URL, whose query may hold a signature.
    init(_ url: String) throws(HTTPError) {
        let bytes = Array(url.utf8)
        guard bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw HTTPError(.invalidRequest, "the URL has a character that must be percent-encoded")
        }
        let rest: ArraySlice<UInt8>
        if Self.hasScheme(bytes, "https://") {
            (isSecure, rest) = (true, bytes[8...])
        } else if Self.hasScheme(bytes, "http://") {
            (isSecure, rest) = (false, bytes[7...])
        } else {
            throw HTTPError(.invalidRequest, "the URL is neither http:// nor https://")
        }
        guard !rest.contains(UInt8(ascii: "#")) else {
            throw HTTPError(.invalidRequest, "the URL has a fragment, which is never sent")
        }
        let authority = rest.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
        guard !authority.contains(UInt8(ascii: "@")) else {
            throw HTTPError(.invalidRequest, "the URL holds a user name")
        }
        (host, port) = try Self.split(authority, defaultPort: isSecure ? 443 : 80)
    }

    /// What stands on the request line for a URL that has been found good: its path and query, byte for byte.
    static func target(of url: String) -> String {
        let rest = url.utf8.drop { $0 != UInt8(ascii: ":") }.dropFirst("://".utf8.count)
        let target = String(Substring(rest.drop { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }))
        return target.hasPrefix("/") ? target : "/" + target
    }

    private static func split(
        _ authority: ArraySlice<UInt8>, defaultPort: Int
    ) throws(HTTPError) -> (host: String, port: Int) {
        var host = authority
        var portDigits = authority.suffix(0)
        if authority.first == UInt8(ascii: "[") {
            guard let end = authority.firstIndex(of: UInt8(ascii: "]")) else {
                throw HTTPError(.invalidRequest, "the URL has an IPv6 address without its closing bracket")
            }
            host = authority[(authority.startIndex + 1)..<end]
            portDigits = authority[(end + 1)...]
            guard portDigits.isEmpty || portDigits.first == UInt8(ascii: ":") else {
                throw HTTPError(.invalidRequest, "the URL has something behind its IPv6 address that is not a port")
            }
            portDigits = portDigits.dropFirst()
        } else if let colon = authority.lastIndex(of: UInt8(ascii: ":")) {
            host = authority[..<colon]
            portDigits = authority[(colon + 1)...]
        }
        guard !host.isEmpty else { throw HTTPError(.invalidRequest, "the URL has no host") }
        guard !portDigits.isEmpty else { return (String(decoding: host, as: UTF8.self), defaultPort) }
        guard let port = UInt16(String(decoding: portDigits, as: UTF8.self)), port > 0 else {
            throw HTTPError(.invalidRequest, "the URL has a port that is not a number from 1 to 65535")
        }
        return (String(decoding: host, as: UTF8.self), Int(port))
    }

    private static func hasScheme(_ bytes: [UInt8], _ scheme: String) -> Bool {
        bytes.count >= scheme.utf8.count && zip(bytes, scheme.utf8).allSatisfy { $0 == $1 || $0 | 0x20 == $1 }
    }

    private static func isIPv4(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }
}
