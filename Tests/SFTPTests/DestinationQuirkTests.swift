import Logging
import Synchronization
import TestKit
import Testing
import Transfers

@testable import SFTP
@testable import SFTPLambdaCore

/// Pushing to servers that refuse what OpenSSH does (rule U9): the file arrives, or the older one stays.
@Suite(.timeLimit(.minutes(1))) struct DestinationQuirkTests {
    private static let target: RemotePath = "/file"
    private static let temporary: RemotePath = "/.sftp-lambda.00000000000000aa.file.part"

    /// A connection to a scripted server.
    private struct World {
        let server: ScriptedServer
        let destination: SFTPDestination
        let log = LogRecorder()

        var notices: [String] { log.lines(.notice).map(\.message) }

        /// - Parameters:
        ///   - refusing: what is refused, by the beginning of its words.
        ///   - isBare: whether the server offers no extension.
        ///   - writeBytes: the most that the server takes in one WRITE.
        init(
            refusing refusals: [(String, SFTPStatus)] = [], isBare: Bool = false, writeBytes: UInt64 = 255 << 10,
            modes: FileModes = FileModes(), override: @escaping @Sendable (ScriptedRequest) -> [UInt8]? = { _ in nil }
        ) async throws {
            var script = ScriptedServer.Script()
            if isBare { script.version = [PacketType.version, 0, 0, 0, 3] }
            script.tree.limits.writeBytes = writeBytes
            script.override = { request in
                if let answer = override(request) { return answer }
                let status = refusals.first { request.words.hasPrefix($0.0) }?.1
                return status.map { ScriptedFileTree.status($0, request) }
            }
            server = ScriptedServer(script)
            destination = SFTPDestination(
                client: try await server.connect(), modes: modes, logger: log.logger())
        }

        func content(_ path: RemotePath) -> [UInt8]? { server.script.tree.nodes[path.bytes]?.content }

        func put(_ path: RemotePath, _ bytes: [UInt8]) {
            server.change { $0.tree.nodes[path.bytes] = ScriptedFileTree.Node(content: bytes) }
        }

        func write(_ bytes: [UInt8], to path: RemotePath = temporary) async throws {
            let writer = try await destination.createFile(path)
            try await writer.write(bytes)
            try await writer.finish(modified: UnixTime(seconds: 1_600_000_000))
        }

        func deliver(_ bytes: [UInt8]) async throws -> Replacement {
            try await write(bytes)
            return try await destination.replaceFile(target, with: temporary)
        }

        /// The requests since the last call.
        func words(since count: Int = 0) -> [String] { Array(server.words.dropFirst(count)) }
    }

    private let bytes = sampleBytes(1000)
    private let older = sampleBytes(50, salt: 1)

    // MARK: Round trips

    @Test func smallFileTakesThreeRoundTrips() async throws {
        let world = try await World()
        world.put(Self.target, older)
        world.server.change { $0.holdsAnswers = true }
        let delivery = Task { try await world.deliver(bytes) }
        let done = Task { _ = try? await delivery.value }
        var flights: [[String]] = []
        var seen = 0
        for expected in [1, 6, 8] {
            await world.server.waitForRequests(expected)
            flights.append(world.words(since: seen))
            seen = world.server.words.count
            await world.server.release()
        }
        await done.value
        #expect(try await delivery.value == .done)
        #expect(
            flights == [
                ["OPEN \(Self.temporary)"], ["WRITE 0+1000", "FSETSTAT", "fsync@openssh.com", "FSTAT", "CLOSE"],
                ["posix-rename@openssh.com \(Self.temporary) \(Self.target)", "LSTAT \(Self.temporary)"],
            ])
        #expect(world.content(Self.target) == bytes)
        #expect(world.server.script.tree.nodes[Self.target.bytes]?.modified == 1_600_000_000)
        #expect(world.notices.isEmpty)
    }

    /// A server, or a filter in front of it, that answers OK to whatever it does not know.
    @Test(arguments: [false, true])
    func renameThatIsOnlySaidToBeDoneIsAFailure(isBare: Bool) async throws {
        let world = try await World(isBare: isBare) { request in
            let isRename = request.words.hasPrefix("RENAME") || request.words.hasPrefix("posix-rename")
            return isRename ? ScriptedFileTree.status(.ok, request) : nil
        }
        world.put(Self.target, older)
        await expectRemoteFailure(.failed) { _ = try await world.deliver(bytes) }
        #expect(world.content(Self.target) == older)
        #expect(world.content(Self.temporary) == bytes, "whoever asked for it removes it")
        #expect(!world.words().contains { $0.hasPrefix("REMOVE") })
    }

    /// Whoever went on behind what is no longer there would put a file full of zeros in place.
    @Test func fileThatIsCutOffWhenItIsOpenedIsNotGoneOnWith() async throws {
        let isCutOff = Mutex(false)
        let left: RemotePath = "/.sftp-lambda.00000000000000bb.file.part"
        let world = try await World { request in
            if request.words.hasPrefix("OPEN") { isCutOff.withLock { $0 = true } }
            guard request.type == PacketType.lstat, isCutOff.withLock({ $0 }) else { return nil }
            return Self.attributes(sizeBytes: 0, request)
        }
        world.put(left, bytes)
        #expect(try await world.destination.resumeFile(left, as: Self.temporary, from: 500) == nil)
        #expect(world.content(Self.temporary) == nil && world.content(left) == nil)
        let words = world.words()
        #expect(words.contains("CLOSE") && !words.contains { $0.hasPrefix("WRITE") })
    }

    // MARK: Permissions

    /// They are named when a file or directory is made, so that nobody else can read it meanwhile, and once more in the
    /// end, because a server's umask counts for the first.
    @Test func permissionsHoldFromTheBeginningOnInTheSameFlights() async throws {
        let world = try await World(modes: FileModes(file: 0o640, directory: 0o750))
        try await world.destination.makeDirectory("/new")
        try await world.write(bytes)
        #expect(
            world.words() == [
                "MKDIR /new", "SETSTAT /new", "OPEN \(Self.temporary)", "WRITE 0+1000", "FSETSTAT", "FSETSTAT",
                "fsync@openssh.com", "FSTAT", "CLOSE",
            ])
        #expect(
            world.server.requests.map(\.attributes.permissions) == [
                0o750, 0o750, 0o640, nil, nil, 0o640, nil, nil, nil,
            ])
        try await world.destination.makeDirectory("/new")
        #expect(world.words().count { $0 == "SETSTAT /new" } == 1, "a directory that is there keeps its own")
        #expect(world.notices.isEmpty)
    }

    /// Another attempt may have to go on with it.
    @Test func fileThatNobodyMayWriteIsWritableUntilItIsComplete() async throws {
        let world = try await World(modes: FileModes(file: 0o440))
        try await world.write(bytes)
        #expect(world.server.requests.compactMap(\.attributes.permissions) == [0o640, 0o440])
    }

    @Test func serverThatSetsNoPermissionsIsAskedOnce() async throws {
        let world = try await World(modes: FileModes(file: 0o640, directory: 0o750)) { request in
            let isRefused =
                request.attributes.permissions != nil && ["FSETSTAT", "SETSTAT /new"].contains(request.words)
            return isRefused ? ScriptedFileTree.status(.permissionDenied, request) : nil
        }
        try await world.destination.makeDirectory("/new")
        try await world.write(bytes)
        #expect(world.content(Self.temporary) == bytes)
        #expect(world.words().count { $0 == "FSETSTAT" } == 1, "that of the time")
        #expect(world.notices == [SFTPQuirk.settingPermissions.meaning.description])
    }

    // MARK: The ladder

    @Test(arguments: [false, true])
    func serverWithoutPosixRenameGetsItByRemovingTheOlderFile(deniesLooks: Bool) async throws {
        let refusals: [(String, SFTPStatus)] = deniesLooks ? [("LSTAT", .permissionDenied)] : []
        let world = try await World(refusing: refusals, isBare: true)
        #expect(try await world.deliver(older) == .done)
        #expect(!world.words().contains { $0.hasPrefix("REMOVE") })
        for round in 1...2 {
            let before = world.server.words.count
            #expect(try await world.deliver(sampleBytes(100 + round)) == .done)
            #expect(world.content(Self.target) == sampleBytes(100 + round))
            let renames = world.words(since: before).filter { $0.hasPrefix("RENAME") }
            #expect(renames.count == 2, "it is known that the server renames")
        }
        #expect(world.notices == [SFTPQuirk.replacingRename.meaning.description])
        #expect(world.destination.canReplace)
    }

    @Test(arguments: [SFTPStatus.operationUnsupported, .failure, .permissionDenied])
    func refusedPosixRenameIsNotTriedAgain(status: SFTPStatus) async throws {
        let world = try await World(refusing: [("posix-rename", status)])
        world.put(Self.target, older)
        #expect(try await world.deliver(bytes) == .done)
        #expect(world.content(Self.target) == bytes)
        let before = world.server.words.count
        #expect(try await world.deliver(older) == .done)
        #expect(world.content(Self.target) == older)
        #expect(!world.words(since: before).contains { $0.hasPrefix("posix") })
        #expect(world.notices.contains(SFTPQuirk.posixRename.meaning.description))
    }

    @Test(
        arguments: [SFTPStatus.operationUnsupported, .failure, .permissionDenied], [false, true])
    func serverThatDoesNotRenameKeepsTheOlderFile(status: SFTPStatus, hasOlder: Bool) async throws {
        let world = try await World(refusing: [("RENAME", status), ("posix-rename", status)])
        if hasOlder { world.put(Self.target, older) }
        guard case .refused(let failure) = try await world.deliver(bytes) else {
            Issue.record("it is not refused")
            return
        }
        #expect(failure.message.contains("RENAME"))
        #expect(world.content(Self.target) == (hasOlder ? older : nil))
        #expect(world.content(Self.temporary) == bytes)
        #expect(!world.destination.canReplace)
        let before = world.server.words.count
        #expect(try await world.destination.replaceFile("/other", with: Self.temporary) == .refused(failure))
        #expect(world.server.words.count == before)
        #expect(world.notices.filter { $0 == SFTPQuirk.renaming.meaning.description }.count == 1)
    }

    @Test func olderFileThatMayNotBeRemovedStays() async throws {
        let world = try await World(refusing: [("REMOVE", .permissionDenied)], isBare: true)
        world.put(Self.target, older)
        guard case .refused = try await world.deliver(bytes) else {
            Issue.record("it is not refused")
            return
        }
        #expect(world.content(Self.target) == older)
        #expect(world.content(Self.temporary) == bytes)
        #expect(world.destination.canReplace, "files of new names can still be renamed")
    }

    @Test func missingTemporaryFileCostsNobodyTheOlderOne() async throws {
        // Answers "failure" where others say that there is no such file.
        let world = try await World(refusing: [("RENAME", .failure)], isBare: true)
        world.put(Self.target, older)
        await expectRemoteFailure(.notFound) {
            _ = try await world.destination.replaceFile(Self.target, with: Self.temporary)
        }
        #expect(world.content(Self.target) == older)
        #expect(world.destination.canReplace)
    }

    @Test func nameThatIsTakenAgainAndAgainIsGivenUp() async throws {
        let target = Self.target
        let world = try await World(isBare: true) { request in
            request.words == "RENAME \(Self.temporary) \(target)" ? ScriptedFileTree.status(.failure, request) : nil
        }
        world.put(target, older)
        world.put(Self.temporary, bytes)
        // Somebody always has it again by the time of the look.
        world.server.change { script in
            let override = script.override
            script.override = { request in
                request.words == "REMOVE \(target)" ? ScriptedFileTree.status(.ok, request) : override(request)
            }
        }
        guard case .removed(let failure) = try await world.destination.replaceFile(target, with: Self.temporary) else {
            return #expect(Bool(false), "it is not told that the older file is gone")
        }
        #expect(failure.reason == .failed)
        #expect(world.content(Self.temporary) == bytes)
        #expect(world.words().filter { $0.hasPrefix("REMOVE") }.count == 10)
    }

    /// The rename behind the removal is refused: whatever the reason, the new file stays and the loss is told.
    @Test(arguments: [SFTPStatus.failure, .permissionDenied, .operationUnsupported])
    func failedRenameBehindTheRemovalIsToldAndLeavesTheNewFile(status: SFTPStatus) async throws {
        let target = Self.target
        let hasRemoved = Mutex(false)
        let world = try await World(isBare: true) { request in
            if request.words == "REMOVE \(target)" { hasRemoved.withLock { $0 = true } }
            guard request.words == "RENAME \(Self.temporary) \(target)", hasRemoved.withLock({ $0 }) else { return nil }
            return ScriptedFileTree.status(status, request)
        }
        world.put(target, older)
        guard case .removed(let failure) = try await world.deliver(bytes) else {
            return #expect(Bool(false), "it is not told that the older file is gone")
        }
        #expect(failure.message.contains("RENAME"))
        #expect(world.content(target) == nil)
        #expect(world.content(Self.temporary) == bytes)
    }

    @Test func olderFileThatIsToBeKeptStays() async throws {
        let world = try await World(isBare: true)
        world.put(Self.target, older)
        try await world.write(bytes)
        let replacement = try await world.destination.replaceFile(Self.target, with: Self.temporary) {
            #expect(world.content(Self.target) == older, "asked before anything is done")
            return false
        }
        #expect(replacement == .kept)
        #expect(world.content(Self.target) == older)
        #expect(world.content(Self.temporary) == bytes)
        #expect(!world.words().contains { $0.hasPrefix("REMOVE") })
    }

    @Test func cancelledBetweenRemovalAndRenameIsTold() async throws {
        let world = try await World(isBare: true)
        world.put(Self.target, older)
        try await world.write(bytes)
        let task = Task {
            try await world.destination.replaceFile(Self.target, with: Self.temporary) {
                world.server.change { $0.holdsAnswers = true }
                withUnsafeCurrentTask { $0?.cancel() }
                return true
            }
        }
        guard case .removed(let failure) = try await task.value else {
            return #expect(Bool(false), "it is not told that the older file may be gone")
        }
        #expect(failure.reason == .cancelled)
    }

    // MARK: Opening

    @Test(arguments: [SFTPStatus.operationUnsupported, .badMessage])
    func serverWithoutExclusiveOpenIsAskedBefore(status: SFTPStatus) async throws {
        let world = try await World { request in
            request.type == PacketType.open && request.flags & 0x20 != 0
                ? ScriptedFileTree.status(status, request) : nil
        }
        #expect(try await world.deliver(bytes) == .done)
        let before = world.server.words.count
        try await world.write(bytes)
        #expect(world.words(since: before).prefix(2) == ["LSTAT \(Self.temporary)", "OPEN \(Self.temporary)"])
        await expectRemoteFailure(.alreadyExists) { _ = try await world.destination.createFile(Self.temporary) }
        #expect(world.content(Self.temporary) == bytes)
        #expect(world.notices == [SFTPQuirk.exclusiveOpen.meaning.description])
    }

    @Test(arguments: [SFTPStatus.permissionDenied, .failure])
    func forbiddenTemporaryNameIsTold(status: SFTPStatus) async throws {
        let world = try await World(refusing: [("OPEN /.sftp", status)])
        await expectRemoteFailure(.denied, .failed) { _ = try await world.destination.createFile(Self.temporary) }
        let writer = try await world.destination.overwriteFile(Self.target)
        try await writer.write(bytes)
        try await writer.finish(modified: nil)
        #expect(world.content(Self.target) == bytes)
    }

    @Test func directoriesThatAreNeitherMadeNorShownAreTakenToBeThere() async throws {
        for status in [SFTPStatus.permissionDenied, .failure] {
            let world = try await World(refusing: [("MKDIR", status), ("STAT", status)])
            try await world.destination.makeDirectory("/parent")
        }
        let world = try await World(refusing: [("MKDIR", .permissionDenied)])
        await expectRemoteFailure(.denied) { try await world.destination.makeDirectory("/parent") }
    }

    // MARK: Finishing

    @Test(
        arguments: ["FSTAT", "FSETSTAT", "fsync", "LSTAT"],
        [SFTPStatus.permissionDenied, .operationUnsupported])
    func refusedLookTimeOrSyncIsLeftOutFromThenOn(request: String, status: SFTPStatus) async throws {
        // LSTAT is asked only where FSTAT is refused.
        let refusals = [(request, status)] + (request == "LSTAT" ? [("FSTAT", status)] : [])
        let world = try await World(refusing: refusals)
        #expect(try await world.deliver(bytes) == .done)
        #expect(world.content(Self.target) == bytes)
        #expect(world.words().contains { $0.hasPrefix(request) })
        let before = world.server.words.count
        #expect(try await world.deliver(older) == .done)
        #expect(world.content(Self.target) == older)
        #expect(!world.words(since: before).contains { $0.hasPrefix(request) })
        #expect(world.notices.count == refusals.count)
    }

    @Test func brokenDiskIsNoRefusalOfSync() async throws {
        let world = try await World(refusing: [("fsync", .failure)])
        await expectRemoteFailure(.failed) { try await world.write(bytes) }
    }

    @Test(arguments: ["WRITE 0", "WRITE 524288", "WRITE 600000", "WRITE 1091520", "CLOSE"])
    func fullDiskFailsTheFileAndLeavesTheOlderOne(request: String) async throws {
        let world = try await World(refusing: [(request, .failure)], writeBytes: 32 << 10)
        world.put(Self.target, older)
        let writer = try await world.destination.createFile(Self.temporary)
        await expectRemoteFailure(.failed) {
            for _ in 0..<11 { try await writer.write(sampleBytes(100_000)) }
            try await writer.finish(modified: nil)
        }
        await writer.close()
        await world.server.settle()
        #expect(world.words().filter { $0 == "CLOSE" }.count == 1)
        #expect(world.content(Self.target) == older)
        await expectRemoteFailure(.failed) { try await writer.finish(modified: nil) }
    }

    @Test func sizeThatIsSaidTooEarlyIsLookedUpAgain() async throws {
        let world = try await World { request in
            request.type == PacketType.fstat ? Self.attributes(sizeBytes: 10, request) : nil
        }
        #expect(try await world.deliver(bytes) == .done)
        #expect(world.words().contains("LSTAT \(Self.temporary)"))
        let before = world.server.words.count
        #expect(try await world.deliver(bytes) == .done)
        #expect(!world.words(since: before).contains("FSTAT"))
    }

    @Test(arguments: [false, true])
    func otherSizeIsAChange(refusesFstat: Bool) async throws {
        let world = try await World { request in
            if refusesFstat, request.type == PacketType.fstat { return ScriptedFileTree.status(.failure, request) }
            let isLook = request.type == PacketType.fstat || request.type == PacketType.lstat
            return isLook ? Self.attributes(sizeBytes: 10, request) : nil
        }
        await expectRemoteFailure(.changed) { try await world.write(bytes) }
    }

    private static func attributes(sizeBytes: UInt64, _ request: ScriptedRequest) -> [UInt8] {
        var packet = [PacketType.attributes]
        packet.appendUInt32(request.id)
        packet.appendAttributes(SFTPAttributes(sizeBytes: sizeBytes))
        return packet
    }

    // MARK: Memory and cancelling

    @Test func nameThatIsRefusedOnAServerThatRenamesConcernsThatNameOnly() async throws {
        let world = try await World(refusing: [
            ("posix-rename@openssh.com \(Self.temporary) /aux", .permissionDenied),
            ("RENAME \(Self.temporary) /aux", .permissionDenied),
        ])
        #expect(try await world.deliver(bytes) == .done)
        try await world.write(older)
        guard case .refused = try await world.destination.replaceFile("/aux", with: Self.temporary) else {
            return #expect(Bool(false), "a name that is refused was taken")
        }
        #expect(world.destination.canReplace)
        #expect(try await world.destination.replaceFile(Self.target, with: Self.temporary) == .done)
        #expect(world.content(Self.target) == older)
    }

    @Test func unansweredBytesAreBoundedAndNoneFollowsTheClose() async throws {
        let world = try await World(writeBytes: 32 << 10)
        let writer = try await world.destination.createFile(Self.temporary)
        world.server.change { $0.holdsAnswers = true }
        let taken = Mutex(0)
        let piece = sampleBytes(100_000)
        let writing = Task {
            while true {
                try await writer.write(piece)
                taken.withLock { $0 += piece.count }
            }
        }
        // The client's window of 2 MiB is full.
        await world.server.waitForRequests(1 + 64)
        var before = -1
        // It stands still once the writer waits for an answer.
        for _ in 0..<1000 where taken.withLock({ $0 }) != before || before < 3_000_000 {
            before = taken.withLock { $0 }
            for _ in 0..<100 { await Task.yield() }
        }
        let most = (SFTPFileWriter.maximumBatches + 1) * (SFTPFileWriter.batchBytes + piece.count)
        #expect(before > 2 << 20 && before <= most)
        writing.cancel()
        await expectRemoteFailure(.cancelled) { try await writing.value }
        await writer.close()
        try await world.destination.removeAfterRelease(world.server, Self.temporary)
        let words = world.words()
        let close = try #require(words.firstIndex(of: "CLOSE"))
        #expect(!words[close...].contains { $0.hasPrefix("WRITE") })
    }
}

extension SFTPDestination {
    /// Removes a file on a server that held its answers back until now.
    fileprivate func removeAfterRelease(_ server: ScriptedServer, _ path: RemotePath) async throws {
        server.change { $0.holdsAnswers = false }
        await server.release()
        try await removeFile(path)
    }
}
