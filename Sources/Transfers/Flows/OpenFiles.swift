import Synchronization

/// The turns in which files are opened, so that no more are open than the server bears.
///
/// Who has a turn may open one file; the turn ends when it is closed. Turns come before reservations of the byte budget
/// and after the turn of a large file, always in this order, so nobody waits in a circle. Those who wait are tasks of
/// a bounded number of workers, and they get their turns even when they are cancelled.
final class OpenFiles: Sendable {
    private struct State {
        var turns = 0
        var openFiles = 0
        /// The one turn there is was given to be alone: nobody else gets one meanwhile.
        var isAlone = false
        /// What the server has shown to bear; it never says so itself.
        var shownLimit = Int.max
        var waiting: [CheckedContinuation<Void, Never>] = []
        var waitingAlone: [CheckedContinuation<Void, Never>] = []
    }

    private let files: any RemoteFiles
    private let plan: PullPlan
    private let state = Mutex(State())

    init(_ files: any RemoteFiles, plan: PullPlan) {
        self.files = files
        self.plan = plan
    }

    /// Waits for a turn; first come, first served.
    func waitForTurn() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard !state.isAlone, state.waiting.isEmpty, state.turns < limit(state) else {
                    state.waiting.append(continuation)
                    return false
                }
                state.turns += 1
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    /// Waits until nobody has a turn, and keeps everybody from having one until this one ends. It holds nobody up before:
    /// it comes when the others have ended by themselves, at the latest when there are no more files.
    func waitForTurnAlone() async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                guard state.turns == 0 else {
                    state.waitingAlone.append(continuation)
                    return false
                }
                state.turns = 1
                state.isAlone = true
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    /// Ends a turn in which no file is open.
    func endTurn() {
        let next = state.withLock { state in
            precondition(state.turns > 0, "no turn ends that did not begin")
            state.turns -= 1
            if state.turns == 0 {
                state.isAlone = !state.waitingAlone.isEmpty
                if state.isAlone {
                    state.turns = 1
                    return [state.waitingAlone.removeFirst()]
                }
            }
            let count = min(state.waiting.count, max(0, limit(state) - state.turns))
            defer { state.waiting.removeFirst(count) }
            state.turns += count
            return Array(state.waiting.prefix(count))
        }
        for continuation in next { continuation.resume() }
    }

    private func limit(_ state: State) -> Int {
        min(state.shownLimit, plan.maximumOpenFiles(handles: files.maximumOpenHandles))
    }

    /// Opens a file in a turn. When it fails the turn goes on.
    /// - Throws: `Fault.crowded` when the server only says that it failed, while others are open.
    func open(
        _ path: RemotePath, expected: FileVersion
    ) async throws(FileTransfer.Fault) -> any RemoteFileReader {
        do {
            let reader = try await files.openFile(path, expected: expected)
            state.withLock { $0.openFiles += 1 }
            return OpenFile(reader, in: self)
        } catch {
            let (turns, openFiles) = state.withLock { ($0.turns, $0.openFiles) }
            guard error.reason == .failed, turns > 1 else { throw .remote(error) }
            throw .crowded(error, openFiles: openFiles)
        }
    }

    /// A file could be opened alone that was refused beside so many others: no more than those are opened at once.
    func bears(_ openFiles: Int) {
        state.withLock { $0.shownLimit = min($0.shownLimit, max(1, openFiles)) }
    }

    fileprivate func closed() {
        state.withLock { $0.openFiles -= 1 }
        endTurn()
    }
}

/// A file that is open in its turn.
private final class OpenFile: RemoteFileReader {
    private let reader: any RemoteFileReader
    private let turns: OpenFiles
    private let isClosed = Mutex(false)

    init(_ reader: any RemoteFileReader, in turns: OpenFiles) {
        self.reader = reader
        self.turns = turns
    }

    func version() async throws(RemoteFailure) -> FileVersion { try await reader.version() }

    func read(
        from offset: UInt64, countBytes: Int, verifyingEnd: Bool
    ) async throws(RemoteFailure) -> [[UInt8]] {
        try await reader.read(from: offset, countBytes: countBytes, verifyingEnd: verifyingEnd)
    }

    func closeAndMove(to target: RemotePath, settingTime time: UnixTime) async throws(RemoteFailure) -> MovedFile {
        defer { end() }
        return try await reader.closeAndMove(to: target, settingTime: time)
    }

    func close() async {
        await reader.close()
        end()
    }

    private func end() {
        let isFirst = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return !isClosed
        }
        if isFirst { turns.closed() }
    }
}
