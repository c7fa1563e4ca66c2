import Synchronization
public import Transfers

/// A versioned bucket in memory with Amazon S3's rules: every version of every object is kept, and an upload in parts
/// is invisible until it is completed. It passes `ObjectStoreContract`.
///
/// Every operation asks the tap as `store.<operation>` before and after its effect.
public final class InMemoryObjectStore: ObjectStore {
    /// One version of an object.
    public struct Version: Sendable {
        /// The content.
        public var bytes: [UInt8]
        /// User metadata.
        public var metadata: [String: String]
        /// All else that is said of it, such as `content-type` and `tags`.
        public var properties: [String: String]
        /// The ETag, with its quotes.
        public var etag: String
        /// The version's name.
        public var versionID: String
        /// When it was stored.
        public var lastModified: UnixTime
    }

    /// The limits of parts.
    public struct Limits: Sendable {
        /// All parts but the last have at least this size.
        public var minimumPartBytes = 5 * 1024 * 1024
        /// The highest number of a part.
        public var maximumPartNumber = 10_000

        /// Those of Amazon S3.
        public init() {}
    }

    /// What the test can know of the store's use.
    public struct Counters: Sendable {
        /// How often each operation was asked for, by its name without `store.`.
        public var operations: [String: Int] = [:]
        /// Bytes of contents being stored now.
        public var bytesInFlight = 0
        /// The most of them at once.
        public var mostBytesInFlight = 0
        /// The most operations at once.
        public var mostRequests = 0
        var requests = 0
    }

    private struct Upload {
        var key: ObjectKey
        var metadata: [String: String]
        var parts: [Int: [UInt8]] = [:]
        var isKnownToClient = false
    }

    /// A note, as it was kept last.
    public struct Note: Sendable {
        /// The content.
        public var bytes: [UInt8]
        /// User metadata.
        public var metadata: [String: String]
        /// When it was kept.
        public var lastModified: UnixTime
    }

    /// What became of an upload that was completed.
    fileprivate struct Made {
        var key: ObjectKey
        var progress: UploadProgress
        var object: StoredObject
    }

    private struct State {
        var made: [Int: Made] = [:]
        var versions: [ObjectKey: [Version]] = [:]
        var uploads: [Int: Upload] = [:]
        var notes: [ObjectKey: Note] = [:]
        var nextNumber = 1
        var counters = Counters()
    }

    let clock: any Clock
    private let limits: Limits
    private let tap: PortTap
    private let gauge: ByteGauge?
    private let shared: Shared

    /// The bucket itself, which several clients can share.
    private final class Shared: Sendable {
        let state = Mutex(State())
    }

    /// Makes an empty bucket.
    /// - Parameter gauge: counts the bytes of a content out when they are stored, or have failed to be.
    public init(
        clock: any Clock = ManualClock(), limits: Limits = Limits(), tap: PortTap = PortTap(),
        gauge: ByteGauge? = nil
    ) {
        self.clock = clock
        self.limits = limits
        self.tap = tap
        self.gauge = gauge
        shared = Shared()
    }

    private init(sharing other: InMemoryObjectStore, tap: PortTap, gauge: ByteGauge?) {
        clock = other.clock
        limits = other.limits
        self.tap = tap
        self.gauge = gauge
        shared = other.shared
    }

    /// Another client of the same bucket, with a tap of its own.
    public func client(tap: PortTap = PortTap(), gauge: ByteGauge? = nil) -> InMemoryObjectStore {
        InMemoryObjectStore(sharing: self, tap: tap, gauge: gauge)
    }

    // MARK: What the test sees

    /// What has been counted so far.
    public var counters: Counters { shared.state.withLock { $0.counters } }

    /// Uploads that a client began and neither completed nor gave up.
    public var openUploadsCount: Int {
        shared.state.withLock { $0.uploads.values.count { $0.isKnownToClient } }
    }

    /// The notes. They are no `objects`.
    public var notes: [ObjectKey: Note] { shared.state.withLock { $0.notes } }

    /// Keeps a note as somebody else does.
    public func plantNote(_ key: ObjectKey, _ bytes: [UInt8], at time: UnixTime? = nil) {
        let note = Note(bytes: bytes, metadata: [:], lastModified: time ?? clock.now)
        shared.state.withLock { $0.notes[key] = note }
    }

    /// Ends every upload, as a lifecycle rule does.
    public func endUploads() { shared.state.withLock { $0.uploads = [:] } }

