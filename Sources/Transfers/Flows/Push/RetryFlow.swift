/// Pushes again what lies on the retry queue, over one connection (rules R1 to R4).
///
/// A message is removed when nothing is left to do for it. One that failed is hidden for a while that grows with each
/// receive, and comes again until the queue's redrive policy sets it aside. What is held when the server is lost for
/// good or the time is up is handed back at once.
///
/// An object whose transfer makes the server hang up must not cost its neighbours a receive. So when the connection is
/// lost nothing more is received, and what was under way is tried again, one object at a time, over further connections.
/// Whichever is under way when one of these is lost is at fault, and fails.
public struct RetryFlow: Sendable {
    /// Pushes many objects at once over the first connection.
    private let together: ObjectPush
    /// Pushes one object at a time over the connections after it.
    private let alone: ObjectPush
    private let maximumObjectsInFlight: Int
    private let queue: any RetryQueue
    private let clock: any Clock
    private let observer: any PushObserver
    private let deadlineUptimeSeconds: Double?
    private let lastSeconds: Double
    private let leftovers: LeftoverSweep

    /// How long a received message is hidden, and how often that is renewed while it is held.
    static let hiddenSeconds = 120
    static let renewalSeconds = 60.0
    /// How long a message stays hidden at the most, from its receive on: 12 hours (Amazon SQS API Reference,
    /// "ChangeMessageVisibility"), less the time that the requests themselves may take.
    static let longestHiddenSeconds = 43_200.0 - 120
    /// How long the first receive waits; the later ones only make sure that there is nothing left.
    static let firstWaitSeconds = 2
    static let laterWaitSeconds = 1
    /// How many messages one receive gives (Amazon SQS API Reference, "ReceiveMessage").
    static let maximumBatch = 10
    /// Within this time before the deadline nothing more is begun: at most so much, and at most this share of all.
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
        let budget = ByteBudget(totalBytes: plan.budgetBytes)
        let push = { (maximumConnections: Int) in
            ObjectPush(
                plan: plan, objects: objects,
                server: ServerAccess(maximumConnections: maximumConnections, connect: connect), budget: budget,
                clock: clock)
        }
        together = push(1)
        alone = push(ServerAccess.maximumConnections - 1)
        maximumObjectsInFlight = plan.objectsAtOnce
        self.queue = queue
        self.clock = clock
        self.observer = observer
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        leftovers = LeftoverSweep(plan: plan, clock: clock)
        let leftSeconds = deadlineUptimeSeconds.map { max(0, $0 - clock.uptimeSeconds) } ?? .infinity
        lastSeconds = min(Self.mostLastSeconds, leftSeconds * Self.lastShare)
    }

    /// Works through the queue. Cancelling the task ends it in an orderly way; the summary comes all the same. Nothing
    /// is thrown: what failed is in the summary, and the invocation fails if anything did (rule R4).
    public func run() async -> PushSummary {
        let ledger = PushLedger(clock: clock, observer: observer)
        // A server that cannot be reached must not cost the messages a receive (rule R1).
        guard await isAnyWaiting(ledger), await isConnected(together.server, ledger) else { return ledger.summary }
        await pushAlone(await pushTogether(ledger), ledger)
        await sweep(ledger)
        return ledger.summary
    }

    /// What is left on the server is looked for where a connection is there for it.
    private func sweep(_ ledger: PushLedger) async {
        // Without a connection it is left to a later run.
        guard hasTime, let (destination, _) = try? await together.server.destination() else { return }
        await leftovers.run(on: destination, ledger) { hasTime }
    }

    /// Receives and pushes until the queue is empty or the connection is lost. The next messages are asked for while
    /// the ones before them are pushed, as long as there is room for them.
    /// - Returns: the messages that were held when the connection was lost.
    private func pushTogether(_ ledger: PushLedger) async -> [HeldMessage] {
        let turns = ObjectTurns()
        let held = HeldRequests()
        var interrupted: [HeldMessage] = []
        await withTaskGroup(of: HeldMessage?.self) { group in
            var underWay = 0
            var waitSeconds = Self.firstWaitSeconds
            while true {
                let most = maximumObjectsInFlight
                while underWay > max(0, most - Self.maximumBatch), let ended = await group.next() {
                    if let ended { interrupted.append(ended) }
                    underWay -= 1
                }
                guard hasTime, !(await together.server.isGivenUp) else { break }
                let messages = await receive(
                    maximumCount: min(most - underWay, Self.maximumBatch), waitSeconds: waitSeconds, ledger)
                guard !messages.isEmpty else { break }
                waitSeconds = Self.laterWaitSeconds
                for message in messages {
                    underWay += 1
                    let repetition = held.add(message.message.id, message.onlyEvent)
                    group.addTask {
                        defer { held.remove(message.message.id) }
                        if let repetition {
                            await drop(message, repetition, ledger)
                            return nil
                        }
                        return await pushTogether(message, turns, ledger)
                    }
                }
            }
            ledger.foundAll()
            for await case let ended? in group { interrupted.append(ended) }
        }
        return interrupted
    }

    /// Removes a message that asks for what another one asks for, which is held already, and what its own push had begun.
    private func drop(_ message: HeldMessage, _ other: HeldRequests.Repetition, _ ledger: PushLedger) async {
        guard let request = message.left.first else { return }
        await together.discardPartials(of: request, except: other.partialName)
        ledger.note(.skipped(.repeated), of: request.address)
        var message = message
        message.left = []
        await settle(message, ledger)
    }

    /// Pushes what a message asks for, beside others.
    /// - Returns: the message when the connection was lost; nil when it is settled.
    private func pushTogether(
        _ message: HeldMessage, _ turns: ObjectTurns, _ ledger: PushLedger
    ) async -> HeldMessage? {
        var message = message
        let failure = await pushWhatIsLeft(of: &message, together, turns, ledger)
        if let failure, failure.reason == .connection, !Task.isCancelled {
            ledger.connectionLost(failure)
            return message
        }
        await settle(message, ledger)
        return nil
    }

    /// Pushes what is left of the messages, one object at a time. Without a server or time they are handed back.
    private func pushAlone(_ held: [HeldMessage], _ ledger: PushLedger) async {
        let turns = ObjectTurns()
        var waiting = held[...]
        while var message = waiting.first, hasTime, await isConnected(alone.server, ledger) {
            let failure = await pushWhatIsLeft(of: &message, alone, turns, ledger)
            // At the end of the time the connection is closed on whatever is still under way.
            if let failure, failure.reason == .connection, !Task.isCancelled, let request = message.left.first {
                ledger.note(.failed(failure), of: request.address, attempt: message.message.attempt)
                message.left.removeFirst()
                await fail(request, failure, of: &message, ledger)
            }
            waiting[waiting.startIndex] = message
            guard message.left.isEmpty else { continue }
            waiting.removeFirst()
            await settle(message, ledger)
        }
        await withTaskGroup { group in
            for message in waiting { group.addTask { await settle(message, ledger) } }
        }
    }

    // MARK: What can be used

    /// Whether something more may be begun.
    private var hasTime: Bool { !Task.isCancelled && !isOver }

    /// Whether the deadline is so near that nothing more is begun.
    private var isOver: Bool {
        guard let deadlineUptimeSeconds else { return false }
        return clock.uptimeSeconds + lastSeconds >= deadlineUptimeSeconds
    }

    private func isConnected(_ server: ServerAccess, _ ledger: PushLedger) async -> Bool {
        do throws(RemoteFailure) {
            _ = try await server.destination()
            return true
        } catch {
            ledger.failed(.connection, PushFailure(connecting: error))
            return false
        }
    }

    private func isAnyWaiting(_ ledger: PushLedger) async -> Bool {
        await onQueue(ledger) { () throws(QueueFailure) in try await queue.waitingCount() > 0 } ?? false
    }

    private func receive(maximumCount: Int, waitSeconds: Int, _ ledger: PushLedger) async -> [HeldMessage] {
        let now = clock.uptimeSeconds
        let messages = await onQueue(ledger) { () throws(QueueFailure) in
            try await queue.receive(
                maximumCount: maximumCount, waitSeconds: waitSeconds, hiddenSeconds: Self.hiddenSeconds)
        }
        // Of several that ask for the same, the one whose file has come furthest is first.
        return (messages ?? []).map { hold($0, receivedAtUptimeSeconds: now, ledger) }
            .enumerated().sorted { first, second in
                let (one, two) = (first.element.begunBytes, second.element.begunBytes)
                return one == two ? first.offset < second.offset : one > two
            }.map(\.element)
    }

    /// The answer of the queue; nil when it failed.
    private func onQueue<Answer>(
        _ ledger: PushLedger, _ operation: () async throws(QueueFailure) -> Answer
    ) async -> Answer? {
        do throws(QueueFailure) {
            return try await operation()
        } catch {
            if error.reason != .cancelled {
                ledger.failed(.retryQueue, error)
            } else if isOver, !ledger.hasReceived {
                // The next run may fare no better, and nobody would hear of it.
                let message = "\(error.message); in all the time of this invocation the queue gave no message"
                ledger.failed(.retryQueue, QueueFailure(.unavailable, message))
            }
            return nil
        }
    }

    // MARK: One message

    /// A message that was received and is not settled.
    private struct HeldMessage: Sendable {
        let message: QueuedMessage
        /// Keeps it from others until it is cancelled.
        let hiding: Task<Void, Never>
        let receivedAtUptimeSeconds: Double
        /// What it asks for and was not tried to the end.
        var left: [PushRequest]
        /// Whether something of it failed.
        var hasFailed: Bool
        /// What a push of this run has changed on the server before it failed, of which the message does not say so: it has
        /// touched the object's file, or left one to be gone on with.
        var changed: [ObjectAddress: PushFailure] = [:]

        /// What it asks for, if that is one thing.
        var onlyEvent: ObjectEvent? {
            guard left.count == 1, !hasFailed, let request = left.first, request.events.count == 1 else { return nil }
            return request.newest
        }

        /// How far an earlier push has come with it.
        var begunBytes: UInt64 { left.lazy.compactMap { $0.newest.partial?.position.offsetBytes }.max() ?? 0 }
    }

    /// Begins to keep a message from others. To be settled in the end, whatever comes between.
    private func hold(
        _ message: QueuedMessage, receivedAtUptimeSeconds now: Double, _ ledger: PushLedger
    ) -> HeldMessage {
        let event = IncomingEvent(message.body)
        ledger.received()
        ledger.found(event.requests)
        ledger.note(event.ignored)
        for failure in event.failures { ledger.failed(.event(messageID: message.id), failure.error) }
        let hiding = Task {
            while !Task.isCancelled {
                await clock.wait(untilUptimeSeconds: clock.uptimeSeconds + Self.renewalSeconds)
                guard !Task.isCancelled else { return }
                await hide(message, receivedAtUptimeSeconds: now, forSeconds: Self.hiddenSeconds)
            }
        }
        return HeldMessage(
            message: message, hiding: hiding, receivedAtUptimeSeconds: now, left: event.requests,
            hasFailed: !event.failures.isEmpty)
    }

    /// Pushes what is left of a message, one object after the other.
    /// - Returns: nil when all was tried. Otherwise what ended it: the connection is lost or the time is up, which need
    ///   not be the fault of the object that is the first in `left`.
    private func pushWhatIsLeft(
        of held: inout HeldMessage, _ push: ObjectPush, _ turns: ObjectTurns, _ ledger: PushLedger
    ) async -> PushFailure? {
        while let request = held.left.first {
            leftovers.note(request)
            let outcome = await turns.run(request.address) { await push.runLimited(request) }
            leftovers.note(outcome)
            if case .failed(let failure) = outcome {
                if failure.partial != nil || (failure.mustSend && !request.mustSend) {
                    held.changed[request.address] = failure
                    let next = request.goingOn(with: failure.partial)
                    held.left[0] = failure.mustSend ? next.sendingAgain : next
                }
                if failure.reason == .connection || (failure.reason == .deadline && Task.isCancelled) { return failure }
            }
            ledger.note(outcome, of: request.address, attempt: held.message.attempt)
            held.left.removeFirst()
            switch outcome {
            case .delivered, .marked, .skipped: break
            case .failed(let failure): await fail(request, failure, of: &held, ledger)
            // The message still says to send it. One that says to mark it takes its place (rule U8).
            case .unmarked: await replace(request, outcome, in: &held, ledger)
            }
        }
        return nil
    }

    /// What was asked for has failed: the message comes again. If something has changed on the server, one that says so
    /// takes its place: it believes no mark, or goes on with what was begun, and that is progress and no receive more.
    /// - Parameter waits: whether it waits then, as what fails does; what is only cut off does not.
    private func fail(
        _ request: PushRequest, _ failure: PushFailure, of held: inout HeldMessage, waits: Bool = true,
        _ ledger: PushLedger
    ) async {
        if held.changed[request.address] != nil {
            await replace(request, .failed(failure), in: &held, waits: waits, ledger)
        } else {
            held.hasFailed = true
        }
    }

    /// Puts a message for one request on the queue, which says more than the one that was received.
    private func replace(
        _ request: PushRequest, _ outcome: PushOutcome, in held: inout HeldMessage, waits: Bool = true,
        _ ledger: PushLedger
    ) async {
        let message = held.message
        let entries = RetryEntry.entries(
            of: request, outcome, at: clock.now, attempt: message.attempt, firstTime: message.past.since,
            delaySeconds: waits ? RetryBackOff.seconds(afterReceives: message.receiveCount) : 0)
        ledger.waits(since: message.past.since)
        if !(await ledger.enqueue(entries, on: queue)).isEmpty { held.hasFailed = true }
    }

    /// Removes a message that is done, leaves one that failed alone for a while, and hands another back (rule R3).
    private func settle(_ held: HeldMessage, _ ledger: PushLedger) async {
        held.hiding.cancel()
        await held.hiding.value
        var held = held
        let changed = held.left.filter { held.changed[$0.address] != nil }
        held.left.removeAll { changed.contains($0) }
        for request in changed {
            guard let failure = held.changed[request.address] else { continue }
            await fail(request, failure, of: &held, waits: false, ledger)
        }
        let (ended, message) = (held, held.message)
        if ended.hasFailed || !ended.left.isEmpty { ledger.waits(since: message.past.since) }
        // Also when the task is cancelled: the queue knows the deadline.
        await Task {
            if ended.hasFailed {
                // If it cannot be hidden it comes again sooner, that is all.
                await hide(
                    message, receivedAtUptimeSeconds: ended.receivedAtUptimeSeconds,
                    forSeconds: RetryBackOff.seconds(afterReceives: message.receiveCount))
            } else if ended.left.isEmpty {
                for failure in await queue.delete([message]).values {
                    ledger.warning("a message is done and could not be removed, so it comes again", because: failure)
                }
            } else {
                ledger.handedBack()
                // If it cannot be handed back it comes again when its time is over.
                _ = await queue.hide([message], forSeconds: 0)
            }
        }.value
    }

    /// Hides a message, but not for longer than the queue permits. If it cannot be hidden somebody else gets it too; the
    /// push itself bears that.
    private func hide(
        _ message: QueuedMessage, receivedAtUptimeSeconds: Double, forSeconds seconds: Int
    ) async {
        let most = Int(receivedAtUptimeSeconds + Self.longestHiddenSeconds - clock.uptimeSeconds)
        guard most > 0 else { return }
        _ = await queue.hide([message], forSeconds: min(seconds, most))
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
