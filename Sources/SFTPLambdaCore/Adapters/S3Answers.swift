import AWS
import Transfers

extension ObjectSummary {
    /// What HeadObject told.
    /// - Parameter subject: the object, for the message.
    init(_ info: S3ObjectInfo, of subject: String) throws(StoreFailure) {
        guard let lastModified = info.lastModifiedEpochSeconds else {
            throw StoreFailure(.unavailable, "HeadObject \(subject): the answer has no Last-Modified")
        }
        self.init(
            etag: info.etag, sizeBytes: info.sizeBytes, lastModified: UnixTime(seconds: lastModified),
            metadata: info.attributes.metadata, versionID: info.versionID,
            storeTime: info.serverEpochSeconds.map { UnixTime(seconds: $0) })
    }
}

extension StoreFailure {
    /// What an AWS error means to the transfer rules.
    init(_ error: AWSError) {
        let reason: Reason
        switch error.kind {
        case .notFound: reason = .notFound
        case .denied, .expiredCredentials, .noCredentials: reason = .denied
        case .preconditionFailed: reason = .preconditionFailed
        case .cancelled: reason = .cancelled
        case .rejected, .wrongRegion: reason = .rejected
        case .conflict, .throttled, .unavailable, .clockSkew, .corrupted, .malformedAnswer, .network:
            reason = .unavailable
        }
        self.init(reason, error.explained)
    }
}
