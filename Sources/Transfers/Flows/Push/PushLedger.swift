import Synchronization

/// Keeps the books of an invocation of push or pushRetry: everything that happens is counted here once and told to the
/// observer.
final class PushLedger: Sendable {
    private let observer: any PushObserver
    private let clock: any Clock
    private let startUptimeSeconds: Double
    private let state = Mutex(PushSummary())
    /// Since when the oldest message waits that was held and is not done.
    private let oldestWaiting = Mutex<UnixTime?>(nil)
    private let hasLostConnection = Mutex(false)

    init(clock: any Clock, observer: any PushObserver) {
        self.clock = clock
        self.observer = observer
        startUptimeSeconds = clock.uptimeSeconds
    }

    func found(_ requests: [PushRequest]) {
        for request in requests { observer.found(request.address) }
    }

    func foundAll() { observer.foundAll() }

    /// - Parameter attempt: how often the object has been tried, this time included.
    func note(_ outcome: PushOutcome, of object: ObjectAddress, attempt: Int = 1) {
        switch outcome {
        case .delivered(let receipt):
            delivered(receipt, attempt)
        case .marked:
            state.withLock { $0.marked += 1 }
            observer.marked(object)
        case .skipped(let reason):
            state.withLock { $0.skipped[reason.rawValue, default: 0] += 1 }
            observer.skipped(object, because: reason)
        case .unmarked(let receipt, let failure, _):
            delivered(receipt, attempt)
            failed(.object(object), failure, attempt: attempt)
        case .failed(let failure):
            failed(.object(object), failure, attempt: attempt)
        }
    }

    /// A preview has found an object that a push would send, or mark.
    func planned(_ push: PlannedPush) {
        state.withLock { state in
            switch push.action {
            case .mark: state.marked += 1
            case .send:
                state.delivered += 1
                state.bytes += push.sizeBytes
            }
        }
    }

    private func delivered(_ receipt: PushReceipt, _ attempt: Int) {
        state.withLock { state in
            state.delivered += 1
            state.bytes += receipt.sizeBytes
        }
        var receipt = receipt
        receipt.attempt = attempt
        observer.delivered(receipt)
    }

    /// Something failed: it is counted, listed while there is room, and told.
    /// - Parameter attempt: how often an object has been tried, this time included.
    func failed(_ subject: PushSubject, _ failure: some ClassifiedFailure, attempt: Int? = nil) {
        state.withLock { state in
            state.failed += 1
            state.failedByClass[failure.failureClass.rawValue, default: 0] += 1
            guard state.failures.count < PushSummary.maximumFailures else { return }
            state.failures.append(
                PushSummary.Failure(
                    subject: subject.description, errorClass: failure.errorClass, reason: failure.message))
        }
        observer.failed(subject, failure.account(attempt: attempt))
    }

    func note(_ ignored: [IncomingEvent.Ignored]) {
        for item in ignored {
            state.withLock { $0.skipped[item.reason.rawValue, default: 0] += 1 }
            observer.ignored(item)
        }
    }

    /// The connection was lost, which many objects meet: it is told once. What comes of it is counted with each of them.
    func connectionLost(_ failure: PushFailure) {
        let isFirst = hasLostConnection.withLock { hasLost in
            defer { hasLost = true }
            return !hasLost
        }
        guard isFirst else { return }
        observer.warning(
            "the connection was lost; what was under way is tried again, one object at a time",
            because: failure.message)
    }

    func queued(_ count: Int) { state.withLock { $0.queued += count } }

    /// The retry queue did not take a message for what has been counted as failed before.
    func unqueued(_ object: ObjectAddress?, _ failure: QueueFailure) {
        state.withLock { $0.unqueued += 1 }
        observer.failed(.retryMessage(object), failure.account())
    }

    func received() { state.withLock { $0.received += 1 } }

    /// Whether the queue has given a message.
    var hasReceived: Bool { state.withLock { $0.received > 0 } }

    /// What a message asks for is not done, and waits for a later run.
    func waits(since time: UnixTime?) {
        guard let time else { return }
        oldestWaiting.withLock { oldest in oldest = min(oldest ?? time, time) }
    }

    func handedBack() { state.withLock { $0.handedBack += 1 } }

    func warning(_ message: String, because failure: QueueFailure) {
        observer.warning(message, because: failure.message)
    }

    func warning(_ message: String, because reason: String) { observer.warning(message, because: reason) }

    var summary: PushSummary {
        let now = clock.uptimeSeconds
        var summary = state.withLock { $0 }
        summary.durationMilliseconds = Int64((now - startUptimeSeconds) * 1000)
        summary.oldestWaitingSeconds = oldestWaiting.withLock { $0 }.map { max(0, clock.now.seconds - $0.seconds) }
        return summary
    }
}

/// A failure that can be told and counted.
protocol ClassifiedFailure: Error {
    /// One word for people.
    var errorClass: String { get }
    /// The word that metrics have for it.
    var failureClass: FailureClass { get }
    /// What was tried, what the other side answered, and what helps.
    var message: String { get }
}

extension ClassifiedFailure {
    var errorClass: String { failureClass.rawValue }

    /// What is told of it.
    func account(attempt: Int? = nil) -> FailureAccount {
        FailureAccount(errorClass: errorClass, reason: message, attempt: attempt)
    }
}

extension PushFailure: ClassifiedFailure {
    var failureClass: FailureClass { reason }
}

extension EventError: ClassifiedFailure {
    var errorClass: String { reason.rawValue }
    var failureClass: FailureClass { .event }
}

extension QueueFailure: ClassifiedFailure {
    var failureClass: FailureClass { .queue }
}
