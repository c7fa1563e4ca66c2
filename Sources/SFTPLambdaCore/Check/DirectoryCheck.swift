import SFTP
import Transfers

/// Tries in a scratch directory what a function does on the partner's server, and leaves nothing behind.
///
/// The scratch directory is `.sftp-lambda/check-…` inside the function's own: pull never enters that one. Where none can be
/// made, push is tried with files under temporary names of its own (`TemporaryName`), which it needs anyway.
struct DirectoryCheck {
    let function: LambdaFunction
    /// SFTP_SOURCE_DIR or SFTP_TARGET_DIR.
    let directory: RemotePath
    /// SFTP_AFTER_PULL=keep: nothing on the server is changed.
    var changesNothing = false
    /// SFTP_ALLOW_IN_PLACE.
    var allowsInPlace = false

    private static let content = Array("sftp-lambda was here and cleans up\n".utf8)
    /// A time that no file gets by being written now: 2001-09-09 01:46:40 UTC.
    private static let someSeconds: UInt32 = 1_000_000_000

    /// What is tried, in a few words.
    var title: String { "work in \(setting)" }

    private var setting: String { directorySetting.rawValue }

    private var directorySetting: DirectoryDiagnosis.Setting { isPull ? .source : .target }

    private var isPull: Bool { function == .pull }

    /// Tries one thing after the other, each only where what it builds on works.
    func run(_ client: SFTPClient, _ list: inout CheckList) async {
        // What takes files need not show them.
        let listing = await lists(client, &list)
        guard listing.works || !isPull else {
            return list.skip("write, rename and remove", because: "\(setting) cannot be listed")
        }
        guard !changesNothing else {
            return list.skip("write, rename and remove", because: "with SFTP_AFTER_PULL=keep nothing is changed there")
        }
        let number = UInt64.random(in: 0 ... .max)
        let ours = directory.appending(.ours)
        let scratch = await makes(
            ours.appending(Self.name("check-" + String(number, radix: 16))), in: ours, client, listing.remedy, &list)
        guard scratch != nil || !isPull else {
            return list.skip("write, rename and remove", because: "there is no directory of our own to try it in")
        }
        func place(_ name: String, _ bits: UInt64) -> RemotePath {
            scratch?.path.appending(Self.name(name))
                ?? directory.appending(TemporaryName.name(for: Self.name(name), randomBits: bits))
        }
        let (first, second) = (place("first", number), place("second", ~number))
        if await writes(first, client, listing.remedy, &list) {
            await setsTime(first, client, &list)
            await renames(first, second, client, &list)
        } else {
            list.skip("set a time, rename", because: "no file can be written")
        }
        await removes([first, second], scratch, client, &list)
    }

    private static func name(_ text: String) -> RemoteName {
        guard let name = RemoteName(bytes: Array(text.utf8)) else { preconditionFailure("a name of our own") }
        return name
    }

    private static func counted(_ entries: Int) -> String { entries == 1 ? "1 entry" : "\(entries) entries" }

    /// - Returns: whether it works; if not, what to do where it cannot be worked in either.
    private func lists(
        _ client: SFTPClient, _ list: inout CheckList
    ) async -> (works: Bool, remedy: String?) {
        let wording = CheckList.Wording(
            name: "list \(setting)",
            meaning: isPull ? "nothing can be pulled" : "where files go cannot be seen",
            advice: "check \(setting) (now \(directory)), and the account's rights there", isNeeded: isPull)
        var remedy: String?
        let works: Void? = await list.attempt(wording) {
            let handle: SFTPHandle
            do {
                handle = try await opened(client)
            } catch {
                remedy = (error as? Diagnosed)?.remedy
                throw error
            }
            let entries: [SFTPName]?
            do {
                entries = try await client.readdir(handle)
            } catch {
                client.closeWithoutWaiting(handle)
                throw error
            }
            try await client.close(handle)
            let count = (entries ?? []).count { ![Array(".".utf8), Array("..".utf8)].contains($0.filename) }
            return ((), "\(Self.counted(count)) in the first answer")
        }
        return (works != nil, remedy)
    }

