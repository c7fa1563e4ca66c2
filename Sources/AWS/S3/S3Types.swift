import TextForms

/// A bucket and a key in it.
public struct S3Address: Sendable, Hashable {
    /// The bucket.
    public var bucket: String
    /// The key: UTF-8, at most 1,024 bytes.
    public var key: String

    /// Makes an address.
    public init(bucket: String, key: String) {
        self.bucket = bucket
        self.key = key
    }

    /// The longest key in bytes of UTF-8.
    public static let maximumKeyBytes = 1024
}

/// What is said of an object besides its content: all that HEAD tells and a write can restate. Nil means not said.
public struct S3ObjectAttributes: Sendable, Hashable {
    /// `Content-Type`
    public var contentType: String?
    /// `Cache-Control`
    public var cacheControl: String?
    /// `Content-Disposition`
    public var contentDisposition: String?
    /// `Content-Encoding`
    public var contentEncoding: String?
    /// `Content-Language`
    public var contentLanguage: String?
    /// `Expires`, as text, because S3 keeps any.
    public var expires: String?
    /// User metadata, names in lower case without `x-amz-meta-`.
    public var metadata: [String: String]
    /// The storage class; HEAD leaves it out for STANDARD.
    public var storageClass: String?
    /// Server-side encryption.
    public var encryption: S3Encryption?
    /// Where the object redirects to on a website.
    public var websiteRedirectLocation: String?
    /// Object lock.
    public var lock: S3ObjectLock

    /// Makes attributes that say nothing but the metadata.
    public init(metadata: [String: String] = [:]) {
        self.metadata = metadata
        lock = S3ObjectLock()
    }
}

/// Server-side encryption of an object.
public struct S3Encryption: Sendable, Hashable {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    public var algorithm: String
    /// The KMS key.
    public var kmsKeyID: String?
    /// Whether the bucket's key is used.
    public var usesBucketKey: Bool?

    /// Makes a value.
    public init(algorithm: String, kmsKeyID: String? = nil, usesBucketKey: Bool? = nil) {
        self.algorithm = algorithm
        self.kmsKeyID = kmsKeyID
        self.usesBucketKey = usesBucketKey
    }
}

/// The object lock of an object.
public struct S3ObjectLock: Sendable, Hashable {
    /// `GOVERNANCE` or `COMPLIANCE`.
    public var mode: String?
    /// The end of the retention, as S3 writes it.
    public var retainUntil: String?
    /// `ON` or `OFF`.
    public var legalHold: String?

    /// Makes a value.
    public init(mode: String? = nil, retainUntil: String? = nil, legalHold: String? = nil) {
        self.mode = mode
        self.retainUntil = retainUntil
        self.legalHold = legalHold
    }

    /// The lock without a retention that has ended: S3 refuses to be told of one. The legal hold stays.
    public func withoutPastRetention(epochSeconds: Double) -> S3ObjectLock {
        guard let end = retainUntil.flatMap({ Timestamps.parseISO8601($0) }), Double(end) <= epochSeconds else {
            return self
        }
        return S3ObjectLock(legalHold: legalHold)
    }
}

/// A range of bytes of an object.
public struct S3ByteRange: Sendable, Hashable {
    /// The offset of the first byte.
    public var first: UInt64
    /// The offset of the last byte; nil for the end of the object.
    public var last: UInt64?

    /// Makes a range.
    public init(first: UInt64, last: UInt64? = nil) {
        self.first = first
        self.last = last
    }

    var headerValue: String { "bytes=\(first)-" + (last.map { "\($0)" } ?? "") }
}

