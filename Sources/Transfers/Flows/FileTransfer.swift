/// Takes one file: read, store, move, look (rules P2 to P4, P8 and P9).
struct FileTransfer: Sendable {
    let plan: PullPlan
    let files: any RemoteFiles
    let store: any ObjectStore
    let clock: any Clock
    let ledger: PullLedger
    let budget: ByteBudget
    /// Bounds how many files of one piece are read and stored at once. Others are opened or on their way to the done
    /// directory meanwhile: each of that takes a round trip more, in which the line would be idle.
    let beingStored: ByteBudget
    /// The time of day at the beginning of the run.
    let runBegan: UnixTime
    let handles: OpenHandles
    let checkpoints: Checkpoints
    let readiness: Readiness
    /// For names of our own, new each time.
    let randomBits: @Sendable () -> UInt64
    /// Files of several parts are taken one after the other: one fills the line, and many at once would all be half
    /// done at the deadline.
    let largeFiles = ByteBudget(totalBytes: 1)

    /// What failed, and on which side.
    enum Fault: Error, CustomStringConvertible {
        case remote(RemoteFailure)
        case store(StoreFailure)
        case unusable(String)
        /// Once it was open, the server said something of it for which it is not taken now.
        case skipped(Selection.Exception)
        /// There is no time left for it in this run.
        case noTime
        /// Parts of it are stored, and the next run goes on with it.
        case continues
        /// The time was up before the first part was stored that this run began then, or, when no part was left, before
        /// the upload was completed.
        case noPart(beganUptimeSeconds: Double, isLeft: Bool)
        /// Parts of it were stored in the time, and how far that is could not be kept.
        case notKept

        var description: String {
            switch self {
            case .remote(let failure): failure.message
            case .store(let failure): failure.message
            case .unusable(let reason): reason
            case .skipped(let exception): exception.rawValue
            case .noTime, .continues, .noPart: "the time is up"
            case .notKept:
                "it did not come in the time of this run, and how far it came could not be kept for the next one "
                    + "(a warning of the log says why): see to that, or give the function a longer timeout"
            }
        }
    }

    /// A file to be stored.
    struct Source {
        var path: RemotePath
        /// What is known of it before it is open.
        var listed: FileVersion
        var key: ObjectKey
        var directory: SourceDirectory
        /// The partner's time, of a file in `.done`, which has got others since; nil for a file at its place, whose own
        /// time counts, for its age too.
        var partnersTime: UnixTime?
        var isAtItsPlace = true
        /// The version that was found complete, where that was asked for (`Readiness`).
        var ready: FileVersion?

        /// Whether the next run could go on with it, as far as is known before it is open.
        var canContinue: Bool { isAtItsPlace && listed.modified != nil }
    }

    /// A file that is stored, and still open.
    struct Stored: Sendable {
        var reader: any RemoteFileReader
        var object: StoredObject
        /// What was read, as the server said it of the open file.
        var version: FileVersion
        /// When it was opened.
        var startUptimeSeconds: Double
        /// How many runs have carried it, this one included.
        var attempt: Int
    }

    /// Takes the candidate and enters the outcome into the ledger. Never throws: one file stops no other (rule P6).
    func run(_ candidate: Candidate) async {
        var start: Double?
        do throws(Fault) {
            var source = Source(
                path: candidate.path, listed: candidate.version, key: try key(of: candidate),
                directory: candidate.directory)
            let found = try await readiness.check(candidate, source.key)
            source.ready = found.version
            ledger.began()
            let stored = try await copy(source, startedAt: &start)
            guard plan.afterPull != .keep else {
                await stored.reader.close()
                return receipt(source.path, source.key, stored, startedAt: stored.startUptimeSeconds)
            }
            do throws(Fault) {
                try await settleToTheEnd(candidate, stored, source.key, found.marker)
            } catch {
                await stored.reader.close()
                throw error
            }
        } catch {
            Self.note(error, of: candidate, startedAt: start, in: ledger)
        }
    }

    /// Runs an operation on the server; what it throws is a fault of that side.
    static func remote<Value>(_ operation: () async throws(RemoteFailure) -> Value) async throws(Fault) -> Value {
        do {
            return try await operation()
        } catch {
            throw .remote(error)
        }
    }

