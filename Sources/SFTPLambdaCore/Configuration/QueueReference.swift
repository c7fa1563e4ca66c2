/// How a queue is named.
public enum QueueReference: Sendable, Hashable {
    /// By its name: its URL is asked for, in the function's own account and region.
    case name(String)
    /// By its URL.
    case url(String)
    /// By its ARN: its URL is asked for with the account.
    case arn(region: String, accountID: String, name: String)

    /// The queue's name.
    public var name: String {
        switch self {
        case .name(let name), .arn(_, _, let name): name
        case .url(let url): String(url.split(separator: "/").last ?? "")
        }
    }

    /// Reads a name, URL or ARN (Amazon SQS Developer Guide, "Queue and message identifiers").
    init(_ value: String) throws(SettingProblem) {
        if value.hasPrefix("arn:") {
            let parts = value.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 6, parts[2] == "sqs", !parts[1].isEmpty, !parts[3].isEmpty, Self.isAccount(parts[4]),
                Self.isName(parts[5])
            else { throw SettingProblem("is an ARN, but not one of a queue") }
            self = .arn(region: parts[3], accountID: parts[4], name: parts[5])
        } else if value.hasPrefix("https://") || value.hasPrefix("http://") {
            // Scheme, host, account, name.
            let parts = value.split(separator: "/").map(String.init)
            guard parts.count >= 4, Self.isAccount(parts[parts.count - 2]), Self.isName(parts[parts.count - 1]),
                value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !value.contains(where: { "@?#".contains($0) })
            else { throw SettingProblem("is a URL, but not one of a queue") }
            self = .url(value)
        } else {
            guard Self.isName(value) else { throw SettingProblem("is not the name of a queue") }
            self = .name(value)
        }
    }

    private static func isAccount(_ text: String) -> Bool {
        text.utf8.count == 12 && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    /// Up to 80 letters, digits, hyphens and underscores, `.fifo` at the end counted among them (Amazon SQS API
    /// Reference, CreateQueue, QueueName).
    private static func isName(_ text: String) -> Bool {
        let stem = text.hasSuffix(".fifo") ? text.dropLast(5) : text[...]
        let isAllowed = { (byte: UInt8) in
            (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "_")
        }
        // `|` 0x20 turns `_` into DEL, which is no letter, so it is asked for apart.
        return !stem.isEmpty && text.utf8.count <= 80 && stem.utf8.allSatisfy(isAllowed)
    }
}
