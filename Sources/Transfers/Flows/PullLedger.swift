import Synchronization

/// Keeps the books of a run: everything that happens is counted here once and told to the observer.
final class PullLedger: Sendable {
    private struct State {
        var summary = PullSummary()
        var pace: Pace
        var connectionLoss: RemoteFailure?
        var warned: Set<String> = []
        /// A large file was left to be gone on with: for another one the time would be too short as well.
        var leavesLargeFiles = false
        /// The time of the oldest file that was seen to wait for a later run.
        var oldestWaiting: UnixTime?

        mutating func waits(_ modified: UnixTime?) {
            guard let modified, oldestWaiting.map({ modified < $0 }) ?? true else { return }
            oldestWaiting = modified
        }
    }

    private let observer: any TransferObserver
    private let clock: any Clock
    private let startUptimeSeconds: Double
    private let deadlineUptimeSeconds: Double?
    private let maximumBytesPerSecond: Int?
    private let state: Mutex<State>

    /// A file that was begun before this part of the time was over and still did not finish is too big for one
    /// invocation.
    private static let earlyShare = 0.25

    /// Who counts on the deadline may count it as reached a little early.
    private static let deadlineToleranceSeconds = 0.1

    init(plan: PullPlan, clock: any Clock, observer: any TransferObserver) {
        self.clock = clock
        self.observer = observer
        startUptimeSeconds = clock.uptimeSeconds
        deadlineUptimeSeconds = plan.deadlineUptimeSeconds
        maximumBytesPerSecond = plan.maximumBytesPerSecond
        let pace = Pace(
            deadlineUptimeSeconds: plan.deadlineUptimeSeconds, maximumBytesPerSecond: plan.maximumBytesPerSecond)
        state = Mutex(State(pace: pace))
    }

    /// Whether nothing new may begin: the connection is lost or the task was cancelled.
    var isStopped: Bool { Task.isCancelled || state.withLock { $0.connectionLoss != nil } }

    /// Whether the time that is left is enough for a file of that size.
    func canFinish(sizeBytes: UInt64) -> Bool {
        let now = clock.uptimeSeconds
        return state.withLock { $0.pace.canFinish(sizeBytes: sizeBytes, now: now) }
    }

    /// Whether a file of that size may begin: it finishes in time, or a part of it does and the next run goes on.
    func mayBegin(sizeBytes: UInt64, canContinue: Bool) -> Bool {
        let now = clock.uptimeSeconds
        return state.withLock { state in
            let isLarge = sizeBytes > UInt64(PartPlan.partBytes)
            if isLarge && state.leavesLargeFiles { return false }
            // One that has nearly all of the time begins all the same: no run could carry it, and that has to be seen.
            let isWithinLimit = isEarly(now) || state.pace.isWithinLimit(bytes: sizeBytes, now: now)
            if isWithinLimit, state.pace.canFinish(sizeBytes: sizeBytes, now: now) { return true }
            return isLarge && canContinue && state.pace.canFinishPart(now: now)
        }
    }

    func began() {
        let now = clock.uptimeSeconds
        state.withLock { $0.pace.began(atUptimeSeconds: now) }
    }

    func found(_ path: RemotePath, sizeBytes: UInt64?) { observer.found(path, sizeBytes: sizeBytes) }

    func foundAll() { observer.foundAll() }

    func transferred(_ receipt: TransferReceipt, afterSeconds seconds: Double) {
        state.withLock { state in
            state.summary.transferred += 1
            state.summary.bytes += receipt.object.sizeBytes
            state.pace.finished(bytes: receipt.object.sizeBytes, afterSeconds: seconds)
        }
        observer.transferred(receipt)
    }

    /// A preview has found a file that a run would transfer.
    func planned(sizeBytes: UInt64) {
        state.withLock { state in
            state.summary.transferred += 1
            state.summary.bytes += sizeBytes
        }
    }

