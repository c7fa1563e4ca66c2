import AWS
import Logging
import Transfers

/// One S3 bucket as the transfer rules see it.
struct S3ObjectStore: ObjectStore {
    private let client: S3Client
    private let bucket: String
    private let deadlineUptimeSeconds: Double?
    private let lateUptimeSeconds: Double?
    private let logger: Logger

    /// - Parameters:
    ///   - deadlineUptimeSeconds: no retry is begun that could end after it.
    ///   - lateUptimeSeconds: until then a note is still kept, and an upload given up: within what the invocation keeps of
    ///     its time for the answer (`WorkWindow`).
    init(
        client: S3Client, bucket: String, deadlineUptimeSeconds: Double?, lateUptimeSeconds: Double?, logger: Logger
    ) {
        self.client = client
        self.bucket = bucket
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.lateUptimeSeconds = lateUptimeSeconds
        self.logger = logger
    }

    func put(
        _ key: ObjectKey, content: [[UInt8]], metadata: [String: String]
    ) async throws(StoreFailure) -> StoredObject {
        let request = S3PutRequest(
            address(key), content: content, attributes: S3ObjectAttributes(metadata: metadata))
        do throws(AWSError) {
            let stored = try await client.putObject(request, deadlineUptimeSeconds: deadlineUptimeSeconds)
            return StoredObject(
                etag: stored.etag, versionID: stored.versionID, sha256: stored.sha256 ?? "",
                sizeBytes: content.reduce(0) { $0 + UInt64($1.count) })
        } catch {
            throw StoreFailure(error)
        }
    }

    func beginUpload(
        _ key: ObjectKey, metadata: [String: String]
    ) async throws(StoreFailure) -> any ObjectUpload {
        do throws(AWSError) {
            let upload = try await client.createMultipartUpload(
                address(key), attributes: S3ObjectAttributes(metadata: metadata),
                deadlineUptimeSeconds: deadlineUptimeSeconds)
            return S3ObjectUpload(
                client: client, upload: upload, deadlineUptimeSeconds: deadlineUptimeSeconds,
                lateUptimeSeconds: lateUptimeSeconds, logger: logger)
        } catch {
            throw StoreFailure(error)
        }
    }

    func head(_ key: ObjectKey) async throws(StoreFailure) -> ObjectSummary? {
        let info: S3ObjectInfo
        do throws(AWSError) {
            info = try await client.headObject(
                S3ReadRequest(address(key)), deadlineUptimeSeconds: deadlineUptimeSeconds)
        } catch {
            if error.kind == .notFound { return nil }
            throw StoreFailure(error)
        }
        return try ObjectSummary(info, of: "\(key)")
    }

    // MARK: What an earlier run has left

    /// How many pages of parts are read: as many as an upload can have.
    private static let maximumPartPages = 10
    /// How many pages of notes are read.
    private static let maximumNotePages = 4

    func resumeUpload(
        _ key: ObjectKey, _ progress: UploadProgress, partBytes: Int, sizeBytes: UInt64
    ) async throws(StoreFailure) -> (any ObjectUpload)? {
        guard let state = SHA256State(text: progress.digest), !progress.parts.isEmpty,
            let sizes = PartPlan.sizes(ofFirst: progress.parts.count, partBytes: partBytes, sizeBytes: sizeBytes),
            state.countBytes == sizes.reduce(0, +)
        else { return nil }
        let upload = S3Upload(address: address(key), uploadID: progress.uploadID)
        let parts = progress.parts.enumerated().map { index, part in
            S3Part(number: index + 1, etag: part.etag, checksumSHA256: part.sha256)
        }
        guard let stored = try await self.parts(of: upload) else {
            // The answer to the request that completed it may have come too late, or never.
            guard state.countBytes == sizeBytes, let made = try await object(madeOf: parts, key) else { return nil }
            return resumed(upload, parts, state, as: made)
        }
        for (part, sizeBytes) in zip(parts, sizes) {
            guard let found = stored[part.number], found.etag == part.etag, found.sizeBytes == sizeBytes,
                // Not every store tells the checksums of the parts; all of them check them when the upload is completed.
                found.checksumSHA256.map({ $0 == part.checksumSHA256 }) ?? true
            else { return nil }
        }
        return resumed(upload, parts, state, as: nil)
    }

