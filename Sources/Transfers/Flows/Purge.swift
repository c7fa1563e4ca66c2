/// Removes what has been in `.done` for longer than its retention (rule P5). It runs after the transfers, so that
/// nothing arrives in a `.done` while it is looked at.
///
/// A file whose size is not that of its object stays: it may be a version that nobody has stored, left there by a run
/// that died between the move and the look behind it.
struct Purge: Sendable {
    let plan: PullPlan
    let files: any RemoteFiles
    let handles: OpenHandles
    let store: any ObjectStore
    let clock: any Clock
    let ledger: PullLedger

    private static let maximumAtOnce = 16
    /// With less time left, nothing is begun any more.
    private static let marginSeconds = 5.0

    /// Goes through these directories' `.done`. What cannot be removed stays and is warned of: it fails nothing.
    func run(_ withDone: DoneDirectories) async {
        guard let retentionSeconds = plan.retentionSeconds else { return }
        let (directories, droppedCount) = withDone.drawn()
        if droppedCount > 0 {
            ledger.warning(
                "\(droppedCount) of \(directories.count + droppedCount) directories with a \(plan.doneName) are not looked at in "
                    + "this run; each run looks at others, as chance has it")
        }
        let cutoff = clock.now + -retentionSeconds
        await withTaskGroup(of: Void.self) { group in
            for (index, directory) in directories.enumerated() {
                if index >= Self.maximumAtOnce { await group.next() }
                guard mayBegin else { return }
                group.addTask { await purge(directory, before: cutoff) }
            }
        }
    }

    private var mayBegin: Bool {
        guard !ledger.isStopped else { return false }
        guard let deadline = plan.deadlineUptimeSeconds else { return true }
        return clock.uptimeSeconds + Self.marginSeconds < deadline
    }

    private func purge(_ directory: SourceDirectory, before cutoff: UnixTime) async {
        let listing: any RemoteListing
        switch await handles.openDirectory(directory.done, .listing, while: { mayBegin }) {
        case .opened(let opened): listing = opened
        case .failed(let failure): return stopped(failure, directory)
        case .stopped, .noTurn: return
        }
        do {
            while mayBegin, let entries = try await listing.next() {
                try await purge(entries, of: directory, before: cutoff)
            }
        } catch {
            stopped(error, directory)
        }
        await listing.close()
    }

    private func stopped(_ failure: RemoteFailure, _ directory: SourceDirectory) {
        // Of a lost connection all that are under way hear, and one of them tells it.
        guard failure.reason != .connectionLost || ledger.lostConnection(failure) else { return }
        ledger.warning("the purge of \(plan.doneName) stopped: \(failure)", path: directory.done)
    }

    private func purge(
        _ entries: [RemoteEntry], of directory: SourceDirectory, before cutoff: UnixTime
    ) async throws(RemoteFailure) {
        let failure = await withTaskGroup(of: RemoteFailure?.self) { group in
            var underWay = 0
            var first: RemoteFailure?
            for entry in entries {
                guard case .entry(let name, let attributes) = entry, isPast(attributes, cutoff), mayBegin else {
                    continue
                }
                if underWay >= Self.maximumAtOnce {
                    let ended = await group.next() ?? nil
                    first = first ?? ended
                    underWay -= 1
                }
                underWay += 1
                group.addTask { await purgeFile(name, of: directory, before: cutoff) }
            }
            while let ended = await group.next() { first = first ?? ended }
            return first
        }
        if let failure { throw failure }
    }

    private func isPast(_ attributes: RemoteAttributes?, _ cutoff: UnixTime) -> Bool {
        guard let attributes, attributes.kind == .file, let modified = attributes.version.modified else { return false }
        return modified < cutoff
    }

    private func purgeFile(
        _ name: RemoteName, of directory: SourceDirectory, before cutoff: UnixTime
    ) async -> RemoteFailure? {
        let path = directory.done.appending(name)
        // An older version that a run has set aside and could not remove. No object is to be asked: that of its name is
        // a later version.
        if TemporaryName.isOurs(name) { return await remove(path, before: cutoff, sizeBytes: nil) }
        let key: ObjectKey
        do {
            key = try plan.keys.key(forRelative: directory.relativePath(of: name))
        } catch {
            return nil  // It never was an object of ours, so it was never transferred: not ours to remove.
        }
        let object: ObjectSummary?
        do {
            object = try await store.head(key)
        } catch {
            ledger.warning(
                "it stays in \(plan.doneName), since its object cannot be looked at: \(error.message)", path: path)
            return nil
        }
        if object == nil, plan.doneName != .done, plan.selection.readyMarker?.isMarker(name.bytes) != true {
            ledger.warningOnce(
                "files in \(plan.doneName) that have no object stay there",
                because: "under that name they may be the partner's own, which nobody has pulled", path: path)
            return nil
        }
        // A younger object: this name was transferred again since, by a server that does not let us set times.
        if let object, object.lastModified >= cutoff { return nil }
        return await remove(path, before: cutoff, sizeBytes: object?.sizeBytes)
    }

    /// - Parameter storedBytes: the size of its object; nil when there is none.
    private func remove(
        _ path: RemotePath, before cutoff: UnixTime, sizeBytes storedBytes: UInt64?
    ) async -> RemoteFailure? {
        do {
            // Once more, right before the removal: a later transfer may have replaced it.
            let attributes = try await files.attributes(of: path)
            guard isPast(attributes, cutoff) else { return nil }
            if let storedBytes, let sizeBytes = attributes?.version.sizeBytes, sizeBytes != storedBytes {
                ledger.warning(
                    "it stays in \(plan.doneName): it has \(sizeBytes) bytes and its object \(storedBytes), so it may be a version "
                        + "that was never stored", path: path)
                return nil
            }
            try await files.removeFile(path)
            ledger.purged(path)
            return nil
        } catch {
            if error.reason == .connectionLost { return error }
            ledger.warning("it stays in \(plan.doneName): \(error.message)", path: path)
            return nil
        }
    }
}
