import AWS
import Logging
import Transfers

extension S3Client {
    /// Gives a multipart upload up, also one whose task was cancelled: what it holds has to be freed. What cannot be
    /// freed is logged.
    /// - Parameter lateUptimeSeconds: when it must be done: later than the deadline of the work, within what the invocation
    ///   keeps of its time for the answer (`WorkWindow`).
    func giveUp(_ upload: S3Upload, lateUptimeSeconds: Double?, logger: Logger) async {
        // In a task of its own, which nobody cancels.
        let aborted = Task<AWSError?, Never> {
            do throws(AWSError) {
                try await abortMultipartUpload(upload, deadlineUptimeSeconds: lateUptimeSeconds)
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
