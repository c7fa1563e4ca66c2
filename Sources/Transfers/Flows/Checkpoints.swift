import JSON

/// The checkpoints of a flow in its bucket. Files of one part cost no request here; the first larger one costs a listing,
/// and only a file that has a checkpoint is asked for it.
///
/// Two pulls at once (rule P9) can go on with one upload. Both read the same version of the file, so both store the same
/// bytes under the same numbers, and whoever completes it first makes the whole object; the other finds the upload gone
/// and leaves the file to the next run. Where each begins an upload of its own, one checkpoint replaces the other, and
/// the upload of that is ended by the bucket's lifecycle rule. Nothing of this is ever mixed: a part belongs to one
/// upload, and an upload to one version of one file.
actor Checkpoints {
    private let plan: PullPlan
    private let store: any ObjectStore
    private let clock: any Clock
    private let ledger: PullLedger
    /// The keys of those that are there; nil before the listing.
    private var present: Set<ObjectKey>?
    /// Whether checkpoints are of use: not where they may not be listed, or uploads not be gone on with. Then a file has
    /// to come in one run, and fails by name where it does not.
    private(set) var areOfUse = true

    /// How many are listed.
    private static let maximumListed = 4000
    /// How many old ones are given up in a run.
    private static let maximumExpired = 100

    init(plan: PullPlan, store: any ObjectStore, clock: any Clock, ledger: PullLedger) {
        self.plan = plan
        self.store = store
        self.clock = clock
        self.ledger = ledger
    }

    /// Where the checkpoint of a file is kept; nil when it can have none.
    nonisolated func place(for path: RemotePath, _ key: ObjectKey) -> Checkpoint.Place? {
        Checkpoint.Place(
            origin: plan.origin, path: path, fileKey: key, prefix: plan.keys.prefix, sha256: plan.sha256)
    }

    /// The upload that earlier runs have left of this version of the file, and how many those were; nil when there is
    /// none. One of another version is given up.
    func resume(
        _ place: Checkpoint.Place, _ version: FileVersion
    ) async throws(StoreFailure) -> (upload: any ObjectUpload, storedCount: Int, attempts: Int)? {
        guard try await listed().contains(place.key) else { return nil }
        guard let bytes = try await content(of: place.key) else {
            present?.remove(place.key)
            return nil
        }
        guard let checkpoint = Checkpoint(parsing: bytes) else {
            await remove(place)
            return nil
        }
        if checkpoint.isOf(place, version), let upload = try await resumeUpload(place, checkpoint) {
            return (upload, checkpoint.progress.parts.count, checkpoint.attempts)
        }
        if checkpoint.key == place.fileKey { await abandon(checkpoint) }
        await remove(place)
        return nil
    }

    /// What stands there; empty when it is longer than a checkpoint can be, and so none; nil when there is nothing.
    private func content(of key: ObjectKey) async throws(StoreFailure) -> [UInt8]? {
        do throws(StoreFailure) {
            return try await store.note(key, maximumBytes: Checkpoint.maximumBytes)
        } catch {
            guard error.reason == .rejected else { throw error }
            return []
        }
    }

    /// A role that may not do it, as one of an older deployment, must not keep a file from being taken at all.
    private func resumeUpload(
        _ place: Checkpoint.Place, _ checkpoint: Checkpoint
    ) async throws(StoreFailure) -> (any ObjectUpload)? {
        do throws(StoreFailure) {
            return try await store.resumeUpload(
                place.fileKey, checkpoint.progress, partBytes: checkpoint.partBytes, sizeBytes: checkpoint.sizeBytes)
        } catch {
            guard error.reason == .denied else { throw error }
            areOfUse = false
            ledger.warningOnce(
                "large files begin anew in each run, since the parts of uploads may not be listed "
                    + "(s3:ListMultipartUploadParts)", because: error.message, path: RemotePath(place.path))
            return nil
        }
    }

    /// Keeps how far a file has come, also when the task is cancelled.
    /// - Parameter attempts: how many runs have carried it.
    /// - Returns: whether there is a checkpoint of this upload now.
    func keep(
        _ place: Checkpoint.Place, _ version: FileVersion, _ progress: UploadProgress, attempts: Int
    ) async -> Bool {
        guard let sizeBytes = version.sizeBytes, let modified = version.modified else { return false }
        let checkpoint = Checkpoint(
            origin: place.origin, path: place.path, key: place.fileKey, sizeBytes: sizeBytes, modified: modified,
            partBytes: PartPlan.partBytes, progress: progress, attempts: attempts)
        // Whoever pushes from this bucket to the same server knows by the origin that it is not to be sent (rule P8).
        let (store, metadata) = (store, ["synced-from": plan.origin])
        let failure = await shielded { () throws(StoreFailure) in
            try await store.keepNote(place.key, content: checkpoint.jsonBytes, metadata: metadata)
        }
        guard let failure else {
            present?.insert(place.key)
            return true
        }
        ledger.warningOnce(
            "how far a file has come could not be kept for the next run", because: failure.message,
            path: RemotePath(place.path))
        return false
    }

    /// Removes the checkpoint of a file, if there is one.
    func remove(_ place: Checkpoint.Place) async {
        guard present?.contains(place.key) == true else { return }
        await remove(place.key, of: place.path)
    }

    private func remove(_ key: ObjectKey, of path: String) async {
        let store = store
        let failure = await shielded { () throws(StoreFailure) in try await store.removeNote(key) }
        if let failure {
            ledger.warningOnce("a checkpoint could not be removed", because: failure.message, path: RemotePath(path))
        } else {
            present?.remove(key)
        }
    }

    private func abandon(_ checkpoint: Checkpoint) async {
        let store = store
        let failure = await shielded { () throws(StoreFailure) in
            try await store.abandonUpload(checkpoint.key, uploadID: checkpoint.progress.uploadID)
        }
        if let failure {
            ledger.warningOnce(
                "an upload of an earlier run could not be given up; until a lifecycle rule ends it, its parts cost money",
                because: failure.message, path: RemotePath(checkpoint.path))
        }
    }

    /// What is there, asked for once in a run. Old ones are given up then.
    private func listed() async throws(StoreFailure) -> Set<ObjectKey> {
        if let present { return present }
        let notes: [ListedNote]
        do throws(StoreFailure) {
            notes = try await store.notes(
                prefix: plan.keys.prefix + Checkpoint.directory, maximumCount: Self.maximumListed)
        } catch {
            guard error.reason == .denied else { throw error }
            areOfUse = false
            ledger.warningOnce(
                "large files begin anew in each run, since checkpoints may not be listed", because: error.message,
                path: plan.sourceDirectory)
            present = []
            return []
        }
        present = Set(notes.map(\.key))
        let limit = clock.now + -Checkpoint.maximumAgeSeconds
        for note in notes.filter({ $0.lastModified < limit }).prefix(Self.maximumExpired) {
            await expire(note.key)
        }
        return present ?? []
    }

    /// Gives up what nobody has gone on with for long, with its upload.
    private func expire(_ key: ObjectKey) async {
        // What cannot be read now is looked at again by the next run.
        guard let bytes = try? await content(of: key) else { return }
        let checkpoint = Checkpoint(parsing: bytes)
        if let checkpoint, checkpoint.origin != plan.origin { return }
        // One that is not at its place was not left by a pull, and may name any upload.
        if let checkpoint, place(for: RemotePath(checkpoint.path), checkpoint.key)?.key == key {
            await abandon(checkpoint)
        }
        await remove(key, of: checkpoint?.path ?? key.text)
    }

    /// Runs it in a task of its own, which nobody cancels.
    private nonisolated func shielded(
        _ operation: @escaping @Sendable () async throws(StoreFailure) -> Void
    ) async -> StoreFailure? {
        await Task {
            do throws(StoreFailure) {
                try await operation()
                return nil
            } catch {
                return error
            }
        }.value
    }
}
