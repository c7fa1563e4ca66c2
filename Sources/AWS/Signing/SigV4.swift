public import HTTP

/// What a signature of AWS Signature Version 4 is made over besides the request itself.
public struct SigningScope: Sendable, Hashable {
    /// The region, such as `eu-central-1`.
    public var region: String
    /// The signing name of the service, such as `s3`.
    public var service: String
    /// The time of signing in seconds since 1970. AWS accepts five (S3: fifteen) minutes to either side.
    public var epochSeconds: Int64

    /// Makes a scope.
    public init(region: String, service: String, epochSeconds: Int64) {
        self.region = region
        self.service = service
        self.epochSeconds = epochSeconds
    }

    /// The time as `20150830T123600Z`.
    public var timestamp: String { Timestamps.basicISO8601(epochSeconds: epochSeconds) }

    /// The date as `20150830`.
    public var date: String { String(timestamp.prefix(8)) }

    /// The credential scope: date, region, service and `aws4_request`.
    public var credentialScope: String { "\(date)/\(region)/\(service)/aws4_request" }
}

/// How the path becomes the canonical one (AWS General Reference, "Create a canonical request").
public enum CanonicalPathRule: Sendable, Hashable {
    /// S3: the path as it is sent, encoded once and not normalised, because `//` and `..` can be part of a key.
    case s3
    /// All others: dot segments and empty segments removed, then encoded once more.
    case general
}

/// The canonical form of a request.
public struct CanonicalRequest: Sendable, Hashable {
    /// The canonical request.
    public var text: String
    /// The names of the signed header fields, sorted and joined with `;`.
    public var signedHeaders: String
}

/// AWS Signature Version 4 in its three steps. The functions are pure; `SigV4Signer` puts them together.
public enum SigV4 {
    /// Step 1. Signs every header field of the request but those that proxies and clients may change.
    ///
    /// - Parameters:
    ///   - request: a request whose headers include `host` and `x-amz-date`.
    ///   - payloadHash: the SHA-256 of the body in hexadecimal, or one of the words that S3 takes in its place.
    public static func canonicalRequest(
        _ request: HTTPRequest, payloadHash: String, pathRule: CanonicalPathRule
    ) -> CanonicalRequest {
        let target = URLParts(request.url)
        let fields = canonicalHeaders(request.headers)
        let signedHeaders = fields.map(\.name).joined(separator: ";")
        var lines = [
            request.method.rawValue, canonicalPath(target.path, pathRule), canonicalQuery(target.query),
        ]
        lines += fields.map { "\($0.name):\($0.value)" }
        lines += ["", signedHeaders, payloadHash]
        return CanonicalRequest(text: lines.joined(separator: "\n"), signedHeaders: signedHeaders)
    }

    /// Step 2.
    public static func stringToSign(_ canonicalRequest: CanonicalRequest, scope: SigningScope) -> String {
        let hash = Text.hexadecimal(SHA256Hasher.digest(canonicalRequest.text.utf8))
        return "AWS4-HMAC-SHA256\n\(scope.timestamp)\n\(scope.credentialScope)\n\(hash)"
    }

    /// The key of a day, region and service. Deriving it costs four of the five HMACs of a signature.
    public static func signingKey(secretAccessKey: String, scope: SigningScope) -> [UInt8] {
        var key = Array("AWS4\(secretAccessKey)".utf8)
        for step in [scope.date, scope.region, scope.service, "aws4_request"] {
            key = HMACSHA256.code(key: key, message: step.utf8)
        }
        return key
    }

    /// Step 3: the signature in hexadecimal.
    public static func signature(_ stringToSign: String, signingKey: [UInt8]) -> String {
        Text.hexadecimal(HMACSHA256.code(key: signingKey, message: stringToSign.utf8))
    }

    /// Header fields that are never signed, because something between signer and server may change or drop them.
    static let unsignedHeaders: Set<String> = [
        "authorization", "baggage", "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
    ]

    private static func canonicalPath(_ path: String, _ rule: CanonicalPathRule) -> String {
        let path = path.isEmpty ? "/" : path
        switch rule {
        case .s3: return Text.percentEncoded(path.utf8, keeping: Array("/%".utf8))
        case .general: return Text.percentEncoded(normalized(path).utf8, keeping: Array("/".utf8))
        }
    }

    /// Without empty, `.` and `..` segments (RFC 3986, 5.2.4); a slash at the end stays.
    private static func normalized(_ path: String) -> String {
        var segments: [String.UTF8View.SubSequence] = []
        for segment in path.utf8.split(separator: UInt8(ascii: "/")) {
            if segment.elementsEqual("..".utf8) {
                _ = segments.popLast()
            } else if !segment.elementsEqual(".".utf8) {
                segments.append(segment)
            }
        }
        let endsWithSlash = path.utf8.last == UInt8(ascii: "/") && !segments.isEmpty
        return "/" + segments.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
            + (endsWithSlash ? "/" : "")
    }

    private static func canonicalQuery(_ query: String) -> String {
        guard !query.isEmpty else { return "" }
        var items: [(name: String, value: String)] = []
        for item in query.utf8.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            let name = item.prefix { $0 != UInt8(ascii: "=") }
            let value = item.dropFirst(name.count + 1)
            items.append((reencoded(name), reencoded(value)))
        }
        items.sort { ($0.name, $0.value) < ($1.name, $1.value) }
        return items.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    private static func reencoded(_ text: some Collection<UInt8>) -> String {
        Text.percentEncoded(Text.percentDecoded(text))
    }

    private static func canonicalHeaders(_ headers: HTTPHeaders) -> [(name: String, value: String)] {
        var values: [String: [String]] = [:]
        for field in headers {
            let name = Text.lowercasedASCII(Text.trimmed(field.name))
            if !unsignedHeaders.contains(name) { values[name, default: []].append(collapsed(field.value)) }
        }
        return values.map { (name: $0.key, value: $0.value.joined(separator: ",")) }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// Without white space around it, and with every run of it inside made one space.
    private static func collapsed(_ value: String) -> String {
        value.utf8.split { $0 == 0x20 || (0x09...0x0D).contains($0) }
            .map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
    }
}

/// An absolute URL taken apart, without changing a byte.
struct URLParts: Sendable, Hashable {
    var scheme: String
    /// Host and port.
    var authority: String
    /// From the first slash on, or empty.
    var path: String
    /// Without the question mark.
    var query: String

    init(_ url: String) {
        var rest = url.utf8[...]
        scheme = ""
        if let colon = rest.firstIndex(of: UInt8(ascii: ":")), rest[colon...].starts(with: "://".utf8) {
            scheme = String(decoding: rest[..<colon], as: UTF8.self)
            rest = rest[colon...].dropFirst(3)
        }
        let authority = rest.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
        self.authority = String(decoding: authority, as: UTF8.self)
        rest = rest.dropFirst(authority.count)
        let path = rest.prefix { $0 != UInt8(ascii: "?") }
        self.path = String(decoding: path, as: UTF8.self)
        query = String(decoding: rest.dropFirst(path.count + 1), as: UTF8.self)
    }

    /// The host without the port, and without the brackets of an IPv6 address.
    var host: String {
        if authority.utf8.first == UInt8(ascii: "[") {
            return String(decoding: authority.utf8.dropFirst().prefix { $0 != UInt8(ascii: "]") }, as: UTF8.self)
        }
        return String(decoding: authority.utf8.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self)
    }
}
