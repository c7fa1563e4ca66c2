import HTTP
import JSON

/// Amazon SQS over its JSON protocol (Amazon SQS API Reference, version 2012-11-05).
///
/// Every operation may be called at once from many tasks, retries what can pass by itself, and throws `AWSError`. The
/// deadline of each is a point on the `uptimeSeconds` of the configuration's clock: what is not done by then ends.
/// Cancelling the task ends it at once.
public struct SQSClient: Sendable {
    let json: JSONServiceClient

    /// The longest wait for messages that SQS knows.
    public static let maximumWaitSeconds = 20
    /// The most messages that one receive gives, and the most entries of a batch.
    public static let maximumBatchEntries = 10
    /// A batch is split when its messages are larger together. SQS takes 1 MiB since August 2025; emulators and its own
    /// isolated regions may still stop here, and nothing is lost by a second request.
    static let maximumBatchBytes = 256 << 10
    /// The largest message that SQS takes; a queue may be set to less.
    public static let maximumMessageBytes = 1 << 20
    /// The answer to a long poll must come so long before the deadline, or else SQS hands out messages that nobody
    /// receives and that stay hidden for their visibility timeout.
    static let answerSeconds: Double = 1

    /// Makes a client. The endpoint is AWS_ENDPOINT_URL_SQS or AWS_ENDPOINT_URL of the configuration's environment, else
    /// that of the queue's region. As in AWS's SDKs, requests go there and name the queue's URL inside: its host and path
    /// decide nothing but the region.
    public init(_ configuration: AWSConfiguration) {
        json = JSONServiceClient(
            service: "sqs", targetPrefix: "AmazonSQS", version: "1.0", endpointVariable: "AWS_ENDPOINT_URL_SQS",
            hostLabel: "sqs", client: ServiceClient(configuration))
    }

    /// The queue of a name.
    /// - Parameters:
    ///   - accountID: whose queue it is; nil: that of the credentials.
    ///   - region: where it is; nil: the configuration's.
    /// - Throws: `.notFound` when there is none.
    public func queue(
        named name: String, accountID: String? = nil, region: String? = nil, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> SQSQueue {
        let answer = try await json.call(
            "GetQueueUrl", subject: name, SQSWire.GetQueueURL(QueueName: name, QueueOwnerAWSAccountId: accountID),
            as: SQSWire.QueueURL.self, region: region, deadlineUptimeSeconds: deadlineUptimeSeconds)
        return SQSQueue(url: answer.QueueUrl, region: region)
    }

    /// Attributes of a queue by name, such as `ApproximateNumberOfMessages` (Amazon SQS API Reference,
    /// GetQueueAttributes).
    public func attributes(
        of queue: SQSQueue, names: [String] = ["All"], deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> [String: String] {
        let answer = try await call(
            "GetQueueAttributes", queue, SQSWire.GetAttributes(QueueUrl: queue.url, AttributeNames: names),
            as: SQSWire.Attributes.self, deadlineUptimeSeconds)
        return answer.Attributes ?? [:]
    }

    /// Sends one message.
    ///
    /// It may arrive more than once: when the answer is lost, the request is sent again. Only a FIFO queue, by
    /// `deduplicationID`, tells the second from the first; whoever receives from another must take a message twice.
    /// - Throws: `.corrupted` when SQS stored something else than what was sent. The message is on the queue then.
    @discardableResult
    public func sendMessage(
        _ message: SQSOutgoingMessage, to queue: SQSQueue, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> SQSSentMessage {
        let operation = "SendMessage"
        if let error = Self.tooLarge(message, operation, queue) { throw error }
        let sent = try await call(
            operation, queue, SQSWire.Send(message, queueURL: queue.url), as: SQSWire.Sent.self, deadlineUptimeSeconds)
        if let fault = sent.fault(message) {
            throw AWSError(.corrupted, operation: operation, subject: queue.name, message: fault, attempts: 1)
        }
        return SQSSentMessage(messageID: sent.MessageId)
    }

    /// Receives up to ten messages.
    /// - Parameters:
    ///   - waitSeconds: how long SQS waits for the first message, up to 20. The wait is cut so that it ends before the
    ///     deadline. Without a wait SQS asks only some of its servers, and may find none of the messages there are.
    ///   - visibilityTimeoutSeconds: how long they stay hidden from others; nil: as the queue says.
    public func receiveMessages(
        from queue: SQSQueue, maximum: Int = maximumBatchEntries, waitSeconds: Int = maximumWaitSeconds,
        visibilityTimeoutSeconds: Int? = nil, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> SQSReceived {
        let waitSeconds = wait(waitSeconds, deadlineUptimeSeconds)
        let answer = try await call(
            "ReceiveMessage", queue,
            SQSWire.Receive(
                QueueUrl: queue.url, MaxNumberOfMessages: min(max(maximum, 1), Self.maximumBatchEntries),
                WaitTimeSeconds: waitSeconds, VisibilityTimeout: visibilityTimeoutSeconds),
            as: SQSWire.Received.self, deadlineUptimeSeconds,
            stallSeconds: waitSeconds + HTTPLimits.standard.stallSeconds)
        var received = SQSReceived()
        for message in answer.Messages ?? [] {
            switch message.checked() {
            case .success(let message): received.messages.append(message)
            case .failure(let fault):
                received.corrupted.append(SQSCorruptedMessage(messageID: message.MessageId, reason: fault.reason))
            }
        }
        return received
    }

    /// Deletes a message for good. One that is gone already is no error.
    /// - Parameter receiptHandle: that of the last receive.
    public func deleteMessage(
        _ receiptHandle: String, from queue: SQSQueue, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) {
        _ = try await call(
            "DeleteMessage", queue, SQSWire.Delete(QueueUrl: queue.url, ReceiptHandle: receiptHandle),
            as: SQSWire.Nothing.self, deadlineUptimeSeconds)
    }

    /// Changes how long a message stays hidden.
    /// - Throws: `.rejected` when the message is not being received any more: its time has passed, or it is deleted.
    public func changeVisibility(
        _ change: SQSVisibilityChange, on queue: SQSQueue, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) {
        _ = try await call(
            "ChangeMessageVisibility", queue,
            SQSWire.ChangeVisibility(
                QueueUrl: queue.url, ReceiptHandle: change.receiptHandle, VisibilityTimeout: change.timeoutSeconds),
            as: SQSWire.Nothing.self, deadlineUptimeSeconds)
    }

    func call<Input: JSONWritable, Output: JSONReadable>(
        _ action: String, _ queue: SQSQueue, _ input: Input, as output: Output.Type, _ deadline: Double?,
        stallSeconds: Int = HTTPLimits.standard.stallSeconds
    ) async throws(AWSError) -> Output {
        try await json.call(
            action, subject: queue.name, input, as: output, region: queue.region, stallSeconds: stallSeconds,
            deadlineUptimeSeconds: deadline)
    }

    static func tooLarge(_ message: SQSOutgoingMessage, _ operation: String, _ queue: SQSQueue) -> AWSError? {
        guard message.sizeBytes > maximumMessageBytes else { return nil }
        return AWSError(
            .rejected, operation: operation, subject: queue.name,
            message: "the message has \(message.sizeBytes) bytes, and SQS takes at most \(maximumMessageBytes)")
    }

    private func wait(_ waitSeconds: Int, _ deadline: Double?) -> Int {
        let wanted = min(max(waitSeconds, 0), Self.maximumWaitSeconds)
        guard let deadline else { return wanted }
        let left = deadline - json.client.configuration.clock.uptimeSeconds() - Self.answerSeconds
        return Int(min(Double(wanted), max(left, 0)))
    }
}
