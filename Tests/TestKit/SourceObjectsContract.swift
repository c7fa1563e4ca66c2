import Testing
public import Transfers

/// What the port `SourceObjects` promises, as checks that every implementation must pass: the one in memory and the one
/// over HTTP, against any S3.
///
/// Each promise uses keys that begin with `prefix` and its own name.
public struct SourceObjectsContract: Sendable {
    /// Every promise has a name, so that a test can take them as arguments.
    public enum Promise: String, CaseIterable, Sendable {
        case currentOfNothingIsNil, currentTellsWhatIsThere, keysAreBytes, manyAtOnce
        case contentComesWhole, contentOfNothingHasNoPieces, contentIsOfOneVersion, contentGoesOnFromAPosition
        case replacedIsNotOpened, deletedIsNotOpened, cancelledCallsSaySo
        case metadataIsReplacedAndAllElseKept, bareObjectGetsMetadata, markedObjectIsMarkedAgain
        case replacedIsNotMarked, lookAfterAMarkCounts, deletedIsNotBroughtBack
        case tooMuchMetadataIsRejected
    }

    /// An object with all that is said of it.
    public struct Object: Sendable, Equatable {
        /// The content.
        public var bytes: [UInt8]
        /// User metadata.
        public var metadata: [String: String]
        /// All else that is said of it, by name; the names of `Promise.metadataIsReplacedAndAllElseKept`.
        public var properties: [String: String]

        /// Makes an object.
        public init(bytes: [UInt8], metadata: [String: String] = [:], properties: [String: String] = [:]) {
            self.bytes = bytes
            self.metadata = metadata
            self.properties = properties
        }
    }

    /// What stands in the bucket, seen past the implementation that is checked.
    public struct Bucket: Sendable {
        /// The bucket's name.
        public var name: String
        /// Puts an object there.
        public var put: @Sendable (ObjectKey, Object) async throws -> Void
        /// The current object; nil when there is none.
        public var read: @Sendable (ObjectKey) async throws -> Object?
        /// Deletes an object.
        public var remove: @Sendable (ObjectKey) async throws -> Void

        /// Makes a view.
        public init(
            name: String, put: @escaping @Sendable (ObjectKey, Object) async throws -> Void,
            read: @escaping @Sendable (ObjectKey) async throws -> Object?,
            remove: @escaping @Sendable (ObjectKey) async throws -> Void
        ) {
            self.name = name
            self.put = put
            self.read = read
            self.remove = remove
        }
    }

    /// All that is said of an object besides its metadata. The tags are a query string in the order of their keys.
    public static let allProperties = [
        "content-type": "text/x-odd; charset=utf-8", "cache-control": "max-age=60, private",
        "content-disposition": "attachment; filename=\"a b.txt\"", "content-encoding": "identity",
        "content-language": "de, en", "expires": "Wed, 21 Oct 2037 07:28:00 GMT", "storage-class": "STANDARD_IA",
        "encryption": "AES256", "redirect": "/elsewhere.html",
        "tags": "cost%20centre=a%2Bb%3Dc%2Fd&empty=&who=x%20y",
    ]

    private let objects: any SourceObjects
    private let bucket: Bucket
    private let prefix: String

    /// Sets the checks up.
    public init(objects: any SourceObjects, bucket: Bucket, prefix: String = "contract/") {
        self.objects = objects
        self.bucket = bucket
        self.prefix = prefix
    }

    /// Checks one promise.
    public func check(_ promise: Promise) async throws {
        let key = try key(promise.rawValue)
        switch promise {
        case .currentOfNothingIsNil: #expect(try await look(key) == nil)
        case .currentTellsWhatIsThere: try await currentTellsWhatIsThere(key)
        case .keysAreBytes: try await keysAreBytes(promise.rawValue)
        case .manyAtOnce: try await manyAtOnce(promise.rawValue)
        case .contentComesWhole: try await contentComesWhole(key)
        case .contentOfNothingHasNoPieces: try await contentOfNothingHasNoPieces(key)
        case .contentIsOfOneVersion: try await contentIsOfOneVersion(key)
        case .contentGoesOnFromAPosition: try await contentGoesOnFromAPosition(key)
        case .replacedIsNotOpened: try await replacedIsNotOpened(key)
        case .deletedIsNotOpened: try await deletedIsNotOpened(key)
        case .cancelledCallsSaySo: try await cancelledCallsSaySo(key)
        case .metadataIsReplacedAndAllElseKept: try await metadataIsReplacedAndAllElseKept(key)
        case .bareObjectGetsMetadata: try await bareObjectGetsMetadata(key)
        case .markedObjectIsMarkedAgain: try await markedObjectIsMarkedAgain(key)
        case .replacedIsNotMarked: try await replacedIsNotMarked(key)
        case .lookAfterAMarkCounts: try await lookAfterAMarkCounts(key)
        case .deletedIsNotBroughtBack: try await deletedIsNotBroughtBack(key)
        case .tooMuchMetadataIsRejected: try await tooMuchMetadataIsRejected(key)
        }
    }