    /// - Parameter modified: the file's time, here and below; nil where it is not known, or there is none.
    func left(_ path: RemotePath, because reason: LeftReason, modified: UnixTime? = nil) {
        state.withLock { state in
            state.summary.left[reason.word, default: 0] += 1
            if reason.isForNow { state.waits(modified) }
        }
        observer.left(path, because: reason)
    }

    func remaining(modified: UnixTime? = nil) {
        state.withLock { state in
            state.summary.remaining += 1
            state.waits(modified)
        }
    }

    /// Parts of a file are stored, and the next run goes on with it.
    func continues(modified: UnixTime?) {
        state.withLock { state in
            state.summary.remaining += 1
            state.waits(modified)
            state.leavesLargeFiles = true
        }
    }

    /// The time was up before a part was stored, or, where all are, before the upload was completed. That is nothing where
    /// the run was short of time already; else no run would ever come further.
    func cameNoFurther(
        with path: RemotePath, beganUptimeSeconds: Double, isPartLeft: Bool, modified: UnixTime?
    ) {
        guard let deadlineUptimeSeconds, isEarly(beganUptimeSeconds) else { return remaining(modified: modified) }
        let hadSeconds = max(1, deadlineUptimeSeconds - beganUptimeSeconds)
        guard isPartLeft else {
            return failed(
                path, .deadline,
                "all parts of it are stored, and the store did not make the object of them in the \(Int(hadSeconds)) s "
                    + "that this invocation had: give the function a longer timeout", modified: modified)
        }
        let kilobytesPerSecond = Int((Double(PartPlan.partBytes) / hadSeconds / 1000).rounded(.up))
        failed(
            path, .deadline,
            "not one part of it (\(PartPlan.partBytes) bytes) was read and stored in the \(Int(hadSeconds)) s that this "
                + "invocation had, so it comes at less than \(kilobytesPerSecond) kB/s and no run gets further: "
                + remedy, modified: modified)
    }

    func listingCutShort() {
        state.withLock { $0.summary.isListingComplete = false }
    }

    /// A directory was found and is not listed: too many others were waiting.
    func leftUnlisted(_ path: RemotePath) {
        remaining()
        listingCutShort()
        warningOnce(
            "directories are left to a later run, which can leave the same ones or others",
            because: "too many wait to be listed, at too many levels; SFTP_EXCLUDE and SFTP_SOURCE_DIR can divide the "
                + "tree between functions", path: path)
    }

    /// A file was found while none could be opened, and too many others were waiting.
    func leftUnheld(_ path: RemotePath, modified: UnixTime?) {
        remaining(modified: modified)
        listingCutShort()
        warningOnce(
            "files are left to a later run",
            because: "the server allows so few open handles that a directory has to be "
                + "listed before its files are opened, and this one holds too many", path: path)
    }

    func purged(_ path: RemotePath) {
        state.withLock { $0.summary.purged += 1 }
        observer.purged(path)
    }

    func warning(_ message: String, path: RemotePath? = nil) { observer.warning(message, path: path) }

    /// Warns once in a run, whatever the number of files it concerns; the cause and the path are those of the first.
    func warningOnce(_ message: String, because cause: String, path: RemotePath) {
        if state.withLock({ $0.warned.insert(message).inserted }) {
            observer.warning("\(message): \(cause)", path: path)
        }
    }

    func failed(
        _ path: RemotePath, _ errorClass: FailureClass, _ reason: String, modified: UnixTime? = nil
    ) {
        let failure = TransferFailure(path: path, errorClass, reason: reason)
        state.withLock { state in
            state.waits(modified)
            state.summary.failed += 1
            state.summary.failedByClass[errorClass.rawValue, default: 0] += 1
            if state.summary.failures.count < PullSummary.maximumFailures { state.summary.failures.append(failure) }
        }
        observer.failed(failure)
    }

