import Testing
public import Transfers

/// What the port `ObjectStore` promises, as checks that every implementation must pass: the one in memory and the one
/// over HTTP, against any S3.
///
/// Each promise uses keys that begin with `prefix` and its own name.
public struct ObjectStoreContract: Sendable {
    /// Every promise has a name, so that a test can take them as arguments.
    public enum Promise: String, CaseIterable, Sendable {
        case putStoresContentAndMetadata, putOfNothingStoresAnEmptyObject, putReplaces, headOfNothingIsNil
        case keysAreBytes, longestKeyIsTaken, manyPutsAtOnce
        case uploadIsInvisibleUntilComplete, partsMayComeInAnyOrder, uploadOfOnePart
        case uploadGoesOnInAnotherRun, uploadThatIsGoneIsNotResumed, uploadWithOtherPartsIsNotResumed
        case uploadWithPartsOfOtherSizesIsNotResumed, wholeUploadIsCompletedByAnotherRun
        case notesAreKeptListedAndRemoved
        case abortLeavesNothing, abortKeepsTheOlderObject, abortWorksInACancelledTask, cancelledPutIsWholeOrAbsent
    }

    /// What stands in the bucket, seen past the implementation that is checked.
    public struct Bucket: Sendable {
        /// The current content, nil when there is none.
        public var read: @Sendable (ObjectKey) async throws -> [UInt8]?
        /// How many uploads in parts were begun for the key and neither completed nor given up.
        public var openUploadsCount: @Sendable (ObjectKey) async throws -> Int

        /// Makes a view.
        public init(
            read: @escaping @Sendable (ObjectKey) async throws -> [UInt8]?,
            openUploadsCount: @escaping @Sendable (ObjectKey) async throws -> Int
        ) {
            self.read = read
            self.openUploadsCount = openUploadsCount
        }
    }

    private let store: any ObjectStore
    private let bucket: Bucket
    private let prefix: String
    private static let partBytes = 5 * 1024 * 1024

    /// Sets the checks up.
    public init(store: any ObjectStore, bucket: Bucket, prefix: String = "contract/") {
        self.store = store
        self.bucket = bucket
        self.prefix = prefix
    }

    /// Checks one promise.
    public func check(_ promise: Promise) async throws {
        let key = try key(promise.rawValue)
        switch promise {
        case .putStoresContentAndMetadata: try await putStoresContentAndMetadata(key)
        case .putOfNothingStoresAnEmptyObject: try await putOfNothingStoresAnEmptyObject(key)
        case .putReplaces: try await putReplaces(key)
        case .headOfNothingIsNil: #expect(try await store.head(key) == nil)
        case .keysAreBytes: try await keysAreBytes(promise.rawValue)
        case .longestKeyIsTaken: try await longestKeyIsTaken(promise.rawValue)
        case .manyPutsAtOnce: try await manyPutsAtOnce(promise.rawValue)
        case .uploadIsInvisibleUntilComplete: try await uploadIsInvisibleUntilComplete(key)
        case .partsMayComeInAnyOrder: try await partsMayComeInAnyOrder(key)
        case .uploadOfOnePart: try await uploadOfOnePart(key)
        case .uploadGoesOnInAnotherRun: try await uploadGoesOnInAnotherRun(key)
        case .uploadThatIsGoneIsNotResumed: try await uploadThatIsGoneIsNotResumed(key)
        case .uploadWithOtherPartsIsNotResumed: try await uploadWithOtherPartsIsNotResumed(key)
        case .uploadWithPartsOfOtherSizesIsNotResumed: try await uploadWithPartsOfOtherSizesIsNotResumed(key)
        case .wholeUploadIsCompletedByAnotherRun: try await wholeUploadIsCompletedByAnotherRun(key)
        case .notesAreKeptListedAndRemoved: try await notesAreKeptListedAndRemoved(promise.rawValue)
        case .abortLeavesNothing: try await abortLeavesNothing(key)
        case .abortKeepsTheOlderObject: try await abortKeepsTheOlderObject(key)
        case .abortWorksInACancelledTask: try await abortWorksInACancelledTask(key)
        case .cancelledPutIsWholeOrAbsent: try await cancelledPutIsWholeOrAbsent(key)
        }
    }