    private func contentGoesOnFromAPosition(_ key: ObjectKey) async throws {
        let bytes = sampleBytes((5 << 20) + 777, salt: 3)
        try await bucket.put(key, Object(bytes: bytes))
        let object = try await seen(key)
        let first = try await object.open()
        #expect(await first.startBytes == 0)
        #expect(await first.position(upTo: .max) == nil)
        var count = 0
        while count < 4 << 20, let piece = try await first.next() { count += piece.count }
        #expect(await first.position(upTo: 100) == nil)
        let position = try #require(await first.position(upTo: UInt64(count) - 1))
        #expect(position.offsetBytes < UInt64(count) && position.offsetBytes >= UInt64(count) - 2 << 20)
        let second = try await object.open(from: position)
        #expect(await second.startBytes == position.offsetBytes)
        #expect(await second.position(upTo: .max)?.offsetBytes ?? position.offsetBytes == position.offsetBytes)
        let rest = try await read(second)
        #expect(isSame(rest, Array(bytes[Int(position.offsetBytes)...])))
        // The digest is that of the whole, though only the rest has come.
        #expect(await second.sha256 == ReferenceSHA256.hexadecimal(bytes))
        for other in [
            ContentPosition(offsetBytes: position.offsetBytes, digest: "no digest"),
            ContentPosition(offsetBytes: position.offsetBytes + 64, digest: position.digest),
        ] {
            let whole = try await object.open(from: other)
            #expect(await whole.startBytes == 0)
            let all = try await read(whole)
            #expect(isSame(all, bytes))
        }
    }

    // MARK: Helpers

    private func key(_ name: String) throws -> ObjectKey { try #require(ObjectKey(prefix + name)) }

    private func look(_ key: ObjectKey) async throws -> ObjectSummary? {
        try await objects.current(ObjectAddress(bucket: bucket.name, key: key))?.summary
    }

    private func seen(_ key: ObjectKey) async throws -> any SourceObject {
        try #require(try await objects.current(ObjectAddress(bucket: bucket.name, key: key)), "\(key)")
    }

    private func read(_ content: any ObjectContent) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let piece = try await content.next() {
            #expect(!piece.isEmpty)
            bytes += piece
        }
        return bytes
    }

    private func expectThere(
        _ object: Object, _ key: ObjectKey, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let there = try await bucket.read(key)
        #expect(there?.metadata == object.metadata, sourceLocation: sourceLocation)
        #expect(there?.properties == object.properties, sourceLocation: sourceLocation)
        let isWhole = isSame(there?.bytes ?? [], object.bytes)
        #expect(isWhole, "the content of \(key)", sourceLocation: sourceLocation)
    }

