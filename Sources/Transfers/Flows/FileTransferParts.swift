/// Files of several parts. One that does not fit into the time that is left leaves a checkpoint and its upload, and the
/// next run goes on behind the last part that is stored.
///
/// A run always comes further if a part, or what is to be done behind the last one, takes no longer than its time: each
/// part that is stored is kept, the last one too, and a run that finds all of them there has only the finish left. Part of
/// the time is reserved for that (`PartPace.finishSeconds`): it is not begun at the end of a run to be cut off there.
extension FileTransfer {
    /// How much may come between two checkpoints of a file that does not fit: this is what a process that is killed loses.
    private static let checkpointBytes: UInt64 = 256 << 20
    private static let checkpointSeconds = 30.0

    /// An upload that is under way.
    private struct PartUpload {
        let upload: any ObjectUpload
        /// How many parts the file has.
        let count: Int
        /// How many parts an earlier run has stored.
        let storedCount: Int
        /// How many runs have carried it, this one included.
        let attempt: Int
        /// Where its checkpoint is kept; nil when it has to be taken to its end in this run: in `.done` a file has no
        /// place of its own, and without a time it could not be known again.
        let place: Checkpoint.Place?
        let version: FileVersion
    }

    /// - Parameter attempt: set to how many runs have carried the file, this one included.
    func copyParts(
        _ reader: any RemoteFileReader, _ source: Source, count: Int, sizeBytes: UInt64, attempt: inout Int
    ) async throws(Fault) -> (StoredObject, FileVersion) {
        // The metadata go first, so the time has to be known before the first part.
        let openedUptimeSeconds = clock.uptimeSeconds
        let version = try await version(of: reader, source)
        let upload = try await beginUpload(source, version, count: count)
        attempt = upload.attempt
        let now = clock.uptimeSeconds
        let run = PartRun(
            pace: PartPace(
                deadlineUptimeSeconds: plan.deadlineUptimeSeconds, maximumBytesPerSecond: plan.maximumBytesPerSecond,
                openingSeconds: now - openedUptimeSeconds, beganUptimeSeconds: now))
        do throws(Fault) {
            try await sendParts(reader, count: count, sizeBytes: sizeBytes, to: upload, run)
            guard mayFinish(upload, run) else { throw Fault.noTime }
            // Only now, behind the last read, can the look at size and time speak for all of them.
            _ = try await Self.remote { () throws(RemoteFailure) in
                try await reader.read(from: sizeBytes, countBytes: 0, verifyingEnd: true)
            }
            async let made = made(source.directory)
            let stored: Result<StoredObject, StoreFailure>
            do {
                stored = .success(try await upload.upload.complete())
            } catch {
                stored = .failure(error)
            }
            let object = try await both(made, stored)
            if let place = upload.place { await checkpoints.remove(place) }
            return (object, version)
        } catch {
            throw await end(upload, run, because: error)
        }
    }

    /// Goes on with the upload of an earlier run, or begins one.
    private func beginUpload(
        _ source: Source, _ version: FileVersion, count: Int
    ) async throws(Fault) -> PartUpload {
        var place: Checkpoint.Place?
        if source.isAtItsPlace, version.modified != nil { place = checkpoints.place(for: source.path, source.key) }
        do {
            if let place, let (upload, storedCount, attempts) = try await checkpoints.resume(place, version) {
                return PartUpload(
                    upload: upload, count: count, storedCount: storedCount, attempt: attempts + 1, place: place,
                    version: version)
            }
            let upload = try await store.beginUpload(source.key, metadata: metadata(of: source, version))
            if !(await checkpoints.areOfUse) { place = nil }
            return PartUpload(
                upload: upload, count: count, storedCount: 0, attempt: 1, place: place, version: version)
        } catch {
            throw .store(error)
        }
    }

    /// What this run has done for a file.
    private final class PartRun {
        var pace: PartPace
        var underWayBytes = 0
        var savedBytes: UInt64?
        var savedUptimeSeconds = 0.0
        /// A checkpoint of this run's progress is there.
        var isSaved = false
        /// No further part came in time.
        var isOutOfTime = false

        init(pace: PartPace) { self.pace = pace }
    }

    private enum PartEnd: Sendable {
        case stored(Int)
        case failed(Fault)
    }

    /// Reads and stores the parts, as many at once as the budget has room for. The next part is asked for while the
    /// ones before it are stored, so the line from the server does not fall silent between them.
    /// - Throws: `.noTime` when the next part would not come in time; those under way have ended then.
    private func sendParts(
        _ reader: any RemoteFileReader, count: Int, sizeBytes: UInt64, to upload: PartUpload, _ run: PartRun
    ) async throws(Fault) {
        let maximumAtOnce = max(1, budget.totalBytes / PartPlan.partBytes)
        let fault = await withTaskGroup(of: PartEnd.self) { group in
            var fault: Fault?
            var underWay = 0
            func take(_ end: PartEnd) {
                underWay -= 1
                switch end {
                case .stored(let countBytes):
                    run.underWayBytes -= countBytes
                    run.pace.stored(countBytes)
                case .failed(let failure):
                    if fault == nil { fault = failure }
                }
            }
            var number = upload.storedCount + 1
            while number <= count {
                if underWay >= maximumAtOnce, let end = await group.next() { take(end) }
                guard fault == nil else { break }
                await save(upload, run, sizeBytes: sizeBytes)
                let (offset, countBytes) = PartPlan.range(ofPart: number, sizeBytes: sizeBytes)
                let reserved = await budget.reserve(countBytes)
                guard mayBegin(countBytes, isLast: number == count, of: upload, run) else {
                    budget.release(reserved)
                    run.isOutOfTime = true
                    break
                }
                underWay += 1
                run.underWayBytes += countBytes
                let part = number
                group.addTask {
                    defer { budget.release(reserved) }
                    return await sendPart(part, reader, from: offset, countBytes: countBytes, to: upload.upload)
                }
                number += 1
            }
            if fault != nil { group.cancelAll() }
            while let end = await group.next() {
                let hadFailed = fault != nil
                take(end)
                if !hadFailed, fault != nil { group.cancelAll() }
            }
            return fault
        }
        if let fault { throw fault }
        if run.isOutOfTime { throw .noTime }
    }

