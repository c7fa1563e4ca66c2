import SFTP
import TextForms

/// What stands in SFTP_PROXY: `socks5://user:password@host:port` or `http://…`. The value never enters a fault.
enum ProxyURL {
    /// As many as RFC 1929 has room for.
    private static let maximumCredentialBytes = 255

    /// Reads a proxy.
    static func parse(_ value: String) throws(SettingProblem) -> ProxyServer {
        let text = value.trimmingWhiteSpace()
        guard let place = text.firstPlace(of: "://") else {
            throw SettingProblem("does not begin with socks5:// or http://")
        }
        let kind = try kind(text[..<place.lowerBound].lowercased())
        var rest = text[place.upperBound...]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        guard !rest.contains("/"), !rest.contains("?"), !rest.contains("#") else {
            throw SettingProblem(
                "has something behind its host and port; a /, ? or # in the user or the password is written %2F, %3F, "
                    + "%23")
        }
        var proxy = ProxyServer(kind: kind, host: "", port: 0)
        if let at = rest.lastIndex(of: "@") {
            (proxy.user, proxy.password) = try credentials(rest[..<at], kind)
            rest = rest[rest.index(after: at)...]
        }
        (proxy.host, proxy.port) = try hostAndPort(rest)
        return proxy
    }

    private static func kind(_ scheme: String) throws(SettingProblem) -> ProxyServer.Kind {
        switch scheme {
        // The proxy looks the name up in both: there is no other way here.
        case "socks5", "socks5h": return .socks5
        case "http": return .http
        case "https": throw SettingProblem("begins with https://, and TLS to a proxy is not spoken here")
        case "socks", "socks4", "socks4a":
            throw SettingProblem("begins with another version of SOCKS than socks5://, the only one that is spoken")
        default: throw SettingProblem("does not begin with socks5:// or http://")
        }
    }

    private static func credentials(
        _ text: Substring, _ kind: ProxyServer.Kind
    ) throws(SettingProblem) -> (user: String, password: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let user = try decoded(parts.first ?? "", "user")
        let password = try decoded(parts.count > 1 ? parts[1] : "", "password")
        guard !user.isEmpty else { throw SettingProblem("has an @ and no user before it") }
        guard kind == .socks5 || !user.utf8.contains(UInt8(ascii: ":")) else {
            throw SettingProblem("has a user with a colon, which HTTP has no place for")
        }
        return (user, password)
    }

    private static func decoded(_ text: Substring, _ what: String) throws(SettingProblem) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(Hexadecimal.value),
                let low = rest.popFirst().flatMap(Hexadecimal.value)
            else { throw SettingProblem("has a % in the \(what) that begins no %XX; a % itself is written %25") }
            bytes.append(high << 4 | low)
        }
        guard bytes.count <= maximumCredentialBytes else {
            throw SettingProblem("has a \(what) of more than \(maximumCredentialBytes) bytes")
        }
        guard let decoded = String(validating: bytes, as: UTF8.self), bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { throw SettingProblem("has a \(what) that is no text of one line in UTF-8") }
        return decoded
    }

    private static func hostAndPort(_ text: Substring) throws(SettingProblem) -> (String, UInt16) {
        // An IPv6 address has brackets, and colons within them.
        let bracket = text.lastIndex(of: "]")
        guard let colon = text.lastIndex(of: ":"), bracket.map({ $0 < colon }) ?? true else {
            throw SettingProblem("names no port")
        }
        let digits = text[text.index(after: colon)...]
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits), port > 0 else {
            throw SettingProblem("has a port that is no number from 1 to 65535")
        }
        let host = text[..<colon]
        guard !host.isEmpty else { throw SettingProblem("names no host") }
        guard bracket != nil || !host.contains(":") else {
            throw SettingProblem("has an IPv6 address without brackets, so that its port cannot be told from it")
        }
        // The % of an IPv6 zone is percent-encoded in a URL (RFC 6874, section 2).
        let plain = bracket == nil ? String(host) : host.replacingAll("%25", with: "%")
        do throws(SettingProblem) {
            return (try ServerHost(plain).text, port)
        } catch {
            throw SettingProblem("has a host that cannot be used: it \(error.text)")
        }
    }
}