    private func key(_ name: String) throws -> ObjectKey { try #require(ObjectKey(prefix + name)) }

    private func expectStored(
        _ stored: StoredObject, _ key: ObjectKey, _ bytes: [UInt8], _ metadata: [String: String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        #expect(stored.sha256 == ReferenceSHA256.hexadecimal(bytes), sourceLocation: sourceLocation)
        #expect(stored.sizeBytes == UInt64(bytes.count), sourceLocation: sourceLocation)
        #expect(stored.etag.count > 2 && stored.etag.hasPrefix("\"") && stored.etag.hasSuffix("\""))
        #expect(stored.versionID?.isEmpty != true, sourceLocation: sourceLocation)
        let head = try #require(try await store.head(key), sourceLocation: sourceLocation)
        #expect(head.etag == stored.etag, sourceLocation: sourceLocation)
        #expect(head.sizeBytes == UInt64(bytes.count), sourceLocation: sourceLocation)
        #expect(head.metadata == metadata, sourceLocation: sourceLocation)
        #expect(head.lastModified.seconds > 0, sourceLocation: sourceLocation)
        let isSame = try await bucket.read(key) == bytes
        #expect(isSame, "the content of \(key)", sourceLocation: sourceLocation)
    }

    private func expectFailure(
        _ reasons: StoreFailure.Reason..., sourceLocation: SourceLocation = #_sourceLocation,
        _ body: () async throws(StoreFailure) -> Void
    ) async {
        do throws(StoreFailure) {
            try await body()
            Issue.record("it did not fail", sourceLocation: sourceLocation)
        } catch {
            let isExpected = reasons.isEmpty || reasons.contains(error.reason)
            #expect(isExpected, "failed with \(error.reason): \(error)", sourceLocation: sourceLocation)
        }
    }

    private func putStoresContentAndMetadata(_ key: ObjectKey) async throws {
        let bytes = sampleBytes(100_000)
        let pieces = [Array(bytes[..<1]), [], Array(bytes[1..<70_000]), Array(bytes[70_000...])]
        let metadata = ["mtime": "1600000000", "synced-from": "sftp.example.com:22:user name", "empty-ish": "x=1; y"]
        let stored = try await store.put(key, content: pieces, metadata: metadata)
        try await expectStored(stored, key, bytes, metadata)
    }

    private func putOfNothingStoresAnEmptyObject(_ key: ObjectKey) async throws {
        for content: [[UInt8]] in [[], [[]], [[], []]] {
            let stored = try await store.put(key, content: content, metadata: [:])
            try await expectStored(stored, key, [], [:])
        }
    }

    private func putReplaces(_ key: ObjectKey) async throws {
        let first = try await store.put(key, content: [Array("first".utf8)], metadata: ["a": "1"])
        let older = try #require(try await store.head(key))
        let second = try await store.put(key, content: [Array("second".utf8)], metadata: ["b": "2"])
        try await expectStored(second, key, Array("second".utf8), ["b": "2"])
        #expect(first.etag != second.etag)
        let newer = try #require(try await store.head(key))
        #expect(older.lastModified <= newer.lastModified)
    }

    private func keysAreBytes(_ place: String) async throws {
        let names = [
            "with space", "plus+percent%20and%", "quote'double\"", "#?&=;:@!$()[]{}~^*,", "composed \u{E9}",
            "decomposed e\u{301}", "文件 🗂", "deep/er/path", ".done", "upper CASE", "upper case", "a//b",
        ]
        for name in names {
            let key = try key("\(place)/\(name)")
            _ = try await store.put(key, content: [Array(name.utf8)], metadata: [:])
        }
        for name in names {
            let key = try key("\(place)/\(name)")
            #expect(try await bucket.read(key) == Array(name.utf8), "\(name)")
            #expect(try await store.head(key)?.sizeBytes == UInt64(name.utf8.count), "\(name)")
        }
    }

    private func longestKeyIsTaken(_ place: String) async throws {
        let start = "\(place)/"
        let length = ObjectKey.maximumBytes - prefix.utf8.count - start.utf8.count
        let key = try key(start + String(repeating: "k", count: length))
        #expect(key.text.utf8.count == ObjectKey.maximumBytes)
        let stored = try await store.put(key, content: [[1, 2, 3]], metadata: [:])
        try await expectStored(stored, key, [1, 2, 3], [:])
    }

    private func manyPutsAtOnce(_ place: String) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                let key = try key("\(place)/\(number)")
                group.addTask {
                    let bytes = sampleBytes(1000 + number, salt: UInt8(number))
                    let stored = try await store.put(key, content: [bytes], metadata: ["number": "\(number)"])
                    try await expectStored(stored, key, bytes, ["number": "\(number)"])
                }
            }
            try await group.waitForAll()
        }
    }

    private func uploadIsInvisibleUntilComplete(_ key: ObjectKey) async throws {
        let bytes = sampleBytes(Self.partBytes + 1234)
        let upload = try await store.beginUpload(key, metadata: ["mtime": "7"])
        try await upload.putPart(1, content: [Array(bytes[..<1000]), Array(bytes[1000..<Self.partBytes])])
        #expect(try await store.head(key) == nil)
        try await upload.putPart(2, content: [Array(bytes[Self.partBytes...])])
        #expect(try await store.head(key) == nil)
        #expect(try await bucket.openUploadsCount(key) == 1)
        let stored = try await upload.complete()
        try await expectStored(stored, key, bytes, ["mtime": "7"])
        #expect(try await bucket.openUploadsCount(key) == 0)
        // Whoever gives up after the end, because he never heard of it, destroys nothing.
        await upload.abort()
        #expect(try await store.head(key)?.etag == stored.etag)
    }

    private func partsMayComeInAnyOrder(_ key: ObjectKey) async throws {
        let bytes = sampleBytes(3 * Self.partBytes + 1)
        let upload = try await store.beginUpload(key, metadata: [:])
        let parts = stride(from: 0, to: bytes.count, by: Self.partBytes).map {
            Array(bytes[$0..<min(bytes.count, $0 + Self.partBytes)])
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in [4, 3, 1, 2] {
                group.addTask { try await upload.putPart(number, content: [parts[number - 1]]) }
            }
            try await group.waitForAll()
        }
        let stored = try await upload.complete()
        try await expectStored(stored, key, bytes, [:])
    }

    private func uploadOfOnePart(_ key: ObjectKey) async throws {
        let upload = try await store.beginUpload(key, metadata: ["a": "b"])
        try await upload.putPart(1, content: [[1, 2], [3]])
        let stored = try await upload.complete()
        try await expectStored(stored, key, [1, 2, 3], ["a": "b"])
    }

    private func uploadGoesOnInAnotherRun(_ key: ObjectKey) async throws {
        let bytes = sampleBytes(3 * Self.partBytes + 77)
        let parts = stride(from: 0, to: bytes.count, by: Self.partBytes).map {
            Array(bytes[$0..<min(bytes.count, $0 + Self.partBytes)])
        }
        let first = try await store.beginUpload(key, metadata: ["mtime": "9"])
        #expect(await first.progress() == nil)
        try await first.putPart(1, content: [parts[0]])
        // A part behind a gap is no progress: the digest of the whole goes through the parts in their order.
        let early = Task { try await first.putPart(3, content: [parts[2]]) }
        let one = try #require(await first.progress())
        #expect(one.parts.count == 1)
        try await first.putPart(2, content: [parts[1]])
        try await early.value
        let three = try #require(await first.progress())
        #expect(three.parts.count == 3 && three.parts.first == one.parts.first && three.uploadID == one.uploadID)
        // An older progress is as good: what is stored behind it is stored once more.
        for progress in [one, three] {
            let second = try #require(try await resume(key, progress, of: bytes.count))
            #expect(await second.progress() == progress || progress == one)
            for number in 2...3 where progress == one {
                try await second.putPart(number, content: [parts[number - 1]])
            }
            #expect(await second.progress() == three)
        }
        let last = try #require(try await resume(key, three, of: bytes.count))
        try await last.putPart(4, content: [parts[3]])
        try await expectStored(try await last.complete(), key, bytes, ["mtime": "9"])
        #expect(try await bucket.openUploadsCount(key) == 0)
    }

    private func uploadThatIsGoneIsNotResumed(_ key: ObjectKey) async throws {
        let upload = try await store.beginUpload(key, metadata: [:])
        try await upload.putPart(1, content: [sampleBytes(Self.partBytes)])
        let progress = try #require(await upload.progress())
        try await store.abandonUpload(key, uploadID: progress.uploadID)
        #expect(try await bucket.openUploadsCount(key) == 0)
        #expect(try await resume(key, progress, of: Self.partBytes + 1) == nil)
        try await store.abandonUpload(key, uploadID: progress.uploadID)
    }

    private func uploadWithOtherPartsIsNotResumed(_ key: ObjectKey) async throws {
        let upload = try await store.beginUpload(key, metadata: [:])
        try await upload.putPart(1, content: [sampleBytes(Self.partBytes)])
        let progress = try #require(await upload.progress())
        var others = [progress, progress, progress]
        others[0].parts[0].etag = "\"00000000000000000000000000000000\""
        others[1].parts.append(progress.parts[0])
        others[2].digest = "what it is not"
        for other in others { #expect(try await resume(key, other, of: 3 * Self.partBytes) == nil, "\(other)") }
        #expect(try await resume(key, progress, of: 3 * Self.partBytes) != nil)
        await upload.abort()
    }

    private func resume(
        _ key: ObjectKey, _ progress: UploadProgress, of sizeBytes: Int, partBytes: Int = partBytes
    ) async throws -> (any ObjectUpload)? {
        try await store.resumeUpload(key, progress, partBytes: partBytes, sizeBytes: UInt64(sizeBytes))
    }

    /// All parts but the last of the file are full ones.
    private func uploadWithPartsOfOtherSizesIsNotResumed(_ key: ObjectKey) async throws {
        let upload = try await store.beginUpload(key, metadata: [:])
        try await upload.putPart(1, content: [sampleBytes(Self.partBytes)])
        try await upload.putPart(2, content: [sampleBytes(Self.partBytes - 64)])
        let progress = try #require(await upload.progress())
        #expect(progress.parts.count == 2)
        #expect(try await resume(key, progress, of: 3 * Self.partBytes) == nil, "the second is not the last")
        #expect(try await resume(key, progress, of: 2 * Self.partBytes - 65) == nil, "the file is shorter")
        #expect(try await resume(key, progress, of: Self.partBytes) == nil, "the file has no second part")
        #expect(try await resume(key, progress, of: 2 * Self.partBytes - 64, partBytes: Self.partBytes + 64) == nil)
        #expect(try await resume(key, progress, of: 2 * Self.partBytes - 64) != nil)
        await upload.abort()
    }

    /// The last part is kept too, whatever its size, so that nothing is left but to complete it.
    private func wholeUploadIsCompletedByAnotherRun(_ key: ObjectKey) async throws {
        let bytes = sampleBytes(Self.partBytes + 77)
        let first = try await store.beginUpload(key, metadata: ["mtime": "9"])
        try await first.putPart(1, content: [Array(bytes[..<Self.partBytes])])
        try await first.putPart(2, content: [Array(bytes[Self.partBytes...])])
        let progress = try #require(await first.progress())
        #expect(progress.parts.count == 2)
        let second = try #require(try await resume(key, progress, of: bytes.count))
        #expect(await second.progress() == progress)
        try await expectStored(try await second.complete(), key, bytes, ["mtime": "9"])
        // Whose answer was lost finds what was made.
        guard let third = try await resume(key, progress, of: bytes.count) else { return }
        try await expectStored(try await third.complete(), key, bytes, ["mtime": "9"])
        await third.abort()
        #expect(try await store.head(key)?.sizeBytes == UInt64(bytes.count))
    }

    private func notesAreKeptListedAndRemoved(_ place: String) async throws {
        let keys = try ["b", "a", "c & d+e"].map { try key("\(place)/.sftp-lambda/\($0)") }
        #expect(try await store.note(keys[0], maximumBytes: 10) == nil)
        for key in keys {
            try await store.keepNote(key, content: Array(key.text.utf8), metadata: ["synced-from": "x"])
        }
        try await store.keepNote(keys[0], content: [1, 2, 3], metadata: [:])
        #expect(try await store.note(keys[0], maximumBytes: 3) == [1, 2, 3])
        #expect(try await store.note(keys[2], maximumBytes: 1000) == Array(keys[2].text.utf8))
        await expectFailure(.rejected) { () async throws(StoreFailure) in
            _ = try await store.note(keys[0], maximumBytes: 2)
        }
        let prefix = "\(prefix)\(place)/.sftp-lambda/"
        let listed = try await store.notes(prefix: prefix, maximumCount: 10)
        #expect(Set(listed.map(\.key)) == Set(keys))
        #expect(listed.allSatisfy { $0.lastModified.seconds > 0 })
        #expect(try await store.notes(prefix: prefix, maximumCount: 1).count == 1)
        #expect(try await store.notes(prefix: prefix + "none", maximumCount: 1).isEmpty)
        for key in keys {
            try await store.removeNote(key)
            try await store.removeNote(key)
        }
        #expect(try await store.notes(prefix: prefix, maximumCount: 10).isEmpty)
    }

    private func abortLeavesNothing(_ key: ObjectKey) async throws {
        let unused = try await store.beginUpload(key, metadata: [:])
        await unused.abort()
        let upload = try await store.beginUpload(key, metadata: [:])
        try await upload.putPart(1, content: [sampleBytes(Self.partBytes)])
        await upload.abort()
        #expect(try await bucket.openUploadsCount(key) == 0)
        #expect(try await store.head(key) == nil)
        await expectFailure(.notFound, .rejected) { () async throws(StoreFailure) in
            try await upload.putPart(2, content: [[1]])
        }
        await expectFailure(.notFound, .rejected) { () async throws(StoreFailure) in
            _ = try await upload.complete()
        }
        await upload.abort()
    }

    private func abortKeepsTheOlderObject(_ key: ObjectKey) async throws {
        let stored = try await store.put(key, content: [Array("older".utf8)], metadata: [:])
        let upload = try await store.beginUpload(key, metadata: [:])
        try await upload.putPart(1, content: [Array("newer".utf8)])
        await upload.abort()
        try await expectStored(stored, key, Array("older".utf8), [:])
    }

    private func abortWorksInACancelledTask(_ key: ObjectKey) async throws {
        let upload = try await store.beginUpload(key, metadata: [:])
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            await expectFailure(.cancelled) { () async throws(StoreFailure) in
                try await upload.putPart(1, content: [sampleBytes(Self.partBytes)])
            }
            await upload.abort()
        }
        task.cancel()
        await task.value
        #expect(try await bucket.openUploadsCount(key) == 0)
    }

    private func cancelledPutIsWholeOrAbsent(_ key: ObjectKey) async throws {
        let bytes = sampleBytes(300_000)
        for _ in 0..<5 {
            let task = Task { try await store.put(key, content: [bytes], metadata: [:]) }
            task.cancel()
            do { _ = try await task.value } catch let failure as StoreFailure {
                #expect(failure.reason == .cancelled, "\(failure)")
            }
            let content = try await bucket.read(key)
            #expect(content == nil || content == bytes)
        }
        let stored = try await store.put(key, content: [bytes], metadata: [:])
        try await expectStored(stored, key, bytes, [:])
    }
}
