import Synchronization
import Transfers

/// A directory of an `InMemoryTree` being listed: the names are those that were there when it was opened, what is
/// said of each is read when its batch is asked for, and a name that is gone by then is left out, as OpenSSH does.
final class InMemoryListing: RemoteListing {
    private struct State {
        var names: ArraySlice<[UInt8]>
        var extraNames: [[UInt8]]
        var isClosed = false
        var hasEnded = false
    }

    private let connection: InMemoryRemoteFiles
    private let path: RemotePath
    private let state: Mutex<State>

    init(connection: InMemoryRemoteFiles, path: RemotePath, names: [[UInt8]]) {
        self.connection = connection
        self.path = path
        let extraNames = connection.tree.state.withLock { $0.extraNames[path] ?? [] }
        state = Mutex(State(names: names[...], extraNames: extraNames))
    }

    func next() async throws(RemoteFailure) -> [RemoteEntry]? {
        try await connection.perform("next", path) { () throws(RemoteFailure) in
            let misuse = state.withLock { state in
                state.isClosed ? "next of \(path) after close" : state.hasEnded ? "next of \(path) after its end" : nil
            }
            if let misuse {
                connection.state.withLock { $0.counters.misuses.append(misuse) }
                throw RemoteFailure(.failed, misuse)
            }
            return takeBatch()
        }
    }

    private func takeBatch() -> [RemoteEntry]? {
        state.withLock { state in
            var batch: [RemoteEntry] = []
            for name in state.extraNames where name != Array(".".utf8) && name != Array("..".utf8) {
                batch.append(.refused(name))
            }
            state.extraNames = []
            while batch.count < connection.behaviour.batchCount, let bytes = state.names.popFirst() {
                guard let name = RemoteName(bytes: bytes) else { continue }
                guard var attributes = connection.look(at: path.appending(name)) else { continue }
                if connection.behaviour.listingOmitsSizes { attributes.version.sizeBytes = nil }
                if connection.behaviour.listingOmitsTimes { attributes.version.modified = nil }
                attributes.version.round(to: connection.behaviour.listingRoundsTimesToSeconds)
                batch.append(.entry(name, attributes))
            }
            state.hasEnded = batch.isEmpty && state.names.isEmpty
            return state.hasEnded ? nil : batch
        }
    }

    func close() async {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        connection.state.withLock { connection in
            if isFirst {
                connection.counters.openDirectories -= 1
                connection.serverOpenHandles -= 1
            } else {
                connection.counters.misuses.append("second close of \(path)")
            }
        }
        // That a server refuses to close changes nothing: nobody can do anything about it.
        try? await connection.step(.before, "closeDirectory", path)
    }
}

/// A file of an `InMemoryTree` open for reading.
final class InMemoryReader: RemoteFileReader {
    private let connection: InMemoryRemoteFiles
    private let path: RemotePath
    private let identity: InMemoryTree.Identity
    private let expected: FileVersion
    private let isClosed = Mutex(false)
    private let mayMoveAgain = Mutex(false)
    private let known = Mutex<FileVersion?>(nil)

    init(
        connection: InMemoryRemoteFiles, path: RemotePath, identity: InMemoryTree.Identity, expected: FileVersion
    ) {
        self.connection = connection
        self.path = path
        self.identity = identity
        self.expected = expected
    }

    func version() async throws(RemoteFailure) -> FileVersion {
        try await connection.perform("version", path) { () throws(RemoteFailure) in try await askVersion() }
    }

    /// What the open file is, asked for once, in front of the first read.
    private func askVersion() async throws(RemoteFailure) -> FileVersion {
        if isClosed.withLock({ $0 }) { throw RemoteFailure(.failed, "fstat \(path): the file is closed") }
        if let version = known.withLock({ $0 }) { return version }
        try await connection.step(.before, "fstat", path)
        var version = expected
        if !connection.behaviour.omitsVersions, let said = now {
            if let listed = expected.sizeBytes, listed != said.sizeBytes {
                throw RemoteFailure(.changed, "open \(path): it has not the listed \(listed) bytes")
            }
            version = said
        }
        return known.withLock { known in
            known = known ?? version
            return known ?? version
        }
    }

    private var now: FileVersion? {
        connection.tree.state.withLock { $0.nodes[identity]?.attributes.version }
    }

    func read(
        from offset: UInt64, countBytes: Int, verifyingEnd: Bool
    ) async throws(RemoteFailure) -> [[UInt8]] {
        connection.gauge?.add(countBytes)
        do throws(RemoteFailure) {
            return try await connection.perform("read", path) { () throws(RemoteFailure) in
                let before = try await askVersion()
                let pieces = try await readPieces(from: Int(offset), countBytes: countBytes)
                if verifyingEnd {
                    try await connection.step(.before, "verify", path)
                    try verify(endsAt: offset + UInt64(countBytes), before)
                }
                connection.state.withLock { $0.counters.bytesRead += UInt64(countBytes) }
                return pieces
            }
        } catch {
            connection.gauge?.add(-countBytes)
            throw error
        }
    }

