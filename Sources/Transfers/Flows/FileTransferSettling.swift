/// The end of a transfer: the move to `.done`, and the look at what arrived there.
///
/// What must hold whatever the partner and other pulls do meanwhile: the newest content is the current object, or it
/// stands at its place and a later run pulls it. With one pull at work that is rule P4: a file that is not the one
/// that was read goes back. Two pulls at work (rule P9) can also store an older content after a newer one:
///
/// - A reads version 1. The partner replaces it by version 2. B reads and stores version 2. A stores version 1.
/// - If A moves first, it moves version 2, sees that this is not what it read, and puts it back. The move has set the
///   file's time, and it gets still another one: when B now moves the same file, its look shows a time that it did not
///   read, so B puts it back as well, and the next run stores version 2 again. Had A restored the time, B would have
///   been content and the older object would have stayed.
/// - If B moves first, A finds its file gone. What it finds in `.done` is not exactly what it read (the time is that
///   of the move), so it puts that back: the next run stores it again.
///
/// So whoever may have stored something older leaves a file that a later run pulls. The price is a repeated transfer,
/// as rule P9 allows. A server that refuses to set times leaves the first case open; a warning says so. And SFTP has
/// no more than size and seconds: where a version replaces another of its size within the second, only a minimum age
/// (rule P3) tells them apart.
extension FileTransfer {
    /// How often a file in `.done` is read again because it was replaced meanwhile.
    private static let maximumRereads = 4
    /// How far the clocks of two invocations may be apart.
    static let maximumClockDifferenceSeconds: Int64 = 60
    /// How far ahead lies the time of a file in `.done` that is being pulled from there: longer than invocations last.
    private static let markedSeconds: Int64 = 3600

    /// Does `settle` to its end even when the task is cancelled: cut off between the move and the look, a file that
    /// nobody has read could stay in `.done`. It is a few requests, and each has its own time limit.
    func settleToTheEnd(
        _ candidate: Candidate, _ stored: Stored, _ key: ObjectKey, _ marker: Readiness.FoundMarker?
    ) async throws(Fault) {
        let settled = Task {
            do throws(Fault) {
                return Result<Void, Fault>.success(try await settle(candidate, stored, key, marker))
            } catch {
                return .failure(error)
            }
        }
        try await settled.value.get()
    }

    /// Moves the file that was read and stored, and makes sure that it was that one.
    private func settle(
        _ candidate: Candidate, _ stored: Stored, _ key: ObjectKey, _ marker: Readiness.FoundMarker?
    ) async throws(Fault) {
        let target = candidate.directory.done.appending(candidate.name)
        let time = clock.now
        let start = stored.startUptimeSeconds
        let seen: RemoteAttributes?
        do {
            let moved = try await moveToDone(
                candidate, stored.reader, settingTime: time, startedAt: start)
            if let failure = moved.timeFailure, failure.reason != .notFound {
                ledger.warningOnce(
                    "the server refuses to set times in \(plan.doneName), so retention counts from the partner's time",
                    because: failure.message, path: target)
            }
            seen = moved.seen
        } catch {
            guard error.reason == .notFound else { throw .remote(error) }
            seen = try await movedByAnother(to: target, startedAt: start)
        }
        guard let seen, !isSame(seen, stored.version), !isAsListed(seen, candidate, stored.version) else {
            if let marker { await retire(marker, of: candidate) }
            return receipt(candidate.path, key, stored, startedAt: start)
        }
        // The move has given it a time, but one that another version may have had, which another pull has read.
        let newTime = clock.now + 1
        await setTime(of: target, to: newTime)
        await remark(candidate, of: seen.version, to: newTime)
        try await putBack(candidate, seen.version.modified, key, startedAt: start)
    }

    /// What another pull has put into `.done` since this transfer began; nil when the partner withdrew the file. Then
    /// `.done` can hold an older file of the name, which an earlier run moved: put back, it would be pulled again and
    /// become the current object over the newer one that was just stored.
    private func movedByAnother(
        to target: RemotePath, startedAt start: Double
    ) async throws(Fault) -> RemoteAttributes? {
        let seen = try await Self.remote { () throws(RemoteFailure) in try await files.attributes(of: target) }
        if let modified = seen?.version.modified, modified < earliestMove(sinceUptimeSeconds: start) { return nil }
        return seen
    }