    /// Notes what an operation on the server answered. The loss of the connection fails the run once; whoever else
    /// meets it afterwards remains for the next run.
    func failed(
        _ path: RemotePath, _ failure: RemoteFailure, startedAt startSeconds: Double?, modified: UnixTime? = nil
    ) {
        switch failure.reason {
        case .connectionLost:
            if lostConnection(failure) {
                failed(path, .connection, failure.message, modified: modified)
            } else {
                remaining(modified: modified)
            }
        case .cancelled:
            cutOff(path, startedAt: startSeconds, modified)
        case .invalidSettings: failed(path, .settings, failure.message, modified: modified)
        case .notFound, .denied, .alreadyExists, .changed, .unsupported, .failed:
            failed(path, .server, failure.message, modified: modified)
        }
    }

    /// Notes that the connection is lost: nothing new begins. False when that was known.
    func lostConnection(_ failure: RemoteFailure) -> Bool {
        state.withLock { state in
            defer { state.connectionLoss = state.connectionLoss ?? failure }
            return state.connectionLoss == nil
        }
    }

    func failed(
        _ path: RemotePath, _ failure: StoreFailure, startedAt startSeconds: Double?, modified: UnixTime?
    ) {
        if meansTimeIsUp(failure) {
            cutOff(path, startedAt: startSeconds, modified)
        } else {
            failed(path, .store, failure.message, modified: modified)
        }
    }

    /// Whether the store could not do it because the time was up.
    func meansTimeIsUp(_ failure: StoreFailure) -> Bool {
        failure.reason == .cancelled || (failure.reason == .unavailable && isOver)
    }

    /// Whether a file that was begun then had nearly all of the time.
    func isEarly(_ uptimeSeconds: Double) -> Bool {
        guard let deadlineUptimeSeconds else { return true }
        return uptimeSeconds - startUptimeSeconds <= (deadlineUptimeSeconds - startUptimeSeconds) * Self.earlyShare
    }

    /// Whether the time is up: what the store then could not do any more is no fault of the store.
    private var isOver: Bool {
        guard let deadlineUptimeSeconds else { return Task.isCancelled }
        return Task.isCancelled || clock.uptimeSeconds >= deadlineUptimeSeconds - Self.deadlineToleranceSeconds
    }

    /// A file that was cut off at the deadline. It remains, unless it had nearly all of the time: then no run could
    /// ever carry it, and that must be said.
    private func cutOff(_ path: RemotePath, startedAt startSeconds: Double?, _ modified: UnixTime?) {
        guard let deadlineUptimeSeconds, let startSeconds, isEarly(startSeconds) else {
            return remaining(modified: modified)
        }
        let hadSeconds = Int(deadlineUptimeSeconds - startSeconds)
        failed(
            path, .deadline,
            "it did not finish in the \(hadSeconds) s that this invocation had for it: \(remedy)", modified: modified)
    }

    /// What helps against a lack of time.
    private var remedy: String {
        let limit = maximumBytesPerSecond.map { "raise SFTP_MAX_BYTES_PER_SECOND (it is \($0)), " } ?? ""
        return limit
            + "give the function a longer timeout, or more memory, with which Lambda gives it more of a processor"
    }

    /// A listing was cut off while it waited for the server's answer. That is nothing where the whole run was short of
    /// time, but a server that has owed one answer for nearly all of it would let no run come to its end.
    func listingCutOff(_ path: RemotePath, askedUptimeSeconds: Double) {
        guard let deadlineUptimeSeconds, isEarly(askedUptimeSeconds) else { return remaining() }
        let waitedSeconds = Int(deadlineUptimeSeconds - askedUptimeSeconds)
        failed(path, .deadline, "the server has not answered in \(waitedSeconds) s what else the directory holds")
    }

    var summary: PullSummary {
        let now = clock.uptimeSeconds
        var (summary, oldest) = state.withLock { ($0.summary, $0.oldestWaiting) }
        summary.durationMilliseconds = Int64((now - startUptimeSeconds) * 1000)
        if let oldest {
            summary.oldestWaitingSeconds = max(0, clock.now.seconds - oldest.seconds)
        } else if summary.isListingComplete {
            summary.oldestWaitingSeconds = 0
        }
        return summary
    }
}
