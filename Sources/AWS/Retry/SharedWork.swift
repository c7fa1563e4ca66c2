import Synchronization

/// Work whose outcome all share who ask for it while it is under way.
///
/// Each waits for as long as it likes: who is cancelled, or has no more time, leaves at once and takes the work from
/// nobody. When the last one has left, the work is cancelled.
package final class SharedWork<Value: Sendable, Failure: Error>: Sendable {
    /// What asking came to.
    package enum Answer: Sendable {
        /// The work's outcome.
        case done(Result<Value, Failure>)
        /// The task that asked was cancelled.
        case cancelled
        /// The time of who asked is up.
        case late
    }

    /// Work that fails because the time of another was up is begun again, once, by who has more time.
    private static var maximumRounds: Int { 2 }

    private let clock: AWSClock
    private let current = Mutex<SharedRun<Result<Value, Failure>>?>(nil)

    /// Makes it; nothing is begun.
    package init(clock: AWSClock) { self.clock = clock }

    /// The outcome of the work under way, or else of work that is begun here.
    /// - Parameters:
    ///   - deadlineUptimeSeconds: the point on the clock's `uptimeSeconds` at which this caller wants an answer.
    ///   - work: ends by itself at the deadline, which is that of who begins it.
    package func answer(
        deadlineUptimeSeconds: Double?, _ work: @escaping @Sendable () async -> Result<Value, Failure>
    ) async -> Answer {
        var round = 1
        while true {
            let (run, place) = join(mayShare: round == 1, deadlineUptimeSeconds, work)
            let waited = await run.wait(place, untilUptimeSeconds: deadlineUptimeSeconds)
            // However the wait ended: an outcome is for those who asked while the work was under way.
            current.withLock { if $0 === run, run.isOver { $0 = nil } }
            guard case .done(let result) = waited else { return waited.isLate ? .late : .cancelled }
            if case .success = result { return .done(result) }
            guard round < Self.maximumRounds, hasEnded(run, before: deadlineUptimeSeconds) else { return .done(result) }
            round += 1
        }
    }

    /// Whether work is under way that who asks now would share.
    var isUnderWay: Bool { current.withLock { $0 != nil } }

    /// How many wait for the work under way.
    var waiterCount: Int { current.withLock { $0?.waiterCount ?? 0 } }

    /// Lets go of the work under way: who asked for it gets its outcome, who asks from now on does not.
    package func forget() { current.withLock { $0 = nil } }

    private func join(
        mayShare: Bool, _ deadline: Double?, _ work: @escaping @Sendable () async -> Result<Value, Failure>
    ) -> (SharedRun<Result<Value, Failure>>, SharedRun<Result<Value, Failure>>.Place) {
        current.withLock { current in
            if mayShare, let current, let place = current.join() { return (current, place) }
            let run = SharedRun<Result<Value, Failure>>(deadlineUptimeSeconds: deadline, clock: clock)
            current = run
            return (run, run.begin(work))
        }
    }

    /// Whether the time of who began the run is up, while who asks has more.
    private func hasEnded(_ run: SharedRun<Result<Value, Failure>>, before deadline: Double?) -> Bool {
        guard let end = run.deadlineUptimeSeconds, end < deadline ?? .infinity else { return false }
        return clock.uptimeSeconds() >= end - ServiceClient.minimumAttemptSeconds
    }
}

/// One run of shared work, with a seat for everybody who waits for it.
private final class SharedRun<Outcome: Sendable>: Sendable {
    /// What waiting came to.
    enum Waited: Sendable {
        /// The work's outcome.
        case done(Outcome)
        /// The task that waited was cancelled.
        case cancelled
        /// The time of who waited is up.
        case late

        var isLate: Bool { if case .late = self { true } else { false } }
    }

    /// A place among those who wait; good for one `wait`.
    struct Place: Sendable, Hashable {
        fileprivate let number: Int
    }

    private enum Seat {
        /// Joined, and not waiting yet.
        case taken
        case waiting(CheckedContinuation<Waited, Never>)
        /// Left before it waited.
        case left(Waited)
    }

