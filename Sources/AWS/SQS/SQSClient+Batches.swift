import JSON

extension SQSClient {
    /// Sends messages, in batches as large as SQS takes.
    ///
    /// What failed for SQS's own reasons is sent again as the retry policy says. A message may arrive more than once, as
    /// with `sendMessage`.
    /// - Returns: for each message, in their order, what became of it.
    public func sendMessages(
        _ messages: [SQSOutgoingMessage], to queue: SQSQueue, deadlineUptimeSeconds: Double? = nil
    ) async -> [Result<SQSSentMessage, AWSError>] {
        let operation = "SendMessageBatch"
        let entries = messages.map { SQSBatchEntry(value: $0, sizeBytes: $0.sizeBytes) }
        return await batches(operation, queue, entries, deadlineUptimeSeconds) {
            entries throws(AWSError) -> [Int: SQSBatchOutcome<SQSSentMessage>] in
            let coded = entries.map { SQSWire.Send($0.value, id: "\($0.index)") }
            let answer = try await self.call(
                operation, queue, SQSWire.Batch(QueueUrl: queue.url, Entries: coded),
                as: SQSWire.BatchAnswer<SQSWire.Sent>.self, deadlineUptimeSeconds)
            var outcomes: [Int: SQSBatchOutcome<SQSSentMessage>] = Self.failures(answer.Failed, operation, queue)
            for sent in answer.Successful ?? [] {
                guard let id = sent.Id, let index = Int(id),
                    let message = entries.first(where: { $0.index == index })?.value
                else { continue }
                outcomes[index] =
                    sent.fault(message).map {
                        .failed(AWSError(.corrupted, operation: operation, subject: queue.name, message: $0))
                    } ?? .done(SQSSentMessage(messageID: sent.MessageId))
            }
            return outcomes
        }
    }

    /// Deletes messages for good, in batches of ten. What failed for SQS's own reasons is tried again as the retry
    /// policy says.
    /// - Parameter receiptHandles: those of the last receive.
    /// - Returns: for each message, in their order, nil when it is gone, or why it is not.
    public func deleteMessages(
        _ receiptHandles: [String], from queue: SQSQueue, deadlineUptimeSeconds: Double? = nil
    ) async -> [AWSError?] {
        await changes("DeleteMessageBatch", queue, receiptHandles, deadlineUptimeSeconds) { handle, index in
            SQSWire.Delete(Id: "\(index)", ReceiptHandle: handle)
        }
    }

    /// Changes how long messages stay hidden, in batches of ten. What failed for SQS's own reasons is tried again as the
    /// retry policy says.
    /// - Returns: for each change, in their order, nil when it is done, or why it is not.
    public func changeVisibilities(
        _ changes: [SQSVisibilityChange], on queue: SQSQueue, deadlineUptimeSeconds: Double? = nil
    ) async -> [AWSError?] {
        await self.changes("ChangeMessageVisibilityBatch", queue, changes, deadlineUptimeSeconds) { change, index in
            SQSWire.ChangeVisibility(
                Id: "\(index)", ReceiptHandle: change.receiptHandle, VisibilityTimeout: change.timeoutSeconds)
        }
    }

    /// A batch whose entries either are done or failed, and give nothing back.
    private func changes<Value: Sendable, Coded: JSONWritable>(
        _ operation: String, _ queue: SQSQueue, _ values: [Value], _ deadline: Double?,
        _ code: @escaping @Sendable (Value, Int) -> Coded
    ) async -> [AWSError?] {
        let entries = values.map { SQSBatchEntry(value: $0, sizeBytes: 0) }
        let results = await batches(operation, queue, entries, deadline) {
            entries throws(AWSError) -> [Int: SQSBatchOutcome<Bool>] in
            let answer = try await self.call(
                operation, queue,
                SQSWire.Batch(QueueUrl: queue.url, Entries: entries.map { code($0.value, $0.index) }),
                as: SQSWire.BatchAnswer<SQSWire.Done>.self, deadline)
            var outcomes: [Int: SQSBatchOutcome<Bool>] = Self.failures(answer.Failed, operation, queue)
            for done in answer.Successful ?? [] {
                if let id = done.Id, let index = Int(id) { outcomes[index] = .done(true) }
            }
            return outcomes
        }
        return results.map { result in if case .failure(let error) = result { error } else { nil } }
    }

    // MARK: What all batches share

    /// Splits entries into batches, runs them one after the other, and puts the results in the entries' order.
    private func batches<Value: Sendable, Success: Sendable>(
        _ operation: String, _ queue: SQSQueue, _ entries: [SQSBatchEntry<Value>], _ deadline: Double?,
        _ send: @Sendable ([SQSBatchEntry<Value>]) async throws(AWSError) -> [Int: SQSBatchOutcome<Success>]
    ) async -> [Result<Success, AWSError>] {
        var results: [Result<Success, AWSError>] = []
        for batch in Self.split(entries) {
            results += await run(batch, operation, queue, deadline, send)
        }
        return results
    }

