import AWS
import HTTP
import Logging
import Synchronization
import Transfers

/// The retry queue over SQS, for one invocation.
///
/// A FIFO queue will do as well. There every message is a group of its own, so that none waits behind another, and is
/// known by the digest of all that it says: sent twice within five minutes, it is there once. Such a queue delays no single
/// message: there `RetryMessage.delaySeconds` has no effect.
struct SQSRetryQueue: RetryQueue {
    private let locator: RetryQueueLocator
    private let client: SQSClient
    private let deadlineUptimeSeconds: Double?
    private let logger: Logger

    /// The longest that SQS hides a message.
    private static let maximumHiddenSeconds = 43_200
    private static let countName = "ApproximateNumberOfMessages"

    /// - Parameter deadlineUptimeSeconds: what is not done by then ends.
    init(locator: RetryQueueLocator, deadlineUptimeSeconds: Double?, logger: Logger) {
        self.locator = locator
        client = locator.client
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.logger = logger
    }

    func waitingCount() async throws(QueueFailure) -> Int {
        try await inSQS { queue throws(AWSError) in
            let attributes = try await client.attributes(
                of: queue, names: [Self.countName], deadlineUptimeSeconds: deadlineUptimeSeconds)
            guard let count = attributes[Self.countName].flatMap({ Int($0) }) else {
                throw AWSError(
                    .malformedAnswer, operation: "GetQueueAttributes", subject: queue.name,
                    message: "the answer has no \(Self.countName)", attempts: 1)
            }
            return count
        }
    }

    func send(_ messages: [RetryMessage]) async -> [Int: QueueFailure] {
        await each(messages) { queue in
            let outgoing = messages.map { Self.outgoing($0, isFIFO: queue.isFIFO) }
            let results = await client.sendMessages(outgoing, to: queue, deadlineUptimeSeconds: deadlineUptimeSeconds)
            return results.map { result in if case .failure(let error) = result { error } else { nil } }
        }
    }

    func receive(
        maximumCount: Int, waitSeconds: Int, hiddenSeconds: Int
    ) async throws(QueueFailure) -> [QueuedMessage] {
        let received = try await inSQS { queue throws(AWSError) in
            try await client.receiveMessages(
                from: queue, maximum: maximumCount, waitSeconds: waitSeconds,
                visibilityTimeoutSeconds: Self.hidden(hiddenSeconds), deadlineUptimeSeconds: deadlineUptimeSeconds)
        }
        for message in received.corrupted {
            logger.error(
                "a message did not arrive as it was sent, and is left on the queue",
                metadata: [
                    "queue": "\(locator.reference.name)", "messageId": "\(message.messageID ?? "none")",
                    "error": "\(message.reason)",
                ])
        }
        return received.messages.map { message in
            QueuedMessage(
                id: message.messageID, receipt: message.receiptHandle, body: Array(message.body.utf8),
                receiveCount: message.receiveCount ?? 1,
                past: RetryMessage.Past(
                    attributes: { message.attributes[$0]?.text },
                    sent: message.sentEpochMilliseconds.map { UnixTime(seconds: $0 / 1000) }))
        }
    }

    func delete(_ messages: [QueuedMessage]) async -> [Int: QueueFailure] {
        await each(messages) { queue in
            await client.deleteMessages(
                messages.map(\.receipt), from: queue, deadlineUptimeSeconds: deadlineUptimeSeconds)
        }
    }

    func hide(_ messages: [QueuedMessage], forSeconds seconds: Int) async -> [Int: QueueFailure] {
        let changes = messages.map { SQSVisibilityChange($0.receipt, timeoutSeconds: Self.hidden(seconds)) }
        return await each(messages) { queue in
            await client.changeVisibilities(changes, on: queue, deadlineUptimeSeconds: deadlineUptimeSeconds)
        }
    }

    // MARK: Steps

    private static func hidden(_ seconds: Int) -> Int { min(max(seconds, 0), maximumHiddenSeconds) }

