import Synchronization
public import Transfers

/// A connection to an `InMemoryTree`, as faithful to the port as the real one: it passes `RemoteFilesContract`.
///
/// Every step that a real server takes by itself passes the tap, so that a test can act between any two of them:
/// an operation asks as `remote.<operation>` before and after, a read also as `remote.fstat` when it is the first, as
/// `remote.piece` before every piece and as `remote.verify`, and a move as `remote.rename`, `remote.look` and
/// `remote.setTime`, and where renames do not replace as `remote.lookAhead` in front of them.
public final class InMemoryRemoteFiles: RemoteFiles {
    /// What servers do differently.
    public struct Behaviour: Sendable {
        /// The most entries that one answer of a listing holds.
        public var batchCount = 100
        /// The most bytes that one piece of a read holds.
        public var pieceBytes = 256 * 1024
        /// Listings leave sizes out.
        public var listingOmitsSizes = false
        /// Listings leave times out.
        public var listingOmitsTimes = false
        /// Listings round times down to whole multiples of this.
        public var listingRoundsTimesToSeconds: Int64 = 1
        /// What is said of a path, in listings too, has its time so rounded; what is said of an open file has not.
        public var pathsRoundTimesToSeconds: Int64 = 1
        /// What is said of a path, in listings too, leaves sizes and times out.
        public var pathsOmitVersions = false
        /// What is said of an open file leaves them out too.
        public var omitsVersions = false
        /// Setting a modification time fails so.
        public var refusesTimes: RemoteFailure.Reason?
        /// A rename replaces nothing, so neither does a move.
        public var renamesWithoutReplacing = false
        /// Nothing is seen at the target of a move.
        public var movesBlindly = false
        /// How many handles the server says that may be open.
        public var announcedOpenHandles: Int?
        /// Opening more files and directories than this at once fails; nil for no limit.
        public var maximumOpenHandles: Int?

        /// A server like OpenSSH's.
        public init() {}
    }

    /// What the test can know of the connection's use.
    public struct Counters: Sendable {
        /// How often each operation was asked for, by its name without `remote.`.
        public var operations: [String: Int] = [:]
        /// Bytes that reads have returned.
        public var bytesRead: UInt64 = 0
        /// Files that the client has opened and not closed.
        public var openFiles = 0
        /// The most of them at once.
        public var mostOpenFiles = 0
        /// Listings that the client has opened and not closed.
        public var openDirectories = 0
        /// The most of them at once.
        public var mostOpenDirectories = 0
        /// The most files and listings at once.
        public var mostOpenHandles = 0
        /// How often a file or a directory was not opened because too many were open.
        public var refusedHandles = 0
        /// Listings closed more often than opened, or read after their end: faults of the client.
        public var misuses: [String] = []
    }

    struct State {
        var counters = Counters()
        var isLost = false
        /// What the server has open, whether or not the client knows it already.
        var serverOpenHandles = 0

        /// The client knows of one more.
        mutating func countOpen() {
            counters.mostOpenFiles = max(counters.mostOpenFiles, counters.openFiles)
            counters.mostOpenDirectories = max(counters.mostOpenDirectories, counters.openDirectories)
            counters.mostOpenHandles = max(counters.mostOpenHandles, counters.openFiles + counters.openDirectories)
        }
    }

    let tree: InMemoryTree
    let behaviour: Behaviour
    let tap: PortTap
    let gauge: ByteGauge?
    let state = Mutex(State())

    /// Connects.
    /// - Parameter gauge: counts the bytes of a read in when it begins; give it to the store too, which counts them
    ///   out when they are stored.
    public init(
        _ tree: InMemoryTree, behaviour: Behaviour = Behaviour(), tap: PortTap = PortTap(), gauge: ByteGauge? = nil
    ) {
        self.tree = tree
        self.behaviour = behaviour
        self.tap = tap
        self.gauge = gauge
    }

    /// What has been counted so far.
    public var counters: Counters { state.withLock { $0.counters } }

    /// Cuts the connection: everything on it fails from now on.
    public func loseConnection() { state.withLock { $0.isLost = true } }

    // MARK: The port

    /// See `RemoteFiles`.
    public var maximumOpenHandles: Int? { behaviour.announcedOpenHandles }

