/// A file that the listing has shown and the selection takes.
struct Candidate: Sendable {
    let directory: SourceDirectory
    let name: RemoteName
    let version: FileVersion

    var path: RemotePath { directory.path.appending(name) }
    var relativePath: [UInt8] { directory.relativePath(of: name) }
}

/// Lists the tree, several directories at once, and hands every file that is to be taken to the queue. When the queue
/// is full the listing waits, so memory does not grow with the tree.
struct TreeWalk: Sendable {
    let plan: PullPlan
    let files: any RemoteFiles
    let clock: any Clock
    let ledger: PullLedger
    let queue: BoundedQueue<Candidate>

    /// What one directory showed besides files.
    private struct Found: Sendable {
        var subdirectories: [SourceDirectory] = []
        var done: SourceDirectory?
    }

    /// Lists everything, and finishes the queue.
    /// - Returns: the directories that have a `.done`, for the purge.
    func run() async -> [SourceDirectory] {
        defer { queue.finish() }
        var waiting = [SourceDirectory(path: plan.sourceDirectory)]
        var withDone: [SourceDirectory] = []
        await withTaskGroup(of: Found.self) { group in
            var underWay = 0
            while true {
                if ledger.isStopped && !waiting.isEmpty {
                    ledger.listingCutShort()
                    waiting = []
                }
                // The last found is listed first: the tree is walked in depth, and few directories wait.
                while underWay < plan.maximumOpenDirectories(handles: files.maximumOpenHandles),
                    let directory = waiting.popLast()
                {
                    underWay += 1
                    group.addTask { await list(directory) }
                }
                guard let found = await group.next() else { break }
                underWay -= 1
                if let done = found.done, withDone.count < PullPlan.maximumWaitingDirectories { withDone.append(done) }
                waiting += found.subdirectories
                if waiting.count > PullPlan.maximumWaitingDirectories {
                    ledger.listingCutShort()
                    ledger.warning(
                        "more than \(PullPlan.maximumWaitingDirectories) directories wait to be listed; "
                            + "the rest of them is left to the next run")
                    waiting.removeLast(waiting.count - PullPlan.maximumWaitingDirectories)
                }
            }
        }
        return withDone
    }

    private func list(_ directory: SourceDirectory) async -> Found {
        var found = Found()
        let listing: any RemoteListing
        do {
            listing = try await files.openDirectory(directory.path)
        } catch {
            note(error, in: directory)
            return found
        }
        do {
            while let entries = try await listing.next() {
                for entry in entries { await take(entry, of: directory, into: &found) }
                if ledger.isStopped {
                    ledger.listingCutShort()
                    break
                }
            }
        } catch {
            note(error, in: directory)
        }
        await listing.close()
        return found
    }

    /// A directory that vanished while the tree was listed is none of our failures; the source directory itself is.
    private func note(_ failure: RemoteFailure, in directory: SourceDirectory) {
        ledger.listingCutShort()
        if failure.reason == .notFound && directory.depth > 0 {
            ledger.left(directory.path, because: .gone)
        } else {
            ledger.failed(directory.path, failure, startedAt: nil)
        }
    }

    private func take(_ entry: RemoteEntry, of directory: SourceDirectory, into found: inout Found) async {
        switch entry {
        case .refused(let bytes):
            // Shown as it came, joined to the directory only for people: this path is never sent anywhere.
            let shown = RemotePath(bytes: directory.path.bytes + [UInt8(ascii: "/")] + bytes.prefix(255))
            ledger.left(shown, because: .skipped(.unsafeName))
        case .entry(let name, let attributes):
            let path = directory.path.appending(name)
            guard let attributes = await resolved(attributes, at: path) else { return }
            switch attributes.kind {
            case .file: await takeFile(name, attributes.version, of: directory)
            case .directory: takeDirectory(name, of: directory, into: &found)
            case .symbolicLink: ledger.left(path, because: .skipped(.symbolicLink))
            case .special: ledger.left(path, because: .skipped(.special))
            case .unknown: ledger.left(path, because: .skipped(.kindUnknown))
            }
        }
    }

    /// Asks for this one when the listing did not say what it is or, for a file, how large or, if that matters, how old.
    private func resolved(_ attributes: RemoteAttributes, at path: RemotePath) async -> RemoteAttributes? {
        let version = attributes.version
        let isAgeMissing = plan.selection.minimumAgeSeconds > 0 && version.modified == nil
        let isFileIncomplete = attributes.kind == .file && (version.sizeBytes == nil || isAgeMissing)
        guard attributes.kind == .unknown || isFileIncomplete else { return attributes }
        do {
            let asked = try await files.attributes(of: path)
            if asked == nil { ledger.left(path, because: .gone) }
            return asked
        } catch {
            ledger.failed(path, error, startedAt: nil)
            return nil
        }
    }

    private func takeFile(_ name: RemoteName, _ version: FileVersion, of directory: SourceDirectory) async {
        let candidate = Candidate(directory: directory, name: name, version: version)
        if name == .done {
            ledger.left(candidate.path, because: .skipped(.reservedName))
            return
        }
        let exception = plan.selection.exception(
            forRelative: candidate.relativePath, version: version, now: clock.now)
        // Once it is open, the server may say how old it is after all.
        if let exception, exception != .ageUnknown {
            ledger.left(candidate.path, because: .skipped(exception))
        } else if candidate.path.bytes.count > PullPlan.maximumPathBytes {
            ledger.failed(candidate.path, "its path is longer than \(PullPlan.maximumPathBytes) bytes")
        } else {
            await queue.send(candidate)
        }
    }

    private func takeDirectory(_ name: RemoteName, of directory: SourceDirectory, into found: inout Found) {
        if name == .done {
            directory.doneExists()
            if plan.retentionDays > 0 { found.done = directory }
            return
        }
        let below = directory.subdirectory(name)
        guard plan.selection.entersDirectory(relative: below.relative) else {
            ledger.left(below.path, because: .skipped(.excluded))
            return
        }
        let isTooDeep = below.depth > PullPlan.maximumDepth
        guard !isTooDeep, below.path.bytes.count <= PullPlan.maximumPathBytes else {
            let limit =
                isTooDeep ? "\(PullPlan.maximumDepth) directories deep" : "\(PullPlan.maximumPathBytes) bytes long"
            ledger.failed(below.path, "directories are entered no further than \(limit)")
            return
        }
        found.subdirectories.append(below)
    }
}
