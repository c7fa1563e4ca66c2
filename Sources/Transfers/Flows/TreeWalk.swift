/// A file that the listing has shown and the selection takes.
struct Candidate: Sendable {
    let directory: SourceDirectory
    let name: RemoteName
    let version: FileVersion
    /// When it was listed.
    let listedUptimeSeconds: Double

    var path: RemotePath { directory.path.appending(name) }
    var relativePath: [UInt8] { directory.relativePath(of: name) }
}

/// Lists the tree, several directories at once, and hands every file that is to be taken to the queue. When the queue
/// is full the listing waits, and directories wait in a bounded stack, so memory does not grow with the tree. Where no
/// file can be opened beside a listing the queue is longer, and what it cannot hold remains for the next run.
struct TreeWalk: Sendable {
    let plan: PullPlan
    let files: any RemoteFiles
    let handles: OpenHandles
    let clock: any Clock
    let ledger: PullLedger
    let queue: BoundedQueue<Candidate>
    /// The directories that have a `.done`, for the purge.
    let withDone: DoneDirectories

    /// Where a directory stands that is listed.
    private struct Place {
        let directory: SourceDirectory
        let stack: DirectoryStack
        /// How many of the listings open from it upwards are there to make room in the stack.
        let inlineDepth: Int
    }

    /// Lists everything, and finishes the queue.
    func run() async {
        defer {
            ledger.foundAll()
            queue.finish()
        }
        let stack = DirectoryStack(
            SourceDirectory(source: plan.sourceDirectory, doneName: plan.doneName),
            limitBytes: plan.maximumWaitingDirectoryBytes)
        await withDiscardingTaskGroup { group in
            for _ in 0..<plan.maximumDirectoriesInFlight {
                group.addTask {
                    while let directory = await stack.next() {
                        // Tens of thousands can wait: they are not told one by one that the time is up.
                        if ledger.isStopped {
                            ledger.listingCutShort()
                            return stack.ended()
                        }
                        await list(Place(directory: directory, stack: stack, inlineDepth: 0))
                        stack.ended()
                    }
                }
            }
        }
    }

    private func list(_ place: Place) async {
        let kind: OpenHandles.Kind = place.inlineDepth == 0 ? .listing : .innerListing
        let opened = await handles.openDirectory(place.directory.path, kind) { !ledger.isStopped }
        let listing: any RemoteListing
        switch opened {
        case .opened(let directory): listing = directory
        case .failed(let failure): return await note(failure, in: place.directory)
        case .stopped: return ledger.listingCutShort()
        case .noTurn: return ledger.leftUnlisted(place.directory.path)
        }
        var askedUptimeSeconds = clock.uptimeSeconds
        do {
            while let entries = try await listing.next() {
                guard await takeAll(entries, at: place) else {
                    ledger.listingCutShort()
                    break
                }
                askedUptimeSeconds = clock.uptimeSeconds
            }
        } catch {
            if error.reason == .cancelled {
                ledger.listingCutShort()
                ledger.listingCutOff(place.directory.path, askedUptimeSeconds: askedUptimeSeconds)
            } else {
                await note(error, in: place.directory)
            }
        }
        await listing.close()
    }

    /// How many entries are taken before others have their turn: one packet can hold 20,000, many of which need no
    /// waiting, and the watch for the deadline is one of those others.
    private static let entriesInTurn = 64

    /// Returns false when the run was stopped meanwhile.
    private func takeAll(_ entries: [RemoteEntry], at place: Place) async -> Bool {
        for (number, entry) in entries.enumerated() {
            if number % Self.entriesInTurn == 0 {
                await Task.yield()
                if ledger.isStopped { return false }
            }
            await take(entry, at: place)
        }
        return !ledger.isStopped
    }

    /// A directory that vanished while the tree was listed is none of our failures; the source directory itself is.
    private func note(_ failure: RemoteFailure, in directory: SourceDirectory) async {
        ledger.listingCutShort()
        var failure = failure
        if directory.depth == 0,
            let diagnosis = await DirectoryDiagnosis(of: .source, failure, at: directory.path, on: files)
        {
            failure.message = diagnosis.description
        }
        if failure.reason == .notFound && directory.depth > 0 {
            ledger.left(directory.path, because: .gone)
        } else {
            ledger.failed(directory.path, failure, startedAt: nil)
        }
    }

    private func take(_ entry: RemoteEntry, at place: Place) async {
        let directory = place.directory
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
            case .directory: await takeDirectory(name, at: place)
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
        let candidate = Candidate(
            directory: directory, name: name, version: version, listedUptimeSeconds: clock.uptimeSeconds)
        if name == plan.doneName {
            ledger.left(candidate.path, because: .skipped(.reservedName))
            return
        }
        let exception = plan.selection.exception(
            forRelative: candidate.relativePath, version: version, now: clock.now)
        // Once it is open, the server may say how old it is after all.
        let path = candidate.path
        if let exception, exception != .ageUnknown {
            ledger.left(path, because: .skipped(exception), modified: version.modified)
        } else if path.bytes.count > PullPlan.maximumPathBytes {
            ledger.failed(
                path, .refused, "its path is longer than \(PullPlan.maximumPathBytes) bytes", modified: version.modified
            )
        } else {
            ledger.found(path, sizeBytes: version.sizeBytes)
            if await !queue.send(candidate) { ledger.leftUnheld(path, modified: version.modified) }
        }
    }

    private func takeDirectory(_ name: RemoteName, at place: Place) async {
        let directory = place.directory
        if name == plan.doneName {
            directory.doneExists()
            if plan.retentionSeconds != nil { withDone.add(directory) }
            return
        }
        let below = directory.subdirectory(name)
        // What a run under another setting has moved there must not be pulled once more.
        guard name != .ours, name != .done else {
            ledger.left(below.path, because: .skipped(.reservedName))
            return
        }
        guard plan.selection.entersDirectory(relative: Array(below.relative)) else {
            ledger.left(below.path, because: .skipped(.excluded))
            return
        }
        let isTooDeep = below.depth > PullPlan.maximumDepth
        guard !isTooDeep, below.path.bytes.count <= PullPlan.maximumPathBytes else {
            let limit =
                isTooDeep ? "\(PullPlan.maximumDepth) directories deep" : "\(PullPlan.maximumPathBytes) bytes long"
            ledger.failed(below.path, .refused, "directories are entered no further than \(limit)")
            return
        }
        await enter(below, at: place)
    }

    /// Has a directory listed, sooner or later.
    private func enter(_ below: SourceDirectory, at place: Place) async {
        func listInline(_ directory: SourceDirectory) async {
            await list(Place(directory: directory, stack: place.stack, inlineDepth: place.inlineDepth + 1))
            if place.inlineDepth == 0 { place.stack.madeRoom() }
        }
        while true {
            let maximumInlineDepth = plan.maximumInlineDepth(handles: handles.limit)
            let placement = await place.stack.place(
                below, inlineDepth: place.inlineDepth, maximumInlineDepth: maximumInlineDepth)
            switch placement {
            case .waits: return
            case .listFirst(let other): await listInline(other)
            case .listNow: return await listInline(below)
            case .left: return ledger.leftUnlisted(below.path)
            }
        }
    }
}
