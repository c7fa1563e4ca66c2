/// What is asked of a file before it is opened: whether it is stored already, whether the partner has marked it as
/// complete, and whether it has stopped to grow. None of it costs a request where the settings do not ask for it.
struct Readiness: Sendable {
    let plan: PullPlan
    let files: any RemoteFiles
    let store: any ObjectStore
    let clock: any Clock
    let ledger: PullLedger

    /// - Returns: the marker that says that it is complete, where one is asked for.
    /// - Throws: `.skipped` when it is not taken now; `.noTime` when the time is not enough for a second look.
    func check(_ candidate: Candidate, _ key: ObjectKey) async throws(FileTransfer.Fault) -> FoundMarker? {
        if plan.afterPull == .keep, try await isStored(candidate, key) { throw .skipped(.pulledBefore) }
        let marker = try await marker(of: candidate)
        try await lookAgain(at: candidate)
        return marker
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

    private func marker(of candidate: Candidate) async throws(FileTransfer.Fault) -> FoundMarker? {
        guard let rule = plan.selection.readyMarker else { return nil }
        guard let name = rule.name(for: candidate.name) else {
            throw .unusable("the name of its marker would be longer than names can be")
        }
        let path = candidate.directory.path.appending(name)
        let seen = try await attributes(of: path)
        guard let seen, seen.kind != .directory, ReadyMarker.speaks(seen.version, of: candidate.version) else {
            throw .skipped(.unmarked)
        }
        return FoundMarker(name: name, seen: seen)
    }

    // MARK: A second look

    /// Looks once more, so many seconds after the listing, and lets only a file pass that is what it was.
    private func lookAgain(at candidate: Candidate) async throws(FileTransfer.Fault) {
        guard plan.steadySeconds > 0 else { return }
        let time = candidate.listedUptimeSeconds + Double(plan.steadySeconds)
        if let deadline = plan.deadlineUptimeSeconds, time >= deadline { throw .noTime }
        await clock.wait(untilUptimeSeconds: time)
        guard !ledger.isStopped else { throw .noTime }
        guard let seen = try await attributes(of: candidate.path) else {
            throw .remote(RemoteFailure(.notFound, "it is gone at the second look"))
        }
        guard seen.kind == .file || seen.kind == .unknown, isSame(seen.version, candidate.version) else {
            throw .skipped(.growing)
        }
    }

    private func isSame(_ seen: FileVersion, _ listed: FileVersion) -> Bool {
        if let listedSize = listed.sizeBytes, seen.sizeBytes != listedSize { return false }
        if let listedTime = listed.modified, let seenTime = seen.modified, seenTime != listedTime { return false }
        return true
    }

    private func attributes(of path: RemotePath) async throws(FileTransfer.Fault) -> RemoteAttributes? {
        do {
            return try await files.attributes(of: path)
        } catch {
            throw .remote(error)
        }
    }
}
