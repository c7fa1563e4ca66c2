import Logging
import SFTP
import Synchronization
import Transfers

/// The partner's server as a push sees it: which SFTP requests make up an operation, and what is done instead on
/// servers that refuse one. Works over one connection, which it does not own.
final class SFTPDestination: RemoteDestination {
    let client: SFTPClient
    let quirks: SFTPQuirks
    private let files: SFTPRemoteFiles
    private let modes: FileModes
    private let memory = Mutex(Memory())

    private struct Memory {
        /// Why files cannot be renamed.
        var refusal: RemoteFailure?
        /// A plain RENAME has worked.
        var hasRenamed = false
        /// posix-rename has worked: that RENAME does too is not said by it.
        var hasReplaced = false
    }

    /// - Parameters:
    ///   - modes: the permissions of what is made.
    ///   - logger: hears once of everything that the server does not do.
    init(client: SFTPClient, modes: FileModes = FileModes(), logger: Logger) {
        self.client = client
        self.modes = modes
        quirks = SFTPQuirks(logger: logger)
        files = SFTPRemoteFiles(client: client)
    }

    var canReplace: Bool { memory.withLock { $0.refusal == nil } }

    func makeDirectory(_ path: RemotePath) async throws(RemoteFailure) {
        let isNew = try await files.makeDirectory(path, permissions: modes.directory, trustingWhereBlind: true)
        guard isNew, let permissions = modes.directory, !quirks.contains(.settingPermissions) else { return }
        // Once more, although MKDIR has named them: there the server's umask counts.
        do {
            try await client.setstat(path.bytes, SFTPAttributes(permissions: permissions))
        } catch {
            guard case .status = error.reason else { throw RemoteFailure(error) }
            quirks.note(.settingPermissions, because: error.message)
        }
    }

