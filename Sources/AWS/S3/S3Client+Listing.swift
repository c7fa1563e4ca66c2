import HTTP
import TextForms

/// An object in a listing.
public struct S3ListedObject: Sendable, Hashable {
    /// The key.
    public var key: String
    /// The size.
    public var sizeBytes: UInt64
    /// When it was stored, in seconds since 1970.
    public var lastModifiedEpochSeconds: Int64

    /// Makes an entry.
    public init(key: String, sizeBytes: UInt64, lastModifiedEpochSeconds: Int64) {
        self.key = key
        self.sizeBytes = sizeBytes
        self.lastModifiedEpochSeconds = lastModifiedEpochSeconds
    }
}

extension S3Client {
    /// One page of a bucket's current objects in the order of their keys, at most 1,000.
    public func listObjects(
        bucket: String, prefix: String = "", after token: String? = nil, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3Page<S3ListedObject, String> {
        // Keys may hold characters that XML cannot.
        var query: [(String, String?)] = [("list-type", "2"), ("encoding-type", "url")]
        if !prefix.isEmpty { query.append(("prefix", prefix)) }
        if let token { query.append(("continuation-token", token)) }
        let call = try call("ListObjectsV2", .get, S3Address(bucket: bucket, key: ""), query: query)
        return try await runXML(call, root: "ListBucketResult", deadlineUptimeSeconds) { result, _ in
            Self.objects(in: result, after: token)
        }
    }

    /// Reads a page that begins behind a token.
    static func objects(
        in result: XMLElement, after token: String?
    ) -> AttemptOutcome<S3Page<S3ListedObject, String>> {
        let decoded = result.keyDecoding
        var objects: [S3ListedObject] = []
        for object in result.all("Contents") {
            guard let key = object.all("Key").first?.text, let size = object.value("Size").flatMap({ UInt64($0) }),
                let modified = object.value("LastModified").flatMap({ Timestamps.parseISO8601($0) })
            else { return .malformed("an object has no key, no size or no time") }
            objects.append(S3ListedObject(key: decoded(key), sizeBytes: size, lastModifiedEpochSeconds: modified))
        }
        guard result.value("IsTruncated") == "true" else { return .success(S3Page(items: objects, next: nil)) }
        guard let next = result.value("NextContinuationToken"), !next.isEmpty, next != token else {
            return .malformed("a page that is not the last does not say where the next begins")
        }
        return .success(S3Page(items: objects, next: next))
    }
}

extension XMLElement {
    /// How the keys of a listing are read: percent-encoded where it says so, in answer to `encoding-type` (Amazon S3 API
    /// Reference, "ListObjectsV2").
    var keyDecoding: (String) -> String {
        guard value("EncodingType") == "url" else { return { $0 } }
        return { String(decoding: Text.percentDecoded($0.utf8, plusIsSpace: true), as: UTF8.self) }
    }
}
