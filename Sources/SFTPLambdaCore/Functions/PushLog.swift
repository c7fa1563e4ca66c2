import Logging
import Transfers

/// Makes log lines of what happens to each object that is pushed: a receipt for one that was delivered, a reason for
/// every other.
struct PushLog: PushObserver {
    private let logger: Logger

    init(logger: Logger) { self.logger = logger }

    func delivered(_ receipt: PushReceipt) {
        var fields = Self.fields(receipt.object)
        fields["path"] = "\(receipt.path)"
        fields["bytes"] = .stringConvertible(receipt.sizeBytes)
        fields["etag"] = .string(receipt.etag)
        fields["durationMilliseconds"] = .stringConvertible(receipt.durationMilliseconds)
        if let sha256 = receipt.sha256 { fields["sha256"] = .string(sha256) }
        if let versionID = receipt.versionID { fields["versionId"] = .string(versionID) }
        logger.info("object delivered", metadata: fields)
    }

    func marked(_ object: ObjectAddress) {
        logger.info("object marked, which had been delivered before", metadata: Self.fields(object))
    }

    func ignored(_ item: IncomingEvent.Ignored) {
        logger.info(
            "event needs nothing", metadata: ["reason": .string(item.reason.rawValue), "event": .string(item.name)])
    }

    func skipped(_ object: ObjectAddress, because reason: PushDecision.Reason) {
        var fields = Self.fields(object)
        fields["reason"] = .string(reason.rawValue)
        logger.info("object needs nothing", metadata: fields)
    }

    func failed(_ object: ObjectAddress, _ failure: PushFailure) {
        var fields = Self.fields(object)
        fields["errorClass"] = .string(failure.reason.rawValue)
        fields["reason"] = .string(failure.message)
        logger.error("object failed", metadata: fields)
    }

    func warning(_ message: String, object: ObjectAddress?) {
        logger.warning("\(message)", metadata: object.map(Self.fields) ?? [:])
    }

    private static func fields(_ object: ObjectAddress) -> Logger.Metadata {
        ["bucket": .string(object.bucket), "key": "\(object.key)"]
    }
}
