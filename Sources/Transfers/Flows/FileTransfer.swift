/// Takes one file: read, store, move, look (rules P2 to P4, P8 and P9).
struct FileTransfer: Sendable {
    let plan: PullPlan
    let files: any RemoteFiles
    let store: any ObjectStore
    let clock: any Clock
    let ledger: PullLedger
    let budget: ByteBudget
    /// Files of several parts are taken one after the other: one fills the line, and many at once would all be half
    /// done at the deadline.
    let largeFiles = ByteBudget(totalBytes: 1)

    /// What failed, and on which side.
    enum Fault: Error, CustomStringConvertible {
        case remote(RemoteFailure)
        case store(StoreFailure)
        case unusable(String)
        /// There is no time left for it in this run.
        case noTime

        var description: String {
            switch self {
            case .remote(let failure): failure.message
            case .store(let failure): failure.message
            case .unusable(let reason): reason
            case .noTime: "the time is up"
            }
        }
    }

    /// Takes the candidate and enters the outcome into the ledger. Never throws: one file stops no other (rule P6).
    func run(_ candidate: Candidate) async {
        let start = clock.uptimeSeconds
        ledger.began()
        do throws(Fault) {
            let key = try key(of: candidate)
            let reader = try await remote { () throws(RemoteFailure) in
                try await files.openFile(candidate.path, expected: candidate.version)
            }
            do throws(Fault) {
                let object = try await copy(reader, candidate.version, to: key, preparing: candidate.directory)
                try await settleToTheEnd(candidate, reader, object, key, startedAt: start)
            } catch {
                await reader.close()
                throw error
            }
        } catch {
            note(error, of: candidate, startedAt: start)
        }
    }

    /// Runs an operation on the server; what it throws is a fault of that side.
    func remote<Value>(_ operation: () async throws(RemoteFailure) -> Value) async throws(Fault) -> Value {
        do {
            return try await operation()
        } catch {
            throw .remote(error)
        }
    }