    /// Every key, with its versions from the oldest to the current one.
    public var objects: [ObjectKey: [Version]] { shared.state.withLock { $0.versions } }

    /// The versions of one object from the oldest to the current one.
    public func versions(_ key: String) -> [Version] {
        guard let key = ObjectKey(key) else { return [] }
        return shared.state.withLock { $0.versions[key] ?? [] }
    }

    /// The current version of one object.
    public func current(_ key: String) -> Version? { versions(key).last }

    /// Stores an object as somebody else does.
    public func plant(
        _ key: String, _ bytes: [UInt8], metadata: [String: String] = [:], properties: [String: String] = [:],
        at time: UnixTime? = nil
    ) {
        guard let key = ObjectKey(key) else { return }
        add(key, bytes, metadata, properties, etag: nil, time: time)
    }

    /// The ETag of an object that was stored whole.
    public static func etag(of bytes: [UInt8]) -> String { etag(ofSHA256: ReferenceSHA256.hexadecimal(bytes)) }

    private static func etag(ofSHA256 digest: String) -> String { "\"\(digest.prefix(32))\"" }

    /// Deletes an object as somebody else does; its versions are forgotten.
    public func remove(_ key: String) {
        guard let key = ObjectKey(key) else { return }
        shared.state.withLock { $0.versions[key] = nil }
    }

    // MARK: The port

    /// See `ObjectStore`.
    public func put(
        _ key: ObjectKey, content: [[UInt8]], metadata: [String: String]
    ) async throws(StoreFailure) -> StoredObject {
        try await sending("put", key, content) { () throws(StoreFailure) in
            add(key, joinedBytes(content), metadata, etag: nil, time: nil)
        }
    }

    /// See `ObjectStore`.
    public func beginUpload(
        _ key: ObjectKey, metadata: [String: String]
    ) async throws(StoreFailure) -> any ObjectUpload {
        let number = try await perform("beginUpload", key) { () throws(StoreFailure) in
            shared.state.withLock { state in
                defer { state.nextNumber += 1 }
                state.uploads[state.nextNumber] = Upload(key: key, metadata: metadata)
                return state.nextNumber
            }
        }
        shared.state.withLock { $0.uploads[number]?.isKnownToClient = true }
        return InMemoryUpload(store: self, key: key, number: number, made: nil)
    }

    /// See `ObjectStore`.
    public func head(_ key: ObjectKey) async throws(StoreFailure) -> ObjectSummary? {
        try await perform("head", key) { () throws(StoreFailure) in
            guard let version = shared.state.withLock({ $0.versions[key]?.last }) else { return nil }
            return ObjectSummary(
                etag: version.etag, sizeBytes: UInt64(version.bytes.count), lastModified: version.lastModified,
                metadata: version.metadata, versionID: version.versionID)
        }
    }

    // MARK: What an earlier run has left

    /// See `ObjectStore`.
    public func resumeUpload(
        _ key: ObjectKey, _ progress: UploadProgress, partBytes: Int, sizeBytes: UInt64
    ) async throws(StoreFailure) -> (any ObjectUpload)? {
        try await perform("resumeUpload", key) { () throws(StoreFailure) in
            let (count, state) = (progress.parts.count, shared.state.withLock { $0 })
            guard let number = Int(progress.uploadID), progress.digest == Self.digest(of: progress.parts),
                let sizes = PartPlan.sizes(ofFirst: count, partBytes: partBytes, sizeBytes: sizeBytes)
            else { return nil }
            if let made = state.made[number], made.key == key, made.progress == progress,
                state.versions[key]?.last?.versionID == made.object.versionID
            {
                return InMemoryUpload(store: self, key: key, number: number, made: made)
            }
            guard let found = self.progress(of: number, key), found.parts.starts(with: progress.parts),
                (1...count).map({ UInt64(state.uploads[number]?.parts[$0]?.count ?? 0) }) == sizes
            else { return nil }
            return InMemoryUpload(store: self, key: key, number: number, made: nil)
        }
    }

    /// See `ObjectStore`.
    public func abandonUpload(_ key: ObjectKey, uploadID: String) async throws(StoreFailure) {
        try await perform("abandonUpload", key) { () throws(StoreFailure) in
            guard let number = Int(uploadID) else { return }
            shared.state.withLock { state in
                if state.uploads[number]?.key == key { state.uploads[number] = nil }
            }
        }
    }