    private func expectFailure(
        _ reasons: StoreFailure.Reason..., sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () async throws(StoreFailure) -> Void
    ) async {
        do throws(StoreFailure) {
            try await body()
            Issue.record("it did not fail", sourceLocation: sourceLocation)
        } catch {
            #expect(
                reasons.contains(error.reason), "failed with \(error.reason): \(error)", sourceLocation: sourceLocation)
        }
    }

    // MARK: Looking and reading

    private func currentTellsWhatIsThere(_ key: ObjectKey) async throws {
        let metadata = ["synced-from": "host:22:user", "wer": "Jürgen 日本", "mtime": "1600000000.5"]
        try await bucket.put(key, Object(bytes: sampleBytes(1234), metadata: metadata))
        let summary = try #require(try await look(key))
        #expect(summary.sizeBytes == 1234 && summary.metadata == metadata)
        #expect(summary.etag.count > 2 && summary.etag.hasPrefix("\"") && summary.etag.hasSuffix("\""))
        #expect(summary.lastModified.seconds > 0 && summary.versionID?.isEmpty != true)
        // Both by the store's clock, in whole seconds.
        #expect(try #require(summary.storeTime).seconds + 1 >= summary.lastModified.seconds)
        try await bucket.put(key, Object(bytes: [1]))
        let newer = try #require(try await look(key))
        #expect(newer.etag != summary.etag && newer.sizeBytes == 1 && newer.metadata.isEmpty)
        try await bucket.remove(key)
        #expect(try await look(key) == nil)
    }

    private func keysAreBytes(_ place: String) async throws {
        let names = [
            "with space", "plus+percent%20and%", "quote'double\"", "#?&=;:@!$()[]{}~^*,", "composed \u{E9}",
            "decomposed e\u{301}", "文件 🗂", "deep/er/path", "upper CASE", "upper case", "a//b", "end/",
        ]
        for name in names {
            try await bucket.put(try key("\(place)/\(name)"), Object(bytes: Array("content of \(name)".utf8)))
        }
        for name in names {
            let key = try key("\(place)/\(name)")
            let object = try await seen(key)
            #expect(try await read(object.open()) == Array("content of \(name)".utf8), "\(name)")
            try await object.setMetadata(["name": name])
            try await expectThere(
                Object(bytes: Array("content of \(name)".utf8), metadata: ["name": name]), key)
        }
    }

    private func manyAtOnce(_ place: String) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                let key = try key("\(place)/\(number)")
                group.addTask {
                    let bytes = sampleBytes(1000 + number, salt: UInt8(number))
                    try await bucket.put(key, Object(bytes: bytes))
                    let object = try await seen(key)
                    #expect(try await read(object.open()) == bytes)
                    try await object.setMetadata(["number": "\(number)"])
                    try await expectThere(Object(bytes: bytes, metadata: ["number": "\(number)"]), key)
                }
            }
            try await group.waitForAll()
        }
    }

    private func contentComesWhole(_ key: ObjectKey) async throws {
        let bytes = sampleBytes(1_000_001)
        try await bucket.put(key, Object(bytes: bytes))
        let content = try await seen(key).open()
        #expect(await content.sha256 == nil)
        let first = try #require(try await content.next())
        #expect(!first.isEmpty && first.count < bytes.count, "it comes in pieces")
        #expect(await content.sha256 == nil)
        let isWhole = isSame(first + (try await read(content)), bytes)
        #expect(isWhole)
        #expect(await content.sha256 == ReferenceSHA256.hexadecimal(bytes))
        #expect(try await content.next() == nil)
    }

    private func contentOfNothingHasNoPieces(_ key: ObjectKey) async throws {
        try await bucket.put(key, Object(bytes: []))
        let content = try await seen(key).open()
        #expect(try await content.next() == nil)
        #expect(await content.sha256 == ReferenceSHA256.hexadecimal([]))
    }

    /// What is read is the version that was seen, or the reading fails: never a mixture.
    private func contentIsOfOneVersion(_ key: ObjectKey) async throws {
        let bytes = sampleBytes(3_000_000, salt: 1)
        try await bucket.put(key, Object(bytes: bytes))
        let content = try await seen(key).open()
        let first = try await content.next() ?? []
        try await bucket.put(key, Object(bytes: sampleBytes(3_000_000, salt: 2)))
        do {
            let isOne = isSame(first + (try await read(content)), bytes)
            #expect(isOne)
        } catch let failure as StoreFailure {
            #expect(failure.reason == .preconditionFailed, "\(failure)")
            #expect(await content.sha256 == nil)
        }
    }

    private func replacedIsNotOpened(_ key: ObjectKey) async throws {
        try await bucket.put(key, Object(bytes: Array("older".utf8)))
        let older = try await seen(key)
        try await bucket.put(key, Object(bytes: Array("newer".utf8)))
        await expectFailure(.preconditionFailed) { () async throws(StoreFailure) in _ = try await older.open() }
    }

    private func deletedIsNotOpened(_ key: ObjectKey) async throws {
        try await bucket.put(key, Object(bytes: [1]))
        let object = try await seen(key)
        try await bucket.remove(key)
        await expectFailure(.notFound) { () async throws(StoreFailure) in _ = try await object.open() }
    }

    private func cancelledCallsSaySo(_ key: ObjectKey) async throws {
        let address = ObjectAddress(bucket: bucket.name, key: key)
        try await bucket.put(key, Object(bytes: sampleBytes(1000)))
        let object = try await seen(key)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            await expectFailure(.cancelled) { () async throws(StoreFailure) in _ = try await objects.current(address) }
            await expectFailure(.cancelled) { () async throws(StoreFailure) in _ = try await object.open() }
            await expectFailure(.cancelled) { () async throws(StoreFailure) in
                try await object.setMetadata(["a": "b"])
            }
        }
        task.cancel()
        await task.value
        #expect(try await bucket.read(key)?.bytes.count == 1000)
    }

    // MARK: Metadata

    private func metadataIsReplacedAndAllElseKept(_ key: ObjectKey) async throws {
        let bytes = sampleBytes(100_000)
        let older = ["old": "1", "kept": "2"]
        try await bucket.put(key, Object(bytes: bytes, metadata: older, properties: Self.allProperties))
        try await expectThere(Object(bytes: bytes, metadata: older, properties: Self.allProperties), key)
        let metadata = [
            "kept": "2", "synced": "true", "wer": "Jürgen aus Köln", "japanese": String(repeating: "日本", count: 40),
            "edges": " padded ", "empty": "",
        ]
        try await seen(key).setMetadata(metadata)
        try await expectThere(Object(bytes: bytes, metadata: metadata, properties: Self.allProperties), key)
        let after = try await seen(key)
        #expect(after.summary.metadata == metadata)
        let isWhole = isSame(try await read(after.open()), bytes)
        #expect(isWhole)
    }

    private func bareObjectGetsMetadata(_ key: ObjectKey) async throws {
        try await bucket.put(key, Object(bytes: []))
        let bare = try await bucket.read(key)?.properties
        try await seen(key).setMetadata(["synced": "true"])
        try await expectThere(Object(bytes: [], metadata: ["synced": "true"], properties: bare ?? [:]), key)
        try await seen(key).setMetadata([:])
        try await expectThere(Object(bytes: [], properties: bare ?? [:]), key)
    }

    private func markedObjectIsMarkedAgain(_ key: ObjectKey) async throws {
        let object = Object(bytes: [1, 2, 3], properties: Self.allProperties)
        try await bucket.put(key, object)
        for number in 1...3 {
            let metadata = ["times": "\(number)"]
            try await seen(key).setMetadata(metadata)
            try await expectThere(Object(bytes: [1, 2, 3], metadata: metadata, properties: object.properties), key)
        }
    }

    /// Rule U6: the newer object stays as it is, and the older one does not come back.
    private func replacedIsNotMarked(_ key: ObjectKey) async throws {
        try await bucket.put(key, Object(bytes: Array("older".utf8), metadata: ["age": "older"]))
        let older = try await seen(key)
        let newer = Object(bytes: Array("newer".utf8), metadata: ["age": "newer"], properties: Self.allProperties)
        try await bucket.put(key, newer)
        await expectFailure(.preconditionFailed) { () async throws(StoreFailure) in
            try await older.setMetadata(["synced": "true"])
        }
        try await expectThere(newer, key)
    }

    /// A look that is made after somebody else's mark sees it, whatever the mark did to the ETag.
    private func lookAfterAMarkCounts(_ key: ObjectKey) async throws {
        try await bucket.put(key, Object(bytes: [1, 2]))
        try await seen(key).setMetadata(["first": "1"])
        let marked = try await seen(key)
        try await marked.setMetadata(marked.summary.metadata.merging(["second": "2"]) { $1 })
        #expect(try await bucket.read(key)?.metadata == ["first": "1", "second": "2"])
    }

    private func deletedIsNotBroughtBack(_ key: ObjectKey) async throws {
        try await bucket.put(key, Object(bytes: [1, 2]))
        let object = try await seen(key)
        try await bucket.remove(key)
        await expectFailure(.notFound) { () async throws(StoreFailure) in
            try await object.setMetadata(["synced": "true"])
        }
        #expect(try await bucket.read(key) == nil)
    }

    private func tooMuchMetadataIsRejected(_ key: ObjectKey) async throws {
        let object = Object(bytes: [1, 2], metadata: ["a": "b"])
        try await bucket.put(key, object)
        let seen = try await seen(key)
        await expectFailure(.rejected) { () async throws(StoreFailure) in
            try await seen.setMetadata(["long": String(repeating: "x", count: 2048)])
        }
        #expect(try await bucket.read(key)?.metadata == ["a": "b"])
    }
}
