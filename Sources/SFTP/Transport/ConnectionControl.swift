import Synchronization

/// What an I/O thread shares with the rest of the program: the wish to end, the answer to who waits for the
/// connection, and the news that the thread is gone.
final class ConnectionControl: Sendable {
    /// Ends the thread's sleep.
    let wakeUp: WakeUp

    private let isCloseRequestedFlag = Atomic<Bool>(false)
    private let state = Mutex(State())

    private struct State {
        var opener: CheckedContinuation<Result<SSHSessionInfo, SFTPError>, Never>?
        var closers: [CheckedContinuation<Void, Never>] = []
        var isFinished = false
    }

    init(wakeUp: WakeUp) { self.wakeUp = wakeUp }

    // MARK: The I/O thread's side

    /// Whether the connection is to end.
    var isCloseRequested: Bool { isCloseRequestedFlag.load(ordering: .sequentiallyConsistent) }

    /// - Throws: `SFTPError` when the connection is to end.
    func check(_ step: SFTPError.Step) throws(SFTPError) {
        if isCloseRequested { throw SFTPError(step, .cancelled, "the connection was given up while it was opened") }
    }

    /// Answers who waits for the connection. Further answers go nowhere.
    func opened(_ result: Result<SSHSessionInfo, SFTPError>) {
        let opener = state.withLock { state in
            defer { state.opener = nil }
            return state.opener
        }
        opener?.resume(returning: result)
    }

    /// The last thing that the thread says: every descriptor but the wake-up is closed, and that follows here.
    func finished() {
        wakeUp.close()
        let closers = state.withLock { state in
            state.isFinished = true
            defer { state.closers = [] }
            return state.closers
        }
        for closer in closers { closer.resume() }
    }

    // MARK: The other side

    /// Asks for the end, and does not wait for it.
    func requestClose() {
        isCloseRequestedFlag.store(true, ordering: .sequentiallyConsistent)
        wakeUp.wake()
    }

    /// Returns when the thread is gone.
    func waitUntilFinished() async {
        await withCheckedContinuation { closer in
            let isFinished = state.withLock { state in
                if !state.isFinished { state.closers.append(closer) }
                return state.isFinished
            }
            if isFinished { closer.resume() }
        }
    }

    /// Says who is to hear of the connection. Before the thread starts.
    func await(_ opener: CheckedContinuation<Result<SSHSessionInfo, SFTPError>, Never>) {
        state.withLock { $0.opener = opener }
    }
}
