import Synchronization

/// The turns in which files and directories are opened, so that no more handles are open than the server bears.
///
/// Who has a turn may open one handle; the turn ends when that is closed. Listings get a share of the turns, so that
/// files never go without: a listing that waits for the queue of files then always goes on. Where there is but one
/// turn, or listings have got them all, no file can go on: this is told, and nobody may wait for files until it is over.
///
/// First comes the turn of a large file, then one of these, then the reservation of bytes, then the turn to be read
/// (`FileTransfer.beingStored`): always in this order, so nobody waits in a circle. Those who wait are tasks of a bounded
/// number of workers, and they get their turns even when they are cancelled.
///
/// What is refused beside other handles is tried again in a turn of its own, before others, and once more when it is as
/// good as alone: no file is open, and fewer listings than the server has borne handles. Nobody is held up for this: it
/// comes when the others have ended by themselves, at the latest when there are no more files.
final class OpenHandles: Sendable {
    /// What a turn is for.
    enum Kind: Sendable {
        case file
        case listing
        /// A listing inside another one, which stays open meanwhile. It waits for files, and never for listings.
        case innerListing
    }

    /// The right to open one handle.
    struct Turn: Sendable {
        fileprivate let kind: Kind
        /// How it was refused before.
        fileprivate let refusal: HandleRefusal?
        /// What is said of it when it is not opened in this turn for want of time; nil when it then is as if it had
        /// never been tried. Once refused, it is likely that the others were too many.
        var untriedAlone: RemoteFailure? { isAlone ? refusal?.untriedAlone : nil }
        /// While this turn opens, no other file or directory is being opened, and no file is open.
        fileprivate var isAlone: Bool { (refusal?.count ?? 0) >= OpenHandles.refusalsBeforeAlone }
    }

    /// What opening came to. The turn is over unless it is `opened`.
    enum Attempt<Handle: Sendable>: Sendable {
        case opened(Handle)
        /// To be tried again: the refusal is to be handed to the next `turn`.
        case refused(HandleRefusal)
        case failed(RemoteFailure)
    }

    private struct Waiter {
        let kind: Kind
        let refusal: HandleRefusal?
        let continuation: CheckedContinuation<Turn?, Never>
    }

    private struct State {
        var limit = HandleLimit()
        /// The turns that are given.
        var files = 0
        var outerListings = 0
        var innerListings = 0
        /// The handles that are open in them, and those of them that are being closed: the server may have done so.
        var openCount = 0
        var closingCount = 0
        /// Whether one of the turns was given to try something alone, and it has not been tried yet.
        var isAlone = false
        var areFilesHeldUp = false
        var newcomers: [Waiter] = []
        /// Refused once.
        var again: [Waiter] = []
        /// Refused twice.
        var alone: [Waiter] = []

        var listings: Int { outerListings + innerListings }
        var turns: Int { files + listings }
        var notClosed: Int { openCount + closingCount }

        mutating func count(_ kind: Kind, _ difference: Int) {
            switch kind {
            case .file: files += difference
            case .listing: outerListings += difference
            case .innerListing: innerListings += difference
            }
            precondition(files >= 0 && outerListings >= 0 && innerListings >= 0, "no turn ends that did not begin")
        }

        /// Whether files wait, and none has a turn.
        var hasOnlyWaitingFiles: Bool {
            files == 0 && !isAlone && (first(.file) != nil || alone.contains { $0.kind == .file })
        }

        /// The first who waits for this kind of turn, but not to be alone.
        func first(_ kind: Kind) -> Waiter? {
            again.first { $0.kind == kind } ?? newcomers.first { $0.kind == kind }
        }

        /// Takes it out.
        mutating func take(_ kind: Kind) -> Waiter? {
            if let index = again.firstIndex(where: { $0.kind == kind }) { return again.remove(at: index) }
            if let index = newcomers.firstIndex(where: { $0.kind == kind }) { return newcomers.remove(at: index) }
            return nil
        }
    }

    /// Refused so often, it is tried alone.
    private static let refusalsBeforeAlone = 2

    private let files: any RemoteFiles
    private let plan: PullPlan
    private let noteFilesHeldUp: @Sendable (Bool) -> Void
    private let state = Mutex(State())

    /// Makes the turns.
    /// - Parameter noteFilesHeldUp: told whenever it may have changed whether all files wait for listings to end. Must
    ///   not come back to this object.
    init(_ files: any RemoteFiles, plan: PullPlan, noteFilesHeldUp: @escaping @Sendable (Bool) -> Void) {
        self.files = files
        self.plan = plan
        self.noteFilesHeldUp = noteFilesHeldUp
    }

