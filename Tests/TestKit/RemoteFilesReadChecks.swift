import Testing
import Transfers

/// Reading.
extension RemoteFilesCheck {
    func openingNothingIsNotFound() async throws {
        await expectFailure(.notFound) {
            let reader = try await files.openFile(place / "nothing", expected: Self.anything)
            await reader.close()
        }
        try await partner.makeDirectory(place / "directory")
        // Some servers open a directory and refuse to read from it.
        await expectFailure {
            _ = try await withFile(place / "directory") { reader in
                try await reader.read(from: 0, countBytes: 1, verifyingEnd: false)
            }
        }
    }

    func readGivesTheBytesAsked() async throws {
        let (bytes, version) = try await put(place / "file", countBytes: 600_001)
        try await withFile(place / "file", expected: version) { reader in
            let whole = try await reader.read(from: 0, countBytes: bytes.count, verifyingEnd: true)
            #expect(joinedBytes(whole) == bytes)
            for (offset, count) in [(0, 1), (1, 32_767), (32_768, 32_768), (255 * 1024, 261_121), (600_000, 1)] {
                let part = try await reader.read(from: UInt64(offset), countBytes: count, verifyingEnd: false)
                #expect(joinedBytes(part) == Array(bytes[offset..<offset + count]))
            }
            let tail = try await reader.read(from: 599_001, countBytes: 1000, verifyingEnd: true)
            #expect(joinedBytes(tail) == Array(bytes.suffix(1000)))
        }
    }