    /// - Throws: what a run would say of the directory.
    private func opened(_ client: SFTPClient) async throws -> SFTPHandle {
        do throws(SFTPError) {
            return try await client.opendir(path(directory))
        } catch {
            // Of a directory that takes files it says nothing that they may not be listed.
            guard
                let diagnosis = await DirectoryDiagnosis(
                    of: directorySetting, RemoteFailure(error), at: directory, on: SFTPRemoteFiles(client: client)),
                isPull || diagnosis.problem != .denied
            else { throw error }
            throw Diagnosed(finding: diagnosis.finding, remedy: diagnosis.remedy)
        }
    }

    private struct Diagnosed: RemediedError {
        let finding: String
        let remedy: String
    }

    private func makes(
        _ path: RemotePath, in ours: RemotePath, _ client: SFTPClient, _ remedy: String?, _ list: inout CheckList
    ) async -> Scratch? {
        let wording = CheckList.Wording(
            name: "make a directory",
            meaning: isPull
                ? "what was pulled cannot be moved to .done, so each run would pull it again and fail"
                : "directories of keys cannot be made: objects go only into directories that are there",
            advice: remedy ?? "ask the partner for write permission in \(setting)", isNeeded: isPull)
        return await list.attempt(wording) {
            // In a task of its own: cut off in between, nobody would know what was made.
            (try await Task { try await make(path, in: ours, client) }.value, "\(path)")
        }
    }

    /// Where things are tried.
    private struct Scratch: Sendable {
        let path: RemotePath
        /// The directory that it stands in, if that was not there before.
        var madeAround: RemotePath?
    }

    private func make(
        _ place: RemotePath, in ours: RemotePath, _ client: SFTPClient
    ) async throws(SFTPError) -> Scratch {
        var scratch = Scratch(path: place)
        do throws(SFTPError) {
            try await client.mkdir(path(ours))
            scratch.madeAround = ours
        } catch {
            // One that is there will do; whether it can be used the next request shows.
            guard case .status = error.reason else { throw error }
        }
        do throws(SFTPError) {
            try await client.mkdir(path(scratch.path))
        } catch {
            await removeDirectory(around: scratch, client)
            throw error
        }
        return scratch
    }

    /// Removes the directory around the scratch directory, if this check has made it. Another check may be at work in it.
    private func removeDirectory(around scratch: Scratch, _ client: SFTPClient) async {
        if let ours = scratch.madeAround { try? await client.rmdir(path(ours)) }
    }

    private func writes(
        _ file: RemotePath, _ client: SFTPClient, _ remedy: String?, _ list: inout CheckList
    ) async -> Bool {
        let wording = CheckList.Wording(
            name: "write a file", meaning: isPull ? "of no matter to pull, which writes none" : "nothing can be pushed",
            advice: remedy ?? "ask the partner for write permission in \(setting), and whether the disk is full",
            isNeeded: !isPull)
        return await list.attempt(wording) {
            try await write(file, client)
            let handle = try await client.open(path(file), [.read])
            let content = try await client.read(handle, from: 0, countBytes: Self.content.count + 1)
            try await client.close(handle)
            guard content.flatMap({ $0 }) == Self.content else { throw Mismatch(seen: "it reads as something else") }
            return (true, "\(Self.content.count) bytes, and read back")
        } ?? false
    }

    private func write(_ file: RemotePath, _ client: SFTPClient) async throws(SFTPError) {
        let handle = try await client.open(path(file), [.write, .create, .exclusive])
        do throws(SFTPError) {
            try await client.write(handle, at: 0, [Self.content])
        } catch {
            client.closeWithoutWaiting(handle)
            throw error
        }
        try await client.close(handle)
    }

