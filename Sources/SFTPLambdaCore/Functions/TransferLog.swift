package import Logging
package import Transfers

/// Makes log lines of what happens to each file: a receipt for one that was transferred, a reason for every other.
package struct TransferLog: TransferObserver {
    private let logger: Logger
    private let bucket: String

    /// Makes an observer.
    /// - Parameter bucket: where the files go.
    package init(logger: Logger, bucket: String) {
        self.logger = logger
        self.bucket = bucket
    }

    package func transferred(_ receipt: TransferReceipt) {
        let object = receipt.object
        let fields = ReceiptFields(
            bucket: bucket, key: receipt.key, path: receipt.path, sizeBytes: object.sizeBytes, sha256: object.sha256,
            etag: object.etag, versionID: object.versionID, attempt: receipt.attempt,
            durationMilliseconds: receipt.durationMilliseconds)
        logger.info("file transferred", metadata: fields.metadata)
    }

    package func left(_ path: RemotePath, because reason: LeftReason) {
        // What is left out by its kind or by a setting is left out at every run: worth a line only to who looks for it.
        let level: Logger.Level =
            switch reason {
            case .skipped(.unsafeName), .skipped(.kindUnknown), .skipped(.reservedName), .skipped(.ageUnknown): .warning
            case .skipped: .debug
            case .changed, .gone: .info
            }
        logger.log(
            level: level, "file left on the server", metadata: ["path": "\(path)", "reason": .string(reason.word)])
    }

    package func failed(_ failure: TransferFailure) {
        logger.error(
            "file failed",
            metadata: [
                "path": .string(failure.path), "errorClass": .string(failure.errorClass.rawValue),
                "reason": .string(failure.reason),
            ])
    }

    package func purged(_ path: RemotePath) {
        logger.info("file removed from the done directory after its retention", metadata: ["path": "\(path)"])
    }

    package func warning(_ message: String, path: RemotePath?) {
        logger.warning("\(message)", metadata: path.map { ["path": "\($0)"] } ?? [:])
    }
}
