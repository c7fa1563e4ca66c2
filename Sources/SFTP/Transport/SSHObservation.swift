import Synchronization

/// Sees a connection while it is made, also one that fails: how far it came, how long each step took, and what the server
/// has shown until then. For who looks for a cause; of one attempt at a time.
public final class SSHObservation: Sendable {
    /// A step that was begun, and how long it took.
    public struct TimedStep: Hashable, Sendable {
        /// The step.
        public var step: SFTPError.Step
        /// From its beginning to that of the next one, or to the end.
        public var seconds: Double
    }

    private struct State {
        var info = SSHSessionInfo()
        var addresses: [String] = []
        var steps: [TimedStep] = []
        var current: (step: SFTPError.Step, began: ContinuousClock.Instant)?
    }

    private let state = Mutex(State())

    /// Makes an observation of nothing yet.
    public init() {}

    /// What the server has shown until now.
    public var info: SSHSessionInfo { state.withLock { $0.info } }

    /// The addresses that the name has; those of the proxy, where there is one.
    public var addresses: [String] { state.withLock { $0.addresses } }

    /// The steps that have been left, in their order. Where the attempt has failed, the last one is where it did.
    public var steps: [TimedStep] { state.withLock { $0.steps } }

    /// Ends the step that is under way. To be called when the attempt is over, with or without a connection.
    public func finish() { state.withLock { Self.leave(&$0) } }

    /// A step begins, and the one before it is over. The first one, `resolve`, begins a new attempt.
    func begin(_ step: SFTPError.Step) {
        state.withLock { state in
            if step == .resolve { state = State() }
            Self.leave(&state)
            state.current = (step, .now)
        }
    }

    /// The name has been looked up.
    func note(addresses: [SocketAddress]) { state.withLock { $0.addresses = addresses.map(\.description) } }

    /// What is known by now.
    func note(_ info: SSHSessionInfo) { state.withLock { $0.info = info } }

    private static func leave(_ state: inout State) {
        guard let (step, began) = state.current else { return }
        state.steps.append(TimedStep(step: step, seconds: began.duration(to: .now) / .seconds(1)))
        state.current = nil
    }
}
