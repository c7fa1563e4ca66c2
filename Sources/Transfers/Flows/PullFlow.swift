/// Takes a whole tree from the partner's server into the store, over one connection (rules P1 to P9).
///
/// The listing runs ahead of the transfers by a bounded number of files; a fixed number of workers take them, and the
/// byte budget bounds what all of them hold. What was taken moves to `.done`; what has been there for longer than its
/// retention is removed in the end.
public struct PullFlow: Sendable {
    private let plan: PullPlan
    private let files: any RemoteFiles
    private let store: any ObjectStore
    private let clock: any Clock
    private let observer: any TransferObserver
    private let random: @Sendable (Int) -> Int

    /// Makes a flow.
    /// - Parameter random: gives a number from 0 up to, and without, its argument; decides whose `.done` is purged first,
    ///   and makes names of our own unlike those of other runs.
    public init(
        plan: PullPlan, files: any RemoteFiles, store: any ObjectStore, clock: any Clock,
        observer: any TransferObserver, random: @escaping @Sendable (Int) -> Int = { Int.random(in: 0..<$0) }
    ) {
        self.plan = plan
        self.files = files
        self.store = store
        self.clock = clock
        self.observer = observer
        self.random = random
    }

    /// Runs once over the tree. Cancelling the task cuts off what is under way, in an orderly way; the summary comes
    /// all the same. Nothing is thrown: what failed is in the summary.
    public func run() async -> PullSummary {
        let ledger = PullLedger(plan: plan, clock: clock, observer: observer)
        if let obstacle = Readiness.obstacle(of: plan, now: clock.uptimeSeconds) {
            ledger.failed(plan.sourceDirectory, .settings, obstacle)
            ledger.listingCutShort()
            return ledger.summary
        }
        let queue = BoundedQueue<Candidate>(
            limit: PullPlan.maximumWaitingFiles, stretchedLimit: plan.maximumHeldFiles)
        let handles = OpenHandles(files, plan: plan) { queue.stretch($0) }
        let withDone = DoneDirectories(limitBytes: plan.maximumDoneDirectoryBytes, random: random)
        let walk = TreeWalk(
            plan: plan, files: files, handles: handles, clock: clock, ledger: ledger, queue: queue, withDone: withDone)
        let transfer = FileTransfer(
            plan: plan, files: files, store: store, clock: clock, ledger: ledger,
            budget: ByteBudget(totalBytes: plan.budgetBytes),
            beingStored: ByteBudget(totalBytes: plan.maximumFilesBeingStored), runBegan: clock.now,
            handles: handles, checkpoints: Checkpoints(plan: plan, store: store, clock: clock, ledger: ledger),
            readiness: Readiness(plan: plan, files: files, store: store, clock: clock, ledger: ledger),
            randomBits: { [random] in UInt64(random(.max)) })

        async let walked: Void = walk.run()
        await withDiscardingTaskGroup { group in
            for _ in 0..<plan.maximumFilesInFlight {
                group.addTask { await work(queue, ledger, transfer) }
            }
        }
        await walked
        let purge = Purge(
            plan: plan, files: files, handles: handles, store: store, clock: clock, ledger: ledger)
        await purge.run(withDone)
        return ledger.summary
    }

    /// Takes files until there are no more. When the run is stopped, or the time is too short for a file, the rest is
    /// counted: the next run takes it (rule P7).
    private func work(_ queue: BoundedQueue<Candidate>, _ ledger: PullLedger, _ transfer: FileTransfer) async {
        while let candidate = await queue.next() {
            let sizeBytes = candidate.version.sizeBytes ?? 0
            let canContinue = candidate.version.modified != nil
            if !ledger.isStopped && ledger.mayBegin(sizeBytes: sizeBytes, canContinue: canContinue) {
                await transfer.run(candidate)
            } else {
                ledger.remaining(modified: candidate.version.modified)
            }
        }
    }
}
