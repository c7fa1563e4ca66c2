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

    /// Goes on with an upload that an earlier run has left; nil when that cannot be: the store has no such upload any
    /// more, not the parts that `progress` says, or parts that are not those of a file of `sizeBytes` in parts of
    /// `partBytes`. Where all parts were stored and the object has been made of them since, `complete` gives that.
    func resumeUpload(
        _ key: ObjectKey, _ progress: UploadProgress, partBytes: Int, sizeBytes: UInt64
    ) async throws(StoreFailure) -> (any ObjectUpload)?

    /// Gives up an upload that an earlier run has left. That there is none any more is no error.
    func abandonUpload(_ key: ObjectKey, uploadID: String) async throws(StoreFailure)

    /// The notes whose keys begin with `prefix`, at most `maximumCount` of them.
    func notes(prefix: String, maximumCount: Int) async throws(StoreFailure) -> [ListedNote]

    /// The content of a note; nil when there is none.
    /// - Throws: `.rejected` when it is longer than `maximumBytes`.
    func note(_ key: ObjectKey, maximumBytes: Int) async throws(StoreFailure) -> [UInt8]?

    /// Stores a note: a small object of ours beside the files, which is not one of them. Has its effect shortly behind
    /// the deadline of the invocation too.
    func keepNote(_ key: ObjectKey, content: [UInt8], metadata: [String: String]) async throws(StoreFailure)

    /// Removes a note. That there is none is no error. Has its effect shortly behind the deadline too.
    func removeNote(_ key: ObjectKey) async throws(StoreFailure)
}

/// A note in a listing.
public struct ListedNote: Hashable, Sendable {
    /// Its key.
    public var key: ObjectKey
    /// When it was stored.
    public var lastModified: UnixTime

    /// Makes an entry.
    public init(key: ObjectKey, lastModified: UnixTime) {
        self.key = key
        self.lastModified = lastModified
    }
}

/// How far an upload has come: what another run needs to go on with it.
public struct UploadProgress: Hashable, Sendable {
    /// The store's name of the upload.
    public var uploadID: String
    /// The parts that are stored, from the first on without a gap.
    public var parts: [Part]
    /// Where the digest of the whole stands behind those parts, in the store's own form.
    public var digest: String

    /// One part.
    public struct Part: Hashable, Sendable {
        /// The ETag, with its quotes.
        public var etag: String
        /// The SHA-256, in base 64.
        public var sha256: String

        /// Makes a part.
        public init(etag: String, sha256: String) {
            self.etag = etag
            self.sha256 = sha256
        }
    }

    /// Makes a progress.
    public init(uploadID: String, parts: [Part], digest: String) {
        self.uploadID = uploadID
        self.parts = parts
        self.digest = digest
    }
}

/// An object being stored part by part. Until `complete` nothing is visible under its key.
public protocol ObjectUpload: Sendable {
    /// Stores one part; `number` counts from 1. Parts may be stored at once and begun in any order, and all but the
    /// last have the same size, at least 5 MiB. Returns when the store has confirmed the SHA-256 of the part; that may
    /// wait until the parts before it have been begun, since the digest of the whole goes through them in order.
    func putPart(_ number: Int, content: [[UInt8]]) async throws(StoreFailure)

    /// Makes the object visible; every part from 1 to the highest must have been stored.
    func complete() async throws(StoreFailure) -> StoredObject

    /// How far it has come, the last part included; nil while its first part is not stored.
    func progress() async -> UploadProgress?

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
