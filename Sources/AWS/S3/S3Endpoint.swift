/// How a request names its bucket.
public enum S3Addressing: Sendable, Hashable {
    /// In the host name; in the path when the endpoint is a custom one or the bucket's name has a dot, which the
    /// wildcard of AWS's certificates does not cover.
    case automatic
    /// In the host name.
    case virtualHost
    /// In the path.
    case path
}

/// Where requests to S3 go (Amazon S3 User Guide, "Virtual hosting of general purpose buckets").
struct S3Endpoint: Sendable, Hashable {
    /// An endpoint in place of AWS's own, without a slash at its end.
    var customURL: String?
    var addressing: S3Addressing

    /// The URL of an object; of the bucket when the key is empty. Path and query are encoded.
    func url(region: String, bucket: String, key: String, query: [(String, String?)]) -> String {
        let base = URLParts(customURL ?? "https://s3.\(region).\(AWSRegion.hostSuffix(region))")
        let encodedKey = Text.percentEncoded(key.utf8, keeping: [UInt8(ascii: "/")])
        let items = query.map { name, value in
            Text.percentEncoded(name.utf8) + "=" + Text.percentEncoded((value ?? "").utf8)
        }
        let querySuffix = items.isEmpty ? "" : "?" + items.joined(separator: "&")
        if usesPath(bucket) {
            let bucket = Text.percentEncoded(bucket.utf8)
            return "\(base.scheme)://\(base.authority)\(base.path)/\(bucket)/\(encodedKey)\(querySuffix)"
        }
        return "\(base.scheme)://\(bucket).\(base.authority)\(base.path)/\(encodedKey)\(querySuffix)"
    }

    private func usesPath(_ bucket: String) -> Bool {
        switch addressing {
        case .path: true
        case .virtualHost: false
        case .automatic: customURL != nil || !Self.isHostLabel(bucket)
        }
    }

    private static func isHostLabel(_ bucket: String) -> Bool { bucket.utf8.count >= 3 && AWSRegion.isValid(bucket) }

    /// Whether text can be a bucket's name, the older and laxer rules included (Amazon S3 User Guide, "General purpose
    /// bucket naming rules").
    static func isBucketName(_ bucket: String) -> Bool {
        (3...255).contains(bucket.utf8.count)
            && bucket.utf8.allSatisfy { byte in
                (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || (0x30...0x39).contains(byte)
                    || "-._".utf8.contains(byte)
            }
    }
}