    func readsMayRunAtTheSameTime() async throws {
        let countBytes = 2_000_003
        let (bytes, version) = try await put(place / "file", countBytes: countBytes)
        let reader = try await files.openFile(place / "file", expected: version)
        let step = 250_007
        let parts = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
            for offset in stride(from: 0, to: countBytes, by: step) {
                group.addTask {
                    let count = min(step, countBytes - offset)
                    let isLast = offset + count == countBytes
                    let pieces = try await reader.read(from: UInt64(offset), countBytes: count, verifyingEnd: isLast)
                    return (offset, joinedBytes(pieces))
                }
            }
            var parts: [Int: [UInt8]] = [:]
            for try await (offset, part) in group { parts[offset] = part }
            return parts
        }
        await reader.close()
        #expect(parts.keys.sorted().flatMap { parts[$0] ?? [] } == bytes)
    }

    func emptyFileIsVerified() async throws {
        let (_, version) = try await put(place / "empty", countBytes: 0)
        let content = try await withFile(place / "empty", expected: version) { reader in
            try await reader.read(from: 0, countBytes: 0, verifyingEnd: true)
        }
        #expect(joinedBytes(content).isEmpty)

        // Listed as empty, and no longer empty when it is read.
        _ = try await put(place / "grown", countBytes: 1)
        await expectFailure(.changed) {
            _ = try await withFile(place / "grown", expected: version) { reader in
                try await reader.read(from: 0, countBytes: 0, verifyingEnd: true)
            }
        }
    }

    func shorterFileHasChanged() async throws {
        _ = try await put(place / "file", countBytes: 100_000)
        for count in [100_001, 132_768, 400_000] {
            for isVerifying in [true, false] {
                let version = FileVersion(sizeBytes: UInt64(count), modified: time)
                await expectFailure(.changed) {
                    _ = try await withFile(place / "file", expected: version) { reader in
                        try await reader.read(from: 0, countBytes: count, verifyingEnd: isVerifying)
                    }
                }
            }
        }
        // A range that begins behind the end.
        await expectFailure(.changed) {
            _ = try await withFile(place / "file") { reader in
                try await reader.read(from: 200_000, countBytes: 10, verifyingEnd: true)
            }
        }
    }

    func longerFileHasChanged() async throws {
        _ = try await put(place / "file", countBytes: 100_000)
        for count in [99_999, 65_536, 1] {
            for version in [FileVersion(sizeBytes: UInt64(count), modified: time), Self.anything] {
                await expectFailure(.changed) {
                    _ = try await withFile(place / "file", expected: version) { reader in
                        try await reader.read(from: 0, countBytes: count, verifyingEnd: true)
                    }
                }
            }
        }
    }

    func versionIsThatOfTheOpenFile() async throws {
        let (bytes, version) = try await put(place / "file", countBytes: 5000)
        // The server says nothing of open files: then it is what was expected.
        let isTold = try await withFile(place / "file") { reader in try await reader.version() != Self.anything }
        for seconds: Int64 in [-1, 0, 1, 1_000_000] {
            let listed = FileVersion(sizeBytes: version.sizeBytes, modified: time + seconds)
            for isAskedFirst in [true, false] {
                try await withFile(place / "file", expected: listed) { reader in
                    if isAskedFirst { #expect(try await reader.version() == (isTold ? version : listed)) }
                    let content = try await reader.read(from: 0, countBytes: 5000, verifyingEnd: true)
                    #expect(joinedBytes(content) == bytes)
                    #expect(try await reader.version() == (isTold ? version : listed))
                }
            }
        }
        guard isTold else { return }
        let other = FileVersion(sizeBytes: 4999, modified: time)
        await expectFailure(.changed) {
            _ = try await withFile(place / "file", expected: other) { reader in try await reader.version() }
        }
        let reader = try await files.openFile(place / "file", expected: version)
        await reader.close()
        await expectFailure(.failed) { _ = try await reader.version() }
    }

    /// A change behind the listing and before the first read is no mixture; one behind the first read is.
    func versionCountsFromTheFirstRead() async throws {
        let (_, version) = try await put(place / "file", countBytes: 50_000)
        guard try await withFile(place / "file", { try await $0.version().modified }) != nil else { return }
        let newer = sampleBytes(50_000, salt: 9)
        try await withFile(place / "file", expected: version) { reader in
            try await partner.overwrite(place / "file", newer, time + 7)
            let first = try await reader.read(from: 0, countBytes: 25_000, verifyingEnd: false)
            let second = try await reader.read(from: 25_000, countBytes: 25_000, verifyingEnd: true)
            #expect(joinedBytes(first + second) == newer)
            #expect(try await reader.version() == FileVersion(sizeBytes: 50_000, modified: time + 7))
        }
        await expectFailure(.changed) {
            try await withFile(place / "file", expected: version) { reader in
                _ = try await reader.version()
                try await partner.overwrite(place / "file", newer, time + 9)
                _ = try await reader.read(from: 0, countBytes: 50_000, verifyingEnd: true)
            }
        }
    }

    func unknownVersionIsNotCompared() async throws {
        let (bytes, version) = try await put(place / "file", countBytes: 5000)
        let expectations = [
            Self.anything, FileVersion(sizeBytes: 5000, modified: nil),
            FileVersion(sizeBytes: nil, modified: version.modified),
        ]
        for expected in expectations {
            let content = try await withFile(place / "file", expected: expected) { reader in
                try await reader.read(from: 0, countBytes: 5000, verifyingEnd: true)
            }
            #expect(joinedBytes(content) == bytes)
        }
    }

    func changeBeforeTheEndOfTheReadIsSeen() async throws {
        let (bytes, version) = try await put(place / "grows", countBytes: 50_000)
        await expectFailure(.changed) {
            _ = try await withFile(place / "grows", expected: version) { reader in
                _ = try await reader.read(from: 0, countBytes: 25_000, verifyingEnd: false)
                try await partner.overwrite(place / "grows", bytes + [1], time)
                return try await reader.read(from: 25_000, countBytes: 25_000, verifyingEnd: true)
            }
        }

        _ = try await put(place / "rewritten", countBytes: 50_000)
        guard try await files.attributes(of: place / "rewritten")?.version.modified != nil else { return }
        await expectFailure(.changed) {
            _ = try await withFile(place / "rewritten", expected: version) { reader in
                _ = try await reader.read(from: 0, countBytes: 25_000, verifyingEnd: false)
                try await partner.overwrite(place / "rewritten", sampleBytes(50_000, salt: 9), time + 7)
                return try await reader.read(from: 25_000, countBytes: 25_000, verifyingEnd: true)
            }
        }
    }

    func replacedFileIsNeverMixed() async throws {
        let (bytes, version) = try await put(place / "file", countBytes: 50_000)
        let replacement = sampleBytes(50_000, salt: 5)
        try await withFile(place / "file", expected: version) { reader in
            let first = try await reader.read(from: 0, countBytes: 25_000, verifyingEnd: false)
            try await partner.put(place / "file", replacement, time + 7)
            do {
                let second = try await reader.read(from: 25_000, countBytes: 25_000, verifyingEnd: true)
                #expect(joinedBytes(first) + joinedBytes(second) == bytes, "the old file to its end, or failure")
            } catch let failure as RemoteFailure {
                // A server that has no such thing as an open file apart from its name.
                #expect(failure.reason != .connectionLost)
            }
        }
        #expect(try await partner.read(place / "file") == replacement)
    }

    func manyOperationsAtOnce() async throws {
        let count = 60
        try await partner.makeDirectory(place / "target")
        for number in 0..<count {
            _ = try await put(place / "file-\(number)", countBytes: 1000 + number, salt: UInt8(number))
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                group.addTask {
                    let path = place / "file-\(number)"
                    let bytes = sampleBytes(1000 + number, salt: UInt8(number))
                    let version = FileVersion(sizeBytes: UInt64(bytes.count), modified: time)
                    let reader = try await files.openFile(path, expected: version)
                    let content = try await reader.read(from: 0, countBytes: bytes.count, verifyingEnd: true)
                    #expect(joinedBytes(content) == bytes)
                    _ = try await reader.closeAndMove(to: place / "target" / "file-\(number)", settingTime: time + 5)
                    let attributes = try await files.attributes(of: path)
                    #expect(attributes == nil)
                }
            }
            try await group.waitForAll()
        }
        #expect(try await list(place / "target").count == count)
        #expect(try await list(place).count == 1)
    }

    func cancelledTaskHarmsNobody() async throws {
        let (bytes, version) = try await put(place / "file", countBytes: 300_000)
        for _ in 0..<5 {
            let task = Task {
                let reader = try await files.openFile(place / "file", expected: version)
                do {
                    while true { _ = try await reader.read(from: 0, countBytes: 300_000, verifyingEnd: true) }
                } catch {
                    await reader.close()
                    throw error
                }
            }
            task.cancel()
            await expectFailure(.cancelled) { _ = try await task.value }
        }
        let content = try await withFile(place / "file", expected: version) { reader in
            try await reader.read(from: 0, countBytes: 300_000, verifyingEnd: true)
        }
        #expect(joinedBytes(content) == bytes, "the connection still serves the others")
    }

    func lostConnectionFailsEverything() async throws {
        let (_, version) = try await put(place / "file", countBytes: 1000)
        let reader = try await files.openFile(place / "file", expected: version)
        let listing = try await files.openDirectory(place)
        try await lose(files)
        let path = place / "file"
        await expectFailure(.connectionLost) {
            _ = try await reader.read(from: 0, countBytes: 1000, verifyingEnd: true)
        }
        await expectFailure(.connectionLost) { _ = try await listing.next() }
        await expectFailure(.connectionLost) {
            _ = try await reader.closeAndMove(to: place / "moved", settingTime: time)
        }
        await expectFailure(.connectionLost) { _ = try await files.openFile(path, expected: version) }
        await expectFailure(.connectionLost) { _ = try await files.openDirectory(place) }
        await expectFailure(.connectionLost) { _ = try await files.attributes(of: path) }
        await expectFailure(.connectionLost) { try await files.makeDirectory(place / "new") }
        await expectFailure(.connectionLost) { try await files.moveWithoutReplacing(path, to: place / "moved") }
        await expectFailure(.connectionLost) { try await files.setModificationTime(of: path, to: time) }
        await expectFailure(.connectionLost) { try await files.removeFile(path) }
        await reader.close()
        await listing.close()
        #expect(try await partner.read(path)?.count == 1000)
    }
}