    private static func outgoing(_ message: RetryMessage, isFIFO: Bool) -> SQSOutgoingMessage {
        var outgoing = SQSOutgoingMessage(message.body)
        var all = [message.body]
        for attribute in message.attributes {
            outgoing.attributes[attribute.name] = SQSAttribute(
                dataType: attribute.dataType.rawValue, value: .text(attribute.value))
            all += [attribute.name, attribute.value]
        }
        guard isFIFO else {
            // Unsaid, it is as long as the queue says.
            if message.delaySeconds > 0 { outgoing.delaySeconds = message.delaySeconds }
            return outgoing
        }
        let digest = SHA256Hasher.hexadecimal(
            SHA256Hasher.digest(pieces: all.map { Array("\($0.utf8.count) \($0)".utf8) }))
        outgoing.groupID = digest
        outgoing.deduplicationID = digest
        return outgoing
    }

    private func inSQS<Value>(
        _ operation: (SQSQueue) async throws(AWSError) -> Value
    ) async throws(QueueFailure) -> Value {
        let queue = try await locator.queue(deadlineUptimeSeconds: deadlineUptimeSeconds)
        do throws(AWSError) {
            return try await operation(queue)
        } catch {
            throw QueueFailure(error)
        }
    }

    /// Runs what fails message by message; without messages nothing is asked.
    private func each<Message>(
        _ messages: [Message], _ operation: (SQSQueue) async -> [AWSError?]
    ) async -> [Int: QueueFailure] {
        guard !messages.isEmpty else { return [:] }
        do throws(QueueFailure) {
            let queue = try await locator.queue(deadlineUptimeSeconds: deadlineUptimeSeconds)
            var failures: [Int: QueueFailure] = [:]
            for (index, error) in await operation(queue).enumerated() {
                failures[index] = error.map { QueueFailure($0) }
            }
            return failures
        } catch {
            return Dictionary(uniqueKeysWithValues: messages.indices.map { ($0, error) })
        }
    }
}

/// Finds the retry queue when it is first needed, once for a process. That it could not be found is not remembered.
final class RetryQueueLocator: Sendable {
    let client: SQSClient
    let reference: QueueReference
    private let search: SharedWork<SQSQueue, AWSError>
    private let found = Mutex<SQSQueue?>(nil)

    init(client: SQSClient, reference: QueueReference, clock: AWSClock = .system) {
        self.client = client
        self.reference = reference
        search = SharedWork(clock: clock)
    }

    /// The queue. Who asks while it is being looked for shares the search.
    func queue(deadlineUptimeSeconds: Double?) async throws(QueueFailure) -> SQSQueue {
        if let queue = found.withLock({ $0 }) { return queue }
        let answer = await search.answer(deadlineUptimeSeconds: deadlineUptimeSeconds) { [self] in
            do throws(AWSError) {
                let queue = try await reference.queue(client, deadlineUptimeSeconds: deadlineUptimeSeconds)
                // While the search still counts as under way: who comes now finds either it or what it gave.
                found.withLock { $0 = queue }
                return .success(queue)
            } catch {
                return .failure(error)
            }
        }
        switch answer {
        case .done(.success(let queue)): return queue
        case .done(.failure(let error)): throw QueueFailure(error)
        case .cancelled: throw QueueFailure(.cancelled, "GetQueueUrl \(reference.name): cancelled")
        case .late: throw QueueFailure(.cancelled, "GetQueueUrl \(reference.name): the deadline has passed")
        }
    }
}

extension SQSQueue {
    /// Amazon SQS Developer Guide, "FIFO queues": the name ends so.
    fileprivate var isFIFO: Bool { name.hasSuffix(".fifo") }
}

extension QueueFailure {
    /// What an AWS error means to the transfer rules.
    init(_ error: AWSError) {
        let reason: Reason
        switch error.kind {
        case .notFound: reason = .notFound
        case .denied, .expiredCredentials, .noCredentials: reason = .denied
        case .cancelled: reason = .cancelled
        // The only limit on the whole of a call is its deadline.
        case .network(let failure) where failure.kind == .totalTimeout: reason = .cancelled
        case .rejected, .wrongRegion, .preconditionFailed: reason = .rejected
        case .conflict, .throttled, .unavailable, .clockSkew, .corrupted, .malformedAnswer, .network:
            reason = .unavailable
        }
        self.init(reason, error.explained)
    }
}