    /// How many handles may be open, as the server has said or shown; nil when it has done neither.
    var limit: Int? {
        let learned = state.withLock { $0.limit.learned }
        let limit = min(learned, files.maximumOpenHandles ?? .max)
        return limit == .max ? nil : max(1, limit)
    }

    // MARK: Turns

    /// Waits for a turn; first come, first served, and those who come again first.
    /// - Returns: nil only for an inner listing: other listings have all the turns there are.
    func turn(_ kind: Kind, after refusal: HandleRefusal? = nil) async -> Turn? {
        await withCheckedContinuation { continuation in
            change { state in
                let waiter = Waiter(kind: kind, refusal: refusal, continuation: continuation)
                guard let refusal else { return state.newcomers.append(waiter) }
                guard refusal.count < Self.refusalsBeforeAlone else { return state.alone.append(waiter) }
                state.limit.suspect(refusal)
                state.again.append(waiter)
            }
        }
    }

    /// Ends a turn in which nothing was opened.
    func end(_ turn: Turn) {
        change { end(turn, in: &$0) }
    }

    private func end(_ turn: Turn, in state: inout State) {
        state.count(turn.kind, -1)
        tried(turn, in: &state)
    }

    /// What a turn was given for has been tried, or will not be.
    private func tried(_ turn: Turn, in state: inout State) {
        guard turn.refusal != nil else { return }
        if turn.isAlone { state.isAlone = false } else { state.limit.triedAgain() }
    }

    private func change<Value>(_ body: (inout State) -> Value) -> Value {
        let (value, answers) = state.withLock { state in
            let value = body(&state)
            var answers: [(CheckedContinuation<Turn?, Never>, Turn?)] = []
            while let (waiter, turn) = next(&state) {
                if turn != nil { state.count(waiter.kind, 1) }
                answers.append((waiter.continuation, turn))
            }
            if state.areFilesHeldUp != state.hasOnlyWaitingFiles {
                state.areFilesHeldUp.toggle()
                noteFilesHeldUp(state.areFilesHeldUp)
            }
            return (value, answers)
        }
        for (continuation, turn) in answers { continuation.resume(returning: turn) }
        return value
    }

    /// Takes out the next one that gets its answer.
    private func next(_ state: inout State) -> (Waiter, Turn?)? {
        guard !state.isAlone else { return nil }
        if !state.alone.isEmpty, state.files == 0, state.listings < max(1, state.limit.borne) {
            state.isAlone = true
            return granted(state.alone.removeFirst())
        }
        let known = max(1, min(state.limit.learned, files.maximumOpenHandles ?? .max))
        let now = min(known, state.limit.now)
        if let inner = state.first(.innerListing) {
            let limit = inner.refusal == nil ? known : now
            if state.turns < limit { return granted(state.take(.innerListing)) }
            if state.listings >= limit { return refused(state.take(.innerListing), in: &state) }
        }
        // Where there is one turn, what has been listed is taken before more is listed.
        let isForFiles = now == 1 && state.first(.file) != nil
        let mostListings = plan.maximumOpenDirectories(handles: known == .max ? nil : known)
        if !isForFiles, state.turns < now, state.outerListings < mostListings, state.first(.listing) != nil {
            return granted(state.take(.listing))
        }
        // A suspicion lets one file at a time be tried beside the listings: if one was broken, others show it.
        return state.turns < min(known, max(now, state.listings + 1)) ? granted(state.take(.file)) : nil
    }

    private func refused(_ waiter: Waiter?, in state: inout State) -> (Waiter, Turn?)? {
        if waiter?.refusal != nil { state.limit.triedAgain() }
        return waiter.map { ($0, nil) }
    }

    private func granted(_ waiter: Waiter?) -> (Waiter, Turn?)? {
        waiter.map { ($0, Turn(kind: $0.kind, refusal: $0.refusal)) }
    }

    // MARK: Opening

    /// Opens a file in a turn. It must be closed.
    func openFile(
        _ turn: Turn, _ path: RemotePath, expected: FileVersion
    ) async -> Attempt<any RemoteFileReader> {
        await open(turn) { () throws(RemoteFailure) -> any RemoteFileReader in
            OpenFile(try await files.openFile(path, expected: expected), turn, of: self)
        }
    }

    /// What `openDirectory` came to.
    enum OpenedDirectory: Sendable {
        /// It must be closed.
        case opened(any RemoteListing)
        case failed(RemoteFailure)
        /// It may not be opened any more.
        case stopped
        /// The listings that are open leave no handle for an inner one.
        case noTurn
    }

