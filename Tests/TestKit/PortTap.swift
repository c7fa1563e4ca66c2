import Synchronization
public import Transfers

/// A place where a test reaches into every operation of the in-memory ports: to look, to act as the partner in
/// between, to hold the operation up, to let it fail, to cut the connection or to end the whole process.
///
/// One tap can serve several ports; it numbers their calls in the order in which they come.
public final class PortTap: Sendable {
    /// Which side of the operation's effect the call stands at.
    public enum Moment: String, Sendable {
        /// The operation has been asked for and has had no effect.
        case before
        /// The operation has had its effect, and the answer is not there yet.
        case after
    }

    /// One call of a port, at one of its moments.
    public struct Call: Sendable, CustomStringConvertible {
        /// Counts all calls of the tap from 0.
        public let index: Int
        /// Before or after the effect.
        public let moment: Moment
        /// The port and the operation, such as `remote.openFile` or `store.put`.
        public let operation: String
        /// The path or the key, as text for people.
        public let path: String

        /// What a failing test prints.
        public var description: String { "#\(index) \(moment.rawValue) \(operation) \(path)" }
    }

    /// What becomes of the operation.
    public enum Verdict: Sendable {
        /// It goes on.
        case proceed
        /// It fails, with `.failed` on the partner's server and `.unavailable` in the store and the queue.
        case fail
        /// It fails so on the partner's server; elsewhere it goes on.
        case failRemote(RemoteFailure.Reason)
        /// It fails so in the store; elsewhere it goes on.
        case failStore(StoreFailure.Reason)
        /// It fails so in the queue; elsewhere it goes on.
        case failQueue(QueueFailure.Reason)
        /// The connection to the partner's server is lost for good; elsewhere an operation goes on.
        case disconnect
        /// The process ends here: no call through this tap has any effect from now on.
        case crash
    }

    private struct State {
        var count = 0
        var isDead = false
    }

    private let state = Mutex(State())
    private let handler: @Sendable (Call) async -> Verdict

    /// Makes a tap.
    public init(_ handler: @escaping @Sendable (Call) async -> Verdict = { _ in .proceed }) {
        self.handler = handler
    }

    /// How many calls came.
    public var count: Int { state.withLock { $0.count } }

    /// Whether a verdict was `crash`.
    public var isDead: Bool { state.withLock { $0.isDead } }

    /// Called by the ports, and by tests for steps of their own.
    public func pass(_ moment: Moment, _ operation: String, _ path: String) async -> Verdict {
        let index: Int? = state.withLock { state in
            guard !state.isDead else { return nil }
            defer { state.count += 1 }
            return state.count
        }
        guard let index else { return .crash }
        let verdict = await handler(Call(index: index, moment: moment, operation: operation, path: path))
        return state.withLock { state in
            if case .crash = verdict { state.isDead = true }
            return state.isDead ? .crash : verdict
        }
    }
}

/// Holds tasks up until a test lets them go.
public final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Makes a closed gate.
    public init() {}

    /// How many tasks wait.
    public var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Returns when the gate is open. Cancellation does not open it.
    public func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    /// Opens the gate for good.
    public func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// Counts bytes that somebody holds, and remembers the most.
public final class ByteGauge: Sendable {
    private struct State {
        var current = 0
        var most = 0
    }

    private let state = Mutex(State())

    /// Makes a gauge that stands at 0.
    public init() {}

    /// The bytes held now.
    public var current: Int { state.withLock { $0.current } }

    /// The most bytes that were ever held.
    public var most: Int { state.withLock { $0.most } }

    /// Counts bytes in, or out when negative.
    public func add(_ countBytes: Int) {
        state.withLock { state in
            state.current += countBytes
            state.most = max(state.most, state.current)
        }
    }
}
