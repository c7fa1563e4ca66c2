import SFTP
import Synchronization
import Transfers

/// A file of the partner's that is open for reading.
final class SFTPFileReader: RemoteFileReader {
    private let files: SFTPRemoteFiles
    private let path: RemotePath
    private let expected: FileVersion
    private let state: Mutex<State>

    private struct State {
        /// Nil once it is closed.
        var handle: SFTPHandle?
        /// Something stood in the way of a move; the next try has nothing to close.
        var mayMoveAgain = false
        /// What the server says of the open file, from the moment it is asked.
        var version: Task<Result<FileVersion, RemoteFailure>, Never>?
        /// From the first read on, where somebody watches.
        var passage: (any ContentPassage)?
    }

    init(files: SFTPRemoteFiles, path: RemotePath, handle: SFTPHandle, expected: FileVersion) {
        self.files = files
        self.path = path
        self.expected = expected
        state = Mutex(State(handle: handle))
    }

    func version() async throws(RemoteFailure) -> FileVersion {
        if Task.isCancelled { throw RemoteFailure(.cancelled, "fstat \(path): cancelled before it was sent") }
        return try await askVersion("fstat").version.value.get()
    }

    /// Asks for the attributes of the open file, once. FSTAT waits for no window, so it goes out before any READ that
    /// is submitted after it, and shares the flight of the first. Its task is never waited for longer than the
    /// connection's own time limit.
    private func askVersion(
        _ operation: String
    ) throws(RemoteFailure) -> (handle: SFTPHandle, version: Task<Result<FileVersion, RemoteFailure>, Never>) {
        let asked: (SFTPHandle, Task<Result<FileVersion, RemoteFailure>, Never>)? = state.withLock { state in
            guard let handle = state.handle else { return nil }
            if let version = state.version { return (handle, version) }
            let flight = files.client.submit([.fstat(handle)])
            let version = Task { await answer(of: flight) }
            state.version = version
            return (handle, version)
        }
        guard let asked else { throw RemoteFailure(.failed, "\(operation) \(path): it is closed") }
        return asked
    }

    private func answer(of flight: SFTPFlight) async -> Result<FileVersion, RemoteFailure> {
        let said: FileVersion
        do {
            said = RemoteAttributes(try await flight.attributes(0)).version
        } catch {
            // A server may refuse FSTAT: then the listing has to do.
            guard case .status = error.reason else { return .failure(RemoteFailure(error)) }
            return .success(expected)
        }
        if let size = said.sizeBytes, let listed = expected.sizeBytes, size != listed {
            let message = "open \(path): it has \(size) bytes now, and had \(listed) when listed"
            return .failure(RemoteFailure(.changed, message))
        }
        return .success(
            FileVersion(
                sizeBytes: said.sizeBytes ?? expected.sizeBytes, modified: said.modified ?? expected.modified))
    }

    func read(
        from offset: UInt64, countBytes: Int, verifyingEnd: Bool
    ) async throws(RemoteFailure) -> [[UInt8]] {
        let (handle, version) = try askVersion("read")
        let counter = counter(from: offset)
        guard verifyingEnd else {
            let pieces: [[UInt8]]
            do throws(SFTPError) {
                pieces = try await files.client.read(
                    handle, from: offset, countBytes: countBytes, counter: counter)
            } catch {
                throw RemoteFailure(error)
            }
            _ = try await version.value.get()
            try checkLength(pieces.reduce(0) { $0 + $1.count }, countBytes, offset)
            return pieces
        }
        let content: SFTPVerifiedContent
        do throws(SFTPError) {
            content = try await files.client.readVerifyingEnd(
                handle, from: offset, countBytes: countBytes, counter: counter)
        } catch {
            throw RemoteFailure(error)
        }
        let before = try await version.value.get()
        try checkLength(content.countBytes, countBytes, offset)
        try checkEnd(content, before)
        return content.pieces
    }

    /// Counts what comes for whoever watches. What lies before the first read has passed in an earlier run.
    private func counter(from offset: UInt64) -> SFTPByteCounter? {
        guard let watch = files.watch else { return nil }
        let passage = state.withLock { state in
            if let passage = state.passage { return passage }
            let passage = watch.begins("\(path)", sizeBytes: expected.sizeBytes, startBytes: offset)
            state.passage = passage
            return passage
        }
        return { passage.passed($0) }
    }

    private func checkLength(_ got: Int, _ wanted: Int, _ offset: UInt64) throws(RemoteFailure) {
        guard got < wanted else { return }
        throw RemoteFailure(.changed, "read \(path): it ends at byte \(offset + UInt64(got)), earlier than listed")
    }

    private func checkEnd(_ content: SFTPVerifiedContent, _ before: FileVersion) throws(RemoteFailure) {
        guard content.endsThere else {
            throw RemoteFailure(.changed, "read \(path): it has become longer than listed")
        }
        // A server may refuse FSTAT: then the look behind the move has to do.
        guard case .success(let attributes) = content.attributes else { return }
        let now = RemoteAttributes(attributes).version
        if let size = now.sizeBytes, let sizeBefore = before.sizeBytes, size != sizeBefore {
            throw RemoteFailure(.changed, "read \(path): it has \(size) bytes now, and had \(sizeBefore) before")
        }
        if let time = now.modified, let timeBefore = before.modified, time != timeBefore {
            throw RemoteFailure(.changed, "read \(path): it was written to while it was read")
        }
    }