    /// See `ObjectStore`.
    public func notes(prefix: String, maximumCount: Int) async throws(StoreFailure) -> [ListedNote] {
        guard let key = ObjectKey(prefix) else { return [] }
        return try await perform("notes", key) { () throws(StoreFailure) in
            let found = notes.filter { $0.key.text.hasPrefix(prefix) }.sorted { $0.key.text < $1.key.text }
            return found.prefix(maximumCount).map { ListedNote(key: $0.key, lastModified: $0.value.lastModified) }
        }
    }

    /// See `ObjectStore`.
    public func note(_ key: ObjectKey, maximumBytes: Int) async throws(StoreFailure) -> [UInt8]? {
        try await perform("note", key) { () throws(StoreFailure) in
            let bytes = notes[key]?.bytes
            guard bytes?.count ?? 0 <= maximumBytes else { throw StoreFailure(.rejected, "\(key): too long") }
            return bytes
        }
    }

    /// See `ObjectStore`.
    public func keepNote(
        _ key: ObjectKey, content: [UInt8], metadata: [String: String]
    ) async throws(StoreFailure) {
        try await perform("keepNote", key) { () throws(StoreFailure) in
            let note = Note(bytes: content, metadata: metadata, lastModified: clock.now)
            shared.state.withLock { $0.notes[key] = note }
        }
    }

    /// See `ObjectStore`.
    public func removeNote(_ key: ObjectKey) async throws(StoreFailure) {
        try await perform("removeNote", key) { () throws(StoreFailure) in
            shared.state.withLock { $0.notes[key] = nil }
        }
    }

    /// How far an upload has come; nil when there is none, or none of its parts.
    fileprivate func progress(of number: Int, _ key: ObjectKey) -> UploadProgress? {
        let (upload, made) = shared.state.withLock { ($0.uploads[number], $0.made[number]) }
        // Who has not heard that it was completed still knows its parts.
        if let made, made.key == key { return made.progress }
        guard let upload, upload.key == key else { return nil }
        var parts: [UploadProgress.Part] = []
        while let bytes = upload.parts[parts.count + 1] {
            // Only this process has to know it again, and SHA-256 is slow in a debug build.
            var hasher = Hasher()
            bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
            let digest = hasher.finalize()
            parts.append(UploadProgress.Part(etag: "\"\(digest)\"", sha256: "\(digest)"))
        }
        guard !parts.isEmpty else { return nil }
        return UploadProgress(uploadID: "\(number)", parts: parts, digest: Self.digest(of: parts))
    }

    private static func digest(of parts: [UploadProgress.Part]) -> String {
        var hasher = Hasher()
        hasher.combine(parts)
        return "\(hasher.finalize())"
    }

    // MARK: Parts

    fileprivate func putPart(
        _ number: Int, of upload: Int, _ key: ObjectKey, _ content: [[UInt8]]
    ) async throws(StoreFailure) {
        try await sending("putPart", key, content) { () throws(StoreFailure) in
            guard (1...limits.maximumPartNumber).contains(number) else {
                throw StoreFailure(.rejected, "part \(number) of \(key): InvalidArgument")
            }
            let isThere = shared.state.withLock { state in
                state.uploads[upload]?.parts[number] = joinedBytes(content)
                return state.uploads[upload] != nil
            }
            guard isThere else { throw StoreFailure(.notFound, "part \(number) of \(key): NoSuchUpload") }
        }
    }

    fileprivate func complete(_ upload: Int, _ key: ObjectKey) async throws(StoreFailure) -> StoredObject {
        try await perform("complete", key) { () throws(StoreFailure) in
            guard let found = shared.state.withLock({ $0.uploads[upload] }) else {
                throw StoreFailure(.notFound, "complete \(key): NoSuchUpload")
            }
            let numbers = found.parts.keys.sorted()
            let parts = numbers.compactMap { found.parts[$0] }
            guard !parts.isEmpty, numbers == Array(1...parts.count) else {
                throw StoreFailure(.rejected, "complete \(key): InvalidPart")
            }
            guard parts.dropLast().allSatisfy({ $0.count >= limits.minimumPartBytes }) else {
                throw StoreFailure(.rejected, "complete \(key): EntityTooSmall")
            }
            // S3 takes other sizes; the port does not promise to.
            guard Set(parts.dropLast().map(\.count)).count <= 1, (parts.last?.count ?? 0) <= (parts.first?.count ?? 0)
            else { throw StoreFailure(.rejected, "complete \(key): parts of different sizes") }
            let progress = progress(of: upload, key)
            shared.state.withLock { $0.uploads[upload] = nil }
            let etag = "\"\(ReferenceSHA256.hexadecimal(joinedBytes(parts)).prefix(32))-\(parts.count)\""
            let object = add(key, joinedBytes(parts), found.metadata, etag: etag, time: nil)
            shared.state.withLock { state in
                state.made[upload] = progress.map { Made(key: key, progress: $0, object: object) }
            }
            return object
        }
    }