    /// See `RemoteFiles`.
    public func openDirectory(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteListing {
        try await perform("openDirectory", path) { () throws(RemoteFailure) in
            let names: Result<[[UInt8]], RemoteFailure> = tree.state.withLock { state in
                guard let identity = state.find(path, followingLast: true) else {
                    return .failure(RemoteFailure(.notFound, "opendir \(path): no such file"))
                }
                guard case .directory(let entries) = state.nodes[identity]?.content else {
                    return .failure(RemoteFailure(.failed, "opendir \(path): not a directory"))
                }
                // By their bytes, so that a run with the same seed is the same run.
                return .success(entries.keys.sorted { $0.lexicographicallyPrecedes($1) })
            }
            let found = try names.get()
            try takeHandle("opendir", path)
            return InMemoryListing(connection: self, path: path, names: found)
        } onAnswer: {
            self.state.withLock { state in
                state.counters.openDirectories += 1
                state.countOpen()
            }
        }
    }

    /// See `RemoteFiles`.
    public func openFile(
        _ path: RemotePath, expected: FileVersion
    ) async throws(RemoteFailure) -> any RemoteFileReader {
        try await perform("openFile", path) { () throws(RemoteFailure) in
            let found = tree.state.withLock { state in
                state.find(path, followingLast: true).map { ($0, state.nodes[$0]?.kind) }
            }
            guard let found else { throw RemoteFailure(.notFound, "open \(path): no such file") }
            guard found.1 == .file else { throw RemoteFailure(.failed, "open \(path): not a file") }
            try takeHandle("open", path)
            return InMemoryReader(connection: self, path: path, identity: found.0, expected: expected)
        } onAnswer: {
            self.state.withLock { state in
                state.counters.openFiles += 1
                state.countOpen()
            }
        }
    }

    /// See `RemoteFiles`.
    public func attributes(of path: RemotePath) async throws(RemoteFailure) -> RemoteAttributes? {
        try await perform("attributes", path) { () throws(RemoteFailure) in look(at: path) }
    }

    /// See `RemoteFiles`.
    public func makeDirectory(_ path: RemotePath) async throws(RemoteFailure) {
        try await perform("makeDirectory", path) { () throws(RemoteFailure) in
            let time = tree.clock.now
            let failure: RemoteFailure? = tree.state.withLock { state in
                guard let (parent, name) = state.findParent(path) else {
                    return path.names.isEmpty ? nil : RemoteFailure(.notFound, "mkdir \(path): no such file")
                }
                if let identity = state.entry(name, of: parent) {
                    let isDirectory = state.directoryBehind(identity) != nil
                    return isDirectory ? nil : RemoteFailure(.alreadyExists, "mkdir \(path): a file is there")
                }
                let identity = state.make(InMemoryTree.Node(content: .directory([:]), modified: time))
                state.setEntry(name, of: parent, to: identity)
                return nil
            }
            if let failure { throw failure }
        }
    }

    /// See `RemoteFiles`.
    public func moveWithoutReplacing(_ path: RemotePath, to target: RemotePath) async throws(RemoteFailure) {
        try await perform("moveWithoutReplacing", path) { () throws(RemoteFailure) in
            try rename(path, to: target, replacing: false)
        }
    }

    /// See `RemoteFiles`.
    public func setModificationTime(of path: RemotePath, to time: UnixTime) async throws(RemoteFailure) {
        try await perform("setModificationTime", path) { () throws(RemoteFailure) in try setTime(path, time) }
    }

    /// See `RemoteFiles`.
    public func removeFile(_ path: RemotePath) async throws(RemoteFailure) {
        try await perform("removeFile", path) { () throws(RemoteFailure) in
            let isDirectory = tree.state.withLock { state in
                guard let (parent, name) = state.findParent(path), let identity = state.entry(name, of: parent)
                else { return false }
                if case .directory = state.nodes[identity]?.content { return true }
                state.setEntry(name, of: parent, to: nil)
                return false
            }
            if isDirectory { throw RemoteFailure(.failed, "remove \(path): is a directory") }
        }
    }

    // MARK: Steps of the server

    func look(at path: RemotePath) -> RemoteAttributes? {
        let attributes = tree.state.withLock { state in
            state.find(path, followingLast: false).flatMap { state.nodes[$0]?.attributes }
        }
        guard var attributes else { return nil }
        attributes.version.round(to: behaviour.pathsRoundTimesToSeconds)
        if behaviour.omitsVersions || behaviour.pathsOmitVersions {
            attributes.version = FileVersion(sizeBytes: nil, modified: nil)
        }
        return attributes
    }

    private func takeHandle(_ operation: String, _ path: RemotePath) throws(RemoteFailure) {
        let isThere = state.withLock { state in
            guard state.serverOpenHandles < behaviour.maximumOpenHandles ?? .max else {
                state.counters.refusedHandles += 1
                return false
            }
            state.serverOpenHandles += 1
            return true
        }
        guard isThere else { throw RemoteFailure(.failed, "\(operation) \(path): too many open files") }
    }

    func setTime(_ path: RemotePath, _ time: UnixTime) throws(RemoteFailure) {
        if let reason = behaviour.refusesTimes { throw RemoteFailure(reason, "setstat \(path): refused") }
        let isThere = tree.state.withLock { state in
            guard let identity = state.find(path, followingLast: true) else { return false }
            state.nodes[identity]?.modified = time
            return true
        }
        guard isThere else { throw RemoteFailure(.notFound, "setstat \(path): no such file") }
    }

    /// POSIX rename: what is at the target goes, except that a directory and a file never replace each other.
    func rename(_ path: RemotePath, to target: RemotePath, replacing: Bool) throws(RemoteFailure) {
        let failure: RemoteFailure? = tree.state.withLock { state in
            guard let (parent, name) = state.findParent(path), let identity = state.entry(name, of: parent),
                let (newParent, newName) = state.findParent(target)
            else { return RemoteFailure(.notFound, "rename \(path) to \(target): no such file") }
            if let there = state.entry(newName, of: newParent) {
                guard replacing else {
                    return RemoteFailure(.alreadyExists, "rename \(path) to \(target): it is there already")
                }
                let isDirectory = state.nodes[identity]?.kind == .directory
                guard (state.nodes[there]?.kind == .directory) == isDirectory else {
                    return RemoteFailure(.failed, "rename \(path) to \(target): failure")
                }
                if case .directory(let entries) = state.nodes[there]?.content, !entries.isEmpty {
                    return RemoteFailure(.failed, "rename \(path) to \(target): directory not empty")
                }
            }
            state.setEntry(name, of: parent, to: nil)
            state.setEntry(newName, of: newParent, to: identity)
            return nil
        }
        if let failure { throw failure }
    }

    // MARK: What every operation does

    func perform<Answer>(
        _ operation: String, _ path: RemotePath, _ body: () async throws(RemoteFailure) -> Answer,
        onAnswer: () -> Void = {}
    ) async throws(RemoteFailure) -> Answer {
        state.withLock { $0.counters.operations[operation, default: 0] += 1 }
        try await step(.before, operation, path)
        if Task.isCancelled { throw RemoteFailure(.cancelled, "\(operation) \(path): cancelled") }
        let answer = try await body()
        try await step(.after, operation, path)
        onAnswer()
        return answer
    }

    func step(_ moment: PortTap.Moment, _ name: String, _ path: RemotePath) async throws(RemoteFailure) {
        try failIfLost(name, path)
        switch await tap.pass(moment, "remote.\(name)", path.description) {
        case .proceed, .failStore, .failQueue: break
        case .fail: throw RemoteFailure(.failed, "\(name) \(path): failed by the test")
        case .failRemote(let reason): throw RemoteFailure(reason, "\(name) \(path): failed by the test")
        case .disconnect, .crash: loseConnection()
        }
        try failIfLost(name, path)
    }

    private func failIfLost(_ name: String, _ path: RemotePath) throws(RemoteFailure) {
        if state.withLock({ $0.isLost }) {
            throw RemoteFailure(.connectionLost, "\(name) \(path): connection lost")
        }
    }
}

extension FileVersion {
    /// Makes the time coarser.
    mutating func round(to seconds: Int64) {
        modified = modified.map { UnixTime(seconds: $0.seconds - $0.seconds % seconds) }
    }
}