    private func resumed(
        _ upload: S3Upload, _ parts: [S3Part], _ state: SHA256State, as made: S3StoredObject?
    ) -> S3ObjectUpload {
        S3ObjectUpload(
            client: client, upload: upload, deadlineUptimeSeconds: deadlineUptimeSeconds,
            lateUptimeSeconds: lateUptimeSeconds, logger: logger, resuming: parts, state, as: made)
    }

    /// The current object, if it is made of these very parts.
    private func object(madeOf parts: [S3Part], _ key: ObjectKey) async throws(StoreFailure) -> S3StoredObject? {
        do throws(AWSError) {
            return try await client.objectMade(
                of: parts, at: address(key), deadlineUptimeSeconds: deadlineUptimeSeconds)
        } catch {
            throw StoreFailure(error)
        }
    }

    /// The parts that S3 has, by their numbers; nil when it has no such upload.
    private func parts(of upload: S3Upload) async throws(StoreFailure) -> [Int: S3Part]? {
        var found: [Int: S3Part] = [:]
        var marker: Int?
        for _ in 0..<Self.maximumPartPages {
            let page: S3Page<S3Part, Int>
            do throws(AWSError) {
                page = try await client.listParts(
                    upload, after: marker, deadlineUptimeSeconds: deadlineUptimeSeconds)
            } catch {
                if error.kind == .notFound { return nil }
                throw StoreFailure(error)
            }
            for part in page.items { found[part.number] = part }
            guard let next = page.next else { break }
            marker = next
        }
        return found
    }

    func abandonUpload(_ key: ObjectKey, uploadID: String) async throws(StoreFailure) {
        do throws(AWSError) {
            try await client.abortMultipartUpload(
                S3Upload(address: address(key), uploadID: uploadID), deadlineUptimeSeconds: lateUptimeSeconds)
        } catch {
            throw StoreFailure(error)
        }
    }

    func notes(prefix: String, maximumCount: Int) async throws(StoreFailure) -> [ListedNote] {
        var found: [ListedNote] = []
        var token: String?
        for _ in 0..<Self.maximumNotePages {
            let page: S3Page<S3ListedObject, String>
            do throws(AWSError) {
                page = try await client.listObjects(
                    bucket: bucket, prefix: prefix, after: token, deadlineUptimeSeconds: deadlineUptimeSeconds)
            } catch {
                throw StoreFailure(error)
            }
            for object in page.items {
                guard let key = ObjectKey(object.key) else { continue }
                found.append(ListedNote(key: key, lastModified: UnixTime(seconds: object.lastModifiedEpochSeconds)))
            }
            guard let next = page.next, found.count < maximumCount else { break }
            token = next
        }
        return Array(found.prefix(maximumCount))
    }

    func note(_ key: ObjectKey, maximumBytes: Int) async throws(StoreFailure) -> [UInt8]? {
        do throws(AWSError) {
            let (_, body) = try await client.getObject(
                S3ReadRequest(address(key)), deadlineUptimeSeconds: deadlineUptimeSeconds)
            return try await body.collect(upTo: maximumBytes)
        } catch {
            if error.kind == .notFound { return nil }
            throw StoreFailure(error)
        }
    }

    func keepNote(_ key: ObjectKey, content: [UInt8], metadata: [String: String]) async throws(StoreFailure) {
        var attributes = S3ObjectAttributes(metadata: metadata)
        attributes.contentType = "application/json"
        do throws(AWSError) {
            _ = try await client.putObject(
                S3PutRequest(address(key), content: [content], attributes: attributes),
                deadlineUptimeSeconds: lateUptimeSeconds)
        } catch {
            throw StoreFailure(error)
        }
    }

    func removeNote(_ key: ObjectKey) async throws(StoreFailure) {
        do throws(AWSError) {
            try await client.deleteObject(address(key), deadlineUptimeSeconds: lateUptimeSeconds)
        } catch {
            throw StoreFailure(error)
        }
    }

    private func address(_ key: ObjectKey) -> S3Address { S3Address(bucket: bucket, key: key.text) }
}
