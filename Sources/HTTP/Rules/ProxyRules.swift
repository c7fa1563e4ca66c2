import TextForms

/// Which proxy a request goes through. Read from the environment that the configuration was given, never from the
/// process's own.
///
/// As curl does it: `https_proxy` before `HTTPS_PROXY`; for http only `http_proxy`, since `HTTP_PROXY` can be set by a
/// request header in a CGI process; `no_proxy` before `NO_PROXY`.
struct ProxyRules: Sendable {
    /// A proxy, its credentials apart from its address: libcurl repeats the address in its errors.
    struct Proxy: Hashable, Sendable {
        /// With its scheme, which may be `http`, `https` or a SOCKS one, and its port.
        var address: String
        var user: String?
        var password: String?
    }

    let forHTTPS: Proxy?
    let forHTTP: Proxy?
    /// Hosts that are reached directly, in curl's syntax: a list with commas of names, suffixes, addresses, CIDR blocks.
    let exceptions: String

    /// Reads the variables.
    init(environment: [String: String]) {
        func value(_ names: String...) -> String? {
            names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
        }
        forHTTPS = value("https_proxy", "HTTPS_PROXY").map(Self.parse)
        forHTTP = value("http_proxy").map(Self.parse)
        exceptions = value("no_proxy", "NO_PROXY") ?? ""
    }

    /// The proxy for that destination, before `exceptions` are looked at; nil when it is reached directly.
    func proxy(for destination: RequestURL) -> Proxy? {
        guard !destination.isLocal else { return nil }
        return destination.isSecure ? forHTTPS : forHTTP
    }

    private static func parse(_ text: String) -> Proxy {
        var scheme = "http://"
        var rest = text[...]
        if let place = text.firstPlace(of: "://") {
            scheme = String(text[..<place.upperBound])
            rest = text[place.upperBound...]
        }
        rest = rest.prefix { $0 != "/" }
        guard let at = rest.lastIndex(of: "@") else { return Proxy(address: scheme + rest) }
        let credentials = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        return Proxy(
            address: scheme + rest[rest.index(after: at)...],
            user: credentials.first.map(percentDecoded),
            password: credentials.count > 1 ? percentDecoded(credentials[1]) : nil)
    }

    private static func percentDecoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let decoded = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(decoded)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
