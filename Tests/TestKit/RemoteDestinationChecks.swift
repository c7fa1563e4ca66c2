import Testing
import Transfers

extension RemoteDestinationCheck {
    // MARK: Writing

    func newFileHasEveryByte() async throws {
        for (count, pieceBytes) in [(0, 1), (1, 1), (1000, 7), (100_000, 100_000), (3_000_000, 70_001)] {
            let bytes = sampleBytes(count, salt: UInt8(truncatingIfNeeded: pieceBytes))
            try await write(bytes, to: place / "file-\(count)", pieceBytes: pieceBytes)
            try await expectContent(place / "file-\(count)", bytes)
        }
    }

    /// As much as a push writes before it is cut off; what the server has confirmed of it stays.
    func unfinishedFileIsGoneOnWith() async throws {
        let bytes = sampleBytes(9 << 20, salt: 5)
        let first = try await destination.createFile(place / "first")
        #expect(first.confirmedBytes == 0)
        try await fill(first, Array(bytes[..<(7 << 20)]), pieceBytes: 70_001)
        let confirmed = Int(first.confirmedBytes)
        #expect(confirmed > 1 << 20 && confirmed <= 7 << 20)
        await first.close()
        let second = try #require(
            try await destination.resumeFile(place / "first", as: place / "second", from: UInt64(confirmed)))
        #expect(second.confirmedBytes == UInt64(confirmed))
        try await expectNothing(place / "first")
        try await fill(second, Array(bytes[confirmed...]), pieceBytes: 70_001)
        try await second.finish(modified: nil)
        try await expectContent(place / "second", bytes)
    }

    func unfinishedFileIsTakenOverOnce() async throws {
        try await write(sampleBytes(1000), to: place / "first")
        let second = try #require(
            try await destination.resumeFile(place / "first", as: place / "second", from: 1000))
        #expect(try await destination.resumeFile(place / "first", as: place / "third", from: 1000) == nil)
        try await expectNothing(place / "third")
        try await second.finish(modified: nil)
        try await expectContent(place / "second", sampleBytes(1000))
        #expect(try await destination.resumeFile(place / "nothing", as: place / "other", from: 0) == nil)
    }

    func shorterFileIsNotGoneOnWith() async throws {
        try await write(sampleBytes(999), to: place / "first")
        #expect(try await destination.resumeFile(place / "first", as: place / "second", from: 1000) == nil)
        try await expectNothing(place / "first")
        try await expectNothing(place / "second")
    }

    func fileGetsItsTime() async throws {
        let writer = try await destination.createFile(place / "file")
        try await writer.write(sampleBytes(1000))
        try await writer.finish(modified: time)
        // A server may refuse it.
        let modified = try #require(try await partner.modified(place / "file"))
        #expect(modified == time || modified > time + 1000)
        try await expectContent(place / "file", sampleBytes(1000))
    }

    func takenNameIsAlreadyExists() async throws {
        try await partner.put(place / "file", sampleBytes(10), time)
        try await partner.makeDirectory(place / "directory")
        for name in ["file", "directory"] {
            await expectRemoteFailure(.alreadyExists) { _ = try await destination.createFile(place / name) }
        }
        try await expectContent(place / "file", sampleBytes(10))
    }

    func missingDirectoryIsNotFound() async throws {
        await expectRemoteFailure(.notFound) { _ = try await destination.createFile(place / "nothing" / "file") }
        await expectRemoteFailure(.notFound) { _ = try await destination.overwriteFile(place / "nothing" / "file") }
    }

    func namesAreBytes() async throws {
        let names = [
            Array("with space and 'quotes' \"double\" %20+".utf8), Array("new\nline".utf8), Array("文件 🗂".utf8),
            [0xFF, 0xFE, 0x41], [UInt8](repeating: 0x6E, count: 200),
        ]
        for (number, name) in names.enumerated() {
            let path = RemotePath(bytes: place.bytes + [UInt8(ascii: "/")] + name)
            try await write(sampleBytes(number + 1), to: place / "temporary")
            #expect(try await destination.replaceFile(path, with: place / "temporary") == .done)
            try await expectContent(path, sampleBytes(number + 1))
        }
    }

    func overwrittenFileHasOnlyTheNewBytes() async throws {
        try await partner.put(place / "file", sampleBytes(5000), time)
        for name in ["file", "new"] {
            let writer = try await destination.overwriteFile(place / name)
            try await writer.write(sampleBytes(100, salt: 1))
            try await writer.finish(modified: nil)
            try await expectContent(place / name, sampleBytes(100, salt: 1))
        }
    }

    func directoryIsNotOverwritten() async throws {
        try await partner.makeDirectory(place / "directory")
        await expectRemoteFailure(.failed, .denied, .alreadyExists) {
            _ = try await destination.overwriteFile(place / "directory")
        }
    }

    /// Somebody else works on the same file.
    func truncatedFileHasChanged() async throws {
        let writer = try await destination.createFile(place / "file")
        // So much that a part of it has certainly been sent.
        try await fill(writer, sampleBytes(8 << 20), pieceBytes: 1 << 20)
        try await expectSomething(place / "file")
        try await partner.overwrite(place / "file", sampleBytes(20 << 20), time)
        await expectRemoteFailure(.changed) { try await writer.finish(modified: nil) }
        await writer.close()
    }

    private func expectSomething(_ path: RemotePath) async throws {
        #expect(try await partner.modified(path) != nil)
    }

    // MARK: Replacing

    func replacingGivesTheNameAlone() async throws {
        try await write(sampleBytes(1000), to: place / "temporary")
        try await expectNothing(place / "file")
        #expect(destination.canReplace)
        #expect(try await destination.replaceFile(place / "file", with: place / "temporary") == .done)
        try await expectContent(place / "file", sampleBytes(1000))
        try await expectNothing(place / "temporary")
        #expect(destination.canReplace)
    }

    func replacingTakesTheOlderFilesPlace() async throws {
        try await partner.put(place / "behind", sampleBytes(30), time)
        try await partner.makeLink(place / "link", place / "behind")
        try await partner.put(place / "file", sampleBytes(5000), time)
        for (round, name) in ["file", "file", "link"].enumerated() {
            let bytes = sampleBytes(1000 + round, salt: UInt8(round))
            try await write(bytes, to: place / "temporary")
            #expect(try await destination.replaceFile(place / name, with: place / "temporary") == .done)
            try await expectContent(place / name, bytes)
            try await expectNothing(place / "temporary")
        }
        try await expectContent(place / "behind", sampleBytes(30))
    }

    func replacingByNothingIsNotFound() async throws {
        try await partner.put(place / "file", sampleBytes(50), time)
        await expectRemoteFailure(.notFound) {
            _ = try await destination.replaceFile(place / "file", with: place / "nothing")
        }
        try await expectContent(place / "file", sampleBytes(50))
        await expectRemoteFailure(.notFound) {
            _ = try await destination.replaceFile(place / "new", with: place / "nothing")
        }
        #expect(destination.canReplace)
    }

    func replacingLeavesDirectoriesAlone() async throws {
        try await partner.makeDirectory(place / "directory")
        try await partner.put(place / "directory" / "inside", sampleBytes(5), time)
        try await write(sampleBytes(1000), to: place / "temporary")
        await expectRemoteFailure(.failed, .denied, .alreadyExists) {
            _ = try await destination.replaceFile(place / "directory", with: place / "temporary")
        }
        try await expectContent(place / "directory" / "inside", sampleBytes(5))
        try await expectContent(place / "temporary", sampleBytes(1000))
        // It was this name; others still work.
        #expect(destination.canReplace)
        #expect(try await destination.replaceFile(place / "file", with: place / "temporary") == .done)
    }

    func replacingIntoNoDirectoryLeavesTheFile() async throws {
        try await write(sampleBytes(1000), to: place / "temporary")
        await expectRemoteFailure(.failed) {
            _ = try await destination.replaceFile(place / "nothing" / "file", with: place / "temporary")
        }
        try await expectContent(place / "temporary", sampleBytes(1000))
        #expect(destination.canReplace)
    }

    func olderFileIsRemovedOnlyIfItMayBe() async throws {
        try await write(sampleBytes(1000), to: place / "new")
        #expect(
            try await destination.replaceFile(place / "none", with: place / "new") {
                Issue.record("there is no older file")
                return false
            } == .done)

        try await partner.put(place / "file", sampleBytes(50), time)
        try await write(sampleBytes(1000), to: place / "temporary")
        var timesAsked = 0
        let replacement = try await destination.replaceFile(place / "file", with: place / "temporary") {
            timesAsked += 1
            return false
        }
        #expect(replacement == (timesAsked == 0 ? .done : .kept))
        #expect(timesAsked <= 1)
        guard replacement == .kept else { return }
        try await expectContent(place / "file", sampleBytes(50))
        try await expectContent(place / "temporary", sampleBytes(1000))
        #expect(try await destination.replaceFile(place / "file", with: place / "temporary") == .done)
        try await expectContent(place / "file", sampleBytes(1000))
    }

    func connectionLostAtTheRemovalIsTold() async throws {
        try await partner.put(place / "file", sampleBytes(50), time)
        try await write(sampleBytes(1000), to: place / "temporary")
        let replacement = try await destination.replaceFile(place / "file", with: place / "temporary") {
            await #expect(throws: Never.self) { try await lose(destination) }
            return true
        }
        // Who replaces in one step does not ask.
        if replacement == .done { return try await expectContent(place / "file", sampleBytes(1000)) }
        guard case .removed(let failure) = replacement else {
            return #expect(Bool(false), "\(replacement)")
        }
        #expect(failure.reason == .connectionLost)
        try await expectContent(place / "temporary", sampleBytes(1000))
    }

    // MARK: Ending, removing, making

    func unfinishedFileIsClosedAndRemoved() async throws {
        for count in [0, 1000, 3 << 20] {
            let writer = try await destination.createFile(place / "temporary")
            try await fill(writer, sampleBytes(count), pieceBytes: 100_000)
            await writer.close()
            try await destination.removeFile(place / "temporary")
            try await expectNothing(place / "temporary")
        }
    }

    func closedFileTakesNothing() async throws {
        let finished = try await destination.createFile(place / "finished")
        try await finished.write(sampleBytes(10))
        try await finished.finish(modified: nil)
        let closed = try await destination.createFile(place / "closed")
        try await closed.write(sampleBytes(10))
        await closed.close()
        // A handle that is closed twice must not be somebody else's by then.
        let other = try await destination.createFile(place / "other")
        for writer in [finished, closed] {
            await writer.close()
            await expectRemoteFailure(.failed) { try await writer.write(sampleBytes(10)) }
            await expectRemoteFailure(.failed) { try await writer.finish(modified: nil) }
            await writer.close()
        }
        try await other.write(sampleBytes(2000, salt: 2))
        try await other.finish(modified: nil)
        try await expectContent(place / "other", sampleBytes(2000, salt: 2))
        try await expectContent(place / "finished", sampleBytes(10))
    }

    func removeLeavesNothing() async throws {
        try await partner.put(place / "file", sampleBytes(10), time)
        try await destination.removeFile(place / "file")
        try await expectNothing(place / "file")
        try await destination.removeFile(place / "file")
        try await destination.removeFile(place / "nothing" / "below")
    }

    func removeTakesNoDirectory() async throws {
        try await partner.makeDirectory(place / "directory")
        await expectRemoteFailure { try await destination.removeFile(place / "directory") }
        #expect(try await partner.modified(place / "directory") != nil)
    }

    func makeDirectoryMayFindIt() async throws {
        try await destination.makeDirectory(place / "new")
        try await destination.makeDirectory(place / "new")
        try await partner.makeLink(place / "link", place / "new")
        try await destination.makeDirectory(place / "link")
        try await write(sampleBytes(10), to: place / "link" / "file")
        try await expectContent(place / "new" / "file", sampleBytes(10))

        await expectRemoteFailure { try await destination.makeDirectory(place / "nothing" / "below") }
        try await partner.put(place / "file", sampleBytes(3), time)
        await expectRemoteFailure { try await destination.makeDirectory(place / "file") }
        try await expectContent(place / "file", sampleBytes(3))
    }

    // MARK: Many, cancelled, lost

    func manyFilesAtOnce() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<60 {
                group.addTask {
                    let bytes = sampleBytes(1000 + number * 10_000, salt: UInt8(number))
                    try await write(bytes, to: place / "temporary-\(number)", pieceBytes: 9_999)
                    let target = place / "file-\(number)"
                    #expect(try await destination.replaceFile(target, with: place / "temporary-\(number)") == .done)
                    try await expectContent(target, bytes)
                }
            }
            try await group.waitForAll()
        }
    }

    func cancelledTaskHarmsNobody() async throws {
        let bytes = sampleBytes(20_000)
        for round in 0..<5 {
            let task = Task {
                let writer = try await destination.createFile(place / "cancelled-\(round)")
                do {
                    // In memory nothing ever waits: the others need their turn.
                    for _ in 0..<10_000 {
                        try await writer.write(bytes)
                        await Task.yield()
                    }
                } catch {
                    await writer.close()
                    throw error
                }
            }
            if round > 1 { try await waitUntilThere(place / "cancelled-\(round)") }
            task.cancel()
            await expectRemoteFailure(.cancelled) { _ = try await task.value }
            // Neither what it had under way nor its handle gets into this one.
            let others = sampleBytes(300_000, salt: UInt8(round))
            try await write(others, to: place / "other-\(round)")
            try await expectContent(place / "other-\(round)", others)
        }
    }

    private func waitUntilThere(_ path: RemotePath) async throws {
        let limit = ContinuousClock.now + .seconds(30)
        while try await partner.modified(path) == nil {
            guard ContinuousClock.now < limit else {
                Issue.record("\(path) does not come")
                return
            }
            await Task.yield()
        }
    }

    func lostConnectionFailsEverything() async throws {
        try await partner.put(place / "file", sampleBytes(1000), time)
        let writer = try await destination.createFile(place / "writing")
        try await writer.write(sampleBytes(1000))
        try await lose(destination)
        await expectRemoteFailure(.connectionLost) { try await writer.finish(modified: time) }
        await expectRemoteFailure(.connectionLost) { _ = try await destination.createFile(place / "new") }
        await expectRemoteFailure(.connectionLost) { _ = try await destination.overwriteFile(place / "file") }
        await expectRemoteFailure(.connectionLost) { try await destination.makeDirectory(place / "directory") }
        await expectRemoteFailure(.connectionLost) { try await destination.removeFile(place / "file") }
        await expectRemoteFailure(.connectionLost) {
            _ = try await destination.replaceFile(place / "file", with: place / "writing")
        }
        await writer.close()
        try await expectContent(place / "file", sampleBytes(1000))
        try await expectNothing(place / "new")
    }
}