    /// Opens a directory in its turn, and again when it was refused beside others.
    /// - Parameter mayBegin: whether it may still be opened when its turn has come.
    func openDirectory(
        _ path: RemotePath, _ kind: Kind, while mayBegin: () -> Bool
    ) async -> OpenedDirectory {
        var refusal: HandleRefusal?
        while let turn = await turn(kind, after: refusal) {
            guard mayBegin() else {
                end(turn)
                return turn.untriedAlone.map { .failed($0) } ?? .stopped
            }
            let attempt = await open(turn) { () throws(RemoteFailure) -> any RemoteListing in
                OpenListing(try await files.openDirectory(path), turn, of: self)
            }
            switch attempt {
            case .opened(let listing): return .opened(listing)
            case .failed(let failure): return .failed(failure)
            case .refused(let again): refusal = again
            }
        }
        return .noTurn
    }

    private func open<Handle>(
        _ turn: Turn, _ operation: () async throws(RemoteFailure) -> Handle
    ) async -> Attempt<Handle> {
        let before = state.withLock { (turns: $0.turns, notClosed: $0.notClosed) }
        do {
            let handle = try await operation()
            change { opened(turn, in: &$0) }
            return .opened(handle)
        } catch {
            return change { state in
                // The server answered at some time in between.
                let isBesideOthers = max(before.turns, state.turns) > 1
                let refusal = HandleRefusal(
                    failure: error, others: max(1, before.notClosed, state.notClosed), learned: state.limit.learned,
                    count: (turn.refusal?.count ?? 0) + 1)
                end(turn, in: &state)
                guard error.reason == .failed, isBesideOthers, !turn.isAlone else { return .failed(error) }
                // The listing around it stays open, so it is never alone.
                let isNeverAlone = turn.kind == .innerListing && refusal.count >= Self.refusalsBeforeAlone
                return isNeverAlone ? .failed(refusal.untriedAlone) : .refused(refusal)
            }
        }
    }

    private func opened(_ turn: Turn, in state: inout State) {
        state.openCount += 1
        tried(turn, in: &state)
        let isLowered = state.limit.opened(
            openCount: state.openCount, isAtLimit: state.turns >= state.limit.learned, after: turn.refusal)
        guard isLowered else { return }
        // The limit explains why the others were refused: they begin anew within it.
        let explained = state.alone.map { Waiter(kind: $0.kind, refusal: nil, continuation: $0.continuation) }
        state.newcomers.insert(contentsOf: explained, at: 0)
        state.alone = []
    }

    /// Closes what was opened in a turn, and ends the turn when that is done.
    fileprivate func close<Value, Failure: Error>(
        _ turn: Turn, _ body: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        change { state in
            state.openCount -= 1
            state.closingCount += 1
        }
        defer {
            change { state in
                state.closingCount -= 1
                state.count(turn.kind, -1)
            }
        }
        return try await body()
    }
}

/// A file that is open in its turn.
private final class OpenFile: RemoteFileReader {
    private let reader: any RemoteFileReader
    private let handles: OpenHandles
    private let turn: Mutex<OpenHandles.Turn?>

    init(_ reader: any RemoteFileReader, _ turn: OpenHandles.Turn, of handles: OpenHandles) {
        self.reader = reader
        self.turn = Mutex(turn)
        self.handles = handles
    }

    func version() async throws(RemoteFailure) -> FileVersion { try await reader.version() }

    func read(
        from offset: UInt64, countBytes: Int, verifyingEnd: Bool
    ) async throws(RemoteFailure) -> [[UInt8]] {
        try await reader.read(from: offset, countBytes: countBytes, verifyingEnd: verifyingEnd)
    }

    func closeAndMove(to target: RemotePath, settingTime time: UnixTime) async throws(RemoteFailure) -> MovedFile {
        guard let turn = turn.take() else { return try await reader.closeAndMove(to: target, settingTime: time) }
        return try await handles.close(turn) { () throws(RemoteFailure) in
            try await reader.closeAndMove(to: target, settingTime: time)
        }
    }

    func close() async {
        guard let turn = turn.take() else { return }
        await handles.close(turn) { await reader.close() }
    }
}

/// A directory that is open in its turn.
private final class OpenListing: RemoteListing {
    private let listing: any RemoteListing
    private let handles: OpenHandles
    private let turn: Mutex<OpenHandles.Turn?>

    init(_ listing: any RemoteListing, _ turn: OpenHandles.Turn, of handles: OpenHandles) {
        self.listing = listing
        self.turn = Mutex(turn)
        self.handles = handles
    }

    func next() async throws(RemoteFailure) -> [RemoteEntry]? { try await listing.next() }

    func close() async {
        guard let turn = turn.take() else { return }
        await handles.close(turn) { await listing.close() }
    }
}

extension Mutex where Value == OpenHandles.Turn? {
    /// The turn, for who closes first.
    fileprivate borrowing func take() -> OpenHandles.Turn? {
        withLock { turn in
            defer { turn = nil }
            return turn
        }
    }
}