    /// At most ten entries, and as many bytes as are sure to be taken. An entry that is larger goes alone.
    static func split<Value>(_ entries: [SQSBatchEntry<Value>]) -> [[SQSBatchEntry<Value>]] {
        var batches: [[SQSBatchEntry<Value>]] = []
        var batch: [SQSBatchEntry<Value>] = []
        var bytes = 0
        for var entry in entries {
            let isFull = batch.count == maximumBatchEntries || bytes + entry.sizeBytes > maximumBatchBytes
            if isFull && !batch.isEmpty {
                batches.append(batch)
                (batch, bytes) = ([], 0)
            }
            entry.index = batch.count
            batch.append(entry)
            bytes += entry.sizeBytes
        }
        return batch.isEmpty ? batches : batches + [batch]
    }

    private func run<Value: Sendable, Success: Sendable>(
        _ batch: [SQSBatchEntry<Value>], _ operation: String, _ queue: SQSQueue, _ deadline: Double?,
        _ send: @Sendable ([SQSBatchEntry<Value>]) async throws(AWSError) -> [Int: SQSBatchOutcome<Success>]
    ) async -> [Result<Success, AWSError>] {
        let (retry, clock) = (json.client.configuration.retry, json.client.configuration.clock)
        let endUptimeSeconds = min(
            clock.uptimeSeconds() + retry.maximumSeconds,
            (deadline ?? .infinity) - ServiceClient.minimumAttemptSeconds)
        let untold = AWSError(
            .malformedAnswer, operation: operation, subject: queue.name,
            message: "the answer says nothing of this entry")
        var results = [Result<Success, AWSError>](repeating: .failure(untold), count: batch.count)
        var open = batch
        var attempt = 1
        while true {
            let outcomes: [Int: SQSBatchOutcome<Success>]
            do throws(AWSError) { outcomes = try await send(open) } catch {
                for entry in open { results[entry.index] = .failure(error) }
                return results
            }
            var again: [SQSBatchEntry<Value>] = []
            var isThrottled = false
            for entry in open {
                switch outcomes[entry.index] {
                case .done(let success): results[entry.index] = .success(success)
                case .failed(let error): results[entry.index] = .failure(error.counting(attempt))
                case .passing(let error):
                    results[entry.index] = .failure(error.counting(attempt))
                    isThrottled = isThrottled || error.kind == .throttled
                    again.append(entry)
                case nil: results[entry.index] = .failure(untold.counting(attempt))
                }
            }
            guard !again.isEmpty, attempt < retry.maximumAttempts else { return results }
            let delay = retry.delaySeconds(afterAttempt: attempt, isThrottled: isThrottled, random: clock.random())
            guard clock.uptimeSeconds() + delay < endUptimeSeconds else { return results }
            do { try await clock.sleep(delay) } catch {
                for entry in again {
                    results[entry.index] = .failure(
                        AWSError(
                            .cancelled, operation: operation, subject: queue.name,
                            message: "cancelled while waiting to try again", attempts: attempt))
                }
                return results
            }
            open = again
            attempt += 1
        }
    }

    private static func failures<Success>(
        _ failed: [SQSWire.Failure]?, _ operation: String, _ queue: SQSQueue
    ) -> [Int: SQSBatchOutcome<Success>] {
        var outcomes: [Int: SQSBatchOutcome<Success>] = [:]
        for failure in failed ?? [] {
            guard let index = Int(failure.Id) else { continue }
            outcomes[index] = outcome(failure, operation, queue)
        }
        return outcomes
    }

    private static func outcome<Success>(
        _ failure: SQSWire.Failure, _ operation: String, _ queue: SQSQueue
    ) -> SQSBatchOutcome<Success> {
        let code = failure.Code.map(ServiceFailure.bounded)
        var error = AWSError(
            .rejected, operation: operation, subject: queue.name, status: 200, code: code,
            message: failure.Message.map(ServiceFailure.bounded) ?? "no message")
        let judged = ServiceFailure(status: 200, code: code).verdict(usedRegion: "", signedEpochSeconds: 0)
        switch judged {
        case .retry(let kind): error.kind = kind
        case .fail(let kind): error.kind = kind
        case .refreshCredentials, .correctClock, .changeRegion: break
        }
        guard failure.SenderFault == false else { return .failed(error) }
        if error.kind != .throttled { error.kind = .unavailable }
        return .passing(error)
    }
}

/// One entry of a batch.
struct SQSBatchEntry<Value: Sendable>: Sendable {
    var value: Value
    var sizeBytes: Int
    /// Its place in its batch, which is its id on the wire.
    var index = 0
}

/// What became of one entry in one attempt.
enum SQSBatchOutcome<Success: Sendable>: Sendable {
    case done(Success)
    /// Trying again does not help.
    case failed(AWSError)
    /// SQS's own fault.
    case passing(AWSError)
}

extension AWSError {
    fileprivate func counting(_ attempts: Int) -> AWSError {
        var error = self
        error.attempts = attempts
        return error
    }
}
