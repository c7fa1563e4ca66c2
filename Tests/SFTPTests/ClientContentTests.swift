import Synchronization
import TestKit
import Testing

@testable import SFTP

/// Whole ranges: how they are divided, how many bytes are under way, what short and failed answers do.
@Suite(.timeLimit(.minutes(3))) struct ClientContentTests {
    /// Bytes that tell where they stand.
    static func content(_ count: Int) -> [UInt8] {
        var random = SeededGenerator(seed: UInt64(count))
        let words = (0..<(count / 8 + 1)).map { _ in random.next() }
        return words.withUnsafeBytes { [UInt8](UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }

    /// The pieces as one.
    static func joined(_ pieces: [[UInt8]]) -> [UInt8] {
        var whole: [UInt8] = []
        for piece in pieces { whole.append(contentsOf: piece) }
        return whole
    }

    private func server(_ files: [String: [UInt8]], change: (inout ScriptedServer.Script) -> Void = { _ in })
        -> ScriptedServer
    {
        var script = ScriptedServer.Script()
        for (name, content) in files { script.tree.nodes[path(name)] = .init(content: content) }
        change(&script)
        return ScriptedServer(script)
    }

    /// A client and the handles of files that are open for reading and writing.
    private func open(_ server: ScriptedServer, _ names: [String]) async throws -> (SFTPClient, [SFTPHandle]) {
        let client = try await server.connect()
        var handles: [SFTPHandle] = []
        for name in names { handles.append(try await client.open(path(name), [.read, .write])) }
        return (client, handles)
    }

    // MARK: Reading

    @Test(arguments: [0, 1, 32_767, 32_768, 32_769, 261_120, 261_121, 5 << 20])
    func rangeIsReadWhole(_ count: Int) async throws {
        let content = Self.content(count)
        let (client, handles) = try await open(server(["/a": content]), ["/a"])
        #expect(try await Self.joined(client.read(handles[0], from: 0, countBytes: count)) == content)
        // Past the end: shorter.
        let tail = try await client.read(handles[0], from: UInt64(count / 2), countBytes: count + 70_000)
        #expect(Self.joined(tail) == Array(content[(count / 2)...]))
        #expect(tail.allSatisfy { !$0.isEmpty })
        #expect(try await client.read(handles[0], from: .max, countBytes: 100).isEmpty)
        await client.close()
    }

    @Test func whoWantsToHearsOfEveryByteWhileItComes() async throws {
        let count = 300_000
        let (client, handles) = try await open(server(["/a": Self.content(count)]), ["/a"])
        let heard = Mutex<[Int]>([])
        let counter: SFTPByteCounter = { bytes in heard.withLock { $0.append(bytes) } }
        _ = try await client.read(handles[0], from: 0, countBytes: count, counter: counter)
        let parts = heard.withLock { $0 }
        #expect(parts.reduce(0, +) == count && parts.count > 1)
        _ = try await client.readVerifyingEnd(handles[0], from: 0, countBytes: count, counter: counter)
        // The look behind the end is none of the content.
        #expect(heard.withLock { $0.reduce(0, +) } == 2 * count)
        await client.close()
    }

    @Test func oneReadAsksForWhatTheServerAllows() async throws {
        let server = server(["/a": Self.content(300_000)]) { $0.tree.limits.readBytes = 100_000 }
        let (client, handles) = try await open(server, ["/a"])
        _ = try await client.read(handles[0], from: 0, countBytes: 300_000)
        #expect(server.words.dropFirst() == ["READ 0+100000", "READ 100000+100000", "READ 200000+100000"])
        await client.close()
    }

    /// What is under way on a limited line has to arrive before what is asked next is answered.
    @Test func limitedLineHasLessUnderWay() async throws {
        var constants = EngineConstants()
        constants.fit(maximumBytesPerSecond: 400_000)
        #expect(constants.readWindowBytes == 200_000 && constants.writeWindowBytes == 200_000)
        let server = server(["/a": Self.content(300_000)])
        let client = try await server.connect(constants: constants)
        let handle = try await client.open(path("/a"), [.read, .write])
        #expect(try await Self.joined(client.read(handle, from: 0, countBytes: 300_000)) == Self.content(300_000))
        #expect(server.words.dropFirst().prefix(2) == ["READ 0+50000", "READ 50000+50000"])
        await client.close()
        var slow = EngineConstants()
        slow.fit(maximumBytesPerSecond: 65_536)
        #expect(slow.readWindowBytes == 65_536 && slow.transferBytes == 32_768)
        var fast = EngineConstants()
        fast.fit(maximumBytesPerSecond: 1 << 30)
        #expect(fast.readWindowBytes == EngineConstants().readWindowBytes)
        #expect(fast.transferBytes == PacketLimit.transferBytes)
    }

    @Test func readsAreOf32KiBWithoutLimits() async throws {
        let server = server(["/a": Self.content(70_000)]) { $0.version = [PacketType.version, 0, 0, 0, 3] }
        let (client, handles) = try await open(server, ["/a"])
        _ = try await client.read(handles[0], from: 0, countBytes: 70_000)
        #expect(server.words.dropFirst() == ["READ 0+32768", "READ 32768+32768", "READ 65536+4464"])
        await client.close()
    }

    @Test func windowIsSharedFirstComeFirstServedAndOthersPass() async throws {
        let server = server(["/a": Self.content(6 << 20), "/b": Self.content(1 << 20)])
        let (client, handles) = try await open(server, ["/a", "/b"])
        server.change { $0.holdsAnswers = true }
        let first = client.submitRead(handles[0], from: 0, countBytes: 6 << 20)
        let second = client.submitRead(handles[1], from: 0, countBytes: 1 << 20)
        await server.settle()
        // 16 x 255 KiB fit in 4 MiB; a short request is not held up by the READs that wait.
        let look = client.submit([.lstat(path("/b"))])
        await server.waitForRequests(2 + 16 + 1)
        let chunk = 255 << 10
        #expect(Array(server.words.dropFirst(2)) == (0..<16).map { "READ \($0 * chunk)+\(chunk)" } + ["LSTAT /b"])
        server.reorder { $0.reverse() }
        await server.release(3)
        #expect(try await look.attributes(0).sizeBytes == 1 << 20)
        #expect(Array(server.words.dropFirst(19)) == (16..<18).map { "READ \($0 * chunk)+\(chunk)" })
        server.change { $0.holdsAnswers = false }
        await server.settle()
        #expect(try await Self.joined(first.content(0).pieces) == Self.content(6 << 20))
        #expect(try await Self.joined(second.content(0).pieces) == Self.content(1 << 20))
        // The second file's READs came behind all of the first's.
        let reads = server.requests.filter { $0.type == PacketType.read }.map(\.handle)
        #expect(reads == [[UInt8]](repeating: [1], count: 25) + [[UInt8]](repeating: [2], count: 5))
        await client.close()
    }

    @Test func readsLookAtTheEndAndTheAttributesInOneFlight() async throws {
        let server = server(["/a": Self.content(40_000)])
        let (client, handles) = try await open(server, ["/a"])
        server.change { $0.holdsAnswers = true }
        let reading = Task { try await client.readVerifyingEnd(handles[0], from: 0, countBytes: 40_000) }
        await server.waitForRequests(4)
        #expect(server.words.dropFirst() == ["READ 0+40000", "READ 40000+1", "FSTAT"])
        server.reorder { $0.reverse() }
        server.change { $0.holdsAnswers = false }
        await server.settle()
        let result = try await reading.value
        #expect(Self.joined(result.pieces) == Self.content(40_000))
        #expect(result.endsThere)
        #expect(try result.attributes.get().sizeBytes == 40_000)
        #expect(server.words.count == 4)
        let inside = try await client.readVerifyingEnd(handles[0], from: 0, countBytes: 39_999)
        #expect(!inside.endsThere && inside.countBytes == 39_999)
        let beyond = try await client.readVerifyingEnd(handles[0], from: 0, countBytes: 40_001)
        #expect(beyond.endsThere && beyond.countBytes == 40_000)
        await client.close()
    }

    @Test func emptyFileIsLookedAtInOneFlight() async throws {
        let server = server(["/a": []])
        let (client, handles) = try await open(server, ["/a"])
        let result = try await client.readVerifyingEnd(handles[0], from: 0, countBytes: 0)
        #expect(result.pieces.isEmpty && result.endsThere)
        #expect(server.words.dropFirst() == ["READ 0+1", "FSTAT"])
        await client.close()
    }

    @Test func shortAnswersAreCompletedAndTheLookIsRepeatedBehindThem() async throws {
        let content = Self.content(100_000)
        let server = server(["/a": content]) { $0.tree.readBytes = 40_000 }
        let (client, handles) = try await open(server, ["/a"])
        let result = try await client.readVerifyingEnd(handles[0], from: 0, countBytes: 100_000)
        #expect(Self.joined(result.pieces) == content)
        #expect(result.endsThere)
        #expect(
            server.words.dropFirst() == [
                "READ 0+100000", "READ 100000+1", "FSTAT", "READ 40000+60000", "READ 80000+20000", "READ 100000+1",
                "FSTAT",
            ])
        // The server gives less than it says: it is asked for less from now on.
        _ = try await client.read(handles[0], from: 0, countBytes: 100_000)
        #expect(server.words.suffix(3) == ["READ 0+40000", "READ 40000+40000", "READ 80000+20000"])
        await client.close()
    }

    @Test func shortAnswersInAnyOrderGiveTheBytesInOrder() async throws {
        let content = Self.content(3 << 20)
        for seed in 0..<20 {
            var random = SeededGenerator(seed: UInt64(seed))
            let most = Int.random(in: 1_000...200_000, using: &random)
            let server = server(["/a": content]) {
                $0.tree.readBytes = most
                $0.shuffle = random
                $0.partBytes = Int.random(in: 1...100_000, using: &random)
            }
            let (client, handles) = try await open(server, ["/a"])
            let read = try await client.read(handles[0], from: 0, countBytes: 4 << 20)
            #expect(Self.joined(read) == content, "seed \(seed)")
            await client.close()
        }
    }

    @Test func emptyDataIsTheEnd() async throws {
        let server = server(["/a": Self.content(1_000)]) {
            $0.override = { request in
                guard request.type == PacketType.read, request.offset >= 1_000 else { return nil }
                var packet = [PacketType.data]
                packet.appendUInt32(request.id)
                packet.appendUInt32(0)
                return packet
            }
        }
        let (client, handles) = try await open(server, ["/a"])
        #expect(try await Self.joined(client.read(handles[0], from: 0, countBytes: 2_000)) == Self.content(1_000))
        #expect(try await client.readVerifyingEnd(handles[0], from: 0, countBytes: 1_000).endsThere)
        await client.close()
    }

    @Test func refusedReadFailsTheRangeWithItsPlace() async throws {
        let server = server(["/a": Self.content(1 << 20)]) {
            $0.override = {
                $0.type == PacketType.read && $0.offset == 522_240 ? ScriptedFileTree.status(.failure, $0) : nil
            }
        }
        let (client, handles) = try await open(server, ["/a"])
        let error = await #expect(throws: SFTPError.self) {
            try await client.read(handles[0], from: 0, countBytes: 1 << 20)
        }
        #expect(error?.reason == .status(.failure))
        #expect(error?.message.hasPrefix(#"READ at 522240 of "/a": "#) == true)
        await client.close()
    }

    @Test func refusedFstatDoesNotLoseTheBytes() async throws {
        let server = server(["/a": Self.content(1_000)]) {
            $0.override = {
                $0.type == PacketType.fstat ? ScriptedFileTree.status(.operationUnsupported, $0) : nil
            }
        }
        let (client, handles) = try await open(server, ["/a"])
        let result = try await client.readVerifyingEnd(handles[0], from: 0, countBytes: 1_000)
        #expect(Self.joined(result.pieces) == Self.content(1_000) && result.endsThere)
        #expect(throws: SFTPError.self) { try result.attributes.get() }
        await client.close()
    }

    // MARK: Writing

    @Test(arguments: [(0, 32 << 10), (20_000, 20_000), (255 << 10, 255 << 10), (.max, 255 << 10)] as [(UInt64, Int)])
    func piecesOfAnySizeAreWrittenInWritesAsLargeAsTheServerTakes(says: UInt64, writeBytes: Int) async throws {
        let content = Self.content(600_000)
        let writes = (content.count + writeBytes - 1) / writeBytes
        let server = server(["/a": []]) {
            $0.tree.limits = SFTPLimits(packetBytes: 0, readBytes: 0, writeBytes: says, openHandles: 0)
        }
        let (client, handles) = try await open(server, ["/a"])
        var pieces: [[UInt8]] = [[]]
        var random = SeededGenerator(seed: 3)
        var position = 0
        while position < content.count {
            let end = min(content.count, position + Int.random(in: 0...20_000, using: &random))
            pieces.append(Array(content[position..<end]))
            position = end
        }
        try await client.write(handles[0], at: 5, pieces + [[]])
        #expect(server.script.tree.nodes[path("/a")]?.content == [0, 0, 0, 0, 0] + content)
        #expect(server.words.dropFirst().first == "WRITE 5+\(writeBytes)")
        #expect(server.words.count == 1 + writes)
        try await client.write(handles[0], at: 0, [])
        #expect(server.words.count == 1 + writes)
        await client.close()
    }

    @Test(arguments: [(32 << 10, 64), (255 << 10, 8)])
    func writesUnderWayAreBoundedAndSoIsTheOutput(writeBytes: Int, atOnce: Int) async throws {
        let server = server(["/a": [], "/b": []]) { $0.tree.limits.writeBytes = UInt64(writeBytes) }
        let (client, handles) = try await open(server, ["/a", "/b"])
        server.change { $0.holdsAnswers = true }
        let first = client.submitWrite(handles[0], at: 0, [Self.content(3 << 20)])
        let second = client.submitWrite(handles[1], at: 0, [Self.content(1 << 20)], then: [.close(handles[1])])
        let look = client.submit([.lstat(path("/b"))])
        await server.settle()
        #expect(server.words.filter { $0.hasPrefix("WRITE") }.count == atOnce)
        #expect(server.words.contains("LSTAT /b"))
        #expect(server.longestOutputBytes < (256 << 10) + writeBytes + 1_024)
        server.change { $0.holdsAnswers = false }
        await server.settle()
        #expect(try await first.reply(0) == .ok)
        #expect(try await second.reply(0) == .ok)
        #expect(try await second.reply(1) == .ok)
        #expect(try await look.attributes(0).kind == .file)
        #expect(server.script.tree.nodes[path("/a")]?.content == Self.content(3 << 20))
        #expect(server.script.tree.nodes[path("/b")]?.content == Self.content(1 << 20))
        #expect(server.words.last == "CLOSE")
        await client.close()
    }

    @Test func failedWriteIsToldOnlyAfterEveryWriteThatWasSentIsAnswered() async throws {
        let server = server(["/a": []]) {
            $0.tree.limits.writeBytes = 32 << 10
            $0.override = {
                $0.type == PacketType.write && $0.offset == 32_768 ? ScriptedFileTree.status(.failure, $0) : nil
            }
        }
        let (client, handles) = try await open(server, ["/a"])
        server.change { $0.holdsAnswers = true }
        let end = SFTPAttributes(permissions: 0o600)
        let flight = client.submitWrite(
            handles[0], at: 0, [Self.content(4 << 20)], then: [.fsetstat(handles[0], end), .close(handles[0])])
        let told = Task { try await flight.reply(0) }
        await server.settle()
        #expect(server.heldCount == 64)
        await server.release(2)
        // Failed by now; the 62 others are on their way, and nothing new is sent but the close.
        #expect(server.words.last == "CLOSE")
        #expect(server.words.filter { $0.hasPrefix("WRITE") }.count == 64)
        let skipped = await #expect(throws: SFTPError.self) { try await flight.reply(1) }
        #expect(skipped?.reason == .cancelled && skipped?.message.contains("not sent") == true)
        let wasTold = FlagBox()
        let watcher = Task {
            _ = await told.result
            wasTold.set()
        }
        await server.release(60)
        for _ in 0..<200 { await Task.yield() }
        #expect(!wasTold.isSet)
        server.change { $0.holdsAnswers = false }
        await server.settle()
        let error = await #expect(throws: SFTPError.self) { try await told.value }
        #expect(error?.reason == .status(.failure))
        #expect(error?.message.hasPrefix(#"WRITE at 32768 of "/a": "#) == true)
        #expect(try await flight.reply(2) == .ok)
        await watcher.value
        await client.close()
    }

    @Test func requestsBehindAWriteShareItsFlight() async throws {
        let server = server(["/a": []]) { $0.tree.limits.writeBytes = 32 << 10 }
        let (client, handles) = try await open(server, ["/a"])
        server.change { $0.holdsAnswers = true }
        let flight = client.submitWrite(
            handles[0], at: 0, [Self.content(40_000)], then: [.fstat(handles[0]), .close(handles[0])])
        await server.settle()
        #expect(server.words.dropFirst() == ["WRITE 0+32768", "WRITE 32768+7232", "FSTAT", "CLOSE"])
        await server.release()
        #expect(try await flight.attributes(1).sizeBytes == 40_000)
        await client.close()
    }

    @Test func manyFilesAtOnceBothWaysAndInAnyOrder() async throws {
        var files: [String: [UInt8]] = [:]
        for number in 0..<64 { files["/\(number)"] = Self.content(number * 9_001) }
        let server = server(files) { $0.shuffle = SeededGenerator(seed: 11) }
        let client = try await server.connect()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (name, content) in files {
                group.addTask {
                    let source = try await client.open(path(name), .read)
                    let read = try await client.readVerifyingEnd(source, from: 0, countBytes: content.count)
                    #expect(Self.joined(read.pieces) == content && read.endsThere)
                    let target = try await client.open(path(name + ".new"), [.write, .create, .exclusive])
                    try await client.write(target, at: 0, read.pieces)
                    try await client.close(target)
                    client.closeWithoutWaiting(source)
                }
            }
            try await group.waitForAll()
        }
        await server.settle()
        let nodes = server.script.tree.nodes
        for (name, content) in files { #expect(nodes[path(name + ".new")]?.content == content) }
        #expect(server.script.tree.openCount == 0)
        await client.close()
    }
}
