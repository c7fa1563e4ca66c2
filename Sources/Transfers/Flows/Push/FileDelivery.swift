/// Brings one version of an object under its name on the server (rules U3, U4 and U9).
///
/// Where the server puts a file in place in one step, the older or the new file stands there, whatever happens. Where it
/// does not, there is a moment in which neither does. So the object is looked at once more just before that step: when
/// another push has delivered the same version by then, its file stays untouched. What fails from that step on says so
/// (`PushFailure.mustSend`): a mark may be set by then that says of the file what is no longer true.
struct FileDelivery: Sendable {
    let plan: PushPlan
    let server: ServerAccess
    let budget: ByteBudget
    let target: PushTarget
    let object: any SourceObject
    /// What an earlier push has brought of this version.
    let partial: PartialFile?
    let clock: any Clock
    let look: Look

    /// What came of it.
    enum Outcome {
        /// It stands under its name. The hash is nil for a directory; the object is as the last look showed it.
        case delivered(any SourceObject, sha256: String?)
        /// It is not to be sent any more. Whether something was written under the name all the same.
        case superseded(hasReplaced: Bool)
    }

    /// The object as the store shows it now; nil when this version of it is not to be sent any more: replaced, deleted,
    /// or delivered by another push.
    typealias Look = @Sendable () async throws(PushFailure) -> (any SourceObject)?

    /// How often a temporary name may be taken already: it holds random bits.
    private static let maximumNames = 3

    /// Delivers it. The server is connected to while the store begins to answer.
    func run() async throws(PushFailure) -> Outcome {
        guard case .file(let name) = target.path.kind else { return try await makeDirectory() }
        let reserved = await budget.reserve(
            Int(min(object.summary.sizeBytes, UInt64(PushPlan.maximumObjectBytes))))
        defer { budget.release(reserved) }
        async let opened = result { () throws(Fault) in try await open(from: partial?.position) }
        let (destination, number) = try await connected()
        do throws(Fault) {
            guard var content = try await opened.get() else {
                if let partial { await discard(target.path(of: partial), destination) }
                return .superseded(hasReplaced: false)
            }
            if let partial {
                if let writing = try await resume(partial, name, destination, from: await content.startBytes) {
                    return try await writeAndReplace(content, writing, destination)
                }
                if await content.startBytes > 0 {
                    guard let whole = try await open(from: nil) else { return .superseded(hasReplaced: false) }
                    content = whole
                }
            }
            guard destination.canReplace else {
                return try await writeInPlace(content, destination, because: nil)
            }
            return try await writeAndReplace(content, name, destination)
        } catch {
            throw await failure(of: error, on: destination, number)
        }
    }

    // MARK: The usual way

    private func writeAndReplace(
        _ content: any ObjectContent, _ name: RemoteName, _ destination: any RemoteDestination
    ) async throws(Fault) -> Outcome {
        let temporary: Temporary
        do throws(RemoteFailure) {
            let (path, writer) = try await createTemporary(name, destination)
            temporary = (path, writer, false)
        } catch {
            // It may be the name that is not allowed. What may pass, such as a full disk, is no reason to write over
            // the older file.
            guard plan.allowsInPlace, error.reason == .denied else { throw .server(error) }
            return try await writeInPlace(content, destination, because: error)
        }
        return try await writeAndReplace(content, temporary, destination)
    }

    /// A temporary file that is open, and whether it is the one that an earlier push has left.
    private typealias Temporary = (path: RemotePath, writer: any RemoteFileWriter, isGoneOnWith: Bool)

    /// A name that no other attempt has.
    private func temporaryPath(of name: RemoteName) -> RemotePath {
        target.temporaryPath(of: name, randomBits: TemporaryName.bits(at: clock.now, random: plan.randomBits()))
    }

    /// Takes over what an earlier push has left, under a name of this attempt's own.
    private func resume(
        _ partial: PartialFile, _ name: RemoteName, _ destination: any RemoteDestination, from offsetBytes: UInt64
    ) async throws(Fault) -> Temporary? {
        let path = temporaryPath(of: name)
        let writer = try await onServer { () throws(RemoteFailure) in
            try await destination.resumeFile(target.path(of: partial), as: path, from: offsetBytes)
        }
        return writer.map { (path, $0, true) }
    }

    private func writeAndReplace(
        _ content: any ObjectContent, _ temporary: Temporary, _ destination: any RemoteDestination
    ) async throws(Fault) -> Outcome {
        let (path, writer, _) = temporary
        let current: (any SourceObject)?
        do throws(Fault) {
            try await copy(content, to: writer)
            // The last look before the rename is on its way while the server takes the last bytes (rule U4).
            async let now = result { () throws(Fault) in try await lookAgain() }
            try await onServer { () throws(RemoteFailure) in
                try await writer.finish(modified: object.summary.originalTime)
            }
            current = try await now.get()
        } catch {
            await writer.close()
            if let kept = await kept(temporary, content, because: error) { throw .unfinished(error, kept) }
            await discard(path, destination)
            if case .store(let failure) = error, failure.meansSuperseded { return .superseded(hasReplaced: false) }
            throw error
        }
        guard let current else {
            await discard(path, destination)
            return .superseded(hasReplaced: false)
        }
        return try await replace(with: path, destination, current, sha256: await content.sha256)
    }

