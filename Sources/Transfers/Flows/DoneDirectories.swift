import Synchronization

/// The directories that have a `.done`, remembered for the purge and bounded in bytes. Where there are more, chance
/// decides which of them are kept, every one with the same chance: each run comes to others.
final class DoneDirectories: Sendable {
    private struct State {
        var kept: [SourceDirectory] = []
        var keptBytes = 0
        var seenCount = 0
    }

    private let limitBytes: Int
    /// A number from 0 up to, and without, the argument.
    private let random: @Sendable (Int) -> Int
    private let state = Mutex(State())

    init(limitBytes: Int, random: @escaping @Sendable (Int) -> Int) {
        self.limitBytes = limitBytes
        self.random = random
    }

    func add(_ directory: SourceDirectory) {
        state.withLock { state in
            state.seenCount += 1
            if state.keptBytes + directory.costBytes > limitBytes {
                // Reservoir sampling: the n-th takes the place of another with a chance of kept / n.
                guard random(state.seenCount) < state.kept.count else { return }
                while !state.kept.isEmpty, state.keptBytes + directory.costBytes > limitBytes {
                    state.kept.swapAt(random(state.kept.count), state.kept.count - 1)
                    state.keptBytes -= state.kept.removeLast().costBytes
                }
                guard state.keptBytes + directory.costBytes <= limitBytes else { return }
            }
            state.kept.append(directory)
            state.keptBytes += directory.costBytes
        }
    }

    /// Those that were kept, in an order that chance decides, since the time may not be enough for all of them; and how
    /// many were not.
    func drawn() -> (kept: [SourceDirectory], droppedCount: Int) {
        state.withLock { state in
            for end in state.kept.indices.reversed() { state.kept.swapAt(end, random(end + 1)) }
            return (state.kept, state.seenCount - state.kept.count)
        }
    }
}