    /// The earliest time that another pull can have given a file that it has moved since then.
    func earliestMove(sinceUptimeSeconds start: Double) -> UnixTime {
        clock.now + -(Int64(clock.uptimeSeconds - start) + Self.maximumClockDifferenceSeconds)
    }

    /// Whether what stands there is the version that was read, as far as the server tells.
    private func isSame(_ seen: RemoteAttributes, _ version: FileVersion) -> Bool {
        guard seen.kind == .file || seen.kind == .unknown else { return false }
        if let seenSize = seen.version.sizeBytes, seenSize != version.sizeBytes { return false }
        if let seenTime = seen.version.modified, let time = version.modified, seenTime != time { return false }
        return true
    }

    /// Whether it is the very file of the listing, on a server that says another time of an open file than of a path.
    ///
    /// What the listing and the look say are both said of the path, before the file was opened and after it was moved:
    /// when they agree in size and time and only the open file was said to have another time, it is the server that has
    /// two times for one file. (A file that was replaced before it was opened, and then again by one of the first size
    /// and the first time, would look the same; no pull gives a file a time back, so only a partner could do that.)
    private func isAsListed(_ seen: RemoteAttributes, _ candidate: Candidate, _ version: FileVersion) -> Bool {
        guard seen.version.modified != nil, seen.version.sizeBytes == version.sizeBytes else { return false }
        return seen.version == candidate.version && isSame(seen, candidate.version)
    }

    /// Whether the server says another time of a file by its path than of the same file once it is open. Then a file
    /// that was replaced cannot be told from one that was not, and every run would put it back again.
    private func saysTwoTimes(of path: RemotePath) async -> Bool {
        do {
            guard let before = try await files.attributes(of: path), before.kind != .symbolicLink,
                let modified = before.version.modified, let turn = await handles.turn(.file),
                case .opened(let reader) = await handles.openFile(
                    turn, path, expected: FileVersion(sizeBytes: nil, modified: nil))
            else { return false }
            let opened: FileVersion
            do {
                opened = try await reader.version()
            } catch {
                await reader.close()
                throw error
            }
            await reader.close()
            // The same before and behind it, or it was replaced in between.
            guard try await files.attributes(of: path) == before, let openModified = opened.modified else {
                return false
            }
            return openModified != modified
        } catch {
            return false  // Only the message would have been better.
        }
    }

    /// Puts what was moved by mistake back to its place; if that is taken again, takes it from `.done`.
    private func putBack(
        _ candidate: Candidate, _ partnersTime: UnixTime?, _ key: ObjectKey, startedAt start: Double
    ) async throws(Fault) {
        let target = candidate.directory.done.appending(candidate.name)
        do {
            try await files.moveWithoutReplacing(target, to: candidate.path)
        } catch {
            switch error.reason {
            case .alreadyExists: return try await pullFromDone(candidate, partnersTime, key, startedAt: start)
            case .notFound:  // Somebody else has taken it out of `.done`, and now answers for it.
                return ledger.left(candidate.path, because: .changed)
            default:
                throw .unusable(
                    "it was replaced while it was moved, and cannot be put back: \(error.message); the newer version "
                        + "stands in \(target), from where no run takes it")
            }
        }
        if await saysTwoTimes(of: candidate.path) {
            throw .unusable(
                "it is stored, but stays at its place: the server says another time of a file by its path than of the "
                    + "same file once it is open, so it cannot be seen whether the file that was moved is the one that "
                    + "was read")
        }
        ledger.left(candidate.path, because: .changed)
    }

    /// Gives a file a time that nothing had before, so that another pull, whatever version it has read, sees at its own
    /// look that something happened.
    func setTime(of path: RemotePath, to time: UnixTime) async {
        // When the file or the connection is gone the next step fails and says what that means; when the server sets no
        // times, nothing helps.
        try? await files.setModificationTime(of: path, to: time)
    }