/// What HEAD and GET tell of an object.
public struct S3ObjectInfo: Sendable, Hashable {
    /// The ETag with its quotes.
    public var etag: String
    /// The size of the object; of a range, the size of the range.
    public var sizeBytes: UInt64
    /// When this version was stored, in seconds since 1970.
    public var lastModifiedEpochSeconds: Int64?
    /// S3's time of day when it answered, in seconds since 1970.
    public var serverEpochSeconds: Int64?
    /// The version, on a versioned bucket.
    public var versionID: String?
    /// The SHA-256 that S3 has, in base 64; with `-` and the number of parts behind it, that of the parts' SHA-256s.
    public var checksumSHA256: String?
    /// The number of tags, which only GET tells.
    public var tagCount: Int?
    /// How many metadata values cannot be told over HTTP, and so cannot be restated.
    public var missingMetadataCount: Int
    /// The state of a restore from an archive.
    public var restore: String?
    /// Everything that a write can restate.
    public var attributes: S3ObjectAttributes

    /// The SHA-256 of the content in lower-case hexadecimal; nil when S3 has none, or that of the parts' checksums alone,
    /// which cannot be compared with the bytes.
    public var contentSHA256: String? {
        guard let checksumSHA256, !checksumSHA256.utf8.contains(UInt8(ascii: "-")) else { return nil }
        return Base64.decode(padded: checksumSHA256.utf8).map { Text.hexadecimal($0) }
    }
}

/// A tag of an object.
public struct S3Tag: Sendable, Hashable {
    /// The key.
    public var key: String
    /// The value; it may be empty.
    public var value: String

    /// Makes a tag.
    public init(key: String, value: String) {
        self.key = key
        self.value = value
    }

    /// Tags in the form of a query string, as requests state them; nil for none.
    public static func queryString(_ tags: [S3Tag]) -> String? {
        guard !tags.isEmpty else { return nil }
        return tags.map { "\(Text.percentEncoded($0.key.utf8))=\(Text.percentEncoded($0.value.utf8))" }
            .joined(separator: "&")
    }
}

/// An object that has been stored.
public struct S3StoredObject: Sendable, Hashable {
    /// The ETag with its quotes.
    public var etag: String
    /// The version, on a versioned bucket.
    public var versionID: String?
    /// The SHA-256 of the content in hexadecimal, computed here and confirmed by S3; nil where the content did not
    /// pass through here (copies) or only its parts are confirmed (multipart uploads).
    public var sha256: String?
}

/// A part that has been stored.
public struct S3Part: Sendable, Hashable {
    /// The number, from 1 to 10,000.
    public var number: Int
    /// The ETag with its quotes.
    public var etag: String
    /// The SHA-256 of the part in base 64; nil when S3 has none.
    public var checksumSHA256: String?
    /// The size, where ListParts told it.
    public var sizeBytes: UInt64?

    /// Makes a part.
    public init(number: Int, etag: String, checksumSHA256: String?, sizeBytes: UInt64? = nil) {
        self.number = number
        self.etag = etag
        self.checksumSHA256 = checksumSHA256
        self.sizeBytes = sizeBytes
    }
}

/// A multipart upload that has begun.
public struct S3Upload: Sendable, Hashable {
    /// What it will become.
    public var address: S3Address
    /// S3's name of it.
    public var uploadID: String
    /// When it began, in seconds since 1970, where ListMultipartUploads told it.
    public var initiatedEpochSeconds: Int64?

    /// Makes a value.
    public init(address: S3Address, uploadID: String, initiatedEpochSeconds: Int64? = nil) {
        self.address = address
        self.uploadID = uploadID
        self.initiatedEpochSeconds = initiatedEpochSeconds
    }
}

/// One page of a listing.
public struct S3Page<Item: Sendable & Hashable, Marker: Sendable & Hashable>: Sendable, Hashable {
    /// The items.
    public var items: [Item]
    /// Where the next page begins; nil when this was the last.
    public var next: Marker?
}

/// Where the next page of multipart uploads begins.
public struct S3UploadMarker: Sendable, Hashable {
    /// The key of the last upload.
    public var key: String
    /// The id of the last upload.
    public var uploadID: String

    /// Makes a marker.
    public init(key: String, uploadID: String) {
        self.key = key
        self.uploadID = uploadID
    }
}
