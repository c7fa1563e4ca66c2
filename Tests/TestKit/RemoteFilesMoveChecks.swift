import Testing
import Transfers

/// Moving, removing and making.
extension RemoteFilesCheck {
    private var now: UnixTime { time + 100_000 }

    /// The target has the new time, or the result says why not.
    private func expectTime(
        _ moved: MovedFile, _ target: RemotePath, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        if let failure = moved.timeFailure {
            let reasons: [RemoteFailure.Reason] = [.denied, .unsupported, .failed]
            let isRefusal = reasons.contains(failure.reason)
            #expect(isRefusal, "\(failure)", sourceLocation: sourceLocation)
        } else {
            #expect(try await partner.modified(target) == now, sourceLocation: sourceLocation)
        }
    }

    /// What was seen is the file as it was before its time was set, or what the server does not say.
    private func expectSeen(
        _ moved: MovedFile, _ version: FileVersion, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        guard let seen = moved.seen else { return }
        #expect(seen.kind == .file || seen.kind == .unknown, sourceLocation: sourceLocation)
        let hasSize = seen.version.sizeBytes == nil || seen.version.sizeBytes == version.sizeBytes
        #expect(hasSize, "\(seen)", sourceLocation: sourceLocation)
        let hasTime = seen.version.modified == nil || seen.version.modified == version.modified
        #expect(hasTime, "\(seen)", sourceLocation: sourceLocation)
    }

    func moveTakesTheFileAlong() async throws {
        try await partner.makeDirectory(place / ".done")
        for count in [0, 1, 100_000] {
            let name = "file-\(count)"
            let (bytes, version) = try await put(place / name, countBytes: count)
            let reader = try await files.openFile(place / name, expected: version)
            _ = try await reader.read(from: 0, countBytes: count, verifyingEnd: true)
            let moved = try await reader.closeAndMove(to: place / ".done" / name, settingTime: now)
            expectSeen(moved, version)
            try await expectTime(moved, place / ".done" / name)
            #expect(try await partner.read(place / ".done" / name) == bytes)
            #expect(try await partner.read(place / name) == nil)
            await reader.close()
        }
    }

    /// Or the server does not do that, and says so: then nothing has changed, and the move can be made once the target
    /// is free.
    func moveReplacesTheTarget() async throws {
        try await partner.makeDirectory(place / ".done")
        let (bytes, version) = try await put(place / "file", countBytes: 1000)
        let older = sampleBytes(3000, salt: 7)
        try await partner.put(place / ".done" / "file", older, time + 5)
        let reader = try await files.openFile(place / "file", expected: version)
        let moved: MovedFile
        do {
            moved = try await reader.closeAndMove(to: place / ".done" / "file", settingTime: now)
        } catch {
            #expect(error.reason == .alreadyExists, "\(error)")
            #expect(try await partner.read(place / ".done" / "file") == older)
            #expect(try await partner.modified(place / ".done" / "file") == time + 5)
            #expect(try await partner.read(place / "file") == bytes)
            try await files.moveWithoutReplacing(place / ".done" / "file", to: place / ".done" / "aside")
            moved = try await reader.closeAndMove(to: place / ".done" / "file", settingTime: now)
            #expect(try await partner.read(place / ".done" / "aside") == older)
            #expect(try await partner.modified(place / ".done" / "aside") == time + 5)
        }
        expectSeen(moved, version)
        try await expectTime(moved, place / ".done" / "file")
        #expect(try await partner.read(place / ".done" / "file") == bytes)
        #expect(try await partner.read(place / "file") == nil)
        await expectFailure(.failed) {
            _ = try await reader.closeAndMove(to: place / "again", settingTime: now)
        }
    }

    func moveSeesWhatReallyArrived() async throws {
        try await partner.makeDirectory(place / ".done")
        let (_, version) = try await put(place / "file", countBytes: 1000)
        let reader = try await files.openFile(place / "file", expected: version)
        _ = try await reader.read(from: 0, countBytes: 1000, verifyingEnd: true)
        let newer = sampleBytes(1500, salt: 3)
        try await partner.put(place / "file", newer, time + 50)
        let moved = try await reader.closeAndMove(to: place / ".done" / "file", settingTime: now)
        expectSeen(moved, FileVersion(sizeBytes: 1500, modified: time + 50))
        #expect(try await partner.read(place / ".done" / "file") == newer)
    }

    func moveOfNothingIsNotFound() async throws {
        try await partner.makeDirectory(place / ".done")
        let (_, version) = try await put(place / "file", countBytes: 1000)
        let older = sampleBytes(10, salt: 1)
        try await partner.put(place / ".done" / "file", older, time + 9)
        let reader = try await files.openFile(place / "file", expected: version)
        try await partner.remove(place / "file")
        await expectFailure(.notFound) {
            _ = try await reader.closeAndMove(to: place / ".done" / "file", settingTime: now)
        }
        await reader.close()
        #expect(try await partner.read(place / ".done" / "file") == older)
    }