    /// Takes the version in `.done`, whose place is taken by a still newer one.
    ///
    /// Another pull may have stored the newer one before this stores the older one. So the file at the place gets a
    /// new time: a pull that has read it sees that at its own look, and puts it back. And `.done` is looked at again:
    /// if the newer one has arrived there meanwhile, it is taken too. To be known again, the file in `.done` first gets
    /// a time that no move gives.
    private func pullFromDone(
        _ candidate: Candidate, _ partnersTime: UnixTime?, _ key: ObjectKey, startedAt start: Double
    ) async throws(Fault) {
        let target = candidate.directory.done.appending(candidate.name)
        do throws(Fault) {
            for _ in 0..<Self.maximumRereads {
                await setTime(of: target, to: clock.now + Self.markedSeconds)
                let attributes = try await Self.remote { () throws(RemoteFailure) in
                    try await files.attributes(of: target)
                }
                guard let version = attributes?.version else {
                    return ledger.left(target, because: .gone)
                }
                let source = Source(
                    path: target, listed: version, key: key, directory: candidate.directory,
                    partnersTime: partnersTime, isAtItsPlace: false)
                guard let stored = try await copyFromDone(source) else { continue }
                await setTimeAtPlace(of: candidate, to: clock.now + 1)
                let again = try await Self.remote { () throws(RemoteFailure) in try await files.attributes(of: target) }
                if again?.version == version {
                    // Its retention counts from now. Should another pull have replaced it since the look, that one's
                    // file gets the time of its own transfer once more; should this run die here, the mark keeps the
                    // file for an hour longer.
                    await setTime(of: target, to: clock.now)
                    return receipt(target, key, stored, startedAt: start)
                }
            }
            throw Fault.unusable("it was replaced again and again while it was taken from \(plan.doneName)")
        } catch {
            try await keepUnsent(candidate, partnersTime, error)
        }
    }

    /// Copies a file in `.done`; nil when it changed meanwhile.
    private func copyFromDone(_ source: Source) async throws(Fault) -> Stored? {
        do throws(Fault) {
            var start: Double?
            let stored = try await copy(source, startedAt: &start)
            await stored.reader.close()
            return stored
        } catch {
            // Gone for a moment only, it may be: where a rename does not replace, another pull sets it aside first.
            if case .remote(let failure) = error, [.changed, .notFound].contains(failure.reason) { return nil }
            throw error
        }
    }

    /// A version in `.done` that could not be stored, with its place taken: the next move would replace it. It gets a
    /// name of its own beside its place, one that the settings take if there is such a name, and later runs pull it
    /// under that.
    private func keepUnsent(
        _ candidate: Candidate, _ partnersTime: UnixTime?, _ cause: Fault
    ) async throws(Fault) {
        let target = candidate.directory.done.appending(candidate.name)
        let names = ReplacedName.names(for: candidate.name, at: clock.now)
        let reason = "it was replaced while it was moved, and could not be taken from \(plan.doneName) (\(cause))"
        let taken = names.first { plan.takes($0, of: candidate.directory) }
        guard let name = taken ?? names.first else { throw .unusable(reason) }
        let path = candidate.directory.path.appending(name)
        do {
            try await files.moveWithoutReplacing(target, to: path)
        } catch {
            throw .unusable("\(reason); it stands in \(target), where the next transfer of that name would replace it")
        }
        // Without the mark it had in `.done`: by that it would be too young for an hour.
        await setTime(of: path, to: partnersTime ?? clock.now)
        guard taken != nil else {
            throw .unusable(
                "\(reason); it is now called \(name) and stays there, since SFTP_INCLUDE, SFTP_EXCLUDE or the limits of "
                    + "names and keys leave out every name that it could have")
        }
        let condition = plan.selection.readyMarker?.name(for: name).map { " once \($0) stands beside it" } ?? ""
        throw .unusable(
            "\(reason); it is now called \(name), and the next run takes it under that name\(condition)")
    }

    func receipt(_ path: RemotePath, _ key: ObjectKey, _ stored: Stored, startedAt start: Double) {
        let seconds = clock.uptimeSeconds - start
        ledger.transferred(
            TransferReceipt(
                path: path, key: key, object: stored.object, attempt: stored.attempt,
                durationMilliseconds: Int64(seconds * 1000)),
            afterSeconds: seconds)
    }
}
