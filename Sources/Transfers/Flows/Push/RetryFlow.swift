/// Pushes again what lies on the retry queue, over one connection (rules R1 to R4).
///
/// A message is removed when nothing is left to do for it. One that failed is hidden for a while that grows with each
/// receive, and comes again until the queue's redrive policy sets it aside. What is held when the server is lost or the
/// time is up is handed back at once.
public struct RetryFlow: Sendable {
    private let push: ObjectPush
    private let queue: any RetryQueue
    private let clock: any Clock
    private let observer: any PushObserver
    private let deadlineUptimeSeconds: Double?
    private let lastSeconds: Double

    /// How long a received message is hidden, and how often that is renewed while it is worked on.
    static let hiddenSeconds = 120
    static let renewalSeconds = 60.0
    /// How long the first receive waits; the later ones only make sure that there is nothing left.
    static let firstWaitSeconds = 2
    static let laterWaitSeconds = 1
    /// How many messages one receive gives (Amazon SQS API Reference, "ReceiveMessage").
    static let maximumBatch = 10
    /// Within this time before the deadline nothing more is received: at most so much, and at most this share of all.
    static let mostLastSeconds = 5.0
    static let lastShare = 0.2

    /// Makes a flow.
    /// - Parameters:
    ///   - connect: opens a connection to the server; asked only when there are messages.
    ///   - deadlineUptimeSeconds: when the task is going to be cancelled; nil for never.
    public init(
        plan: PushPlan, objects: any SourceObjects,
        connect: @escaping @Sendable () async throws(RemoteFailure) -> any RemoteDestination, queue: any RetryQueue,
        clock: any Clock, observer: any PushObserver, deadlineUptimeSeconds: Double?
    ) {
        self.queue = queue
        self.clock = clock
        self.observer = observer
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        let leftSeconds = deadlineUptimeSeconds.map { max(0, $0 - clock.uptimeSeconds) } ?? .infinity
        lastSeconds = min(Self.mostLastSeconds, leftSeconds * Self.lastShare)
        push = ObjectPush(
            plan: plan, objects: objects, server: ServerAccess(connect: connect),
            budget: ByteBudget(totalBytes: plan.budgetBytes), clock: clock)
    }

    /// Works through the queue. Cancelling the task ends it in an orderly way; the summary comes all the same. Nothing
    /// is thrown: what failed is in the summary, and the invocation fails if anything did (rule R4).
    public func run() async -> PushSummary {
        let ledger = PushLedger(clock: clock, observer: observer)
        do throws(QueueFailure) {
            guard try await queue.waitingCount() > 0 else { return ledger.summary }
            // A server that cannot be reached must not cost the messages a receive (rule R1).
            do throws(RemoteFailure) {
                _ = try await push.server.destination()
            } catch {
                ledger.failedOnce(PushFailure(connecting: error))
                return ledger.summary
            }
            try await work(ledger)
        } catch {
            if error.reason != .cancelled {
                ledger.failed(.retryQueue, error)
            }
        }
        return ledger.summary
    }

    /// Receives and pushes until the queue is empty. The next messages are asked for while the ones before them are
    /// pushed, as long as there is room for them.
    private func work(_ ledger: PushLedger) async throws(QueueFailure) {
        let turns = ObjectTurns()
        let failure = await withTaskGroup(of: Void.self) { group in
            var underWay = 0
            var waitSeconds = Self.firstWaitSeconds
            while true {
                while underWay > PushPlan.maximumObjectsInFlight - Self.maximumBatch {
                    await group.next()
                    underWay -= 1
                }
                guard await mayReceive() else { break }
                let messages: [QueuedMessage]
                do throws(QueueFailure) {
                    messages = try await queue.receive(
                        maximumCount: Self.maximumBatch, waitSeconds: waitSeconds, hiddenSeconds: Self.hiddenSeconds)
                } catch {
                    return QueueFailure?.some(error)
                }
                guard !messages.isEmpty else { break }
                waitSeconds = Self.laterWaitSeconds
                ledger.received(messages.count)
                for message in messages {
                    underWay += 1
                    group.addTask { await handle(message, turns, ledger) }
                }
            }
            return nil
        }
        if let failure { throw failure }
    }

    /// Whether there is time for more, and a server.
    private func mayReceive() async -> Bool {
        guard !Task.isCancelled, !(await push.server.isGivenUp) else { return false }
        guard let deadlineUptimeSeconds else { return true }
        return clock.uptimeSeconds + lastSeconds < deadlineUptimeSeconds
    }

