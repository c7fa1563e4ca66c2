/// The S3 bucket of a flow, as the transfer rules see it. All operations may be called at once from many tasks, and
/// each retries what may pass by itself; what it throws has been tried enough.
public protocol ObjectStore: Sendable {
    /// Stores an object in one request and returns when the store has confirmed the SHA-256 of what it took.
    func put(
        _ key: ObjectKey, content: [[UInt8]], metadata: [String: String]
    ) async throws(StoreFailure) -> StoredObject

    /// Begins an object that is stored part by part.
    func beginUpload(_ key: ObjectKey, metadata: [String: String]) async throws(StoreFailure) -> any ObjectUpload

    /// What the store knows of the current object; nil when there is none.
    func head(_ key: ObjectKey) async throws(StoreFailure) -> ObjectSummary?
}

/// An object being stored part by part. Until `complete` nothing is visible under its key.
public protocol ObjectUpload: Sendable {
    /// Stores one part; `number` counts from 1. Parts may be stored at once and begun in any order, and all but the
    /// last have the same size, at least 5 MiB. Returns when the store has confirmed the SHA-256 of the part; that may
    /// wait until the parts before it have been begun, since the digest of the whole goes through them in order.
    func putPart(_ number: Int, content: [[UInt8]]) async throws(StoreFailure)

    /// Makes the object visible; every part from 1 to the highest must have been stored.
    func complete() async throws(StoreFailure) -> StoredObject

    /// Gives the upload up and frees what it holds. Never throws: what it could not free is logged by the adapter.
    func abort() async
}

/// An object that has been stored.
public struct StoredObject: Hashable, Sendable {
    /// The ETag, with its quotes, as the store gave it.
    public var etag: String
    /// The version, on a versioned bucket.
    public var versionID: String?
    /// SHA-256 of the whole content in lower-case hexadecimal.
    public var sha256: String
    /// The size that was stored.
    public var sizeBytes: UInt64

    /// Makes a result.
    public init(etag: String, versionID: String?, sha256: String, sizeBytes: UInt64) {
        self.etag = etag
        self.versionID = versionID
        self.sha256 = sha256
        self.sizeBytes = sizeBytes
    }
}

/// What the store says of an object without giving its content.
public struct ObjectSummary: Hashable, Sendable {
    /// The ETag, with its quotes.
    public var etag: String
    /// The size.
    public var sizeBytes: UInt64
    /// When this version was stored.
    public var lastModified: UnixTime
    /// User metadata, names in lower case without `x-amz-meta-`.
    public var metadata: [String: String]
    /// The version, on a versioned bucket.
    public var versionID: String?
    /// The store's time of day at the look, if it told it.
    public var storeTime: UnixTime?

    /// Makes a summary.
    public init(
        etag: String, sizeBytes: UInt64, lastModified: UnixTime, metadata: [String: String], versionID: String? = nil,
        storeTime: UnixTime? = nil
    ) {
        self.versionID = versionID
        self.storeTime = storeTime
        self.etag = etag
        self.sizeBytes = sizeBytes
        self.lastModified = lastModified
        self.metadata = metadata
    }
}

/// Why an operation on the object store failed.
public struct StoreFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What a rule can act on.
    public enum Reason: String, Sendable {
        /// No such bucket, or no such upload.
        case notFound
        /// The credentials do not permit it.
        case denied
        /// A condition was not met (412).
        case preconditionFailed
        /// Tried to the end of the retries; it may work later.
        case unavailable
        /// The task was cancelled.
        case cancelled
        /// The request can never work as it is.
        case rejected
    }

    /// What a rule can act on.
    public var reason: Reason
    /// The operation, the key and what the store answered, with its request id.
    public var message: String

    /// Makes a failure.
    public init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
