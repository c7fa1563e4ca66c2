import Synchronization

/// One request and its response, as the caller's tasks and the I/O thread share it. All of it is behind one lock; the
/// lock is never held while a continuation is resumed or curl is called.
final class Exchange: Sendable {
    let plan: RequestPlan
    /// Asks the caller for the body, when it is a streamed one.
    let pump: SourcePump?
    /// When the total timeout is over, on `IOThread`'s clock.
    let deadlineUptimeSeconds: Double?

    typealias HeadWaiter = CheckedContinuation<Result<ResponseHead, HTTPError>, Never>
    typealias PieceWaiter = CheckedContinuation<Result<[UInt8]?, HTTPError>, Never>

    private struct State {
        var headWaiter: HeadWaiter?
        var pieceWaiter: PieceWaiter?
        /// What has arrived and nobody has asked for.
        var buffered: [UInt8] = []
        /// libcurl has been told to wait until `buffered` is taken.
        var isPaused = false
        var isCancelled = false
        /// Much of the body came in one go, so that more of that kind will.
        var isLong = false
        /// How it ended: set once.
        var end: Result<Void, HTTPError>?
    }

    private let state = Mutex(State())

    init(_ plan: RequestPlan, pump: SourcePump?) {
        self.plan = plan
        self.pump = pump
        let total = plan.limits.totalTimeoutSeconds ?? 0
        deadlineUptimeSeconds = total > 0 ? IOThread.uptimeSeconds() + total : nil
    }

    // MARK: The caller's side

    /// Leaves word whom to tell when the head is here, or the failure.
    func awaitHead(_ waiter: HeadWaiter) {
        state.withLock { $0.headWaiter = waiter }
    }

    /// What a reader of the body finds.
    enum Supply: Sendable {
        /// A piece. When `wasPaused`, the I/O thread must be told to go on.
        case piece([UInt8], wasPaused: Bool)
        /// The end of the body, or why there is none.
        case end(Result<[UInt8]?, HTTPError>)
        /// Nothing yet.
        case nothing
    }

    /// Takes all that has arrived.
    func take() -> Supply { state.withLock { Self.take(&$0) } }

    /// The same; when nothing is there, `waiter` is told as soon as something is.
    func take(orTell waiter: PieceWaiter) -> Supply {
        state.withLock { state in
            let supply = Self.take(&state)
            if case .nothing = supply {
                precondition(state.pieceWaiter == nil, "a response body has one reader at a time")
                state.pieceWaiter = waiter
            }
            return supply
        }
    }

    private static func take(_ state: inout State) -> Supply {
        // Given up, but not ended yet: the reader waits for the end.
        if state.isCancelled, state.end == nil { return .nothing }
        guard state.buffered.isEmpty else {
            defer { (state.buffered, state.isPaused) = ([], false) }
            return .piece(state.buffered, wasPaused: state.isPaused)
        }
        guard let end = state.end else { return .nothing }
        return .end(end.map { nil })
    }

    /// Marks it as given up. Returns whether there is something to end: the I/O thread must then be told.
    func cancel() -> Bool {
        state.withLock { state in
            guard state.end == nil, !state.isCancelled else { return false }
            state.isCancelled = true
            return true
        }
    }

    // MARK: The I/O thread's side

    /// Whether its caller has given it up.
    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Hands the head to the caller.
    func headArrived(_ head: ResponseHead) {
        let waiter = state.withLock { state in
            defer { state.headWaiter = nil }
            return state.headWaiter
        }
        waiter?.resume(returning: .success(head))
    }

    /// Takes a piece of the body, or refuses it when that would go over `limitBytes`: the transfer must then pause
    /// until the reader has taken what is here.
    func bodyArrived(_ bytes: UnsafeRawBufferPointer, limitBytes: Int) -> Bool {
        state.withLock { state in
            guard state.buffered.isEmpty || state.buffered.count + bytes.count <= limitBytes else {
                state.isPaused = true
                return false
            }
            // A body that goes on gets its room at once: growing by doubling would copy it once more.
            if state.buffered.isEmpty, state.isLong { state.buffered.reserveCapacity(limitBytes) }
            state.buffered.append(contentsOf: bytes)
            state.isLong = state.isLong || state.buffered.count > limitBytes / 4
            return true
        }
    }

    /// Hands a waiting reader what is here. Apart from `bodyArrived`, so that it gets all that one round of the loop has
    /// brought. Returns whether the transfer had paused and may now go on.
    func wakeReader() -> Bool {
        let (waiter, piece, wasPaused) = state.withLock { state in
            guard let waiter = state.pieceWaiter, !state.buffered.isEmpty, !state.isCancelled else {
                return (PieceWaiter?.none, [UInt8](), false)
            }
            defer { (state.pieceWaiter, state.buffered, state.isPaused) = (nil, [], false) }
            return (waiter, state.buffered, state.isPaused)
        }
        waiter?.resume(returning: .success(piece))
        return wasPaused
    }

    /// Tells everybody that it is over. What has arrived before can still be read, unless the caller gave it up.
    func finish(_ result: Result<Void, HTTPError>) {
        pump?.close()
        _ = wakeReader()
        let waiters = state.withLock { state in
            defer { (state.headWaiter, state.pieceWaiter) = (nil, nil) }
            if state.end == nil { state.end = result }
            if state.isCancelled { state.buffered = [] }
            return (state.headWaiter, state.pieceWaiter)
        }
        if case .failure(let error) = result { waiters.0?.resume(returning: .failure(error)) }
        waiters.1?.resume(returning: result.map { nil })
    }
}