    private func mayBegin(_ countBytes: Int, isLast: Bool, of upload: PartUpload, _ run: PartRun) -> Bool {
        guard upload.place != nil else { return true }
        return !Task.isCancelled
            && run.pace.mayBegin(
                partBytes: countBytes, underWayBytes: run.underWayBytes, isLast: isLast, now: clock.uptimeSeconds)
    }

    /// Where nothing could be kept, it is tried to the end.
    private func mayFinish(_ upload: PartUpload, _ run: PartRun) -> Bool {
        upload.place == nil || (!Task.isCancelled && run.pace.mayFinish(now: clock.uptimeSeconds))
    }

    /// Keeps a checkpoint from time to time while the file is not going to fit. One that fits costs no request.
    private func save(_ upload: PartUpload, _ run: PartRun, sizeBytes: UInt64) async {
        guard let place = upload.place, !Task.isCancelled else { return }
        let now = clock.uptimeSeconds
        let storedBytes = run.pace.storedBytes
        let hadBytes = UInt64(upload.storedCount) * UInt64(PartPlan.partBytes)
        let leftBytes = sizeBytes - min(sizeBytes, hadBytes + storedBytes)
        guard run.pace.fits(leftBytes: leftBytes, now: now) == false else { return }
        if let savedBytes = run.savedBytes, storedBytes - savedBytes < Self.checkpointBytes,
            now - run.savedUptimeSeconds < Self.checkpointSeconds
        {
            return
        }
        guard storedBytes > 0, let progress = await upload.upload.progress() else { return }
        run.savedBytes = storedBytes
        run.savedUptimeSeconds = now
        if await checkpoints.keep(place, upload.version, progress, attempts: upload.attempt) { run.isSaved = true }
    }

    private func sendPart(
        _ number: Int, _ reader: any RemoteFileReader, from offset: UInt64, countBytes: Int,
        to upload: any ObjectUpload
    ) async -> PartEnd {
        let content: [[UInt8]]
        do {
            content = try await reader.read(from: offset, countBytes: countBytes, verifyingEnd: false)
        } catch {
            return .failed(.remote(error))
        }
        do {
            try await upload.putPart(number, content: content)
            return .stored(countBytes)
        } catch {
            return .failed(.store(error))
        }
    }

    // MARK: An upload that was not completed

    /// Leaves the upload to the next run, or gives it up.
    /// - Returns: what to say of the file.
    private func end(_ upload: PartUpload, _ run: PartRun, because fault: Fault) async -> Fault {
        let isTimeUp = isTimeUp(fault)
        guard let place = upload.place, isTimeUp || fault.mayPass else {
            // Another run has completed it, or given it up; or a lifecycle rule has.
            let wasTaken = upload.storedCount > 0 && fault.isGoneFromStore
            await giveUp(upload)
            return wasTaken ? .noTime : fault
        }
        // Without the first of them parts are nothing that could be gone on with.
        if run.pace.storedBytes > 0, let progress = await upload.upload.progress() {
            let isKept = await checkpoints.keep(place, upload.version, progress, attempts: upload.attempt)
            guard isKept || run.isSaved || upload.storedCount > 0 else {
                await giveUp(upload)
                return isTimeUp ? .notKept : fault
            }
            return isTimeUp ? .continues : fault
        }
        if upload.storedCount == 0 { await giveUp(upload) }
        guard isTimeUp else { return fault }
        return .noPart(beganUptimeSeconds: run.pace.beganUptimeSeconds, isLeft: upload.storedCount < upload.count)
    }

    private func giveUp(_ upload: PartUpload) async {
        // Harmless after `complete`; frees what the parts cost otherwise.
        await upload.upload.abort()
        if let place = upload.place { await checkpoints.remove(place) }
    }

    private func isTimeUp(_ fault: Fault) -> Bool {
        switch fault {
        case .noTime: true
        case .remote(let failure): failure.reason == .cancelled
        case .store(let failure): ledger.meansTimeIsUp(failure)
        case .unusable, .skipped, .continues, .noPart, .notKept: false
        }
    }
}

extension FileTransfer.Fault {
    /// Whether another run may go on: the connection is lost, or the store has been tried enough for now.
    fileprivate var mayPass: Bool {
        switch self {
        case .remote(let failure): failure.reason == .connectionLost
        case .store(let failure): failure.reason == .unavailable
        case .unusable, .skipped, .noTime, .continues, .noPart, .notKept: false
        }
    }

    fileprivate var isGoneFromStore: Bool {
        if case .store(let failure) = self { failure.reason == .notFound } else { false }
    }
}
