import AWS
import Logging

/// Copies an object of any size onto itself, part by part and inside S3, with what is said of it. Unlike CopyObject it
/// has to state the tags as well.
struct S3MultipartCopy: Sendable {
    let client: S3Client
    let address: S3Address
    /// Of the only object that is copied and replaced.
    let etag: String
    let sizeBytes: UInt64
    let attributes: S3ObjectAttributes
    let partBytes: UInt64
    let deadlineUptimeSeconds: Double?
    /// Until then what was begun can be given up.
    let lateUptimeSeconds: Double?
    let logger: Logger

    /// How many parts are copied at once.
    private static let maximumRequests = 8

    /// Copies it. What was begun and not finished is given up.
    /// - Throws: `.preconditionFailed` when the object is no longer the one of the ETag.
    func run() async throws(AWSError) {
        let tags = try await client.getObjectTagging(address, deadlineUptimeSeconds: deadlineUptimeSeconds)
        let upload = try await client.createMultipartUpload(
            address, attributes: attributes, tagging: S3Tag.queryString(tags),
            deadlineUptimeSeconds: deadlineUptimeSeconds)
        do throws(AWSError) {
            let parts = try await copyParts(upload)
            _ = try await client.completeMultipartUpload(
                upload, parts: parts, conditions: S3WriteConditions(ifMatch: etag),
                deadlineUptimeSeconds: deadlineUptimeSeconds)
        } catch {
            await client.giveUp(upload, lateUptimeSeconds: lateUptimeSeconds, logger: logger)
            throw error
        }
    }

    private func copyParts(_ upload: S3Upload) async throws(AWSError) -> [S3Part] {
        let ranges = ranges
        let outcome: Result<[S3Part], AWSError> = await withTaskGroup(of: Result<S3Part, AWSError>.self) { group in
            var parts: [S3Part] = []
            var failure: AWSError?
            var begun = 0
            while begun < ranges.count || parts.count < begun {
                // After a failure none is begun, and those under way are waited for: then the upload can be given up.
                if failure == nil, begun < ranges.count, begun - parts.count < Self.maximumRequests {
                    begun += 1
                    group.addTask { [number = begun, range = ranges[begun - 1]] in
                        await copyPart(upload, number, range)
                    }
                    continue
                }
                switch await group.next() {
                case .success(let part): parts.append(part)
                case .failure(let error):
                    failure = failure ?? error
                    group.cancelAll()
                case nil: return .failure(failure ?? cancelled)
                }
            }
            return failure.map { .failure($0) } ?? .success(parts)
        }
        return try outcome.get()
    }

    private func copyPart(
        _ upload: S3Upload, _ number: Int, _ range: ClosedRange<UInt64>
    ) async -> Result<S3Part, AWSError> {
        do throws(AWSError) {
            return .success(
                try await client.uploadPartCopy(
                    upload, number: number,
                    from: S3PartCopyRequest(source: address, ifSourceMatches: etag, range: range),
                    deadlineUptimeSeconds: deadlineUptimeSeconds))
        } catch {
            return .failure(error)
        }
    }

    /// The bytes of each part.
    var ranges: [ClosedRange<UInt64>] {
        let most = UInt64(S3Client.maximumParts)
        let step = max(partBytes, S3Client.minimumPartBytes, (sizeBytes + most - 1) / most)
        return stride(from: 0, to: sizeBytes, by: Int(step)).map { $0...min($0 + step, sizeBytes) - 1 }
    }

    private var cancelled: AWSError {
        AWSError(
            .cancelled, operation: "UploadPartCopy", subject: "\(address.bucket)/\(address.key)", message: "cancelled")
    }
}