    private func setsTime(_ file: RemotePath, _ client: SFTPClient, _ list: inout CheckList) async {
        let wording = CheckList.Wording(
            name: "set a file's time",
            meaning: isPull
                ? "SFTP_FILE_RETENTION_DAYS counts from the file's own time, not from its transfer"
                : "files have the time of their transfer, not that of the original",
            advice: "nothing has to be changed", isNeeded: false)
        await list.attempt(wording) {
            let times = SFTPAttributes.Times(
                accessSeconds: Self.someSeconds, modificationSeconds: Self.someSeconds)
            try await client.setstat(path(file), SFTPAttributes(times: times))
            let seen = try await client.lstat(path(file)).times?.modificationSeconds
            guard seen == Self.someSeconds else { throw Mismatch(seen: "it was taken, and has no effect") }
            return ((), "kept to the second")
        }
    }

    private func renames(
        _ first: RemotePath, _ second: RemotePath, _ client: SFTPClient, _ list: inout CheckList
    ) async {
        let rename = CheckList.Wording(
            name: "rename",
            meaning: isPull
                ? "what was pulled cannot be moved to .done, so each run would pull it again and fail"
                : "files cannot be written under a temporary name: nothing is pushed without SFTP_ALLOW_IN_PLACE=true",
            advice: isPull
                ? "ask the partner for the right to rename in \(setting)"
                : "ask the partner for the right to rename, or set SFTP_ALLOW_IN_PLACE=true and accept half files",
            isNeeded: isPull || !allowsInPlace)
        guard
            await list.attempt(rename, { (try await client.rename(path(first), to: path(second)), "to a new name") })
                != nil
        else { return list.skip("rename over a file", because: "there is no renaming") }
        let over = CheckList.Wording(
            name: "rename over a file",
            meaning: isPull
                ? "an older file in .done is set aside first: four more round trips where there is one"
                : "an older file is removed first: for a moment there is none under its name",
            advice: "nothing has to be changed", isNeeded: false)
        await list.attempt(over) {
            try await write(first, client)
            guard client.supports(.posixRename) else {
                try await client.rename(path(first), to: path(second))
                return ((), "by RENAME")
            }
            try await client.posixRename(path(first), to: path(second))
            return ((), "by posix-rename@openssh.com")
        }
    }

    private func removes(
        _ files: [RemotePath], _ scratch: Scratch?, _ client: SFTPClient, _ list: inout CheckList
    ) async {
        let place = scratch?.path ?? directory
        let wording = CheckList.Wording(
            name: "remove",
            meaning: isPull
                ? "nothing can be removed from .done: SFTP_FILE_RETENTION_DAYS has no effect, and \(place) is left"
                : "temporary files of failed pushes stay, and so does what this check has written in \(place)",
            advice: "remove \(scratch == nil ? files[0] : place), and ask the partner for the right to remove files",
            isNeeded: false)
        await list.attempt(wording) {
            // Also when the check is cut off.
            try await Task { try await cleanUp(files, scratch, client) }.value
            return ((), "nothing is left behind")
        }
    }

    private func cleanUp(
        _ files: [RemotePath], _ scratch: Scratch?, _ client: SFTPClient
    ) async throws(SFTPError) {
        var refusal: SFTPError?
        for file in files {
            do throws(SFTPError) {
                try await client.remove(path(file))
            } catch {
                // Only one of them is there, when all went well.
                if error.reason != .status(.noSuchFile) { refusal = error }
            }
        }
        guard let scratch else {
            if let refusal { throw refusal }
            return
        }
        do throws(SFTPError) {
            try await client.rmdir(path(scratch.path))
        } catch {
            throw refusal ?? error
        }
        await removeDirectory(around: scratch, client)
    }

    private func path(_ path: RemotePath) -> [UInt8] { path.bytes.isEmpty ? [UInt8(ascii: ".")] : path.bytes }

    /// The server answered that it did something, and it did not.
    private struct Mismatch: Error, CustomStringConvertible {
        let seen: String
        var description: String { seen }
    }
}