    /// What follows the rename in its flight is carried out even when the rename was refused. Nobody may see that
    /// afterwards: an older file of the name would pass for one that was moved just now.
    func refusedMoveLeavesTheTargetAlone() async throws {
        try await partner.makeDirectory(place / ".done")
        let older = sampleBytes(10, salt: 1)
        try await partner.put(place / ".done" / "file", older, time + 9)
        let (_, version) = try await put(place / "file", countBytes: 1000)
        let reader = try await files.openFile(place / "file", expected: version)
        try await partner.remove(place / "file")
        await expectFailure(.notFound) {
            _ = try await reader.closeAndMove(to: place / ".done" / "file", settingTime: now)
        }
        #expect(try await partner.read(place / ".done" / "file") == older)
        #expect(try await partner.modified(place / ".done" / "file") == time + 9)

        // A directory where the file should go: no server replaces that.
        try await partner.makeDirectory(place / "taken")
        let directoryTime = try await partner.modified(place / "taken")
        let (_, secondVersion) = try await put(place / "second", countBytes: 1000)
        let second = try await files.openFile(place / "second", expected: secondVersion)
        await expectFailure(.failed, .alreadyExists, .denied) {
            _ = try await second.closeAndMove(to: place / "taken", settingTime: now)
        }
        #expect(try await partner.modified(place / "taken") == directoryTime)
        #expect(try await partner.modified(place / "second") == time)
    }

    func failedMoveLeavesTheFile() async throws {
        let (bytes, version) = try await put(place / "file", countBytes: 1000)
        let reader = try await files.openFile(place / "file", expected: version)
        await expectFailure(.notFound, .failed) {
            _ = try await reader.closeAndMove(to: place / "nothing" / "file", settingTime: now)
        }
        #expect(try await partner.read(place / "file") == bytes)
        #expect(try await partner.modified(place / "file") == time)

        // A directory stands where the file should go.
        try await partner.makeDirectory(place / ".done")
        try await partner.makeDirectory(place / ".done" / "file")
        let second = try await files.openFile(place / "file", expected: version)
        await expectFailure(.failed, .alreadyExists, .denied) {
            _ = try await second.closeAndMove(to: place / ".done" / "file", settingTime: now)
        }
        #expect(try await partner.read(place / "file") == bytes)
    }

    func closeIsHarmlessAfterClose() async throws {
        try await partner.makeDirectory(place / ".done")
        let (_, version) = try await put(place / "file", countBytes: 1000)
        let reader = try await files.openFile(place / "file", expected: version)
        await reader.close()
        await reader.close()
        let second = try await files.openFile(place / "file", expected: version)
        _ = try await second.closeAndMove(to: place / ".done" / "file", settingTime: now)
        await second.close()
        await second.close()
        // A handle that was closed twice must not have closed somebody else's.
        let (bytes, otherVersion) = try await put(place / "other", countBytes: 2000)
        let content = try await withFile(place / "other", expected: otherVersion) { other in
            await second.close()
            await reader.close()
            return try await other.read(from: 0, countBytes: 2000, verifyingEnd: true)
        }
        #expect(joinedBytes(content) == bytes)
    }

    func carefulMoveNeverReplaces() async throws {
        let (bytes, _) = try await put(place / "file", countBytes: 1000)
        try await files.moveWithoutReplacing(place / "file", to: place / "moved")
        #expect(try await partner.read(place / "moved") == bytes)
        #expect(try await partner.modified(place / "moved") == time)
        #expect(try await partner.read(place / "file") == nil)

        let (newer, _) = try await put(place / "file", countBytes: 500, salt: 2)
        await expectFailure(.alreadyExists) {
            try await files.moveWithoutReplacing(place / "moved", to: place / "file")
        }
        #expect(try await partner.read(place / "moved") == bytes)
        #expect(try await partner.read(place / "file") == newer)

        try await partner.makeDirectory(place / "directory")
        await expectFailure(.alreadyExists) {
            try await files.moveWithoutReplacing(place / "moved", to: place / "directory")
        }
        #expect(try await partner.read(place / "moved") == bytes)
        await expectFailure(.notFound) {
            try await files.moveWithoutReplacing(place / "nothing", to: place / "anywhere")
        }
    }

    func timeIsSet() async throws {
        _ = try await put(place / "file", countBytes: 10)
        do {
            try await files.setModificationTime(of: place / "file", to: now)
            #expect(try await partner.modified(place / "file") == now)
        } catch let failure as RemoteFailure {
            let isRefusal = failure.reason == .denied || failure.reason == .unsupported
            #expect(isRefusal, "\(failure)")
        }
        await expectFailure(.notFound, .denied, .unsupported) {
            try await files.setModificationTime(of: place / "nothing", to: now)
        }
    }

    func removeLeavesNothing() async throws {
        _ = try await put(place / "file", countBytes: 10)
        try await files.removeFile(place / "file")
        #expect(try await partner.read(place / "file") == nil)
        try await files.removeFile(place / "file")
        try await files.removeFile(place / "nothing" / "below")

        let (bytes, _) = try await put(place / "behind", countBytes: 10)
        try await partner.makeLink(place / "link", place / "behind")
        try await files.removeFile(place / "link")
        #expect(try await partner.modified(place / "link") == nil)
        #expect(try await partner.read(place / "behind") == bytes)
    }

    func removeTakesNoDirectory() async throws {
        try await partner.makeDirectory(place / "directory")
        await expectFailure { try await files.removeFile(place / "directory") }
        #expect(try await partner.modified(place / "directory") != nil)
    }

    func makeDirectoryMayFindIt() async throws {
        try await files.makeDirectory(place / "new")
        try await files.makeDirectory(place / "new")
        #expect(try await list(place / "new").isEmpty)
        _ = try await put(place / "new" / "file", countBytes: 1)
        try await files.makeDirectory(place / "new")
        #expect(try await partner.read(place / "new" / "file") != nil)

        await expectFailure { try await files.makeDirectory(place / "nothing" / "below") }
        let (bytes, _) = try await put(place / "file", countBytes: 3)
        await expectFailure { try await files.makeDirectory(place / "file") }
        #expect(try await partner.read(place / "file") == bytes)
    }
}
