import Synchronization

/// Removes temporary files that nobody will go on with: of pushes that were killed, and of messages that ended among the
/// dead letters. pushRetry does so at the end of a run, over the connection that it has, in SFTP_TARGET_DIR and in the
/// directories of the objects that it has just pushed.
///
/// A file counts as left when its name says that it was begun more than 7 days ago, by our own clock, and nobody has
/// written to it since. Its own time is not enough: it is that of the object from the last byte on. Should a message
/// still want to go on with it after that, its object is sent from the beginning.
final class LeftoverSweep: Sendable {
    /// How long after the last byte a temporary file is removed: 7 days, as long as a checkpoint of pull is kept.
    static let maximumAgeSeconds = Checkpoint.maximumAgeSeconds
    /// How many directories are looked at in a run.
    static let maximumDirectories = 4
    /// How many entries of a directory are looked at: what a partner does not take away may be many.
    static let maximumEntries = 4_096

    private let plan: PushPlan
    private let clock: any Clock
    private let directories: Mutex<[RemotePath]>

    init(plan: PushPlan, clock: any Clock) {
        self.plan = plan
        self.clock = clock
        directories = Mutex([plan.targetDirectory])
    }

    /// Has the directories looked at that an object of this request goes to, and where files were begun for it.
    func note(_ request: PushRequest) {
        for begun in plan.begun(of: request) { note(begun.target.path.parent) }
        // Where an object goes whose time counts is known once it was looked at. What can never go anywhere leaves nothing.
        guard !plan.targetTellsTime, let target = try? plan.target(for: request.key, storedAt: PushPlan.anyTime) else {
            return
        }
        note(target.path.parent)
    }

    /// Has the directory looked at in which an object was put.
    func note(_ outcome: PushOutcome) {
        guard plan.targetTellsTime else { return }
        switch outcome {
        case .delivered(let receipt), .unmarked(let receipt, _, _): note(receipt.path.parent)
        case .marked, .skipped, .failed: break
        }
    }

    private func note(_ parent: RemotePath) {
        directories.withLock { directories in
            guard directories.count < Self.maximumDirectories, !directories.contains(parent) else { return }
            directories.append(parent)
        }
    }

    /// Removes what is found, as long as `mayGoOn` says so. What cannot be listed or removed stays: the next run comes by.
    func run(on destination: any RemoteDestination, _ ledger: PushLedger, while mayGoOn: () -> Bool) async {
        let limit = clock.now + -Self.maximumAgeSeconds
        for directory in directories.withLock({ $0 }) where mayGoOn() {
            // A directory that may not be listed is no reason to fail what was pushed.
            guard let listing = try? await destination.openDirectory(directory) else { continue }
            var entriesLeft = Self.maximumEntries
            // The same goes for one that cannot be listed to its end.
            while entriesLeft > 0, mayGoOn(), let entries = try? await listing.next() {
                entriesLeft -= entries.count
                for case .entry(let name, let attributes) in entries where mayGoOn() {
                    guard attributes.kind == .file, let began = TemporaryName.began(name), began < limit,
                        let modified = attributes.version.modified, modified < limit
                    else { continue }
                    await remove(directory.appending(name), on: destination, ledger)
                }
            }
            await listing.close()
        }
    }

    private func remove(_ path: RemotePath, on destination: any RemoteDestination, _ ledger: PushLedger) async {
        do throws(RemoteFailure) {
            try await destination.removeFile(path)
            ledger.warning("a temporary file that a push had left was removed", because: "\(path)")
        } catch {
            ledger.warning("a temporary file that a push had left could not be removed", because: error.message)
        }
    }
}