    func closeAndMove(to target: RemotePath, settingTime time: UnixTime) async throws(RemoteFailure) -> MovedFile {
        let close: [SFTPRequest]? = state.withLock { state in
            defer { (state.handle, state.mayMoveAgain) = (nil, false) }
            if let handle = state.handle { return [.close(handle)] }
            return state.mayMoveAgain ? [] : nil
        }
        guard let close else { throw RemoteFailure(.failed, "move \(path): it is closed") }
        do throws(SFTPError) {
            if files.canReplace {
                if let moved = try await replacingMove(close, to: target, settingTime: time) { return moved }
                return try await plainMove([], to: target, settingTime: time)
            }
            return try await plainMove(close, to: target, settingTime: time)
        } catch {
            state.withLock { $0.mayMoveAgain = error.reason == .status(.fileAlreadyExists) }
            guard error.reason == .status(.noSuchFile) else { throw RemoteFailure(error) }
            throw try await files.meaning(ofMissing: error, moving: path)
        }
    }

    /// By `posix-rename@openssh.com`; nil when the server does not do that.
    private func replacingMove(
        _ before: [SFTPRequest], to target: RemotePath, settingTime time: UnixTime
    ) async throws(SFTPError) -> MovedFile? {
        let flight = submitMove(before, .posixRename(path.bytes, to: target.bytes), to: target, settingTime: time)
        do {
            _ = try await flight.reply(before.count)
        } catch {
            if !files.answersLate { await restoreTime(of: target, as: flight, seenBy: before.count + 1) }
            guard error.reason == .status(.operationUnsupported) else { throw error }
            files.notePosixRenameRefused()
            return nil
        }
        return try await whatArrived(flight, behind: before.count, at: target, settingTime: time)
    }

    /// For servers without `posix-rename@openssh.com`: by RENAME, which replaces nothing on most of them.
    ///
    /// A look goes ahead. The flight of a move sets the time of what stands at the target, even of a file that makes
    /// the server refuse the move; until that had its own back, another pull would take it for one that was just moved,
    /// or one that was just moved for an older one. Where the look has found nothing, what stands there later has just
    /// come.
    /// - Throws: `.fileAlreadyExists` when something stands there, whatever the server calls it.
    private func plainMove(
        _ before: [SFTPRequest], to target: RemotePath, settingTime time: UnixTime
    ) async throws(SFTPError) -> MovedFile {
        let move = SFTPRequest.rename(path.bytes, to: target.bytes)
        let existing = SFTPError(
            .operation, .status(.fileAlreadyExists), "\(move): something stands there, and RENAME does not replace it")
        let first = try await look(before, at: target)
        if first.target.isThere { throw first.own == .nothing ? gone(move) : existing }
        let flight = submitMove([], move, to: target, settingTime: time)
        do {
            _ = try await flight.reply(0)
        } catch {
            // Servers say that the target exists with a code of its own, or only that it failed.
            guard error.reason == .status(.failure) || error.reason == .status(.fileAlreadyExists) else { throw error }
            let second = try await look([], at: target)
            guard second.own != .nothing else { throw gone(move) }
            throw second.target.isThere ? existing : error
        }
        return try await whatArrived(flight, behind: 0, at: target, settingTime: time)
    }

    /// What stands at the file's own path and at the target.
    private func look(
        _ before: [SFTPRequest], at target: RemotePath
    ) async throws(SFTPError) -> (own: SFTPStanding, target: SFTPStanding) {
        let flight = files.client.submit(before + [.lstat(path.bytes), .lstat(target.bytes)])
        return (try await flight.standing(before.count), try await flight.standing(before.count + 1))
    }

    private func gone(_ move: SFTPRequest) -> SFTPError {
        SFTPError(.operation, .status(.noSuchFile), "\(move): there is no such file")
    }

    /// CLOSE, rename, look and new time in one flight. What CLOSE of a file that was only read answers is of no
    /// interest, and the look tells what was moved even if the new time is set right behind it; but for servers that
    /// answer late.
    private func submitMove(
        _ before: [SFTPRequest], _ move: SFTPRequest, to target: RemotePath, settingTime time: UnixTime
    ) -> SFTPFlight {
        let set = SFTPRequest.setstat(target.bytes, SFTPAttributes(modified: time))
        return files.client.submit(before + [move, .lstat(target.bytes)] + (files.answersLate ? [] : [set]))
    }

    /// What the rest of the flight says when the rename has been done.
    private func whatArrived(
        _ flight: SFTPFlight, behind move: Int, at target: RemotePath, settingTime time: UnixTime
    ) async throws(SFTPError) -> MovedFile {
        var moved = MovedFile(seen: nil)
        do {
            moved.seen = RemoteAttributes(try await flight.attributes(move + 1))
        } catch {
            guard case .status = error.reason else { throw error }
            // The server does not say, or the partner has taken the file out of `.done` already.
        }
        do {
            if files.answersLate {
                try await files.client.setstat(target.bytes, SFTPAttributes(modified: time))
            } else {
                _ = try await flight.reply(move + 2)
            }
        } catch {
            guard case .status = error.reason else { throw error }
            moved.timeFailure = RemoteFailure(error)
        }
        return moved
    }

    /// The rest of a flight is carried out even when its rename was refused: then it was an older file of the same name
    /// that got a new time. It gets its own back, or it would pass for one that was moved just now.
    private func restoreTime(of target: RemotePath, as flight: SFTPFlight, seenBy item: Int) async {
        do {
            guard let times = try await flight.attributes(item).times else { return }
            _ = try await flight.reply(item + 1)
            try await files.client.setstat(target.bytes, SFTPAttributes(times: times))
        } catch {
            // Nothing is there, or its time was not changed: nothing to restore. A lost connection shows right after.
        }
    }

    func close() async {
        guard let handle = takeHandle() else { return }
        files.client.closeWithoutWaiting(handle)
    }

    private func takeHandle() -> SFTPHandle? {
        state.withLock { state in
            defer { state.handle = nil }
            return state.handle
        }
    }
}
