/// The marker of a file that was taken (`ReadyMarker`): it goes where the file went, so that the next file of that name
/// is not taken before the partner has marked that too.
///
/// It goes after the file: a run that dies between the two leaves a marker that is older than the next file, and so
/// does not speak of it; the other way round the file would wait for ever. A marker that the partner has written anew
/// meanwhile is for the next file. It stays, and where it was moved before that could be seen, it goes back.
extension FileTransfer {
    func retire(_ marker: Readiness.FoundMarker, of candidate: Candidate) async {
        let path = candidate.directory.path.appending(marker.name)
        let target = candidate.directory.done.appending(marker.name)
        do {
            guard try await files.attributes(of: path) == marker.seen else { return }
            try await moveReplacing(path, to: target)
            guard try await files.attributes(of: target) == marker.seen else {
                return try await files.moveWithoutReplacing(target, to: path)
            }
            await setTime(of: target, to: clock.now)
        } catch {
            switch error.reason {
            // Gone, or there is a newer one at its place, or the loss of the connection is told by others.
            case .notFound, .alreadyExists, .connectionLost, .cancelled, .invalidSettings: return
            case .denied, .changed, .unsupported, .failed:
                ledger.warningOnce(
                    "markers of files that were taken stay at their places; each counts only for files that are not newer",
                    because: error.message, path: path)
            }
        }
    }

    /// Gives what stands at the candidate's place a time, and its marker the same: else the marker would be the older, and
    /// no longer speak of it.
    func setTimeAtPlace(of candidate: Candidate, to time: UnixTime) async {
        guard plan.selection.readyMarker != nil else { return await setTime(of: candidate.path, to: time) }
        // What cannot be looked at keeps its marker as it is: the next run says that it is not marked.
        let before = try? await files.attributes(of: candidate.path)
        await setTime(of: candidate.path, to: time)
        if let version = before?.version { await remark(candidate, of: version, to: time) }
    }

    /// Gives the marker of a version that has got another time that time too, if there is one that speaks of it.
    func remark(_ candidate: Candidate, of version: FileVersion, to time: UnixTime) async {
        guard let name = plan.selection.readyMarker?.name(for: candidate.name) else { return }
        let path = candidate.directory.path.appending(name)
        // What cannot be looked at keeps its time, as above.
        guard let seen = try? await files.attributes(of: path), seen.kind != .directory,
            ReadyMarker.speaks(seen.version, of: version)
        else { return }
        await setTime(of: path, to: time)
    }

    private func moveReplacing(_ path: RemotePath, to target: RemotePath) async throws(RemoteFailure) {
        do {
            try await files.moveWithoutReplacing(path, to: target)
        } catch {
            guard error.reason == .alreadyExists else { throw error }
            // The marker of an earlier file of that name.
            try await files.removeFile(target)
            try await files.moveWithoutReplacing(path, to: target)
        }
    }
}
