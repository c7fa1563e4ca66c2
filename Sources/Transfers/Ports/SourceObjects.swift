/// Where an object is.
public struct ObjectAddress: Hashable, Sendable, CustomStringConvertible {
    /// The bucket.
    public var bucket: String
    /// The key in it.
    public var key: ObjectKey

    /// Makes an address.
    public init(bucket: String, key: ObjectKey) {
        self.bucket = bucket
        self.key = key
    }

    /// Bucket and key as text for people.
    public var description: String { "\(bucket)/\(key)" }
}

/// The buckets whose objects are pushed, as the transfer rules see them. All operations may be called at once from many
/// tasks, and each retries what may pass by itself; what it throws has been tried enough.
public protocol SourceObjects: Sendable {
    /// The current object, as it is now; nil when there is none.
    func current(_ address: ObjectAddress) async throws(StoreFailure) -> (any SourceObject)?
}

/// An object as it was at one look. Whatever is done with it is done to this object only: when another one has taken
/// its place since, it fails with `.preconditionFailed`, and with `.notFound` when there is none any more.
public protocol SourceObject: Sendable {
    /// What the look showed.
    var summary: ObjectSummary { get }

    /// Begins to read it, from a position of this version on if there is one. Where that cannot be, from its beginning:
    /// `ObjectContent.startBytes` says.
    func open(from position: ContentPosition?) async throws(StoreFailure) -> any ObjectContent

    /// Gives it this metadata in place of what it has, and keeps everything else that is said of it: content headers,
    /// tags, storage class, encryption with its key, website redirect and object lock. Neither brings an older object
    /// back nor touches a newer one (rule U6). The object's ETag may change by it.
    /// - Throws: `.rejected` when the metadata is too much or the object cannot be copied; `.denied`.
    func setMetadata(_ metadata: [String: String]) async throws(StoreFailure)
}

/// The content of an object on its way. One caller at a time.
public protocol ObjectContent: Sendable {
    /// The next piece, never empty; nil at the end, when all of it has come and been found whole.
    /// - Throws: `.preconditionFailed` or `.notFound` when the object was replaced or deleted and the rest is lost.
    func next() async throws(StoreFailure) -> [UInt8]?

    /// The SHA-256 of the whole content in lower-case hexadecimal, once `next` has given nil.
    var sha256: String? { get async }

    /// Where in the object the first piece begins.
    var startBytes: UInt64 { get async }

    /// The last position before `limitBytes`, of those not too long ago, at which another may go on; nil when there is
    /// none.
    func position(upTo limitBytes: UInt64) async -> ContentPosition?
}

extension SourceObject {
    /// Begins to read it from its beginning.
    public func open() async throws(StoreFailure) -> any ObjectContent { try await open(from: nil) }
}