    /// Unlike the other operations this one has its effect in a cancelled task too: the port says so.
    fileprivate func abort(_ upload: Int, _ key: ObjectKey) async {
        shared.state.withLock { $0.counters.operations["abort", default: 0] += 1 }
        guard case .proceed = await tap.pass(.before, "store.abort", key.description) else { return }
        shared.state.withLock { $0.uploads[upload] = nil }
        _ = await tap.pass(.after, "store.abort", key.description)
    }

    // MARK: What every operation does

    @discardableResult
    func add(
        _ key: ObjectKey, _ bytes: [UInt8], _ metadata: [String: String], _ properties: [String: String] = [:],
        etag: String?, time: UnixTime?
    ) -> StoredObject {
        let hash = ReferenceSHA256.hexadecimal(bytes)
        let time = time ?? clock.now
        return shared.state.withLock { state in
            let version = Version(
                bytes: bytes, metadata: metadata, properties: properties, etag: etag ?? Self.etag(ofSHA256: hash),
                versionID: "v\(state.nextNumber)", lastModified: time)
            state.nextNumber += 1
            state.versions[key, default: []].append(version)
            return StoredObject(
                etag: version.etag, versionID: version.versionID, sha256: hash, sizeBytes: UInt64(bytes.count))
        }
    }

    private func sending<Answer>(
        _ operation: String, _ key: ObjectKey, _ content: [[UInt8]],
        _ body: () throws(StoreFailure) -> Answer
    ) async throws(StoreFailure) -> Answer {
        let countBytes = content.reduce(0) { $0 + $1.count }
        shared.state.withLock { state in
            state.counters.bytesInFlight += countBytes
            state.counters.mostBytesInFlight = max(
                state.counters.mostBytesInFlight, state.counters.bytesInFlight)
        }
        defer {
            shared.state.withLock { $0.counters.bytesInFlight -= countBytes }
            gauge?.add(-countBytes)
        }
        return try await perform(operation, key, body)
    }

    func perform<Answer>(
        _ operation: String, _ key: ObjectKey, _ body: () throws(StoreFailure) -> Answer
    ) async throws(StoreFailure) -> Answer {
        shared.state.withLock { state in
            state.counters.operations[operation, default: 0] += 1
            state.counters.requests += 1
            state.counters.mostRequests = max(state.counters.mostRequests, state.counters.requests)
        }
        defer { shared.state.withLock { $0.counters.requests -= 1 } }
        try await step(.before, operation, key)
        if Task.isCancelled { throw StoreFailure(.cancelled, "\(operation) \(key): cancelled") }
        let answer = try body()
        try await step(.after, operation, key)
        return answer
    }

    private func step(_ moment: PortTap.Moment, _ name: String, _ key: ObjectKey) async throws(StoreFailure) {
        switch await tap.pass(moment, "store.\(name)", key.description) {
        case .proceed, .failRemote, .failQueue, .disconnect: break
        case .fail, .crash: throw StoreFailure(.unavailable, "\(name) \(key): failed by the test")
        case .failStore(let reason): throw StoreFailure(reason, "\(name) \(key): failed by the test")
        }
    }
}

/// An upload in parts to an `InMemoryObjectStore`.
private struct InMemoryUpload: ObjectUpload {
    let store: InMemoryObjectStore
    let key: ObjectKey
    let number: Int
    /// Set when an earlier client had completed it.
    let made: InMemoryObjectStore.Made?

    func putPart(_ number: Int, content: [[UInt8]]) async throws(StoreFailure) {
        try await store.putPart(number, of: self.number, key, content)
    }

    func complete() async throws(StoreFailure) -> StoredObject {
        if let made { return made.object }
        return try await store.complete(number, key)
    }

    func progress() async -> UploadProgress? { made?.progress ?? store.progress(of: number, key) }

    func abort() async { await store.abort(number, key) }
}