    /// Each piece shows the file at its own moment, as the requests of a real read do.
    private func readPieces(from start: Int, countBytes: Int) async throws(RemoteFailure) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var offset = start
        let end = start + countBytes
        while offset < end {
            try await connection.step(.before, "piece", path)
            if isClosed.withLock({ $0 }) { throw RemoteFailure(.failed, "read \(path): the file is closed") }
            let pieceEnd = min(end, offset + connection.behaviour.pieceBytes)
            let bytes = content
            guard bytes.count >= pieceEnd else {
                throw RemoteFailure(.changed, "read \(path): it ends at \(bytes.count), not at \(end) or later")
            }
            pieces.append(Array(bytes[offset..<pieceEnd]))
            offset = pieceEnd
        }
        return pieces
    }

    private func verify(endsAt end: UInt64, _ before: FileVersion) throws(RemoteFailure) {
        let sizeBytes = UInt64(content.count)
        guard sizeBytes == end else {
            throw RemoteFailure(.changed, "read \(path): it has \(sizeBytes) bytes, not \(end)")
        }
        if let size = before.sizeBytes, size != sizeBytes {
            throw RemoteFailure(.changed, "read \(path): it has \(sizeBytes) bytes, not \(size) as before")
        }
        if let time = before.modified, !connection.behaviour.omitsVersions, time != now?.modified {
            throw RemoteFailure(.changed, "read \(path): its time is not the one before")
        }
    }

    private var content: [UInt8] {
        connection.tree.state.withLock { state in
            if case .file(let bytes) = state.nodes[identity]?.content { bytes } else { [] }
        }
    }

    func closeAndMove(to target: RemotePath, settingTime time: UnixTime) async throws(RemoteFailure) -> MovedFile {
        let isFirst = countClose()
        let mayMove = mayMoveAgain.withLock { mayMoveAgain in
            defer { mayMoveAgain = false }
            return isFirst || mayMoveAgain
        }
        guard mayMove else { throw RemoteFailure(.failed, "move \(path): it is closed") }
        do throws(RemoteFailure) {
            return try await connection.perform("closeAndMove", path) { () throws(RemoteFailure) in
                try await move(to: target, settingTime: time)
            }
        } catch {
            mayMoveAgain.withLock { $0 = error.reason == .alreadyExists }
            throw error
        }
    }

    private func move(to target: RemotePath, settingTime time: UnixTime) async throws(RemoteFailure) -> MovedFile {
        let isReplacing = !connection.behaviour.renamesWithoutReplacing
        if !isReplacing { try await lookAhead(to: target) }
        do throws(RemoteFailure) {
            try await connection.step(.before, "rename", path)
            try connection.rename(path, to: target, replacing: isReplacing)
        } catch {
            await finishFlight(to: target, settingTime: time, restoring: isReplacing)
            throw error
        }
        var moved = MovedFile(seen: nil)
        do throws(RemoteFailure) {
            try await connection.step(.before, "look", target)
            moved.seen = connection.behaviour.movesBlindly ? nil : connection.look(at: target)
        } catch  where error.reason != .connectionLost {
            // A server that does not tell what is there: the port says nil.
            moved.seen = nil
        }
        do throws(RemoteFailure) {
            try await connection.step(.before, "setTime", target)
            try connection.setTime(target, time)
        } catch  where error.reason != .connectionLost {
            moved.timeFailure = error
        }
        return moved
    }

    /// Where a rename does not replace, a look goes ahead, so that nothing is sent that would change what stands there.
    private func lookAhead(to target: RemotePath) async throws(RemoteFailure) {
        let isHere = try await isThere(path)
        guard try await isThere(target) == true else { return }
        guard isHere != false else { throw RemoteFailure(.notFound, "rename \(path) to \(target): no such file") }
        throw RemoteFailure(.alreadyExists, "rename \(path) to \(target): it is there already")
    }

    /// Nil when the server does not tell.
    private func isThere(_ path: RemotePath) async throws(RemoteFailure) -> Bool? {
        do {
            try await connection.step(.before, "lookAhead", path)
            return connection.look(at: path) != nil
        } catch {
            guard error.reason != .connectionLost else { throw error }
            return nil
        }
    }

    /// A server carries out what follows a rename in its flight even when it has refused the rename; then what stood
    /// at the target gets its own time back, unless it has only just come there.
    private func finishFlight(to target: RemotePath, settingTime time: UnixTime, restoring: Bool) async {
        do throws(RemoteFailure) {
            try await connection.step(.before, "look", target)
            let seen = connection.look(at: target)
            try await connection.step(.before, "setTime", target)
            try connection.setTime(target, time)
            guard restoring, let modified = seen?.version.modified else { return }
            try await connection.step(.before, "restoreTime", target)
            try connection.setTime(target, modified)
        } catch {
            // Nothing is there, its time was not changed, or the connection is gone, which shows right after.
        }
    }

    func close() async {
        guard countClose() else { return }
        // That a server refuses to close changes nothing: nobody can do anything about it.
        try? await connection.step(.before, "close", path)
    }

    @discardableResult
    private func countClose() -> Bool {
        let isFirst = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return !isClosed
        }
        if isFirst {
            connection.state.withLock { state in
                state.counters.openFiles -= 1
                state.serverOpenHandles -= 1
            }
        }
        return isFirst
    }
}
