import Synchronization
public import Transfers

/// A clock that stands still until a test moves it.
public final class ManualClock: Clock {
    private struct State {
        var now: UnixTime
        var uptimeSeconds: Double
    }

    private let state: Mutex<State>

    /// Makes a clock.
    public init(now: UnixTime = UnixTime(seconds: 1_750_000_000), uptimeSeconds: Double = 1000) {
        state = Mutex(State(now: now, uptimeSeconds: uptimeSeconds))
    }

    /// The time of day.
    public var now: UnixTime { state.withLock { $0.now } }

    /// Seconds on a clock that only runs forward.
    public var uptimeSeconds: Double { state.withLock { $0.uptimeSeconds } }

    /// Lets whole seconds pass.
    public func advance(seconds: Int64) {
        state.withLock { state in
            state.now = state.now + seconds
            state.uptimeSeconds += Double(seconds)
        }
    }

    /// Sets the time of day alone.
    public func set(now: UnixTime) { state.withLock { $0.now = now } }
}
