import Glibc
import TextForms

/// The partner's server: a host name, an IPv4 address or an IPv6 address.
public struct ServerHost: Sendable, Hashable, CustomStringConvertible {
    /// The name or address, without brackets: what a resolver takes.
    public let text: String
    /// Whether it is an IPv6 address.
    public let isIPv6: Bool

    /// The name or address, without brackets.
    public var description: String { text }

    /// Reads what stands in SFTP_HOST. The value never enters a fault: a URL with a password may stand there by mistake.
    init(_ value: String) throws(SettingProblem) {
        if value.firstPlace(of: "://") != nil { throw SettingProblem("is a URL") }
        if value.contains("@") { throw SettingProblem("holds an @; the user belongs in SFTP_USER") }
        if value.contains("/") {
            throw SettingProblem("holds a /; a directory belongs in SFTP_SOURCE_DIR or SFTP_TARGET_DIR")
        }
        if value.hasPrefix("["), let close = value.firstIndex(of: "]") {
            let rest = value[value.index(after: close)...]
            if rest.hasPrefix(":") { throw Self.portProblem }
            let inside = String(value[value.index(after: value.startIndex)..<close])
            guard rest.isEmpty, Self.isIPv6(inside) else {
                throw SettingProblem("has brackets, but holds no IPv6 address")
            }
            text = inside
            isIPv6 = true
            return
        }
        isIPv6 = Self.isIPv6(value)
        text = value
        guard !isIPv6 else { return }
        let colons = value.utf8.count { $0 == UInt8(ascii: ":") }
        if colons == 1 { throw Self.portProblem }
        if colons > 1 { throw SettingProblem("is not an IPv6 address, but holds several colons") }
        try Self.checkName(value)
    }

    private static let portProblem = SettingProblem("holds a port as well; the port belongs in SFTP_PORT")

    /// Whether `text` is an IPv6 address, with a zone perhaps (RFC 4007, section 11).
    private static func isIPv6(_ text: String) -> Bool {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        let isZone = { (zone: Substring) in
            !zone.isEmpty && zone.utf8.allSatisfy { isLetterOrDigit($0) || "-._~".utf8.contains($0) }
        }
        // inet_pton reads up to a zero byte.
        guard let address = parts.first, !address.utf8.contains(0), parts.count == 1 || isZone(parts[1]) else {
            return false
        }
        var bytes = in6_addr()
        return inet_pton(AF_INET6, String(address), &bytes) == 1
    }

    /// Host names as RFC 1123, section 2.1 has them; underscores too, since some partners use them.
    private static func checkName(_ name: String) throws(SettingProblem) {
        guard name.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw SettingProblem("holds letters outside ASCII; write the name's xn-- form")
        }
        guard name.utf8.count <= 253 else { throw SettingProblem("is longer than 253 characters") }
        var labels = name.split(separator: ".", omittingEmptySubsequences: false)
        if labels.count > 1 && labels.last?.isEmpty == true { labels.removeLast() }
        for label in labels {
            guard (1...63).contains(label.utf8.count) else {
                throw SettingProblem("has a part between dots that is empty or longer than 63 characters")
            }
            guard label.utf8.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }),
                !label.hasPrefix("-"), !label.hasSuffix("-")
            else { throw SettingProblem("is neither a host name nor an address") }
        }
        guard let last = labels.last, last.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return }
        // A name cannot end in a number: it is an address, and resolvers would read short forms in odd ways.
        var bytes = in_addr()
        guard inet_pton(AF_INET, name, &bytes) == 1 else {
            throw SettingProblem("looks like an IPv4 address, but is none")
        }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
    }
}
