import AWS
import Logging
import Transfers

/// One S3 bucket as the transfer rules see it.
struct S3ObjectStore: ObjectStore {
    private let client: S3Client
    private let bucket: String
    private let deadlineUptimeSeconds: Double?
    private let logger: Logger

    /// - Parameter deadlineUptimeSeconds: no retry is begun that could end after it.
    init(client: S3Client, bucket: String, deadlineUptimeSeconds: Double?, logger: Logger) {
        self.client = client
        self.bucket = bucket
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
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
                client: client, upload: upload, deadlineUptimeSeconds: deadlineUptimeSeconds, logger: logger)
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

    private func address(_ key: ObjectKey) -> S3Address { S3Address(bucket: bucket, key: key.text) }
}