    private struct State {
        var outcome: Outcome?
        var isAbandoned = false
        var seats: [Int: Seat] = [:]
        var nextNumber = 0
        var task: Task<Void, Never>?

        /// Whether somebody still wants the outcome.
        var isWanted: Bool {
            seats.values.contains { seat in if case .left = seat { false } else { true } }
        }

        mutating func takePlace() -> Place {
            defer { nextNumber += 1 }
            seats[nextNumber] = .taken
            return Place(number: nextNumber)
        }
    }

    /// The point on the clock's `uptimeSeconds` at which the work ends by itself; nil when it has none.
    let deadlineUptimeSeconds: Double?
    private let clock: AWSClock
    private let state = Mutex(State())

    /// Describes work; `begin` begins it.
    init(deadlineUptimeSeconds: Double?, clock: AWSClock) {
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.clock = clock
    }

    /// Begins the work, and takes a place for who begins it. To be called once, before any `join`.
    func begin(_ work: @escaping @Sendable () async -> Outcome) -> Place {
        let place = state.withLock { $0.takePlace() }
        let task = Task { self.finish(await work()) }
        state.withLock { $0.task = task }
        return place
    }

    var waiterCount: Int {
        state.withLock { $0.seats.values.count { seat in if case .waiting = seat { true } else { false } } }
    }

    /// Whether the outcome is there, or nobody is left who wants it.
    var isOver: Bool { state.withLock { $0.isAbandoned || $0.outcome != nil } }

    /// A place among those who wait; nil when the work has been abandoned.
    func join() -> Place? {
        state.withLock { $0.isAbandoned ? nil : $0.takePlace() }
    }

    /// Waits for the outcome until then. The deadline is watched only when it comes before the work's own.
    func wait(_ place: Place, untilUptimeSeconds deadline: Double? = nil) async -> Waited {
        var alarm: Task<Void, Never>?
        if let deadline, deadline < deadlineUptimeSeconds ?? .infinity {
            alarm = Task { [clock] in
                do { try await clock.sleep(max(0, deadline - clock.uptimeSeconds())) } catch {
                    // Cancelled: the wait is over.
                    return
                }
                self.leave(place, .late)
            }
        }
        defer { alarm?.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { sit($0, at: place) }
        } onCancel: {
            leave(place, .cancelled)
        }
    }

    private func sit(_ continuation: CheckedContinuation<Waited, Never>, at place: Place) {
        let waited: Waited? = state.withLock { state in
            if case .left(let why) = state.seats[place.number] {
                state.seats[place.number] = nil
                return why
            }
            if let outcome = state.outcome {
                state.seats[place.number] = nil
                return .done(outcome)
            }
            state.seats[place.number] = .waiting(continuation)
            return nil
        }
        if let waited { continuation.resume(returning: waited) }
    }

    private func leave(_ place: Place, _ why: Waited) {
        let (continuation, task) = state.withLock {
            state -> (CheckedContinuation<Waited, Never>?, Task<Void, Never>?) in
            guard let seat = state.seats[place.number] else { return (nil, nil) }
            var continuation: CheckedContinuation<Waited, Never>?
            switch seat {
            case .left: return (nil, nil)
            case .taken: state.seats[place.number] = .left(why)
            case .waiting(let waiting):
                continuation = waiting
                state.seats[place.number] = nil
            }
            guard !state.isWanted, state.outcome == nil else { return (continuation, nil) }
            state.isAbandoned = true
            return (continuation, state.task)
        }
        continuation?.resume(returning: why)
        task?.cancel()
    }

    private func finish(_ outcome: Outcome) {
        let waiting = state.withLock { state -> [CheckedContinuation<Waited, Never>] in
            state.outcome = outcome
            let waiting = state.seats.values.compactMap { seat in
                if case .waiting(let continuation) = seat { continuation } else { nil }
            }
            state.seats = state.seats.filter { _, seat in if case .waiting = seat { false } else { true } }
            return waiting
        }
        for continuation in waiting { continuation.resume(returning: .done(outcome)) }
    }
}
