import AWS
import Logging
import Synchronization
import Transfers

/// A multipart upload to S3.
final class S3ObjectUpload: ObjectUpload {
    private struct State {
        var parts: [S3Part] = []
        var sizeBytes: UInt64 = 0
        var isComplete = false
        /// What an earlier run has made of the parts.
        var made: S3StoredObject?
        /// Up to which part all are stored, and where the digest stood behind it; 0 before the first.
        var storedCount = 0
        var storedDigest: SHA256State?
        /// Parts behind that, with the digest behind each: no more than are under way at once.
        var ahead: [Int: SHA256State] = [:]
    }

    private let client: S3Client
    private let upload: S3Upload
    private let deadlineUptimeSeconds: Double?
    private let lateUptimeSeconds: Double?
    private let logger: Logger
    private let digest: OrderedDigest
    private let state: Mutex<State>

    /// - Parameter lateUptimeSeconds: until then it can be given up.
    init(
        client: S3Client, upload: S3Upload, deadlineUptimeSeconds: Double?, lateUptimeSeconds: Double?, logger: Logger
    ) {
        self.client = client
        self.upload = upload
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.lateUptimeSeconds = lateUptimeSeconds
        self.logger = logger
        digest = OrderedDigest(hasher: SHA256Hasher(), nextPart: 1)
        state = Mutex(State())
    }

    /// Goes on behind these parts.
    /// - Parameters:
    ///   - hash: where the digest of the whole stands behind them.
    ///   - made: the object that they have become; nil while there is none.
    init(
        client: S3Client, upload: S3Upload, deadlineUptimeSeconds: Double?, lateUptimeSeconds: Double?, logger: Logger,
        resuming parts: [S3Part], _ hash: SHA256State, as made: S3StoredObject?
    ) {
        self.client = client
        self.upload = upload
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.lateUptimeSeconds = lateUptimeSeconds
        self.logger = logger
        digest = OrderedDigest(hasher: SHA256Hasher(resuming: hash), nextPart: parts.count + 1)
        state = Mutex(
            State(
                parts: parts, sizeBytes: hash.countBytes, isComplete: made != nil, made: made, storedCount: parts.count,
                storedDigest: hash))
    }

    func putPart(_ number: Int, content: [[UInt8]]) async throws(StoreFailure) {
        // The digest of the whole file goes through the parts in their order. It is awaited here, so that no part's
        // bytes are held once its reservation is released.
        async let added = digest.add(content, asPart: number)
        let part: S3Part
        do throws(AWSError) {
            part = try await client.uploadPart(
                upload, number: number, content: .buffered(content), deadlineUptimeSeconds: deadlineUptimeSeconds)
        } catch {
            throw StoreFailure(error)
        }
        guard case .added(let hash) = await added else {
            throw StoreFailure(.cancelled, "UploadPart \(number) was cancelled")
        }
        state.withLock { state in
            state.parts.append(part)
            state.sizeBytes += content.reduce(0) { $0 + UInt64($1.count) }
            state.ahead[number] = hash
            while let next = state.ahead.removeValue(forKey: state.storedCount + 1) {
                state.storedCount += 1
                state.storedDigest = next
            }
        }
    }

    func progress() async -> UploadProgress? {
        let (parts, storedCount, hash) = state.withLock { ($0.parts, $0.storedCount, $0.storedDigest) }
        guard let hash else { return nil }
        let stored = parts.filter { $0.number <= storedCount }.sorted { $0.number < $1.number }
        return UploadProgress(
            uploadID: upload.uploadID,
            parts: stored.map { UploadProgress.Part(etag: $0.etag, sha256: $0.checksumSHA256 ?? "") },
            digest: hash.text)
    }

    func complete() async throws(StoreFailure) -> StoredObject {
        let (parts, sizeBytes, made) = state.withLock { ($0.parts, $0.sizeBytes, $0.made) }
        let stored: S3StoredObject
        if let made {
            stored = made
        } else {
            do throws(AWSError) {
                stored = try await client.completeMultipartUpload(
                    upload, parts: parts, deadlineUptimeSeconds: deadlineUptimeSeconds)
            } catch {
                throw StoreFailure(error)
            }
        }
        state.withLock { $0.isComplete = true }
        return StoredObject(
            etag: stored.etag, versionID: stored.versionID, sha256: await digest.finalize(), sizeBytes: sizeBytes)
    }

    func abort() async {
        guard !state.withLock({ $0.isComplete }) else { return }
        await client.giveUp(upload, lateUptimeSeconds: lateUptimeSeconds, logger: logger)
    }
}

/// The SHA-256 of a file whose parts come in any order: a part waits until those before it have been added.
private actor OrderedDigest {
    private let hasher: SHA256Hasher
    private var next: Int
    private var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    private var cancelled: Set<Int> = []

    init(hasher: sending SHA256Hasher, nextPart: Int) {
        self.hasher = hasher
        next = nextPart
    }

    enum Outcome: Sendable {
        /// Where the digest stands behind the part.
        case added(SHA256State)
        /// The task was cancelled before.
        case cancelled
    }

    /// Adds a part in its turn.
    func add(_ content: [[UInt8]], asPart number: Int) async -> Outcome {
        if number != next {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    if cancelled.contains(number) {
                        continuation.resume()
                    } else {
                        waiting[number] = continuation
                    }
                }
            } onCancel: {
                Task { await cancel(number) }
            }
        }
        guard number == next else { return .cancelled }
        for piece in content { hasher.update(piece) }
        next += 1
        waiting.removeValue(forKey: next)?.resume()
        return .added(hasher.state)
    }

    private func cancel(_ number: Int) {
        cancelled.insert(number)
        waiting.removeValue(forKey: number)?.resume()
    }

    /// The digest in lower-case hexadecimal.
    func finalize() -> String { SHA256Hasher.hexadecimal(hasher.finalize()) }
}