    private func note(_ fault: Fault, of candidate: Candidate, startedAt start: Double) {
        switch fault {
        case .remote(let failure) where failure.reason == .notFound: ledger.left(candidate.path, because: .gone)
        case .remote(let failure) where failure.reason == .changed: ledger.left(candidate.path, because: .changed)
        case .remote(let failure): ledger.failed(candidate.path, failure, startedAt: start)
        case .store(let failure): ledger.failed(candidate.path, failure, startedAt: start)
        case .unusable(let reason): ledger.failed(candidate.path, reason)
        case .noTime: ledger.remaining()
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

    /// Copies the open file to the store. `.done` is made meanwhile, but only once the file has been read.
    func copy(
        _ reader: any RemoteFileReader, _ version: FileVersion, to key: ObjectKey,
        preparing directory: SourceDirectory
    ) async throws(Fault) -> StoredObject {
        guard let sizeBytes = version.sizeBytes else {
            throw .unusable("the server does not say how large it is")
        }
        guard let parts = PartPlan(sizeBytes: sizeBytes) else {
            throw .unusable(
                "it has \(sizeBytes) bytes; one invocation carries at most \(PartPlan.maximumBytes) (78 GiB)")
        }
        var metadata = ["synced-from": plan.origin]
        if let modified = version.modified { metadata["mtime"] = String(modified.seconds) }
        switch parts {
        case .whole(let sizeBytes):
            let reserved = await budget.reserve(sizeBytes)
            defer { budget.release(reserved) }
            let content = try await remote { () throws(RemoteFailure) in
                try await reader.read(from: 0, countBytes: sizeBytes, verifyingEnd: true)
            }
            async let made = Self.made(directory, on: files)
            let stored: Result<StoredObject, StoreFailure>
            do {
                stored = .success(try await store.put(key, content: content, metadata: metadata))
            } catch {
                stored = .failure(error)
            }
            return try await Self.both(made, stored)
        case .parts(let count, let sizeBytes):
            return try await copyParts(
                reader, count: count, sizeBytes: sizeBytes, to: key, metadata: metadata, preparing: directory)
        }
    }

    private func copyParts(
        _ reader: any RemoteFileReader, count: Int, sizeBytes: UInt64, to key: ObjectKey, metadata: [String: String],
        preparing directory: SourceDirectory
    ) async throws(Fault) -> StoredObject {
        let turn = await largeFiles.reserve(1)
        defer { largeFiles.release(turn) }
        guard !ledger.isStopped, ledger.canFinish(sizeBytes: sizeBytes) else { throw .noTime }
        let turnUptimeSeconds = clock.uptimeSeconds
        let upload: any ObjectUpload
        do {
            upload = try await store.beginUpload(key, metadata: metadata)
        } catch {
            throw .store(error)
        }
        do throws(Fault) {
            try await sendParts(reader, count: count, sizeBytes: sizeBytes, to: upload)
            // Only now, behind the last read, can the look at size and time speak for all of them.
            _ = try await remote { () throws(RemoteFailure) in
                try await reader.read(from: sizeBytes, countBytes: 0, verifyingEnd: true)
            }
            async let made = Self.made(directory, on: files)
            let stored: Result<StoredObject, StoreFailure>
            do {
                stored = .success(try await upload.complete())
            } catch {
                stored = .failure(error)
            }
            return try await Self.both(made, stored)
        } catch {
            // Harmless after `complete`; frees what the parts cost otherwise.
            await upload.abort()
            // Cut off after it had waited for others: that says nothing of its size.
            if Task.isCancelled, !ledger.isEarly(turnUptimeSeconds) { throw .noTime }
            throw error
        }
    }

    /// Reads and stores the parts, as many at once as the budget has room for. The next part is asked for while the
    /// ones before it are stored, so the line from the server does not fall silent between them.
    private func sendParts(
        _ reader: any RemoteFileReader, count: Int, sizeBytes: UInt64, to upload: any ObjectUpload
    ) async throws(Fault) {
        let maximumAtOnce = max(1, budget.totalBytes / PartPlan.partBytes)
        let fault = await withTaskGroup(of: Fault?.self) { group in
            var first: Fault?
            var underWay = 0
            for number in 1...count {
                if underWay >= maximumAtOnce {
                    first = await group.next() ?? nil
                    underWay -= 1
                }
                guard first == nil else { break }
                let (offset, countBytes) = PartPlan.range(ofPart: number, sizeBytes: sizeBytes)
                let reserved = await budget.reserve(countBytes)
                underWay += 1
                group.addTask {
                    defer { budget.release(reserved) }
                    return await sendPart(number, reader, from: offset, countBytes: countBytes, to: upload)
                }
            }
            if first != nil { group.cancelAll() }
            while let ended = await group.next() {
                if first == nil, let ended {
                    first = ended
                    group.cancelAll()
                }
            }
            return first
        }
        if let fault { throw fault }
    }

    private func sendPart(
        _ number: Int, _ reader: any RemoteFileReader, from offset: UInt64, countBytes: Int,
        to upload: any ObjectUpload
    ) async -> Fault? {
        let content: [[UInt8]]
        do {
            content = try await reader.read(from: offset, countBytes: countBytes, verifyingEnd: false)
        } catch {
            return .remote(error)
        }
        do {
            try await upload.putPart(number, content: content)
            return nil
        } catch {
            return .store(error)
        }
    }

    private static func made(
        _ directory: SourceDirectory, on files: any RemoteFiles
    ) async -> Result<Void, RemoteFailure> {
        do {
            return .success(try await directory.makeDone(on: files))
        } catch {
            return .failure(error)
        }
    }

    private static func both(
        _ made: Result<Void, RemoteFailure>, _ stored: Result<StoredObject, StoreFailure>
    ) throws(Fault) -> StoredObject {
        switch (stored, made) {
        case (.failure(let failure), _): throw .store(failure)
        case (_, .failure(let failure)):
            let message = "it is stored, but cannot be moved to .done: \(failure.message)"
            throw .remote(RemoteFailure(failure.reason, message))
        case (.success(let object), .success): return object
        }
    }
}
