/// Pushes what an event asks for, over one connection, and puts on the retry queue what fails (rules U1 to U8).
public struct PushFlow: Sendable {
    private let push: ObjectPush
    private let maximumObjectsInFlight: Int
    private let queue: any RetryQueue
    private let clock: any Clock
    private let observer: any PushObserver

    /// Makes a flow.
    /// - Parameter connect: opens a connection to the server; asked only when something is to be sent.
    public init(
        plan: PushPlan, objects: any SourceObjects,
        connect: @escaping @Sendable () async throws(RemoteFailure) -> any RemoteDestination, queue: any RetryQueue,
        clock: any Clock, observer: any PushObserver
    ) {
        self.queue = queue
        self.clock = clock
        self.observer = observer
        maximumObjectsInFlight = plan.objectsAtOnce
        push = ObjectPush(
            plan: plan, objects: objects, server: ServerAccess(connect: connect),
            budget: ByteBudget(totalBytes: plan.budgetBytes), clock: clock)
    }

    /// What became of an event.
    public struct Result: Sendable {
        /// What was done.
        public var summary: PushSummary
        /// The messages of the SQS batch that must come back, because the retry queue did not take what failed of
        /// them; nil when the function was not invoked with a batch.
        public var failedItemIDs: [String]?

        /// Whether the invocation must fail, so that Lambda keeps the event: something failed that the retry queue did
        /// not take, and there is no batch to say it by.
        public var isFailure: Bool { failedItemIDs == nil && summary.unqueued > 0 }
    }

    /// Pushes what the event asks for. Cancelling the task cuts off what is under way, in an orderly way; what was not
    /// finished is queued all the same. Nothing is thrown: what failed is in the result.
    public func run(_ event: IncomingEvent) async -> Result {
        let ledger = PushLedger(clock: clock, observer: observer)
        ledger.found(event.requests)
        ledger.foundAll()
        var unfinished: [RetryEntry] = []
        await withTaskGroup(of: [RetryEntry].self) { group in
            var underWay = 0
            for request in event.requests {
                if underWay >= maximumObjectsInFlight, let ended = await group.next() {
                    unfinished += ended
                    underWay -= 1
                }
                underWay += 1
                group.addTask {
                    let outcome = await push.runLimited(request)
                    ledger.note(outcome, of: request.address)
                    return RetryEntry.entries(of: request, outcome, at: clock.now)
                }
            }
            for await ended in group { unfinished += ended }
        }
        return await Self.finish(event, unfinished, ledger, queue, clock)
    }

    /// Puts everything that the event asks for on the retry queue, because nothing can be pushed now: a setting is
    /// wrong, or the login cannot be had.
    public static func postpone(
        _ event: IncomingEvent, because failure: PushFailure, queue: any RetryQueue, clock: any Clock,
        observer: any PushObserver
    ) async -> Result {
        let ledger = PushLedger(clock: clock, observer: observer)
        let entries = event.requests.flatMap { request in
            ledger.note(.failed(failure), of: request.address)
            return RetryEntry.entries(of: request, .failed(failure), at: clock.now)
        }
        return await finish(event, entries, ledger, queue, clock)
    }

    private static func finish(
        _ event: IncomingEvent, _ unfinished: [RetryEntry], _ ledger: PushLedger, _ queue: any RetryQueue,
        _ clock: any Clock
    ) async -> Result {
        ledger.note(event.ignored)
        var entries = unfinished
        for failure in event.failures {
            ledger.failed(.event(messageID: failure.itemID), failure.error)
            entries.append(
                RetryEntry(
                    message: RetryMessage(failure, time: clock.now, attempt: 1), object: nil,
                    itemIDs: [failure.itemID].compactMap(\.self)))
        }
        let refused = await ledger.enqueue(entries, on: queue)
        guard let batch = event.batchItemIDs else { return Result(summary: ledger.summary, failedItemIDs: nil) }
        let failed = Set(refused.flatMap(\.itemIDs))
        return Result(summary: ledger.summary, failedItemIDs: batch.filter { failed.contains($0) })
    }
}

extension ObjectPush {
    /// `run`, cut off when the object takes longer than it may.
    func runLimited(_ request: PushRequest) async -> PushOutcome {
        guard let seconds = plan.objectTimeoutSeconds else { return await run(request) }
        let limit = clock.uptimeSeconds + seconds
        return await withTaskGroup(of: PushOutcome?.self) { group in
            group.addTask { await run(request) }
            group.addTask {
                await clock.wait(untilUptimeSeconds: limit)
                return nil
            }
            var outcome = PushOutcome.failed(PushFailure(.deadline, "\(request.key): it was cut off"))
            var isCutOff = false
            for await ended in group {
                if let ended { outcome = ended } else { isCutOff = clock.uptimeSeconds >= limit }
                // Whichever was first, the other one ends now.
                group.cancelAll()
            }
            guard isCutOff, case .failed(let failure) = outcome, failure.reason == .deadline else { return outcome }
            let message = "it took longer than SFTP_PUSH_TIMEOUT_SECONDS, \(Int(seconds)) s: \(failure)"
            var cutOff = failure
            cutOff.message = message
            return .failed(cutOff)
        }
    }
}
