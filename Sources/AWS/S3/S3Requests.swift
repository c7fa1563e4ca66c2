public import HTTP

/// Conditions on what stands under the key that is written. A condition that is not met throws `.preconditionFailed`.
public struct S3WriteConditions: Sendable, Hashable {
    /// Only over an object with this ETag.
    public var ifMatch: String?
    /// Only where no object is.
    public var ifAbsent: Bool

    /// Makes conditions.
    public init(ifMatch: String? = nil, ifAbsent: Bool = false) {
        self.ifMatch = ifMatch
        self.ifAbsent = ifAbsent
    }
}

/// What PutObject stores.
public struct S3PutRequest: Sendable {
    /// Where.
    public var address: S3Address
    /// The content: sent piece by piece, never joined, again from its beginning on every attempt.
    public var content: [[UInt8]]
    /// What is said of it.
    public var attributes: S3ObjectAttributes
    /// Tags in the form of a query string.
    public var tagging: String?
    /// On what condition.
    public var conditions: S3WriteConditions

    /// Makes a request.
    public init(
        _ address: S3Address, content: [[UInt8]], attributes: S3ObjectAttributes = .init(), tagging: String? = nil,
        conditions: S3WriteConditions = .init()
    ) {
        self.address = address
        self.content = content
        self.attributes = attributes
        self.tagging = tagging
        self.conditions = conditions
    }
}

/// Which object, and what of it, GetObject and HeadObject read.
public struct S3ReadRequest: Sendable, Hashable {
    /// Where.
    public var address: S3Address
    /// A version; nil for the current one.
    public var versionID: String?
    /// Only if it has this ETag; otherwise `.preconditionFailed` is thrown.
    public var ifMatch: String?
    /// A part of it; nil for all.
    public var range: S3ByteRange?

    /// Makes a request.
    public init(_ address: S3Address, versionID: String? = nil, ifMatch: String? = nil, range: S3ByteRange? = nil) {
        self.address = address
        self.versionID = versionID
        self.ifMatch = ifMatch
        self.range = range
    }
}

/// What CopyObject does. The source has at most 5 GB.
public struct S3CopyRequest: Sendable, Hashable {
    /// What is copied.
    public var source: S3Address
    /// Which version of it. Never name one to change an object's own metadata: the old version would become current.
    public var sourceVersionID: String?
    /// Only if the source has this ETag.
    public var ifSourceMatches: String?
    /// Where to.
    public var destination: S3Address
    /// On what condition.
    public var conditions: S3WriteConditions
    /// Whether content headers and metadata come from `attributes` and not from the source. Storage class, encryption,
    /// redirect and lock always come from `attributes`: S3 copies none of them.
    public var replacesMetadata: Bool
    /// What is said of the copy.
    public var attributes: S3ObjectAttributes
    /// Tags in the form of a query string in place of the source's; nil keeps those.
    public var tagging: String?

    /// Makes a request.
    public init(
        source: S3Address, sourceVersionID: String? = nil, ifSourceMatches: String? = nil, destination: S3Address,
        conditions: S3WriteConditions = .init(), replacesMetadata: Bool = false,
        attributes: S3ObjectAttributes = .init(), tagging: String? = nil
    ) {
        self.source = source
        self.sourceVersionID = sourceVersionID
        self.ifSourceMatches = ifSourceMatches
        self.destination = destination
        self.conditions = conditions
        self.replacesMetadata = replacesMetadata
        self.attributes = attributes
        self.tagging = tagging
    }
}

/// Where the bytes of a part come from.
public enum S3PartContent: Sendable {
    /// From memory: hashed before they are sent, and the hash is part of the signature.
    case buffered([[UInt8]])
    /// From a stream of exactly so many bytes, hashed while they are sent; the hash follows them as a trailer, which S3
    /// checks. `source` is asked for a new stream on every attempt. Only over TLS or to a custom endpoint.
    case stream(lengthBytes: UInt64, source: @Sendable () async throws -> any HTTPBodySource)
}

/// What UploadPartCopy does.
public struct S3PartCopyRequest: Sendable, Hashable {
    /// What is copied.
    public var source: S3Address
    /// Which version of it.
    public var sourceVersionID: String?
    /// Only if the source has this ETag.
    public var ifSourceMatches: String?
    /// Which bytes of it; nil for all.
    public var range: ClosedRange<UInt64>?

    /// Makes a request.
    public init(
        source: S3Address, sourceVersionID: String? = nil, ifSourceMatches: String? = nil,
        range: ClosedRange<UInt64>? = nil
    ) {
        self.source = source
        self.sourceVersionID = sourceVersionID
        self.ifSourceMatches = ifSourceMatches
        self.range = range
    }
}