    /// Enters into the ledger why a file was not taken.
    static func note(
        _ fault: Fault, of candidate: Candidate, startedAt start: Double?, in ledger: PullLedger
    ) {
        let (path, modified) = (candidate.path, candidate.version.modified)
        switch fault {
        case .remote(let failure) where failure.reason == .notFound: ledger.left(path, because: .gone)
        case .remote(let failure) where failure.reason == .changed:
            ledger.left(path, because: .changed, modified: modified)
        case .remote(let failure): ledger.failed(path, failure, startedAt: start, modified: modified)
        case .store(let failure): ledger.failed(path, failure, startedAt: start, modified: modified)
        case .unusable(let reason): ledger.failed(path, .refused, reason, modified: modified)
        case .notKept: ledger.failed(path, .store, "\(fault)", modified: modified)
        case .skipped(let exception): ledger.left(path, because: .skipped(exception), modified: modified)
        case .noTime: ledger.remaining(modified: modified)
        case .continues: ledger.continues(modified: modified)
        case .noPart(let began, let isLeft):
            ledger.cameNoFurther(
                with: path, beganUptimeSeconds: began, isPartLeft: isLeft, modified: modified)
        }
    }

    private func key(of candidate: Candidate) throws(Fault) -> ObjectKey {
        do {
            return try plan.keys.key(forRelative: candidate.relativePath)
        } catch {
            throw .unusable(error.reason)
        }
    }

    // MARK: Read and store

    /// Opens the file and copies it to the store. Then it is still open, and whoever asked closes it.
    /// - Parameter start: set when it begins to be read.
    func copy(_ source: Source, startedAt start: inout Double?) async throws(Fault) -> Stored {
        let sizeBytes = try await sizeBytes(of: source)
        guard let parts = PartPlan(sizeBytes: sizeBytes) else {
            throw .unusable(PartPlan.refusal(sizeBytes: sizeBytes))
        }
        guard case .parts = parts else { return try await copyInTurn(source, parts, sizeBytes, startedAt: &start) }
        let turn = await largeFiles.reserve(1)
        defer { largeFiles.release(turn) }
        guard !ledger.isStopped, ledger.mayBegin(sizeBytes: sizeBytes, canContinue: source.canContinue) else {
            throw .noTime
        }
        return try await copyInTurn(source, parts, sizeBytes, startedAt: &start)
    }

    private func copyInTurn(
        _ source: Source, _ parts: PartPlan, _ sizeBytes: UInt64, startedAt start: inout Double?
    ) async throws(Fault) -> Stored {
        // Parts reserve their bytes one by one.
        let wholeBytes = if case .whole(let sizeBytes) = parts { sizeBytes } else { 0 }
        let file = try await open(source, sizeBytes: sizeBytes, wholeBytes: wholeBytes)
        defer { budget.release(file.reservedBytes) }
        do throws(Fault) {
            var attempt = 1
            let (object, version): (StoredObject, FileVersion)
            switch parts {
            case .whole(let sizeBytes):
                (object, version) = try await copyWhole(file.reader, source, sizeBytes: sizeBytes, startedAt: &start)
            case .parts(let count, let sizeBytes):
                start = file.openedUptimeSeconds
                (object, version) = try await copyParts(
                    file.reader, source, count: count, sizeBytes: sizeBytes, attempt: &attempt)
            }
            return Stored(
                reader: file.reader, object: object, version: version, startUptimeSeconds: file.openedUptimeSeconds,
                attempt: attempt)
        } catch {
            await file.reader.close()
            throw error
        }
    }

    /// A file that is open. Whoever asked for it closes it, and releases the bytes to the budget.
    private struct Opened {
        var reader: any RemoteFileReader
        var reservedBytes: Int
        var openedUptimeSeconds: Double
    }

    /// Opens a file in its turn, when its bytes are granted: one that waits for them is not open meanwhile. What is
    /// refused beside others is tried again.
    /// - Parameter wholeBytes: what to reserve of the budget.
    private func open(_ source: Source, sizeBytes: UInt64, wholeBytes: Int) async throws(Fault) -> Opened {
        var refusal: HandleRefusal?
        while let turn = await handles.turn(.file, after: refusal) {
            let reservedBytes = await budget.reserve(wholeBytes)
            let now = clock.uptimeSeconds
            // Both waits may have been long.
            guard mayBegin(source, sizeBytes: sizeBytes) else {
                budget.release(reservedBytes)
                handles.end(turn)
                throw turn.untriedAlone.map { .remote($0) } ?? .noTime
            }
            switch await handles.openFile(turn, source.path, expected: source.listed) {
            case .opened(let reader):
                return Opened(reader: reader, reservedBytes: reservedBytes, openedUptimeSeconds: now)
            case .failed(let failure):
                budget.release(reservedBytes)
                throw .remote(failure)
            case .refused(let again):
                budget.release(reservedBytes)
                refusal = again
            }
        }
        preconditionFailure("files always get a turn")
    }

