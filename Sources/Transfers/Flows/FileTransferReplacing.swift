/// The move to `.done` (rule P2), also on a server whose rename does not replace.
///
/// There an older file of the name stands in the way, which an earlier run has stored. To remove it by its name is to
/// remove whatever has that name by then: another pull may have moved a file there in between, perhaps a version that
/// nobody has read. So it is first set aside under a name that nobody else uses (`TemporaryName`). Of two pulls that
/// try, one gets it; the other finds the name free. Only what is seen to be what stood there before is removed, and
/// only when another file has its name. At each step something else may be found:
///
/// - What stands there got its time just now: another pull has moved it, and has yet to look at it under that name. Ours
///   stays at its place for the next run.
/// - What was set aside is not what had been looked at: another pull has moved it there since. It goes to the place
///   that it came from, or where a newer one stands there by now, back to `.done`. Ours stays at its place for the next
///   run.
/// - The name is taken again when ours is to move there: the server refuses that. What was set aside is replaced by
///   what another pull has moved there, so it goes; ours stays at its place for the next run, unless it was ours that
///   the other has moved.
/// - Ours is gone: what was set aside goes back, or goes where another pull's file has taken its name. Then rule P9
///   looks at what is in `.done`, as on any server.
///
/// Ours that stays gets a new time: another pull that has read it then puts it back, or an older version that this one
/// has stored after a newer one would remain the current object. So every file at its place is moved or stays. As on a
/// server that replaces, one that another pull has just moved is replaced by ours where the partner has put a newer one
/// at its place; where he has not, it is put back.
///
/// When the run ends between two steps, the older file keeps its name of ours. Its content is in the store; no run
/// pulls it, and the purge removes it when its retention is over. Were it another pull's file, and a version that this
/// one had not read either, it would stay unread: two pulls at once, the partner and the end of a run must meet for
/// that.
extension FileTransfer {
    /// Moves the file that was read, and looks at what arrived.
    /// - Throws: as `RemoteFileReader.closeAndMove`; `.changed` when another pull has just moved a file of that name, and
    ///   this one is still at its place.
    func moveToDone(
        _ candidate: Candidate, _ reader: any RemoteFileReader, settingTime time: UnixTime, startedAt start: Double
    ) async throws(RemoteFailure) -> MovedFile {
        let target = candidate.directory.done.appending(candidate.name)
        let refusal: RemoteFailure
        do {
            return try await reader.closeAndMove(to: target, settingTime: time)
        } catch {
            guard error.reason == .alreadyExists else { throw error }
            refusal = error
        }
        let name = TemporaryName.name(for: candidate.name, randomBits: randomBits())
        let aside = candidate.directory.done.appending(name)
        let isAside = try await setAside(target, as: aside, candidate, startedAt: start, refusal)
        let moved: MovedFile
        do {
            moved = try await reader.closeAndMove(to: target, settingTime: time)
        } catch {
            if isAside { await restore(aside, to: target) }
            guard error.reason == .alreadyExists else { throw error }
            throw await overtaken(candidate)
        }
        if isAside { await removeReplaced(aside) }
        return moved
    }

    /// Sets aside what stands at the target.
    /// - Returns: false when nothing stood there any more.
    private func setAside(
        _ target: RemotePath, as aside: RemotePath, _ candidate: Candidate, startedAt start: Double,
        _ refusal: RemoteFailure
    ) async throws(RemoteFailure) -> Bool {
        guard let older = try await files.attributes(of: target) else { return false }
        // No server replaces a directory by a file.
        guard older.kind != .directory else { throw refusal }
        if isJustMoved(older, startedAt: start) { throw await overtaken(candidate) }
        do {
            try await files.moveWithoutReplacing(target, to: aside)
        } catch {
            if error.reason == .notFound { return false }
            throw error
        }
        let seen: RemoteAttributes?
        do {
            seen = try await files.attributes(of: aside)
        } catch {
            await restore(aside, to: target)
            throw error
        }
        if seen == older { return true }
        try await returnOvertaking(aside, to: target, candidate)
        throw await overtaken(candidate)
    }

    /// Whether another pull has moved it since this transfer began. A time that is further ahead than clocks can be apart
    /// is no pull's, but that of a server that lets no times be set.
    private func isJustMoved(_ seen: RemoteAttributes, startedAt start: Double) -> Bool {
        guard let modified = seen.version.modified else { return false }
        let latest = clock.now + (Self.maximumClockDifferenceSeconds + 1)
        return modified >= earliestMove(sinceUptimeSeconds: start) && modified <= latest
    }

    /// Puts back what was set aside and is another pull's.
    private func returnOvertaking(
        _ aside: RemotePath, to target: RemotePath, _ candidate: Candidate
    ) async throws(RemoteFailure) {
        // As in `settle`: a time that no pull has read.
        await setTime(of: aside, to: clock.now + 1)
        for place in [candidate.path, target] {
            do {
                return try await files.moveWithoutReplacing(aside, to: place)
            } catch {
                if error.reason == .notFound { return }
                guard error.reason == .alreadyExists, place != target else {
                    let message =
                        "\(error.message); what another pull had moved to \(target) stands in \(aside), from where no "
                        + "run takes it"
                    throw RemoteFailure(error.reason == .alreadyExists ? .failed : error.reason, message)
                }
            }
        }
    }

    /// Gives what was set aside its name back. Where another file has that by now, it has replaced this one.
    private func restore(_ aside: RemotePath, to target: RemotePath) async {
        do {
            try await files.moveWithoutReplacing(aside, to: target)
        } catch {
            switch error.reason {
            case .alreadyExists: await removeReplaced(aside)
            // The partner or the purge has removed it, or what comes next tells of the lost connection.
            case .notFound, .connectionLost, .invalidSettings: return
            case .denied, .changed, .unsupported, .cancelled, .failed:
                ledger.warning(
                    "the older file of that name in \(plan.doneName) is now called \(aside): \(error)", path: target)
            }
        }
    }

    private func removeReplaced(_ aside: RemotePath) async {
        do {
            try await files.removeFile(aside)
        } catch {
            // That a connection is lost the next file tells.
            guard error.reason != .connectionLost else { return }
            ledger.warningOnce(
                "the server lets no older file in \(plan.doneName) be replaced or removed; they stay there under names of ours",
                because: error.message, path: aside)
        }
    }

    /// What is thrown when another pull came before.
    ///
    /// This run may have stored its version after a newer one, which the other has read and not moved yet. So what
    /// stands at the place gets a time that nothing had: the other sees that at its own look, and puts it back. Where
    /// nothing stands there, the other has moved it already: rule P9.
    private func overtaken(_ candidate: Candidate) async -> RemoteFailure {
        let message = "move \(candidate.path): another pull has just moved a file of that name to \(plan.doneName)"
        await setTimeAtPlace(of: candidate, to: clock.now + 1)
        do {
            let isThere = try await files.attributes(of: candidate.path) != nil
            return RemoteFailure(isThere ? .changed : .notFound, message)
        } catch {
            return error
        }
    }
}
