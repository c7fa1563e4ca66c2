import Synchronization
public import Transfers

/// A clock that stands still until a test moves it.
public final class ManualClock: Clock {
    private struct State {
        var now: UnixTime
        var uptimeSeconds: Double
        var waiting: [Int: (untilUptimeSeconds: Double, continuation: CheckedContinuation<Void, Never>)] = [:]
        var nextNumber = 0
        var cancelled: Set<Int> = []
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

    /// Lets whole seconds pass, and wakes who has waited long enough.
    public func advance(seconds: Int64) {
        let woken = state.withLock { state in
            state.now = state.now + seconds
            state.uptimeSeconds += Double(seconds)
            let due = state.waiting.filter { $0.value.untilUptimeSeconds <= state.uptimeSeconds }
            for number in due.keys { state.waiting[number] = nil }
            return due.sorted { $0.key < $1.key }.map(\.value.continuation)
        }
        for continuation in woken { continuation.resume() }
    }

    /// How many wait.
    public var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// When the first of those who wait is due; nil when nobody waits.
    public var nextDueUptimeSeconds: Double? {
        state.withLock { $0.waiting.values.map(\.untilUptimeSeconds).min() }
    }

    /// See `Clock`.
    public func wait(untilUptimeSeconds time: Double) async {
        let number = state.withLock { state in
            defer { state.nextNumber += 1 }
            return state.nextNumber
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.uptimeSeconds >= time || state.cancelled.remove(number) != nil { return true }
                    state.waiting[number] = (time, continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                let waiter = state.waiting.removeValue(forKey: number)
                if waiter == nil { state.cancelled.insert(number) }
                return waiter
            }
            waiter?.continuation.resume()
        }
    }

    /// Sets the time of day alone.
    public func set(now: UnixTime) { state.withLock { $0.now = now } }
}