    /// Whether it may be opened now. What is in `.done` has been begun: it is taken to its end.
    private func mayBegin(_ source: Source, sizeBytes: UInt64) -> Bool {
        !ledger.isStopped
            && (!source.isAtItsPlace || ledger.mayBegin(sizeBytes: sizeBytes, canContinue: source.canContinue))
    }

    /// The size that the listing says. When it says none, or no age where one is asked for, the open file may tell:
    /// then it is opened for that alone, before its bytes are reserved.
    private func sizeBytes(of source: Source) async throws(Fault) -> UInt64 {
        if let sizeBytes = source.listed.sizeBytes, !isAgeUnknown(source.listed, source) { return sizeBytes }
        let reader = try await open(source, sizeBytes: source.listed.sizeBytes ?? 0, wholeBytes: 0).reader
        do throws(Fault) {
            let version = try await version(of: reader, source)
            await reader.close()
            guard let sizeBytes = version.sizeBytes else {
                throw Fault.unusable("the server does not say how large it is")
            }
            return sizeBytes
        } catch {
            await reader.close()
            throw error
        }
    }

    /// `.done` is made while the store takes the file, but only once the file has been read.
    private func copyWhole(
        _ reader: any RemoteFileReader, _ source: Source, sizeBytes: Int, startedAt start: inout Double?
    ) async throws(Fault) -> (StoredObject, FileVersion) {
        let turn = await beingStored.reserve(1)
        defer { beingStored.release(turn) }
        guard mayBegin(source, sizeBytes: UInt64(sizeBytes)) else { throw .noTime }
        start = clock.uptimeSeconds
        let content = try await Self.remote { () throws(RemoteFailure) in
            try await reader.read(from: 0, countBytes: sizeBytes, verifyingEnd: true)
        }
        let version = try await version(of: reader, source)
        async let made = made(source.directory)
        let stored: Result<StoredObject, StoreFailure>
        do {
            let metadata = metadata(of: source, version)
            stored = .success(try await store.put(source.key, content: content, metadata: metadata))
        } catch {
            stored = .failure(error)
        }
        return (try await both(made, stored), version)
    }

    private func isAgeUnknown(_ version: FileVersion, _ source: Source) -> Bool {
        source.isAtItsPlace && plan.selection.ageException(of: version, now: clock.now) == .ageUnknown
    }

    /// What is being read. A file at its place must be old enough by its own time too, not only by the listing's.
    ///
    /// That the listing has another time is nothing when the file's own is older than this run: listings round. A
    /// younger one that the listing does not have was given to it since then, perhaps by another pull, which has moved
    /// it to `.done` meanwhile; what stands at its place by now may have that same second. The next run takes it.
    func version(of reader: any RemoteFileReader, _ source: Source) async throws(Fault) -> FileVersion {
        let version = try await Self.remote { () throws(RemoteFailure) in try await reader.version() }
        guard source.isAtItsPlace else { return version }
        if let exception = plan.selection.ageException(of: version, now: clock.now) { throw .skipped(exception) }
        if let ready = source.ready, let modified = version.modified, ready.modified ?? modified != modified {
            let message = "open \(source.path): it is no longer the version that was found complete"
            throw .remote(RemoteFailure(.changed, message))
        }
        if let modified = version.modified, let listed = source.listed.modified, modified != listed,
            modified > runBegan + -Self.maximumClockDifferenceSeconds
        {
            let message = "open \(source.path): it has another time than listed, and got it just now"
            throw .remote(RemoteFailure(.changed, message))
        }
        return version
    }

    func metadata(of source: Source, _ version: FileVersion) -> [String: String] {
        PulledVersion.metadata(
            from: plan.origin, modified: source.isAtItsPlace ? version.modified : source.partnersTime,
            listed: plan.afterPull == .keep ? source.listed.modified : nil)
    }

    func made(_ directory: SourceDirectory) async -> Result<Void, RemoteFailure> {
        if plan.afterPull == .keep { return .success(()) }
        do {
            return .success(try await directory.makeDone(on: files))
        } catch {
            return .failure(error)
        }
    }

    func both(
        _ made: Result<Void, RemoteFailure>, _ stored: Result<StoredObject, StoreFailure>
    ) throws(Fault) -> StoredObject {
        switch (stored, made) {
        case (.failure(let failure), _): throw .store(failure)
        case (_, .failure(let failure)):
            let message = "it is stored, but cannot be moved to \(plan.doneName): \(failure.message)"
            // "Not found" is the directory here, and not the file, which would count as withdrawn.
            throw .remote(RemoteFailure(failure.reason == .notFound ? .failed : failure.reason, message))
        case (.success(let object), .success): return object
        }
    }
}
