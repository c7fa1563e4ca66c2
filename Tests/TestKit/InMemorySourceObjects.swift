import Synchronization
public import Transfers

/// The buckets of an `InMemoryObjectStore` as a push sees them: one bucket, of any name. It passes
/// `SourceObjectsContract`.
///
/// Operations ask the store's tap as `store.current`, `store.open`, `store.next` and `store.setMetadata`.
public struct InMemorySourceObjects: SourceObjects {
    /// What buckets do differently.
    public struct Behaviour: Sendable {
        /// New metadata gives an object another ETag, as it does for objects made of parts and those encrypted by KMS.
        public var copiesChangeETags = false
        /// New metadata is refused so.
        public var refusesCopies: StoreFailure.Reason?
        /// The most bytes that one piece of a content holds.
        public var pieceBytes = 64 * 1024
        /// The most bytes of metadata, names and values (Amazon S3 User Guide, "Working with object metadata").
        public var maximumMetadataBytes = 2048

        /// A bucket like Amazon S3's.
        public init() {}
    }

    let store: InMemoryObjectStore
    let behaviour: Behaviour

    /// Makes a view of the store.
    public init(_ store: InMemoryObjectStore, behaviour: Behaviour = Behaviour()) {
        self.store = store
        self.behaviour = behaviour
    }

    /// See `SourceObjects`.
    public func current(_ address: ObjectAddress) async throws(StoreFailure) -> (any SourceObject)? {
        try await store.perform("current", address.key) { () throws(StoreFailure) in
            let now = store.clock.now
            return store.objects[address.key]?.last.map {
                Object(objects: self, key: address.key, version: $0, storeTime: now)
            }
        }
    }

    private struct Object: SourceObject {
        let objects: InMemorySourceObjects
        let key: ObjectKey
        let version: InMemoryObjectStore.Version
        let storeTime: UnixTime

        var summary: ObjectSummary {
            ObjectSummary(
                etag: version.etag, sizeBytes: UInt64(version.bytes.count), lastModified: version.lastModified,
                metadata: version.metadata, versionID: version.versionID, storeTime: storeTime)
        }

        func open(from position: ContentPosition?) async throws(StoreFailure) -> any ObjectContent {
            try await objects.store.perform("open", key) { () throws(StoreFailure) in
                // The content is that of the moment of the request; a later version does not show in it.
                let bytes = try match().bytes
                let isOurs = position?.digest == InMemoryContent.digest(etag: version.etag, position?.offsetBytes)
                return InMemoryContent(
                    objects.store, key, bytes, etag: version.etag, pieceBytes: objects.behaviour.pieceBytes,
                    startBytes: isOurs ? Int(position?.offsetBytes ?? 0) : 0)
            }
        }

        func setMetadata(_ metadata: [String: String]) async throws(StoreFailure) {
            try await objects.store.perform("setMetadata", key) { () throws(StoreFailure) in
                let current = try match()
                if let reason = objects.behaviour.refusesCopies { throw StoreFailure(reason, "copy \(key): refused") }
                let countBytes = metadata.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
                guard countBytes <= objects.behaviour.maximumMetadataBytes else {
                    throw StoreFailure(.rejected, "copy \(key): MetadataTooLarge")
                }
                let etag = objects.behaviour.copiesChangeETags ? "\(current.etag.dropLast())+\"" : current.etag
                objects.store.add(key, current.bytes, metadata, current.properties, etag: etag, time: nil)
            }
        }

        /// The current object, if it is the one that was seen: its ETag says so, as it does in S3.
        private func match() throws(StoreFailure) -> InMemoryObjectStore.Version {
            guard let current = objects.store.objects[key]?.last else {
                throw StoreFailure(.notFound, "\(key): NoSuchKey")
            }
            guard current.etag == version.etag else { throw StoreFailure(.preconditionFailed, "\(key): 412") }
            return current
        }
    }
}

private final class InMemoryContent: ObjectContent {
    private let store: InMemoryObjectStore
    private let key: ObjectKey
    private let bytes: [UInt8]
    private let etag: String
    private let pieceBytes: Int
    private let position: Mutex<Int>
    let startBytes: UInt64

    init(
        _ store: InMemoryObjectStore, _ key: ObjectKey, _ bytes: [UInt8], etag: String, pieceBytes: Int,
        startBytes: Int
    ) {
        self.store = store
        self.key = key
        self.bytes = bytes
        self.etag = etag
        self.pieceBytes = pieceBytes
        self.startBytes = UInt64(startBytes)
        position = Mutex(startBytes)
    }

    /// Stands for the state of a digest: it is only good for the version and the place that it was made for.
    static func digest(etag: String, _ offsetBytes: UInt64?) -> String {
        offsetBytes.map { "\(etag):\($0)" } ?? ""
    }

    func position(upTo limitBytes: UInt64) async -> ContentPosition? {
        let here = UInt64(position.withLock { $0 })
        let offset = (min(limitBytes, here) >> 20) << 20
        guard offset > 0 else { return nil }
        return ContentPosition(offsetBytes: offset, digest: Self.digest(etag: etag, offset))
    }

    func next() async throws(StoreFailure) -> [UInt8]? {
        try await store.perform("next", key) { () throws(StoreFailure) in
            position.withLock { position in
                guard position < bytes.count else { return nil }
                let end = min(bytes.count, position + pieceBytes)
                defer { position = end }
                return Array(bytes[position..<end])
            }
        }
    }

    var sha256: String? {
        get async { position.withLock { $0 } == bytes.count ? ReferenceSHA256.hexadecimal(bytes) : nil }
    }
}
