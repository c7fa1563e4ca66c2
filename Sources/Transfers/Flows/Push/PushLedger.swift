import Synchronization

/// Keeps the books of an invocation of push or pushRetry: everything that happens is counted here once and told to the
/// observer.
final class PushLedger: Sendable {
    private let observer: any PushObserver
    private let clock: any Clock
    private let startUptimeSeconds: Double
    private let state = Mutex(PushSummary())
    private let known = Mutex<Set<String>>([])

    init(clock: any Clock, observer: any PushObserver) {
        self.clock = clock
        self.observer = observer
        startUptimeSeconds = clock.uptimeSeconds
    }

    func note(_ outcome: PushOutcome, of object: ObjectAddress) {
        switch outcome {
        case .delivered(let receipt):
            delivered(receipt)
        case .marked:
            state.withLock { $0.marked += 1 }
            observer.marked(object)
        case .skipped(let reason):
            state.withLock { $0.skipped[reason.rawValue, default: 0] += 1 }
            observer.skipped(object, because: reason)
        case .unmarked(let receipt, let failure, _):
            delivered(receipt)
            failed(object, failure)
        case .failed(let failure):
            failed(object, failure)
        }
    }

    private func delivered(_ receipt: PushReceipt) {
        state.withLock { state in
            state.delivered += 1
            state.bytes += receipt.sizeBytes
        }
        observer.delivered(receipt)
    }

    private func failed(_ object: ObjectAddress, _ failure: PushFailure) {
        count(subject: object.description, errorClass: failure.reason.rawValue, failure.message)
        observer.failed(object, failure)
    }

    func note(_ ignored: [IncomingEvent.Ignored]) {
        for item in ignored {
            state.withLock { $0.skipped[item.reason.rawValue, default: 0] += 1 }
            observer.ignored(item)
        }
    }

    /// An event that could not be understood. `subject` says where it came from.
    func failed(_ error: EventError, subject: String) {
        count(subject: subject, errorClass: error.reason.rawValue, error.message)
        observer.warning("an event was not understood: \(error.message)", object: nil)
    }

    /// A failure of the connection, which many objects meet: it counts once.
    func failedOnce(_ failure: PushFailure) {
        guard known.withLock({ $0.insert(failure.message).inserted }) else { return }
        failed(failure.message, subject: "connection", errorClass: failure.reason.rawValue)
    }

    /// Something that keeps the whole invocation from its work.
    func failed(_ message: String, subject: String, errorClass: String) {
        count(subject: subject, errorClass: errorClass, message)
        observer.warning("\(subject): \(message)", object: nil)
    }

    /// Counts a failure, and lists it while there is room.
    private func count(subject: String, errorClass: String, _ reason: String) {
        state.withLock { state in
            state.failed += 1
            guard state.failures.count < PushSummary.maximumFailures else { return }
            state.failures.append(PushSummary.Failure(subject: subject, errorClass: errorClass, reason: reason))
        }
    }

    func queued(_ count: Int) { state.withLock { $0.queued += count } }

    func unqueued(_ failure: QueueFailure) {
        state.withLock { $0.unqueued += 1 }
        observer.warning("what failed could not be put on the retry queue: \(failure.message)", object: nil)
    }

    func received(_ count: Int) { state.withLock { $0.received += count } }

    func handedBack(_ count: Int) { state.withLock { $0.handedBack += count } }

    func warning(_ message: String) { observer.warning(message, object: nil) }

    var summary: PushSummary {
        let now = clock.uptimeSeconds
        var summary = state.withLock { $0 }
        summary.durationMilliseconds = Int64((now - startUptimeSeconds) * 1000)
        return summary
    }
}
