import AWS
import Logging
import Transfers

extension S3Client {
    /// How long behind the deadline an upload may still be given up: within what is kept for the answer.
    private static var giveUpSeconds: Double { 1 }

    /// Gives a multipart upload up, also one whose task was cancelled: what it holds has to be freed. What cannot be
    /// freed is logged.
    func giveUp(_ upload: S3Upload, deadlineUptimeSeconds: Double?, logger: Logger) async {
        let limit = deadlineUptimeSeconds.map { $0 + Self.giveUpSeconds }
        // In a task of its own, which nobody cancels.
        let aborted = Task<AWSError?, Never> {
            do throws(AWSError) {
                try await abortMultipartUpload(upload, deadlineUptimeSeconds: limit)
                return nil
            } catch {
                return error
            }
        }
        guard let error = await aborted.value else { return }
        logger.warning(
            "a multipart upload could not be given up; until a lifecycle rule ends it, its parts cost money",
            metadata: [
                "key": "\(printable(upload.address.key.utf8))", "uploadId": "\(upload.uploadID)", "error": "\(error)",
            ])
    }
}
