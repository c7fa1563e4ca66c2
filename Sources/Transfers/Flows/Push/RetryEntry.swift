/// A message for the retry queue, and what it is about.
struct RetryEntry: Sendable {
    let message: RetryMessage
    /// The object; nil for an event that could not be understood.
    let object: ObjectAddress?
    /// The messages of an SQS batch that it came from.
    let itemIDs: [String]

    /// What is left to do of a request; empty when nothing is. One message for each record (rule U7).
    ///
    /// What has come further is tried again at once: that is no failure. What has not waits, longer each time, so that a
    /// server that is dead or full is not asked without end.
    /// - Parameters:
    ///   - attempt: how often the request has been tried, this time included.
    ///   - firstTime: when it failed for the first time; nil when that is now.
    ///   - delaySeconds: how long what failed waits, where nothing is said of fruitless attempts.
    static func entries(
        of request: PushRequest, _ outcome: PushOutcome, at time: UnixTime, attempt: Int = 1,
        firstTime: UnixTime? = nil, delaySeconds: Int = 0
    ) -> [RetryEntry] {
        let entry = { (event: ObjectEvent, failure: PushFailure, delaySeconds: Int) in
            RetryEntry(
                message: RetryMessage(
                    event,
                    because: RetryMessage.Reason(
                        errorClass: failure.errorClass, errorText: failure.message, time: time, attempt: attempt,
                        firstTime: firstTime),
                    delaySeconds: delaySeconds),
                object: request.address, itemIDs: request.itemIDs)
        }
        switch outcome {
        case .delivered, .marked, .skipped: return []
        case .failed(let failure):
            return request.events.map { event in
                let again = event.sendingAgain(failure.mustSend)
                // One of them goes on with the file; the others then find it delivered.
                return entry(
                    event == request.newest ? again.goingOn(with: failure.partial) : again, failure,
                    failure.partial?.delaySeconds ?? delaySeconds)
            }
        case .unmarked(let receipt, let failure, let destination):
            // All events of the request have led to this delivery: one mark settles them.
            let event = ETag(receipt.etag).map { request.newest.delivered($0, to: destination) } ?? request.newest
            return [entry(event, failure, 0)]
        }
    }
}

extension PushLedger {
    /// Puts messages on the retry queue, also when the task is cancelled: that is when it matters. The queue knows the
    /// deadline.
    /// - Returns: what it did not take.
    func enqueue(_ entries: [RetryEntry], on queue: any RetryQueue) async -> [RetryEntry] {
        guard !entries.isEmpty else { return [] }
        let failures = await Task { await queue.send(entries.map(\.message)) }.value
        queued(entries.count - failures.count)
        let refused = failures.sorted { $0.key < $1.key }
        for (index, failure) in refused { unqueued(entries[index].object, failure) }
        return refused.map { entries[$0.key] }
    }
}
