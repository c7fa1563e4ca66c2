import Synchronization
public import Transfers

/// A connection to an `InMemoryTree` that files are written over. It passes `RemoteDestinationContract`.
///
/// Every step that a real server takes by itself passes the tap: operations as `remote.<operation>`, and replacing a
/// file also as `remote.rename` and `remote.removeTarget`. With `renamesWithoutReplacing` it is a server that removes the
/// older file and then renames, with `refusesRenames` one to which files are only written in place.
public final class InMemoryDestination: RemoteDestination {
    /// What servers do differently.
    public struct Behaviour: Sendable {
        /// A rename never replaces, so the older file has to be removed first.
        public var renamesWithoutReplacing = false
        /// Renaming is refused altogether.
        public var refusesRenames: RemoteFailure.Reason?
        /// Making files of other names than these is refused.
        public var refusesNames: @Sendable (RemotePath) -> Bool = { _ in false }
        /// Directories are neither made nor shown.
        public var refusesDirectories = false
        /// So many of the last bytes of an unfinished file were never confirmed, and are lost where it is closed as it is.
        public var unconfirmedBytes = 300_000
        /// So many bytes fit on the disk; nil for no limit.
        public var freeBytes: Int?

        /// A server like OpenSSH's.
        public init() {}
    }

    let files: InMemoryRemoteFiles
    let behaviour: Behaviour
    private var tree: InMemoryTree { files.tree }
    private let hasRefused = Mutex(false)

    /// See `RemoteDestination`.
    public var canReplace: Bool { !hasRefused.withLock { $0 } }

    /// Connects.
    public init(_ tree: InMemoryTree, behaviour: Behaviour = Behaviour(), tap: PortTap = PortTap()) {
        files = InMemoryRemoteFiles(tree, tap: tap)
        self.behaviour = behaviour
    }

    /// Cuts the connection: everything on it fails from now on.
    public func loseConnection() { files.loseConnection() }

    /// What has been counted so far.
    public var counters: InMemoryRemoteFiles.Counters { files.counters }

    /// See `RemoteDestination`.
    public func makeDirectory(_ path: RemotePath) async throws(RemoteFailure) {
        if behaviour.refusesDirectories {
            return try await files.perform("makeDirectory", path) { () throws(RemoteFailure) in }
        }
        try await files.makeDirectory(path)
    }

