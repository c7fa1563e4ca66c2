/// The end of a transfer: the move to `.done`, and the look at what arrived there.
///
/// What must hold whatever the partner and other pulls do meanwhile: the newest content is the current object, or it
/// stands at its place and a later run pulls it. With one pull at work that is rule P4: a file that is not the one
/// that was read goes back. Two pulls at work (rule P9) can also store an older content after a newer one:
///
/// - A reads version 1. The partner replaces it by version 2. B reads and stores version 2. A stores version 1.
/// - If A moves first, it moves version 2, sees that this is not what it read, and puts it back. The move has set the
///   file's time, and it gets still another one: when B now moves the same file, its look shows a time that it did not
///   read, so B puts it back as well, and the next run stores version 2 again. Had A restored the time, B would have been content
///   and the older object would have stayed.
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
    private static let maximumClockDifferenceSeconds: Int64 = 60
    /// How far ahead lies the time of a file in `.done` that is being pulled from there: longer than invocations last.
    private static let markedSeconds: Int64 = 3600

    /// Does `settle` to its end even when the task is cancelled: cut off between the move and the look, a file that
    /// nobody has read could stay in `.done`. It is a few requests, and each has its own time limit.
    func settleToTheEnd(
        _ candidate: Candidate, _ reader: any RemoteFileReader, _ object: StoredObject, _ key: ObjectKey,
        startedAt start: Double
    ) async throws(Fault) {
        let settled = Task {
            do throws(Fault) {
                return Result<Void, Fault>.success(try await settle(candidate, reader, object, key, startedAt: start))
            } catch {
                return .failure(error)
            }
        }
        try await settled.value.get()
    }

    /// Moves the file that was read and stored, and makes sure that it was that one.
    private func settle(
        _ candidate: Candidate, _ reader: any RemoteFileReader, _ object: StoredObject, _ key: ObjectKey,
        startedAt start: Double
    ) async throws(Fault) {
        let target = candidate.directory.done.appending(candidate.name)
        let time = clock.now
        let seen: RemoteAttributes?
        do {
            let moved = try await reader.closeAndMove(to: target, settingTime: time)
            if let failure = moved.timeFailure, failure.reason != .notFound {
                ledger.warningOnce(
                    "the server refuses to set times in .done, so retention counts from the partner's time",
                    because: failure.message, path: target)
            }
            seen = moved.seen
        } catch {
            guard error.reason == .notFound else { throw .remote(error) }
            seen = try await movedByAnother(to: target, startedAt: start)
        }
        if let seen, !isSame(seen, candidate.version) {
            // The move has given it a time, but one that another version may have had, which another pull has read.
            await setTime(of: target, to: clock.now + 1)
            try await putBack(candidate, key, startedAt: start)
        } else {
            receipt(candidate.path, key, object, startedAt: start)
        }
    }

    /// What another pull has put into `.done` since this transfer began; nil when the partner withdrew the file. Then
    /// `.done` can hold an older file of the name, which an earlier run moved: put back, it would be pulled again and
    /// become the current object over the newer one that was just stored.
    private func movedByAnother(
        to target: RemotePath, startedAt start: Double
    ) async throws(Fault) -> RemoteAttributes? {
        let began = clock.now + -(Int64(clock.uptimeSeconds - start) + Self.maximumClockDifferenceSeconds)
        let seen = try await remote { () throws(RemoteFailure) in try await files.attributes(of: target) }
        if let modified = seen?.version.modified, modified < began { return nil }
        return seen
    }

    /// Whether what stands there is the version that was read, as far as the server tells.
    private func isSame(_ seen: RemoteAttributes, _ version: FileVersion) -> Bool {
        guard seen.kind == .file || seen.kind == .unknown else { return false }
        if let seenSize = seen.version.sizeBytes, seenSize != version.sizeBytes { return false }
        if let seenTime = seen.version.modified, let time = version.modified, seenTime != time { return false }
        return true
    }

    /// Puts what was moved by mistake back to its place; if that is taken again, takes it from `.done`.
    private func putBack(
        _ candidate: Candidate, _ key: ObjectKey, startedAt start: Double
    ) async throws(Fault) {
        let target = candidate.directory.done.appending(candidate.name)
        do {
            try await files.moveWithoutReplacing(target, to: candidate.path)
        } catch {
            switch error.reason {
            case .alreadyExists: return try await pullFromDone(candidate, key, startedAt: start)
            case .notFound: break  // Somebody else has taken it out of `.done`, and now answers for it.
            default:
                throw .unusable(
                    "it was replaced while it was moved, and cannot be put back: \(error.message); the newer version "
                        + "stands in \(target), from where no run takes it")
            }
        }
        ledger.left(candidate.path, because: .changed)
    }

    /// Gives a file a time that nothing had before, so that another pull, whatever version it has read, sees at its own
    /// look that something happened.
    private func setTime(of path: RemotePath, to time: UnixTime) async {
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
    private func pullFromDone(_ candidate: Candidate, _ key: ObjectKey, startedAt start: Double) async throws(Fault) {
        let target = candidate.directory.done.appending(candidate.name)
        do throws(Fault) {
            for _ in 0..<Self.maximumRereads {
                await setTime(of: target, to: clock.now + Self.markedSeconds)
                let attributes = try await remote { () throws(RemoteFailure) in try await files.attributes(of: target) }
                guard let version = attributes?.version else {
                    return ledger.left(target, because: .gone)
                }
                guard let object = try await copy(target, version, to: key, preparing: candidate.directory) else {
                    continue
                }
                await setTime(of: candidate.path, to: clock.now + 1)
                let again = try await remote { () throws(RemoteFailure) in try await files.attributes(of: target) }
                if again?.version == version {
                    return receipt(target, key, object, startedAt: start)
                }
            }
            throw Fault.unusable("it was replaced again and again while it was taken from .done")
        } catch {
            try await keepUnsent(candidate, error)
        }
    }

    /// Copies a file in `.done`; nil when it changed meanwhile.
    private func copy(
        _ path: RemotePath, _ version: FileVersion, to key: ObjectKey, preparing directory: SourceDirectory
    ) async throws(Fault) -> StoredObject? {
        do throws(Fault) {
            let reader = try await remote { () throws(RemoteFailure) in
                try await files.openFile(path, expected: version)
            }
            do throws(Fault) {
                let object = try await copy(reader, version, to: key, preparing: directory)
                await reader.close()
                return object
            } catch {
                await reader.close()
                throw error
            }
        } catch {
            if case .remote(let failure) = error, failure.reason == .changed { return nil }
            throw error
        }
    }

    /// A version in `.done` that could not be stored, with its place taken: the next move would replace it. It gets a
    /// name of its own beside its place, and later runs pull it under that.
    private func keepUnsent(_ candidate: Candidate, _ cause: Fault) async throws(Fault) {
        let target = candidate.directory.done.appending(candidate.name)
        let suffix = Array(".replaced-\(clock.now.seconds)".utf8)
        let reason = "it was replaced while it was moved, and could not be taken from .done (\(cause))"
        guard let name = RemoteName(bytes: candidate.name.bytes + suffix) else { throw .unusable(reason) }
        do {
            try await files.moveWithoutReplacing(target, to: candidate.directory.path.appending(name))
        } catch {
            throw .unusable("\(reason); it stands in \(target), where the next transfer of that name would replace it")
        }
        throw .unusable("\(reason); it is now called \(name), and the next run takes it under that name")
    }

    private func receipt(_ path: RemotePath, _ key: ObjectKey, _ object: StoredObject, startedAt start: Double) {
        let seconds = clock.uptimeSeconds - start
        ledger.transferred(
            TransferReceipt(path: path, key: key, object: object, durationMilliseconds: Int64(seconds * 1000)),
            afterSeconds: seconds)
    }
}
