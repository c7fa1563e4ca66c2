import Synchronization

/// The bytes that may be in flight at once in an invocation (decision 4).
///
/// Whoever moves a piece reserves all of it before the first byte is asked for, and releases it when the store has
/// confirmed it. Nobody holds a reservation while waiting for another one, and whoever takes turns besides takes them in
/// the order that `OpenHandles` names, so there is no deadlock. The first to ask
/// is the first to get: a large piece is not starved by small ones.
public final class ByteBudget: Sendable {
    /// The size of the budget.
    public let totalBytes: Int

    private struct State {
        var freeBytes: Int
        var waiting: [Waiter] = []
        /// Where the queue begins in `waiting`; what stands before is spent.
        var head = 0
    }

    private struct Waiter {
        let bytes: Int
        let continuation: CheckedContinuation<Void, Never>
    }

    private let state: Mutex<State>
    /// How many spent waiters may stand in the queue before they are dropped.
    private static let compactionLimit = 256

    /// Makes a budget. It should hold at least one piece.
    public init(totalBytes: Int) {
        precondition(totalBytes > 0, "a budget of nothing moves nothing")
        self.totalBytes = totalBytes
        state = Mutex(State(freeBytes: totalBytes))
    }

    /// Waits for its turn and for so many bytes. More than the whole budget is the whole budget: a piece larger than
    /// it is moved alone. A cancelled task still waits for its turn, which comes soon, since those before it are
    /// cancelled too.
    /// - Returns: what to hand to `release`.
    public func reserve(_ bytes: Int) async -> Int {
        let bytes = min(max(bytes, 0), totalBytes)
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.head == state.waiting.count, state.freeBytes >= bytes else {
                    state.waiting.append(Waiter(bytes: bytes, continuation: continuation))
                    return false
                }
                state.freeBytes -= bytes
                return true
            }
            if isFree { continuation.resume() }
        }
        return bytes
    }

    /// Gives reserved bytes back.
    public func release(_ bytes: Int) {
        let served = state.withLock { state in
            state.freeBytes += bytes
            precondition(state.freeBytes <= totalBytes, "more was released than reserved")
            var served: [Waiter] = []
            while state.head < state.waiting.count, state.waiting[state.head].bytes <= state.freeBytes {
                state.freeBytes -= state.waiting[state.head].bytes
                served.append(state.waiting[state.head])
                state.head += 1
            }
            if state.head == state.waiting.count || state.head >= Self.compactionLimit {
                state.waiting.removeFirst(state.head)
                state.head = 0
            }
            return served
        }
        for waiter in served { waiter.continuation.resume() }
    }
}