    /// See `RemoteDestination`.
    public func createFile(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteFileWriter {
        try await open("createFile", path, isNew: true)
    }

    /// See `RemoteDestination`.
    public func overwriteFile(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteFileWriter {
        try await open("overwriteFile", path, isNew: false)
    }

    private func open(
        _ operation: String, _ path: RemotePath, isNew: Bool
    ) async throws(RemoteFailure) -> any RemoteFileWriter {
        try await files.perform(operation, path) { () throws(RemoteFailure) in
            if behaviour.refusesNames(path) { throw RemoteFailure(.denied, "\(operation) \(path): refused") }
            let time = tree.clock.now
            let made: Result<InMemoryTree.Identity, RemoteFailure> = tree.state.withLock { state in
                guard let (parent, name) = state.findParent(path) else {
                    return .failure(RemoteFailure(.notFound, "\(operation) \(path): no such file"))
                }
                if isNew, state.entry(name, of: parent) != nil {
                    return .failure(RemoteFailure(.alreadyExists, "\(operation) \(path): it is there already"))
                }
                if let identity = state.find(path, followingLast: true) {
                    guard case .file = state.nodes[identity]?.content else {
                        return .failure(RemoteFailure(.failed, "\(operation) \(path): not a file"))
                    }
                    state.nodes[identity]?.content = .file([])
                    return .success(identity)
                }
                let identity = state.make(InMemoryTree.Node(content: .file([]), modified: time))
                state.setEntry(name, of: parent, to: identity)
                return .success(identity)
            }
            return InMemoryWriter(destination: self, path: path, identity: try made.get())
        }
    }

    /// See `RemoteDestination`.
    public func resumeFile(
        _ path: RemotePath, as newPath: RemotePath, from offsetBytes: UInt64
    ) async throws(RemoteFailure) -> (any RemoteFileWriter)? {
        try await files.perform("resumeFile", path) { () throws(RemoteFailure) in
            if behaviour.refusesRenames != nil || behaviour.refusesNames(newPath) {
                tree.remove(path)
                return nil
            }
            do throws(RemoteFailure) { try files.rename(path, to: newPath, replacing: false) } catch {
                if error.reason == .connectionLost || error.reason == .cancelled { throw error }
                return nil
            }
            let found: (InMemoryTree.Identity, Int)? = tree.state.withLock { state in
                guard let identity = state.find(newPath, followingLast: false),
                    case .file(let bytes) = state.nodes[identity]?.content
                else { return nil }
                return (identity, bytes.count)
            }
            guard let (identity, countBytes) = found, UInt64(countBytes) >= offsetBytes else {
                tree.remove(newPath)
                return nil
            }
            return InMemoryWriter(
                destination: self, path: newPath, identity: identity, writtenBytes: Int(offsetBytes))
        }
    }

    /// See `RemoteDestination`.
    public func replaceFile(
        _ target: RemotePath, with path: RemotePath, mayRemove: () async -> Bool
    ) async throws(RemoteFailure) -> Replacement {
        // When the answer to the removal, or to what follows, is lost, nobody knows.
        var mayBeGone = false
        do throws(RemoteFailure) {
            return try await replaceFile(target, with: path, mayRemove, &mayBeGone)
        } catch {
            guard mayBeGone else { throw error }
            return .removed(error)
        }
    }

    private func replaceFile(
        _ target: RemotePath, with path: RemotePath, _ mayRemove: () async -> Bool, _ mayBeGone: inout Bool
    ) async throws(RemoteFailure) -> Replacement {
        try await files.perform("replaceFile", target) { () throws(RemoteFailure) in
            guard files.look(at: path) != nil else {
                throw RemoteFailure(.notFound, "rename \(path) to \(target): no such file")
            }
            if let reason = behaviour.refusesRenames {
                hasRefused.withLock { $0 = true }
                return .refused(RemoteFailure(reason, "rename \(path) to \(target): refused"))
            }
            guard tree.state.withLock({ $0.findParent(target) }) != nil else {
                throw RemoteFailure(.failed, "rename \(path) to \(target): its directory is missing")
            }
            if behaviour.renamesWithoutReplacing {
                return try await renameAfterRemoving(path, to: target, mayRemove, &mayBeGone)
            }
            try await files.step(.before, "rename", target)
            noteUnfinished(path, target)
            try files.rename(path, to: target, replacing: true)
            return .done
        }
    }

    private func noteUnfinished(_ path: RemotePath, _ target: RemotePath) {
        tree.state.withLock { state in
            guard let identity = state.find(path, followingLast: false), state.unfinished.contains(identity) else {
                return
            }
            state.renamedUnfinished.append(target)
        }
    }

    /// How often the place may be taken again between its removal and the rename.
    private static let maximumRemovals = 10

    private func renameAfterRemoving(
        _ path: RemotePath, to target: RemotePath, _ mayRemove: () async -> Bool, _ mayBeGone: inout Bool
    ) async throws(RemoteFailure) -> Replacement {
        for _ in 0..<Self.maximumRemovals {
            try await files.step(.before, "rename", target)
            if try hasRenamed(path, to: target) { return .done }
            if files.look(at: target)?.kind == .directory {
                throw RemoteFailure(.failed, "rename \(path) to \(target): a directory has the name")
            }
            if !mayBeGone, !(await mayRemove()) { return .kept }
            mayBeGone = true
            try await files.step(.before, "removeTarget", target)
            tree.remove(target)
        }
        throw RemoteFailure(.failed, "rename \(path) to \(target): it is taken again and again")
    }

    /// False when something is at the target.
    private func hasRenamed(_ path: RemotePath, to target: RemotePath) throws(RemoteFailure) -> Bool {
        do throws(RemoteFailure) {
            noteUnfinished(path, target)
            try files.rename(path, to: target, replacing: false)
            return true
        } catch {
            guard error.reason == .alreadyExists else { throw error }
            return false
        }
    }

    /// See `RemoteDestination`.
    public func openDirectory(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteListing {
        try await files.openDirectory(path)
    }

    /// See `RemoteDestination`.
    public func removeFile(_ path: RemotePath) async throws(RemoteFailure) { try await files.removeFile(path) }

    /// Writes at an offset: two who write one file in place write over each other, as on a real server.
    fileprivate func write(
        _ bytes: [UInt8], at offset: Int, to identity: InMemoryTree.Identity
    ) throws(RemoteFailure) {
        let time = tree.clock.now
        let end = offset + bytes.count
        let isFull = tree.state.withLock { state in
            guard case .file(var content) = state.nodes[identity]?.content else { return true }
            if let free = behaviour.freeBytes, end > free { return true }
            state.nodes[identity]?.content = .special
            if content.count < end { content += [UInt8](repeating: 0, count: end - content.count) }
            content.replaceSubrange(offset..<end, with: bytes)
            state.nodes[identity]?.content = .file(content)
            state.nodes[identity]?.modified = time
            return false
        }
        if isFull { throw RemoteFailure(.failed, "write: failure") }
    }

    /// Whoever goes on behind what was confirmed writes over this.
    fileprivate func lose(from offset: Int, of identity: InMemoryTree.Identity) {
        tree.state.withLock { state in
            guard case .file(var content) = state.nodes[identity]?.content, offset < content.count else { return }
            state.nodes[identity]?.content = .special
            content.replaceSubrange(offset..., with: [UInt8](repeating: 0, count: content.count - offset))
            state.nodes[identity]?.content = .file(content)
        }
    }

    fileprivate func setTime(_ time: UnixTime, of identity: InMemoryTree.Identity) {
        tree.state.withLock { $0.nodes[identity]?.modified = time }
    }

    fileprivate func sizeBytes(of identity: InMemoryTree.Identity) -> Int {
        tree.state.withLock { state in
            if case .file(let bytes) = state.nodes[identity]?.content { bytes.count } else { 0 }
        }
    }
}

private final class InMemoryWriter: RemoteFileWriter {
    private struct State {
        var writtenBytes = 0
        var isClosed = false
        var failure: RemoteFailure?
    }

    private let destination: InMemoryDestination
    private let path: RemotePath
    private let identity: InMemoryTree.Identity
    private let state: Mutex<State>

    private let startBytes: Int

    var confirmedBytes: UInt64 {
        UInt64(max(startBytes, state.withLock { $0.writtenBytes } - destination.behaviour.unconfirmedBytes))
    }

    init(
        destination: InMemoryDestination, path: RemotePath, identity: InMemoryTree.Identity, writtenBytes: Int = 0
    ) {
        state = Mutex(State(writtenBytes: writtenBytes))
        startBytes = writtenBytes
        self.destination = destination
        self.path = path
        self.identity = identity
        destination.files.state.withLock { $0.counters.openFiles += 1 }
        destination.files.tree.state.withLock { _ = $0.unfinished.insert(identity) }
    }

    func write(_ bytes: [UInt8]) async throws(RemoteFailure) {
        try await failingForGood("write") { () throws(RemoteFailure) in
            try destination.write(bytes, at: state.withLock { $0.writtenBytes }, to: identity)
            state.withLock { $0.writtenBytes += bytes.count }
        }
    }

    func finish(modified: UnixTime?) async throws(RemoteFailure) {
        defer { noteClosed() }
        try await failingForGood("finish") { () throws(RemoteFailure) in
            if let modified { destination.setTime(modified, of: identity) }
            guard destination.sizeBytes(of: identity) == state.withLock({ $0.writtenBytes }) else {
                throw RemoteFailure(.changed, "write \(path): the size is another")
            }
        }
        destination.files.tree.state.withLock { _ = $0.unfinished.remove(identity) }
    }

    /// What has failed once fails the same way from then on: a file with a gap is never finished.
    private func failingForGood(
        _ operation: String, _ body: () throws(RemoteFailure) -> Void
    ) async throws(RemoteFailure) {
        let (isClosed, failure) = state.withLock { ($0.isClosed, $0.failure) }
        if let failure { throw failure }
        if isClosed { throw RemoteFailure(.failed, "\(operation) \(path): it is closed") }
        do throws(RemoteFailure) {
            try await destination.files.perform(operation, path) { () throws(RemoteFailure) in try body() }
        } catch {
            state.withLock { $0.failure = error }
            throw error
        }
    }

    func close() async {
        if !state.withLock({ $0.isClosed }) { destination.lose(from: Int(confirmedBytes), of: identity) }
        noteClosed()
    }

    private func noteClosed() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        if isFirst { destination.files.state.withLock { $0.counters.openFiles -= 1 } }
    }
}
