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
    }

    private let client: S3Client
    private let upload: S3Upload
    private let deadlineUptimeSeconds: Double?
    private let logger: Logger
    private let digest = OrderedDigest()
    private let state = Mutex(State())

    init(client: S3Client, upload: S3Upload, deadlineUptimeSeconds: Double?, logger: Logger) {
        self.client = client
        self.upload = upload
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.logger = logger
    }

    func putPart(_ number: Int, content: [[UInt8]]) async throws(StoreFailure) {
        // The digest of the whole file goes through the parts in their order. It is awaited here, so that no part's
        // bytes are held once its reservation is released.
        async let isInDigest = digest.add(content, asPart: number)
        let part: S3Part
        do throws(AWSError) {
            part = try await client.uploadPart(
                upload, number: number, content: .buffered(content), deadlineUptimeSeconds: deadlineUptimeSeconds)
        } catch {
            throw StoreFailure(error)
        }
        guard await isInDigest else {
            throw StoreFailure(.cancelled, "UploadPart \(number) was cancelled")
        }
        state.withLock { state in
            state.parts.append(part)
            state.sizeBytes += content.reduce(0) { $0 + UInt64($1.count) }
        }
    }

    func complete() async throws(StoreFailure) -> StoredObject {
        let (parts, sizeBytes) = state.withLock { ($0.parts, $0.sizeBytes) }
        let stored: S3StoredObject
        do throws(AWSError) {
            stored = try await client.completeMultipartUpload(
                upload, parts: parts, deadlineUptimeSeconds: deadlineUptimeSeconds)
        } catch {
            throw StoreFailure(error)
        }
        state.withLock { $0.isComplete = true }
        return StoredObject(
            etag: stored.etag, versionID: stored.versionID, sha256: await digest.finalize(), sizeBytes: sizeBytes)
    }

    func abort() async {
        guard !state.withLock({ $0.isComplete }) else { return }
        await client.giveUp(upload, deadlineUptimeSeconds: deadlineUptimeSeconds, logger: logger)
    }
}

/// The SHA-256 of a file whose parts come in any order: a part waits until those before it have been added.
private actor OrderedDigest {
    private let hasher = SHA256Hasher()
    private var next = 1
    private var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    private var cancelled: Set<Int> = []

    /// Adds a part in its turn; false when the task was cancelled before.
    func add(_ content: [[UInt8]], asPart number: Int) async -> Bool {
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
        guard number == next else { return false }
        for piece in content { hasher.update(piece) }
        next += 1
        waiting.removeValue(forKey: next)?.resume()
        return true
    }

    private func cancel(_ number: Int) {
        cancelled.insert(number)
        waiting.removeValue(forKey: number)?.resume()
    }

    /// The digest in lower-case hexadecimal.
    func finalize() -> String { SHA256Hasher.hexadecimal(hasher.finalize()) }
}
