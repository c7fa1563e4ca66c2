import TestKit
import Testing

@testable import SFTP

/// Single requests and flights: order, matching, refusals, cancellation, silence and loss.
@Suite(.timeLimit(.minutes(3))) struct ClientRequestTests {
    private func held(files: [String] = ["/a", "/b"]) -> ScriptedServer {
        var script = ScriptedServer.Script()
        script.holdsAnswers = true
        script.version = [PacketType.version, 0, 0, 0, 3]
        for file in files { script.tree.nodes[path(file)] = .init(content: path("content of \(file)")) }
        return ScriptedServer(script)
    }

    @Test func everyOperationDoesWhatItSays() async throws {
        let server = ScriptedServer()
        let client = try await server.connect()
        #expect(try await client.realpath([]) == path("/"))
        try await client.mkdir(path("/d"))
        let new = try await client.open(path("/d/f"), [.write, .create, .exclusive])
        try await client.write(new, at: 0, [path("hello")])
        try await client.fsync(new)
        try await client.fsetstat(new, .init(times: .init(accessSeconds: 5, modificationSeconds: 6)))
        #expect(try await client.fstat(new).times?.modificationSeconds == 6)
        try await client.close(new)
        try await client.setstat(path("/d/f"), .init(times: .init(accessSeconds: 7, modificationSeconds: 8)))
        #expect(try await client.stat(path("/d/f")).times?.modificationSeconds == 8)
        #expect(try await client.lstat(path("/d/f")).sizeBytes == 5)
        try await client.rename(path("/d/f"), to: path("/d/g"))
        try await client.posixRename(path("/d/g"), to: path("/d/h"))
        let directory = try await client.opendir(path("/d"))
        #expect(try await client.readdir(directory)?.map(\.filename) == [path("h")])
        #expect(try await client.readdir(directory) == nil)
        client.closeWithoutWaiting(directory)
        #expect(try await client.limits().openHandles == 100)
        try await client.remove(path("/d/h"))
        try await client.rmdir(path("/d"))
        #expect(server.script.tree.nodes.keys.map { $0 } == [path("/")])
        await server.settle()
        #expect(server.script.tree.openCount == 0)
        #expect(
            server.words == [
                "REALPATH ", "MKDIR /d", "OPEN /d/f", "WRITE 0+5", "fsync@openssh.com", "FSETSTAT", "FSTAT", "CLOSE",
                "SETSTAT /d/f", "STAT /d/f", "LSTAT /d/f", "RENAME /d/f /d/g",
                "posix-rename@openssh.com /d/g /d/h", "OPENDIR /d", "READDIR", "READDIR", "CLOSE", "REMOVE /d/h",
                "RMDIR /d",
            ])
        await client.close()
    }

    @Test func flightGoesOutWholeAndInOrderBeforeAnyAnswer() async throws {
        let server = held()
        let client = try await server.connect()
        let opening = client.submit([.open(path("/a"), .read, .init())])
        await server.settle()
        await server.release()
        let handle = try await opening.handle(0)
        let time = SFTPAttributes(times: .init(accessSeconds: 9, modificationSeconds: 9))
        let flight = client.submit([
            .close(handle), .posixRename(path("/a"), to: path("/b")), .lstat(path("/b")), .setstat(path("/b"), time),
        ])
        await server.settle()
        #expect(server.words.dropFirst() == ["CLOSE", "posix-rename@openssh.com /a /b", "LSTAT /b", "SETSTAT /b"])
        #expect(server.heldCount == 4)
        await server.release()
        // Fetched in another order than sent.
        #expect(try await flight.reply(3) == .ok)
        #expect(try await flight.reply(1) == .ok)
        #expect(try await flight.attributes(2).times?.modificationSeconds == 1_700_000_000)
        #expect(try await flight.reply(0) == .ok)
        #expect(text(server.script.tree.nodes[path("/b")]?.content ?? []) == "content of /a")
        await client.close()
    }

    @Test func repliesAreMatchedInAnyOrder() async throws {
        var script = ScriptedServer.Script()
        script.shuffle = SeededGenerator(seed: 7)
        for number in 0..<300 {
            script.tree.nodes[path("/\(number)")] = .init(content: .init(repeating: 1, count: number))
        }
        let server = ScriptedServer(script)
        let client = try await server.connect()
        let sizes = await withTaskGroup(of: (Int, UInt64?).self) { group in
            for number in 0..<300 {
                group.addTask { (number, try? await client.lstat(path("/\(number)")).sizeBytes) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        #expect(sizes == Dictionary(uniqueKeysWithValues: (0..<300).map { ($0, UInt64($0)) }))
        await client.close()
    }

    @Test func refusalNamesOperationPathCodeAndText() async throws {
        let server = ScriptedServer()
        let client = try await server.connect()
        let error = await #expect(throws: SFTPError.self) { try await client.lstat(path("/none\n")) }
        #expect(error?.reason == .status(.noSuchFile))
        #expect(
            error?.message
                == #"LSTAT "/none\x0a": the server answered NO_SUCH_FILE (2): "said \x1b[1m by the script""#)
        #expect(error?.isTransient == false)
        let opened = await #expect(throws: SFTPError.self) {
            try await client.rename(path("/x"), to: path("/y"))
        }
        #expect(opened?.message.hasPrefix(#"RENAME "/x" to "/y": "#) == true)
        await client.close()
    }

    @Test func statusWithoutTextIsARefusalToo() async throws {
        var script = ScriptedServer.Script()
        script.override = { request in
            guard request.type == PacketType.lstat else { return nil }
            var packet = [PacketType.status]
            packet.appendUInt32(request.id)
            packet.appendUInt32(4)
            return packet
        }
        let client = try await ScriptedServer(script).connect()
        let error = await #expect(throws: SFTPError.self) { try await client.lstat(path("/a")) }
        #expect(error?.message == #"LSTAT "/a": the server answered FAILURE (4)"#)
        await client.close()
    }

    @Test func requestsBeyondTheLimitWaitInLine() async throws {
        let server = held()
        var constants = EngineConstants()
        constants.outstandingRequests = 5
        let client = try await server.connect(constants: constants)
        let flights = (0..<12).map { client.submit([.lstat(path("/\($0)"))]) }
        await server.settle()
        #expect(server.words == (0..<5).map { "LSTAT /\($0)" })
        await server.release(2)
        #expect(server.words == (0..<7).map { "LSTAT /\($0)" })
        server.change { $0.holdsAnswers = false }
        await server.settle()
        #expect(server.words == (0..<12).map { "LSTAT /\($0)" })
        for flight in flights { await #expect(throws: SFTPError.self) { try await flight.reply(0) } }
        await client.close()
    }

    @Test(arguments: [UInt32(1), 4_096, 4_095, .max]) func replyToNobodyEndsTheConnection(_ id: UInt32) async throws {
        let server = held()
        let client = try await server.connect()
        let flight = client.submit([.lstat(path("/a"))])
        await server.settle()
        var packet = [PacketType.status]
        packet.appendUInt32(id)
        packet.appendUInt32(0)
        await server.inject(packet)
        let error = await #expect(throws: SFTPError.self) { try await flight.reply(0) }
        #expect(error?.reason == .protocolViolation)
        #expect(error?.message.contains("request \(id)") == true)
        // Every later call fails the same way.
        let later = await #expect(throws: SFTPError.self) { try await client.lstat(path("/a")) }
        #expect(later == error)
        await client.close()
    }

    @Test func secondReplyToTheSameRequestEndsTheConnection() async throws {
        var script = ScriptedServer.Script()
        script.holdsAnswers = true
        let server = ScriptedServer(script)
        let client = try await server.connect()
        let flight = client.submit([.lstat(path("/"))])
        await server.settle()
        server.reorder { $0.append($0[$0.count - 1]) }
        await server.release()
        _ = try await flight.attributes(0)
        let error = await #expect(throws: SFTPError.self) { try await client.lstat(path("/")) }
        #expect(error?.reason == .protocolViolation)
        await client.close()
    }

    /// Requests with an answer that is well-formed and none to them.
    private static let wrongAnswers: [(SFTPRequest, [UInt8])] = {
        let handle = SFTPHandle(bytes: [1], path: path("/a"))
        let ok = bytes("65 00000000 00000000")
        let aHandle = bytes("66 00000000 00000001 01")
        let data = bytes("67 00000000 00000003 010203")
        let noNames = bytes("68 00000000 00000000")
        let attributes = bytes("69 00000000 00000000")
        return [
            (.open(path("/a"), .read, .init()), ok), (.opendir(path("/a")), attributes), (.lstat(path("/a")), ok),
            (.lstat(path("/a")), data), (.fstat(handle), aHandle), (.close(handle), aHandle),
            (.read(handle, offset: 0, countBytes: 2), data), (.read(handle, offset: 0, countBytes: 9), ok),
            (.write(handle, offset: 0, [1]), data), (.readdir(handle), attributes), (.readdir(handle), ok),
            (.realpath([]), noNames), (.realpath([]), ok), (.rename([1], to: [2]), noNames),
            (.limits, bytes("c9 00000000 0001")), (.limits, ok), (.mkdir([1], .init()), attributes),
        ]
    }()

    @Test func answerOfAnotherKindEndsTheConnection() async throws {
        for (request, wrong) in Self.wrongAnswers {
            var script = ScriptedServer.Script()
            script.version = [PacketType.version, 0, 0, 0, 3]
            script.override = { request in
                // The id stands behind the type.
                var answer = [wrong[0]]
                answer.appendUInt32(request.id)
                return answer + wrong.dropFirst(5)
            }
            let server = ScriptedServer(script)
            let client = try await server.connect()
            let error = await #expect(throws: SFTPError.self, "\(request)") {
                try await client.submit([request]).reply(0)
            }
            #expect(error?.reason == .protocolViolation, "\(request): \(error as Any)")
            await client.close()
        }
    }

    @Test func garbageEndsTheConnection() async throws {
        let server = held()
        let client = try await server.connect()
        let flight = client.submit([.lstat(path("/a"))])
        await server.settle()
        await server.injectRaw(bytes("00000005 63 00000001"))
        let error = await #expect(throws: SFTPError.self) { try await flight.reply(0) }
        #expect(error?.reason == .protocolViolation)
        await client.close()
    }

    @Test func lossFailsWhatWaitsAndAllThatFollowsAlike() async throws {
        let server = held()
        let client = try await server.connect()
        let answered = client.submit([.lstat(path("/a"))])
        await server.settle()
        await server.release()
        let sent = client.submit([.lstat(path("/a")), .lstat(path("/b"))])
        await server.settle()
        let reason = SFTPError(.operation, .connectionLost, "the peer reset the connection")
        await server.drop(reason)
        for item in 0..<2 { #expect(await #expect(throws: SFTPError.self) { try await sent.reply(item) } == reason) }
        #expect(await #expect(throws: SFTPError.self) { try await client.stat(path("/a")) } == reason)
        #expect(await #expect(throws: SFTPError.self) { try await client.submit([.limits]).reply(0) } == reason)
        // What was answered before is not lost.
        #expect(try await answered.attributes(0).kind == .file)
        await client.close()
        #expect(await #expect(throws: SFTPError.self) { try await client.stat(path("/a")) } == reason)
    }

    @Test func closeFailsWhatWaits() async throws {
        let server = held()
        let client = try await server.connect()
        let waiting = Task { try await client.lstat(path("/a")) }
        await server.waitForRequests(1)
        await client.close()
        let error = await #expect(throws: SFTPError.self) { try await waiting.value }
        #expect(error?.reason == .cancelled)
        await client.close()
    }

    @Test func requestsNoServerCanTakeAreNotSent() async throws {
        let server = held()
        let client = try await server.connect()
        let error = await #expect(throws: SFTPError.self) { try await client.lstat([0x2F, 0]) }
        #expect(error?.reason == .unsupported)
        await server.settle()
        #expect(server.words.isEmpty)
        await client.close()
    }

    @Test func extensionsNotOfferedAreNotSent() async throws {
        let server = held()
        let client = try await server.connect()
        let handle = SFTPHandle(bytes: [1], path: [])
        for error in [
            await #expect(throws: SFTPError.self) { try await client.posixRename([1], to: [2]) },
            await #expect(throws: SFTPError.self) { try await client.fsync(handle) },
            await #expect(throws: SFTPError.self) { try await client.limits() },
        ] {
            #expect(error?.reason == .unsupported)
        }
        #expect(server.words.isEmpty)
        await client.close()
    }
}
