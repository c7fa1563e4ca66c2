/// What is asked of a file before it is opened: whether it is stored already, whether the partner has marked it as
/// complete, and whether it has stopped to grow. None of it costs a request where the settings do not ask for it.
struct Readiness: Sendable {
    let plan: PullPlan
    let files: any RemoteFiles
    let store: any ObjectStore
    let clock: any Clock
    let ledger: PullLedger

    /// - Throws: `.skipped` when it is not taken now; `.noTime` when the time is not enough for a second look.
    func check(_ candidate: Candidate, _ key: ObjectKey) async throws(FileTransfer.Fault) -> Found {
        if plan.afterPull == .keep, try await isStored(candidate, key) { throw .skipped(.pulledBefore) }
        var found = try await marked(candidate)
        if plan.steadySeconds > 0 { found.version = try await steady(candidate) }
        return found
    }

    /// What was found ready.
    struct Found: Sendable {
        /// The marker that says that it is complete, where one is asked for.
        var marker: FoundMarker?
        /// The version that was found ready, where that was asked for: none that is opened later may be another.
        var version: FileVersion?
    }

    /// The marker of a file, as it was when it was looked at.
    struct FoundMarker: Sendable {
        let name: RemoteName
        let seen: RemoteAttributes
    }

    // MARK: Stored already

    /// Whether the object is this very version of the file: of the same size and time, from the same server.
    private func isStored(_ candidate: Candidate, _ key: ObjectKey) async throws(FileTransfer.Fault) -> Bool {
        guard candidate.version.modified != nil else {
            ledger.warningOnce(
                "with SFTP_AFTER_PULL=keep, files are taken anew in each run",
                because:
                    "the server does not say when they were changed, so it cannot be known which are stored already",
                path: candidate.path)
            return false
        }
        let object: ObjectSummary?
        do {
            object = try await store.head(key)
        } catch {
            throw .store(error)
        }
        guard let object else { return false }
        return PulledVersion.isStored(candidate.version, from: plan.origin, in: object)
    }

    // MARK: Marked as complete

    private func marked(_ candidate: Candidate) async throws(FileTransfer.Fault) -> Found {
        guard let rule = plan.selection.readyMarker else { return Found() }
        guard let name = rule.name(for: candidate.name) else {
            throw .unusable("the name of its marker would be longer than names can be")
        }
        let path = candidate.directory.path.appending(name)
        guard let seen = try await attributes(of: path), seen.kind != .directory else { throw .skipped(.unmarked) }
        // Not the listing's time, which some servers round; and it may have been written since.
        let file = try await present(candidate)
        guard ReadyMarker.speaks(seen.version, of: file) else { throw .skipped(.unmarked) }
        return Found(marker: FoundMarker(name: name, seen: seen), version: file)
    }

    // MARK: A second look

    /// Why no file can ever be looked at twice in a run of this length; nil when it can.
    static func obstacle(of plan: PullPlan, now: Double) -> String? {
        guard plan.steadySeconds > 0, let deadline = plan.deadlineUptimeSeconds,
            now + Double(plan.steadySeconds) >= deadline
        else { return nil }
        return
            "SFTP_STEADY_SECONDS is \(plan.steadySeconds), and this run has \(Int(max(0, deadline - now))) s in all: no file "
            + "could be looked at twice. Give the function a longer timeout, or SFTP_STEADY_SECONDS a smaller value"
    }

    /// Looks once more, so many seconds after the listing, and lets only a file pass that is what it was. Where only the
    /// time is another, the server may say one in listings and another when it is asked: then the answers are compared.
    private func steady(_ candidate: Candidate) async throws(FileTransfer.Fault) -> FileVersion {
        try await wait(until: candidate.listedUptimeSeconds + Double(plan.steadySeconds))
        let seen = try await present(candidate)
        if isSame(seen, candidate.version) { return seen }
        guard seen.sizeBytes == candidate.version.sizeBytes else { throw .skipped(.growing) }
        try await wait(until: clock.uptimeSeconds + Double(plan.steadySeconds))
        guard try await present(candidate) == seen else { throw .skipped(.growing) }
        return seen
    }

    private func wait(until time: Double) async throws(FileTransfer.Fault) {
        if let deadline = plan.deadlineUptimeSeconds, time >= deadline { throw .noTime }
        await clock.wait(untilUptimeSeconds: time)
        guard !ledger.isStopped else { throw .noTime }
    }

    private func isSame(_ seen: FileVersion, _ listed: FileVersion) -> Bool {
        if let listedSize = listed.sizeBytes, seen.sizeBytes != listedSize { return false }
        if let listedTime = listed.modified, let seenTime = seen.modified, seenTime != listedTime { return false }
        return true
    }

    /// What stands there now.
    private func present(_ candidate: Candidate) async throws(FileTransfer.Fault) -> FileVersion {
        guard let seen = try await attributes(of: candidate.path) else {
            throw .remote(RemoteFailure(.notFound, "it is gone at the second look"))
        }
        guard seen.kind == .file || seen.kind == .unknown else { throw .skipped(.growing) }
        return seen.version
    }

    private func attributes(of path: RemotePath) async throws(FileTransfer.Fault) -> RemoteAttributes? {
        try await FileTransfer.remote { () throws(RemoteFailure) in try await files.attributes(of: path) }
    }
}