    /// What another push can go on with; nil when it was neither time nor the connection that ended this one, or when it
    /// is not worth it.
    private func kept(
        _ temporary: Temporary, _ content: any ObjectContent, because fault: Fault
    ) async -> PartialFile? {
        let (path, writer, isGoneOnWith) = temporary
        let nameStart = (path.bytes.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
        guard fault.mayPass, let name = RemoteName(bytes: Array(path.bytes[nameStart...])),
            let etag = ETag(object.summary.etag), let position = await content.position(upTo: writer.confirmedBytes)
        else { return nil }
        let kept = PartialFile(
            name: name, etag: etag, destinationSHA256: target.destination.sha256, position: position,
            contentTime: target.tellsTime ? target.contentTime : nil)
        return kept?.counted(after: partial, hasGoneOn: isGoneOnWith)
    }

    /// Gives the temporary file the target's name.
    private func replace(
        with path: RemotePath, _ destination: any RemoteDestination, _ current: any SourceObject, sha256: String?
    ) async throws(Fault) -> Outcome {
        var newest = Result<(any SourceObject)?, Fault>.success(current)
        let replacement: Replacement
        do throws(RemoteFailure) {
            replacement = try await destination.replaceFile(target.path.path, with: path) {
                newest = await result { () throws(Fault) in try await lookAgain() }
                if case .success(.some) = newest { return true }
                return false
            }
        } catch {
            await discard(path, destination)
            // When the connection is lost nobody knows whether the file had its name by then.
            throw .afterTouching(.server(error))
        }
        switch replacement {
        case .done:
            return .delivered(try newest.get() ?? current, sha256: sha256)
        case .kept:
            await discard(path, destination)
            _ = try newest.get()
            return .superseded(hasReplaced: false)
        case .refused(let refusal):
            await discard(path, destination)
            return try await writeInPlace(nil, destination, because: refusal)
        case .removed(let failure):
            // It may be the only copy that the partner has.
            let message = "\(failure.message) (the older file may be gone; the new one is left, whole, as \(path))"
            throw .afterTouching(.server(RemoteFailure(failure.reason, message)))
        }
    }

    /// Makes the temporary file, and the directories only when they turn out to be missing.
    private func createTemporary(
        _ name: RemoteName, _ destination: any RemoteDestination
    ) async throws(RemoteFailure) -> (RemotePath, any RemoteFileWriter) {
        var hasMadeDirectories = false
        var namesLeft = Self.maximumNames
        while true {
            let path = temporaryPath(of: name)
            do {
                return (path, try await destination.createFile(path))
            } catch {
                switch error.reason {
                case .notFound where !hasMadeDirectories:
                    hasMadeDirectories = true
                    try await makeDirectories(destination)
                case .alreadyExists where namesLeft > 1: namesLeft -= 1
                default: throw error
                }
            }
        }
    }

    private func copy(_ content: any ObjectContent, to writer: any RemoteFileWriter) async throws(Fault) {
        var countBytes = await content.startBytes
        while let piece = try await inStore({ () throws(StoreFailure) in try await content.next() }) {
            countBytes += UInt64(piece.count)
            try await onServer { () throws(RemoteFailure) in try await writer.write(piece) }
        }
        guard countBytes == object.summary.sizeBytes else {
            throw .store(
                StoreFailure(
                    .unavailable,
                    "the object has \(object.summary.sizeBytes) bytes, and the store sent \(countBytes) of it"))
        }
    }

    // MARK: Without renaming

    /// The last rung of rule U9: whoever reads the file meanwhile finds a part of it. If it cannot be finished it is
    /// removed: nothing is better than a half.
    private func writeInPlace(
        _ opened: (any ObjectContent)?, _ destination: any RemoteDestination, because refusal: RemoteFailure?
    ) async throws(Fault) -> Outcome {
        guard plan.allowsInPlace else { throw .refused(Self.refused(refusal)) }
        var opened = opened
        if opened == nil { opened = try await open(from: nil) }
        guard let content = opened, let current = try await lookAgain() else {
            return .superseded(hasReplaced: false)
        }
        do throws(Fault) {
            let writer = try await onServer { () throws(RemoteFailure) in try await overwrite(destination) }
            try await fill(writer, with: content, destination)
            return .delivered(current, sha256: await content.sha256)
        } catch {
            if case .store(let failure) = error, failure.meansSuperseded { return .superseded(hasReplaced: true) }
            throw .afterTouching(error)
        }
    }

    private func fill(
        _ writer: any RemoteFileWriter, with content: any ObjectContent, _ destination: any RemoteDestination
    ) async throws(Fault) {
        do throws(Fault) {
            try await copy(content, to: writer)
            try await onServer { () throws(RemoteFailure) in
                try await writer.finish(modified: object.summary.originalTime)
            }
        } catch {
            await writer.close()
            await discard(target.path.path, destination)
            throw error
        }
    }

    private func overwrite(_ destination: any RemoteDestination) async throws(RemoteFailure) -> any RemoteFileWriter {
        do {
            return try await destination.overwriteFile(target.path.path)
        } catch {
            guard error.reason == .notFound else { throw error }
            try await makeDirectories(destination)
            return try await destination.overwriteFile(target.path.path)
        }
    }

    private static func refused(_ refusal: RemoteFailure?) -> String {
        "the server does not rename files" + (refusal.map { " (\($0.message))" } ?? "")
            + ", so a file could only be written under its own name, where the partner can find a part of it; "
            + "if that is acceptable, set SFTP_ALLOW_IN_PLACE=true"
    }

    // MARK: Directories

    private func makeDirectory() async throws(PushFailure) -> Outcome {
        let (destination, number) = try await connected()
        do throws(RemoteFailure) {
            try await makeDirectories(destination)
            return .delivered(object, sha256: nil)
        } catch {
            throw await failure(of: .server(error), on: destination, number)
        }
    }

    private func makeDirectories(_ destination: any RemoteDestination) async throws(RemoteFailure) {
        for directory in target.path.directories { try await destination.makeDirectory(directory) }
    }

    // MARK: Steps

    private func connected() async throws(PushFailure) -> (any RemoteDestination, number: Int) {
        do throws(RemoteFailure) {
            return try await server.destination()
        } catch {
            throw PushFailure(connecting: error)
        }
    }

    /// What a fault means for the push. That the connection is lost is noted first.
    private func failure(
        of fault: Fault, on destination: any RemoteDestination, _ number: Int
    ) async -> PushFailure {
        if fault.isLostConnection { await server.lost(number) }
        var failure = fault.failure
        if case .server(let refusal) = fault,
            let diagnosis = await DirectoryDiagnosis(
                missingTarget: refusal, at: plan.targetDirectory, on: destination)
        {
            failure.message = diagnosis.description
        }
        return failure
    }

    /// The content; nil when it is no longer the current version.
    private func open(from position: ContentPosition?) async throws(Fault) -> (any ObjectContent)? {
        do throws(StoreFailure) {
            return try await object.open(from: position)
        } catch {
            if error.meansSuperseded { return nil }
            throw .store(error)
        }
    }

    /// The last look before something is done that cannot be taken back.
    private func lookAgain() async throws(Fault) -> (any SourceObject)? {
        do throws(PushFailure) {
            return try await look()
        } catch {
            throw .look(error)
        }
    }

    /// Removes what was begun, also when the task is cancelled: nobody else knows its name.
    private func discard(_ path: RemotePath, _ destination: any RemoteDestination) async {
        await Task {
            // What cannot be removed stays, under a name that tells that it is ours.
            try? await destination.removeFile(path)
        }.value
    }

    private func result<Value>(
        _ operation: @Sendable () async throws(Fault) -> Value
    ) async -> Result<Value, Fault> {
        do throws(Fault) {
            return .success(try await operation())
        } catch {
            return .failure(error)
        }
    }

    private func onServer<Value>(
        _ operation: () async throws(RemoteFailure) -> Value
    ) async throws(Fault) -> Value {
        do {
            return try await operation()
        } catch {
            throw .server(error)
        }
    }

    private func inStore<Value>(_ operation: () async throws(StoreFailure) -> Value) async throws(Fault) -> Value {
        do {
            return try await operation()
        } catch {
            throw .store(error)
        }
    }

    /// What failed, and on which side.
    private enum Fault: Error {
        case server(RemoteFailure)
        case store(StoreFailure)
        case look(PushFailure)
        case refused(String)
        /// Met when what stands under the name may have been replaced, removed or cut off already.
        indirect case afterTouching(Fault)
        /// Met while the temporary file was written, which is kept.
        indirect case unfinished(Fault, PartialFile)

        /// Whether it says nothing against going on later where it was met.
        var mayPass: Bool {
            switch self {
            case .server(let failure): failure.reason == .connectionLost || failure.reason == .cancelled
            case .store(let failure): failure.reason == .unavailable || failure.reason == .cancelled
            case .look(let failure): failure.reason == .deadline
            case .refused, .afterTouching, .unfinished: false
            }
        }

        var isLostConnection: Bool {
            switch self {
            case .server(let failure): failure.reason == .connectionLost
            case .afterTouching(let fault), .unfinished(let fault, _): fault.isLostConnection
            case .store, .look, .refused: false
            }
        }

        var failure: PushFailure {
            switch self {
            case .server(let failure): PushFailure(failure)
            case .store(let failure): PushFailure(failure)
            case .look(let failure): failure
            case .refused(let reason): PushFailure(.refused, reason)
            case .afterTouching(let fault): fault.failure.sendingAgain(true)
            case .unfinished(let fault, let partial): fault.failure.leaving(partial)
            }
        }
    }
}
