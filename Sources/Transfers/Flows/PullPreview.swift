/// Says what a run of pull would do, and changes nothing: neither on the partner's server nor in the store.
///
/// It lists what a run would list and selects as a run does. No file is opened, so what only an open file shows (that it
/// was replaced meanwhile, that it may not be read) is not foreseen.
public struct PullPreview: Sendable {
    private let plan: PullPlan
    private let files: UnchangedFiles
    private let store: UnchangedStore
    private let clock: any Clock
    private let observer: any TransferObserver
    private let planned: @Sendable (PlannedTransfer) -> Void

    /// Makes a preview.
    /// - Parameters:
    ///   - observer: hears what would be left, fail or be purged.
    ///   - planned: hears what would be transferred.
    public init(
        plan: PullPlan, files: any RemoteFiles, store: any ObjectStore, clock: any Clock,
        observer: any TransferObserver, planned: @escaping @Sendable (PlannedTransfer) -> Void
    ) {
        self.plan = plan
        self.files = UnchangedFiles(files: files)
        self.store = UnchangedStore(store: store)
        self.clock = clock
        self.observer = observer
        self.planned = planned
    }

    /// Goes once over the tree. What the summary counts as transferred and purged is what a run would transfer and purge.
    public func run() async -> PullSummary {
        let ledger = PullLedger(plan: plan, clock: clock, observer: observer)
        let queue = BoundedQueue<Candidate>(
            limit: PullPlan.maximumWaitingFiles, stretchedLimit: plan.maximumHeldFiles)
        let handles = OpenHandles(files, plan: plan) { queue.stretch($0) }
        let withDone = DoneDirectories(
            limitBytes: plan.maximumDoneDirectoryBytes, random: { Int.random(in: 0..<$0) })
        let walk = TreeWalk(
            plan: plan, files: files, handles: handles, clock: clock, ledger: ledger, queue: queue, withDone: withDone)

        async let walked: Void = walk.run()
        let readiness = Readiness(plan: plan, files: files, store: store, clock: clock, ledger: ledger)
        await withDiscardingTaskGroup { group in
            for _ in 0..<Self.maximumAtOnce {
                group.addTask {
                    while let candidate = await queue.next() { await take(candidate, readiness, ledger) }
                }
            }
        }
        await walked
        let purge = Purge(plan: plan, files: files, handles: handles, store: store, clock: clock, ledger: ledger)
        await purge.run(withDone)
        return ledger.summary
    }

    /// How many files are looked at at once, where the settings ask for a look.
    private static let maximumAtOnce = 64

    private func take(_ candidate: Candidate, _ readiness: Readiness, _ ledger: PullLedger) async {
        let sizeBytes = candidate.version.sizeBytes
        if let sizeBytes, PartPlan(sizeBytes: sizeBytes) == nil {
            return ledger.failed(candidate.path, .refused, PartPlan.refusal(sizeBytes: sizeBytes))
        }
        let key: ObjectKey
        do {
            key = try plan.keys.key(forRelative: candidate.relativePath)
        } catch {
            return ledger.failed(candidate.path, .refused, error.reason)
        }
        do {
            _ = try await readiness.check(candidate, key)
            ledger.planned(sizeBytes: sizeBytes ?? 0)
            planned(
                PlannedTransfer(
                    path: candidate.path, key: key, sizeBytes: sizeBytes,
                    movesTo: plan.afterPull == .keep ? nil : candidate.directory.done.appending(candidate.name)))
        } catch {
            FileTransfer.note(error, of: candidate, startedAt: nil, in: ledger)
        }
    }
}

/// A file that a run of pull would transfer.
public struct PlannedTransfer: Hashable, Sendable {
    /// Where it is on the server.
    public var path: RemotePath
    /// The object that it would become.
    public var key: ObjectKey
    /// Its size, where the listing says it.
    public var sizeBytes: UInt64?
    /// Where it would be on the server then; nil when it stays.
    public var movesTo: RemotePath?
}

/// The partner's server without anything that changes it. A removal is only pretended; everything else that would change
/// something is refused, an open file among it, which could be moved.
struct UnchangedFiles: RemoteFiles {
    let files: any RemoteFiles

    private static let refusal = RemoteFailure(.unsupported, "a preview changes nothing on the server")

    var maximumOpenHandles: Int? { files.maximumOpenHandles }

    func openDirectory(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteListing {
        try await files.openDirectory(path)
    }

    func attributes(of path: RemotePath) async throws(RemoteFailure) -> RemoteAttributes? {
        try await files.attributes(of: path)
    }

    func openFile(_ path: RemotePath, expected: FileVersion) async throws(RemoteFailure) -> any RemoteFileReader {
        throw Self.refusal
    }

    func makeDirectory(_ path: RemotePath) async throws(RemoteFailure) { throw Self.refusal }

    func moveWithoutReplacing(_ path: RemotePath, to target: RemotePath) async throws(RemoteFailure) {
        throw Self.refusal
    }

    func setModificationTime(of path: RemotePath, to time: UnixTime) async throws(RemoteFailure) {
        throw Self.refusal
    }

    func removeFile(_ path: RemotePath) async throws(RemoteFailure) {}
}

/// The store without anything that changes it: that is refused.
struct UnchangedStore: ObjectStore {
    let store: any ObjectStore

    private static let refusal = StoreFailure(.rejected, "a preview changes nothing in the store")

    func head(_ key: ObjectKey) async throws(StoreFailure) -> ObjectSummary? { try await store.head(key) }

    func notes(prefix: String, maximumCount: Int) async throws(StoreFailure) -> [ListedNote] {
        try await store.notes(prefix: prefix, maximumCount: maximumCount)
    }

    func note(_ key: ObjectKey, maximumBytes: Int) async throws(StoreFailure) -> [UInt8]? {
        try await store.note(key, maximumBytes: maximumBytes)
    }

    func put(
        _ key: ObjectKey, content: [[UInt8]], metadata: [String: String]
    ) async throws(StoreFailure) -> StoredObject { throw Self.refusal }

    func beginUpload(_ key: ObjectKey, metadata: [String: String]) async throws(StoreFailure) -> any ObjectUpload {
        throw Self.refusal
    }

    func resumeUpload(
        _ key: ObjectKey, _ progress: UploadProgress, partBytes: Int, sizeBytes: UInt64
    ) async throws(StoreFailure) -> (any ObjectUpload)? { throw Self.refusal }

    func abandonUpload(_ key: ObjectKey, uploadID: String) async throws(StoreFailure) { throw Self.refusal }

    func keepNote(_ key: ObjectKey, content: [UInt8], metadata: [String: String]) async throws(StoreFailure) {
        throw Self.refusal
    }

    func removeNote(_ key: ObjectKey) async throws(StoreFailure) { throw Self.refusal }
}
