package import Logging
package import Transfers

/// Makes log lines of what happens to each object that is pushed: a receipt for one that was delivered, a reason for
/// every other.
package struct PushLog: PushObserver {
    private let logger: Logger

    /// Makes an observer.
    package init(logger: Logger) { self.logger = logger }

    package func delivered(_ receipt: PushReceipt) {
        let fields = ReceiptFields(
            bucket: receipt.object.bucket, key: receipt.object.key, path: receipt.path, sizeBytes: receipt.sizeBytes,
            sha256: receipt.sha256, etag: receipt.etag, versionID: receipt.versionID, attempt: receipt.attempt,
            durationMilliseconds: receipt.durationMilliseconds)
        logger.info("object delivered", metadata: fields.metadata)
    }

    package func marked(_ object: ObjectAddress) {
        logger.info("object marked, which had been delivered before", metadata: Self.fields(object))
    }

    package func ignored(_ item: IncomingEvent.Ignored) {
        logger.info(
            "event needs nothing", metadata: ["reason": .string(item.reason.rawValue), "event": .string(item.name)])
    }

    package func skipped(_ object: ObjectAddress, because reason: PushDecision.Reason) {
        var fields = Self.fields(object)
        fields["reason"] = .string(reason.rawValue)
        logger.info("object needs nothing", metadata: fields)
    }

    package func failed(_ subject: PushSubject, _ account: FailureAccount) {
        var fields: Logger.Metadata = [:]
        switch subject {
        case .object(let object), .retryMessage(let object?): fields = Self.fields(object)
        case .event(let messageID?): fields["messageId"] = .string(messageID)
        case .event(nil), .connection, .retryQueue, .retryMessage(nil): break
        }
        fields["errorClass"] = .string(account.errorClass)
        fields["reason"] = .string(account.reason)
        fields["attempt"] = account.attempt.map { .stringConvertible($0) }
        fields["action"] = Self.action(subject).map { .string($0) }
        logger.error(Self.message(subject), metadata: fields)
    }

    package func warning(_ message: String, because reason: String) {
        logger.warning("\(message)", metadata: ["reason": .string(reason)])
    }

    private static func message(_ subject: PushSubject) -> Logger.Message {
        switch subject {
        case .object: "object failed"
        case .event: "event not understood"
        case .connection: "server not usable"
        case .retryQueue: "retry queue not usable"
        case .retryMessage: "what failed could not be put on the retry queue"
        }
    }

    /// What helps, and what happens until then; nil where the reason says it.
    private static func action(_ subject: PushSubject) -> String? {
        switch subject {
        case .object: nil
        case .event:
            "it goes to the retry queue, and from there the way of its redrive policy; correct who sends such events"
        case .connection:
            "messages stay on the retry queue and the next run tries them; see that the server takes connections"
        case .retryQueue:
            "nothing on it is pushed until it can be used; see SFTP_RETRY_QUEUE_NAME and the function's permissions"
        case .retryMessage:
            "it comes again from where it came, but Lambda gives an event up after two more tries; make the retry "
                + "queue usable soon, and see that the function has an on-failure destination"
        }
    }

    private static func fields(_ object: ObjectAddress) -> Logger.Metadata {
        ["bucket": .string(object.bucket), "key": "\(object.key)"]
    }
}
