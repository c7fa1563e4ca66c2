package import Logging
package import Transfers

/// Makes log lines of what happens to each file: a receipt for one that was transferred, a reason for every other.
package struct TransferLog: TransferObserver {
    private let logger: Logger

    /// Makes an observer.
    package init(logger: Logger) { self.logger = logger }

    package func transferred(_ receipt: TransferReceipt) {
        var fields: Logger.Metadata = [
            "path": "\(receipt.path)", "key": "\(receipt.key)", "bytes": .stringConvertible(receipt.object.sizeBytes),
            "sha256": .string(receipt.object.sha256), "etag": .string(receipt.object.etag),
            "durationMilliseconds": .stringConvertible(receipt.durationMilliseconds),
        ]
        if let versionID = receipt.object.versionID { fields["versionId"] = .string(versionID) }
        logger.info("file transferred", metadata: fields)
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
        logger.error("file failed", metadata: ["path": .string(failure.path), "reason": .string(failure.reason)])
    }

    package func purged(_ path: RemotePath) {
        logger.info("file removed from the done directory after its retention", metadata: ["path": "\(path)"])
    }

    package func warning(_ message: String, path: RemotePath?) {
        logger.warning("\(message)", metadata: path.map { ["path": "\($0)"] } ?? [:])
    }
}