    // MARK: One message

    private enum Fate {
        /// Nothing is left to do.
        case done
        /// It failed: later.
        case failed
        /// It was not its fault: now, for whoever can.
        case handedBack
    }

    private func handle(_ message: QueuedMessage, _ turns: ObjectTurns, _ ledger: PushLedger) async {
        let fate = await withTaskGroup(of: Fate?.self) { group in
            group.addTask { await work(on: message, turns, ledger) }
            group.addTask {
                await keepHidden(message)
                return nil
            }
            var fate = Fate.handedBack
            for await ended in group {
                guard let ended else { continue }
                fate = ended
                group.cancelAll()
            }
            return fate
        }
        // Also when the task is cancelled: the queue knows the deadline.
        await Task { await settle(message, fate, ledger) }.value
    }

    private func work(on message: QueuedMessage, _ turns: ObjectTurns, _ ledger: PushLedger) async -> Fate {
        let event = IncomingEvent(message.body)
        ledger.note(event.ignored)
        for failure in event.failures { ledger.failed(.event(messageID: message.id), failure.error) }
        var fate = event.failures.isEmpty ? Fate.done : .failed
        for request in event.requests {
            let outcome = await turns.run(request.address) { await push.runLimited(request) }
            if case .failed(let failure) = outcome, isNotItsFault(failure) {
                if failure.reason == .connection { ledger.failedOnce(failure) }
                if case .done = fate { fate = .handedBack }
                continue
            }
            ledger.note(outcome, of: request.address)
            switch outcome {
            case .delivered, .marked, .skipped: break
            case .failed: fate = .failed
            case .unmarked:
                // The message still says to send it. One that says to mark it takes its place (rule U8).
                let entries = RetryEntry.entries(of: request, outcome, at: clock.now, attempt: message.receiveCount)
                if !(await ledger.enqueue(entries, on: queue)).isEmpty { fate = .failed }
            }
        }
        return fate
    }

    /// Whether a push failed because the invocation ends or the connection is lost.
    private func isNotItsFault(_ failure: PushFailure) -> Bool {
        switch failure.reason {
        case .deadline: Task.isCancelled
        case .connection: true
        case .server, .store, .refused, .unmarked, .settings: false
        }
    }

    /// Keeps a message from others while it is worked on.
    private func keepHidden(_ message: QueuedMessage) async {
        while !Task.isCancelled {
            await clock.wait(untilUptimeSeconds: clock.uptimeSeconds + Self.renewalSeconds)
            guard !Task.isCancelled else { return }
            // If it cannot be hidden any longer somebody else gets it too; the push itself bears that.
            _ = await queue.hide([message], forSeconds: Self.hiddenSeconds)
        }
    }

    private func settle(_ message: QueuedMessage, _ fate: Fate, _ ledger: PushLedger) async {
        switch fate {
        case .done:
            for failure in await queue.delete([message]).values {
                ledger.warning("a message is done and could not be removed, so it comes again", because: failure)
            }
        case .failed:
            // If it cannot be hidden it comes again sooner, that is all.
            _ = await queue.hide([message], forSeconds: RetryBackOff.seconds(afterReceives: message.receiveCount))
        case .handedBack:
            ledger.handedBack(1)
            // If it cannot be handed back it comes again when its time is over.
            _ = await queue.hide([message], forSeconds: 0)
        }
    }
}

/// How long a message that failed is left alone.
enum RetryBackOff {
    private static let firstSeconds = 60
    private static let mostSeconds = 3600
    private static let mostDoublings = 6

    /// Twice as long after each receive, from a minute up to an hour.
    static func seconds(afterReceives count: Int) -> Int {
        min(mostSeconds, firstSeconds << min(max(0, count - 1), mostDoublings))
    }
}

/// Lets pushes of one object go one after the other: the second finds the mark of the first, and is done.
actor ObjectTurns {
    private var last: [ObjectAddress: (number: Int, task: Task<Void, Never>)] = [:]
    private var number = 0

    func run(_ object: ObjectAddress, _ push: @escaping @Sendable () async -> PushOutcome) async -> PushOutcome {
        number += 1
        let mine = number
        let before = last[object]?.task
        let (ended, end) = AsyncStream.makeStream(of: Never.self)
        last[object] = (mine, Task { for await _ in ended {} })
        await before?.value
        let outcome = await push()
        end.finish()
        if last[object]?.number == mine { last[object] = nil }
        return outcome
    }
}
