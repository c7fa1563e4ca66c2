import Synchronization

/// The directories that wait to be listed, the last found first, bounded in bytes however wide the tree is.
///
/// A deeper directory may fill more of the stack than a shallower one: one huge directory leaves room for all that its
/// subdirectories hold. Who finds a directory that has no room any more makes room: it lists another one, with the
/// listing that it is at still open. That costs handles, so one at a time may do so, to a small depth where the stack
/// overflows again and again; the others wait for room or for their turn. Whoever has the turn never waits here, so it
/// always comes to its end, and so do those who wait.
final class DirectoryStack: Sendable {
    /// What becomes of a directory that a listing has shown.
    enum Placement: Sendable {
        /// It waits here for its turn.
        case waits
        /// There is no room: whoever found it lists this one first, and asks again.
        case listFirst(SourceDirectory)
        /// There can be no room: whoever found it lists it now.
        case listNow
        /// There is no room, and no depth left to make some.
        case left
    }

    private struct State {
        var waiting: [SourceDirectory] = []
        var waitingBytes = 0
        /// Listings that were begun by `next` and have not ended.
        var underWayCount = 0
        /// Whether somebody is making room.
        var isMakingRoom = false
        var takers: [CheckedContinuation<SourceDirectory?, Never>] = []
        var finders: [(SourceDirectory, CheckedContinuation<Placement, Never>)] = []
    }

    /// Answers that are given when the lock is free again.
    private struct Answers {
        var takers: [(CheckedContinuation<SourceDirectory?, Never>, SourceDirectory?)] = []
        var finders: [(CheckedContinuation<Placement, Never>, Placement)] = []

        func give() {
            for (taker, directory) in takers { taker.resume(returning: directory) }
            for (finder, placement) in finders { finder.resume(returning: placement) }
        }
    }

    private let limitBytes: Int
    private let state: Mutex<State>

    /// Makes a stack of one directory.
    init(_ first: SourceDirectory, limitBytes: Int) {
        self.limitBytes = limitBytes
        state = Mutex(State(waiting: [first], waitingBytes: first.costBytes))
    }

    /// A directory to be listed, or nil when all have been. Whoever got one calls `ended` afterwards.
    func next() async -> SourceDirectory? {
        await withCheckedContinuation { continuation in
            change { $0.takers.append(continuation) }
        }
    }

    /// The listing of what `next` gave is over.
    func ended() { change { $0.underWayCount -= 1 } }

    /// Takes in a directory that a listing has shown.
    /// - Parameters:
    ///   - inlineDepth: how many of the listings open from it upwards are making room. At 0, whoever is told
    ///     `listFirst` or `listNow` calls `madeRoom` when that is done.
    ///   - maximumInlineDepth: how many may be; at 0 nobody makes room, or waits for it.
    func place(
        _ directory: SourceDirectory, inlineDepth: Int, maximumInlineDepth: Int
    ) async -> Placement {
        guard inlineDepth > 0 || maximumInlineDepth == 0 else {
            return await withCheckedContinuation { continuation in
                change { $0.finders.append((directory, continuation)) }
            }
        }
        var placement = Placement.left
        change { state in
            if push(directory, in: &state) {
                placement = .waits
            } else if inlineDepth < maximumInlineDepth {
                placement = makeRoom(in: &state)
            }
        }
        return placement
    }

    /// What was to be listed to make room has been.
    func madeRoom() { change { $0.isMakingRoom = false } }

    private func change(_ body: (inout State) -> Void) {
        let answers = state.withLock { state in
            body(&state)
            return proceed(in: &state)
        }
        answers.give()
    }

    /// Lets go on whoever can.
    private func proceed(in state: inout State) -> Answers {
        var answers = Answers()
        var isRoomNew = true
        while isRoomNew {
            // What room is being made is for those who make it: else each listing within theirs finds it taken again.
            if !state.isMakingRoom {
                for index in state.finders.indices.reversed() where push(state.finders[index].0, in: &state) {
                    answers.finders.append((state.finders.remove(at: index).1, .waits))
                }
            }
            isRoomNew = false
            while !state.takers.isEmpty, let directory = pop(from: &state) {
                state.underWayCount += 1
                answers.takers.append((state.takers.removeFirst(), directory))
                isRoomNew = true
            }
        }
        if !state.isMakingRoom && !state.finders.isEmpty {
            state.isMakingRoom = true
            answers.finders.append((state.finders.removeFirst().1, makeRoom(in: &state)))
        }
        if state.waiting.isEmpty && state.underWayCount == 0 {
            for taker in state.takers { answers.takers.append((taker, nil)) }
            state.takers = []
        }
        return answers
    }

    /// Those of depth 1 may fill one half, those of depth 2 three quarters, and so on.
    private func push(_ directory: SourceDirectory, in state: inout State) -> Bool {
        let limitBytes = limitBytes - (limitBytes >> directory.depth)
        guard state.waitingBytes + directory.costBytes <= limitBytes else { return false }
        state.waiting.append(directory)
        state.waitingBytes += directory.costBytes
        return true
    }

    private func pop(from state: inout State) -> SourceDirectory? {
        guard let directory = state.waiting.popLast() else { return nil }
        state.waitingBytes -= directory.costBytes
        return directory
    }

    private func makeRoom(in state: inout State) -> Placement {
        if let directory = pop(from: &state) { .listFirst(directory) } else { .listNow }
    }
}