    func openDirectory(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteListing {
        try await files.openDirectory(path)
    }

    func removeFile(_ path: RemotePath) async throws(RemoteFailure) { try await files.removeFile(path) }

    // MARK: Opening

    func createFile(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteFileWriter {
        if quirks.contains(.exclusiveOpen) { return try await createAfterLooking(path) }
        do {
            return try await open(path, [.write, .create, .exclusive])
        } catch {
            switch error.reason {
            case .status(.failure):
                // Version 3 has no code for a name that is taken.
                guard try await stands(at: path) == .something else { throw RemoteFailure(error) }
                throw RemoteFailure(.alreadyExists, "\(error.message) (something has the name)")
            case .status(.operationUnsupported), .status(.badMessage):
                let writer: any RemoteFileWriter
                do throws(RemoteFailure) {
                    writer = try await createAfterLooking(path)
                } catch let other {
                    // Where OPEN fails without the flag too, the first answer is that of the usual request.
                    throw other.reason == .failed || other.reason == .unsupported ? RemoteFailure(error) : other
                }
                quirks.note(.exclusiveOpen, because: error.message)
                return writer
            default: throw RemoteFailure(error)
            }
        }
    }

    /// For servers that do not know the flag for exclusive creation. The temporary name holds random bits: whoever takes
    /// it between the look and the opening does not do so by chance.
    private func createAfterLooking(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteFileWriter {
        if try await stands(at: path) == .something {
            throw RemoteFailure(.alreadyExists, "OPEN \(path): something has the name")
        }
        return try await overwriteFile(path)
    }

    func overwriteFile(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteFileWriter {
        do {
            return try await open(path, [.write, .create, .truncate])
        } catch {
            throw RemoteFailure(error)
        }
    }

    func resumeFile(
        _ path: RemotePath, as newPath: RemotePath, from offsetBytes: UInt64
    ) async throws(RemoteFailure) -> (any RemoteFileWriter)? {
        let move: Void? = try await unlessRefused { () throws(RemoteFailure) in
            try await files.moveWithoutReplacing(path, to: newPath)
        }
        guard move != nil else {
            // Where it cannot be renamed, nobody has taken it over either.
            _ = try await unlessRefused { () throws(RemoteFailure) in try await files.removeFile(path) }
            return nil
        }
        let writer = try await unlessRefused { () throws(RemoteFailure) in
            do throws(SFTPError) {
                let handle = try await client.open(newPath.bytes, [.write])
                return SFTPFileWriter(
                    client: client, quirks: quirks, path: newPath, handle: handle, permissions: modes.file,
                    from: offsetBytes)
            } catch {
                throw RemoteFailure(error)
            }
        }
        // Only now: there are servers that cut a file off whenever it is opened for writing.
        if let writer, try await isFile(newPath, ofAtLeast: offsetBytes) { return writer }
        await writer?.close()
        _ = try await unlessRefused { () throws(RemoteFailure) in try await files.removeFile(newPath) }
        return nil
    }

    private func isFile(_ path: RemotePath, ofAtLeast sizeBytes: UInt64) async throws(RemoteFailure) -> Bool {
        let seen = try await unlessRefused { () throws(RemoteFailure) in try await files.attributes(of: path) }
        guard let seen = seen ?? nil, seen.kind == .file || seen.kind == .unknown else { return false }
        return (seen.version.sizeBytes ?? 0) >= sizeBytes
    }

    /// What the operation gives; nil when the server refuses it.
    private func unlessRefused<Value>(
        _ operation: () async throws(RemoteFailure) -> Value
    ) async throws(RemoteFailure) -> Value? {
        do throws(RemoteFailure) {
            return try await operation()
        } catch {
            if error.reason == .connectionLost || error.reason == .cancelled { throw error }
            return nil
        }
    }

    private func open(_ path: RemotePath, _ flags: SFTPOpenFlags) async throws(SFTPError) -> any RemoteFileWriter {
        // Until it is finished its owner may write it: another attempt may have to go on with it.
        let permissions = modes.file.map { $0 | 0o200 }
        let handle = try await client.open(path.bytes, flags, SFTPAttributes(permissions: permissions))
        return SFTPFileWriter(
            client: client, quirks: quirks, path: path, handle: handle, permissions: modes.file)
    }

    // MARK: Replacing

    func replaceFile(
        _ target: RemotePath, with path: RemotePath, mayRemove: () async -> Bool
    ) async throws(RemoteFailure) -> Replacement {
        if let refusal = memory.withLock({ $0.refusal }) { return .refused(refusal) }
        guard client.supports(.posixRename), !quirks.contains(.posixRename) else {
            return try await renamePlainly(path, to: target, mayRemove)
        }
        guard let refusal = try await refusal(of: .posixRename(path.bytes, to: target.bytes), path) else {
            memory.withLock { $0.hasReplaced = true }
            return .done
        }
        let replacement = try await renamePlainly(path, to: target, mayRemove)
        // Where RENAME works, it is posix-rename that the server does not do; else something was wrong with this file.
        if replacement == .done || refusal.reason == .status(.operationUnsupported) {
            quirks.note(.posixRename, because: refusal.message)
        }
        return replacement
    }

    /// RENAME, and where it does not replace, after removing the older file.
    private func renamePlainly(
        _ path: RemotePath, to target: RemotePath, _ mayRemove: () async -> Bool
    ) async throws(RemoteFailure) -> Replacement {
        var mayBeGone = false
        do throws(RemoteFailure) {
            let replacement = try await renamePlainly(path, to: target, mayRemove, &mayBeGone)
            if mayBeGone, case .refused(let failure) = replacement { return .removed(failure) }
            return replacement
        } catch {
            guard mayBeGone else { throw error }
            return .removed(error)
        }
    }

    /// How often the target may be taken again between the removal of the older file and the rename.
    private static let maximumAttempts = 10
    /// A rename that is refused with nothing in its way shows that the server does not rename. Once may be due to
    /// somebody who has put or taken a file between the look and the rename.
    private static let maximumUnobstructed = 2

    /// - Parameter mayBeGone: set when the older file has been removed, or may have been.
    private func renamePlainly(
        _ path: RemotePath, to target: RemotePath, _ mayRemove: () async -> Bool, _ mayBeGone: inout Bool
    ) async throws(RemoteFailure) -> Replacement {
        let rename = SFTPRequest.rename(path.bytes, to: target.bytes)
        guard var refusal = try await refusal(of: rename, path) else { return .done }
        var unobstructedCount = 0
        for _ in 0..<Self.maximumAttempts {
            if refusal.reason == .status(.operationUnsupported) { return refused(refusal) }
            let next: SFTPError?
            switch try await obstacle(at: target, for: path) {
            case .directory: throw RemoteFailure(.failed, "\(refusal.message) (a directory has the name)")
            case .nothing:
                unobstructedCount += 1
                next = try await self.refusal(of: rename, path)
            case .something, .unknown:
                // The older file is removed only on a server that renames: else neither of them would be there.
                guard try await renames(path) else { return refused(refusal) }
                if !mayBeGone, !(await mayRemove()) { return .kept }
                let wasGone = mayBeGone
                // Until the answer says something else.
                mayBeGone = true
                let flight = client.submit([.remove(target.bytes), rename] + looks(at: path))
                let removal = try await statusRefusal(of: flight, 0)
                if removal != nil { mayBeGone = wasGone }
                next = try await self.refusal(of: flight, 1, path)
                if next == nil { try await checkGone(path, flight, 2, rename) }
                if let removal, next != nil {
                    guard removal.reason == .status(.noSuchFile) else {
                        quirks.note(.removing, because: removal.message)
                        return .refused(RemoteFailure(removal))
                    }
                    unobstructedCount += 1
                } else if next == nil {
                    quirks.note(.replacingRename, because: refusal.message)
                }
            }
            guard let next else { return .done }
            refusal = next
            if unobstructedCount >= Self.maximumUnobstructed { return refused(refusal) }
        }
        throw RemoteFailure(.failed, "\(refusal.message) (the name is taken again and again)")
    }

    /// Remembers that the server does not rename, unless it has done so: then it is this name that it does not allow.
    private func refused(_ answer: SFTPError) -> Replacement {
        let failure = RemoteFailure(answer)
        let isGeneral = memory.withLock { memory in
            let isGeneral = !memory.hasRenamed && !memory.hasReplaced
            if isGeneral { memory.refusal = failure }
            return isGeneral
        }
        if isGeneral { quirks.note(.renaming, because: answer.message) }
        return .refused(failure)
    }

    /// Whether the server renames at all: known, or found out by giving the file another name and its own back.
    private func renames(_ path: RemotePath) async throws(RemoteFailure) -> Bool {
        if memory.withLock({ $0.hasRenamed }) { return true }
        let other = Self.otherName(path)
        let flight = client.submit([.rename(path.bytes, to: other), .rename(other, to: path.bytes)])
        if try await refusal(of: flight, 0, path) != nil { return false }
        if let refusal = try await statusRefusal(of: flight, 1) { throw RemoteFailure(refusal) }
        memory.withLock { $0.hasRenamed = true }
        return true
    }

    /// A name of the same length and kind for a moment: of `TemporaryName`, this is the first of the random digits, behind
    /// those of the time.
    private static func otherName(_ path: RemotePath) -> [UInt8] {
        var bytes = path.bytes
        let start = (bytes.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
        let position = min(start + 21, bytes.count - 1)
        bytes[position] = bytes[position] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
        return bytes
    }

    // MARK: Looking

    /// What stands in the way of a rename that was refused.
    /// - Throws: `.notFound` when it is the file to be renamed that is missing.
    private func obstacle(at target: RemotePath, for path: RemotePath) async throws(RemoteFailure) -> SFTPStanding {
        let flight = client.submit([.lstat(path.bytes), .lstat(target.bytes)])
        if try await standing(flight, 0) == .nothing {
            throw RemoteFailure(.notFound, "RENAME \(path) to \(target): the file is gone")
        }
        return try await standing(flight, 1)
    }

    private func stands(at path: RemotePath) async throws(RemoteFailure) -> SFTPStanding {
        let standing = try await standing(client.submit([.lstat(path.bytes)]), 0)
        return standing == .directory ? .something : standing
    }

    private func standing(_ flight: SFTPFlight, _ item: Int) async throws(RemoteFailure) -> SFTPStanding {
        do {
            return try await flight.standing(item)
        } catch {
            throw RemoteFailure(error)
        }
    }

    // MARK: Renaming once

    /// What the server answered to a rename of `path` that it refused; nil when it is done.
    private func refusal(of rename: SFTPRequest, _ path: RemotePath) async throws(RemoteFailure) -> SFTPError? {
        if Task.isCancelled { throw RemoteFailure(.cancelled, "\(rename): cancelled before it was sent") }
        let flight = client.submit([rename] + looks(at: path))
        if let refusal = try await refusal(of: flight, 0, path) { return refusal }
        try await checkGone(path, flight, 1, rename)
        if case .rename = rename { memory.withLock { $0.hasRenamed = true } }
        return nil
    }

    /// The request that shows whether a rename has been done, in the flight of the rename: none where the server does not
    /// tell of paths.
    private func looks(at path: RemotePath) -> [SFTPRequest] {
        quirks.contains(.attributesOfPaths) ? [] : [.lstat(path.bytes)]
    }

    /// Makes sure of a rename that the server says is done: the old name must be free. What stands under the new one
    /// proves nothing, because the partner may have taken the file already.
    /// - Throws: `.failed` when the old name is not free.
    private func checkGone(
        _ path: RemotePath, _ flight: SFTPFlight, _ item: Int, _ rename: SFTPRequest
    ) async throws(RemoteFailure) {
        guard flight.count > item, try await standing(flight, item) == .something else { return }
        // Some servers work on several requests at once: the look may have been before the rename.
        guard try await stands(at: path) == .something else { return }
        throw RemoteFailure(
            .failed,
            "\(rename): the server says that it is done, and the file still has its old name: it is not delivered")
    }

    /// - Throws: `.notFound` when `path` is gone, `.failed` when the directory that it goes to is missing.
    private func refusal(
        of flight: SFTPFlight, _ item: Int, _ path: RemotePath
    ) async throws(RemoteFailure) -> SFTPError? {
        guard let refusal = try await statusRefusal(of: flight, item) else { return nil }
        guard refusal.reason == .status(.noSuchFile) else { return refusal }
        throw try await files.meaning(ofMissing: refusal, moving: path)
    }

    private func statusRefusal(of flight: SFTPFlight, _ item: Int) async throws(RemoteFailure) -> SFTPError? {
        do {
            _ = try await flight.reply(item)
            return nil
        } catch {
            guard case .status = error.reason else { throw RemoteFailure(error) }
            return error
        }
    }
}
