import TestKit
import Testing

@testable import SFTP

/// Tasks that give up, and servers that say nothing.
@Suite(.timeLimit(.minutes(3))) struct ClientCancellationTests {
    private func held() -> ScriptedServer {
        var script = ScriptedServer.Script()
        script.holdsAnswers = true
        script.version = [PacketType.version, 0, 0, 0, 3]
        script.tree.nodes[path("/a")] = .init(content: path("content"))
        return ScriptedServer(script)
    }

    @Test func whoIsCancelledBeforeTheWaitIsToldOfWhichRequest() async throws {
        let server = held()
        let client = try await server.connect()
        let flight = client.submit([.lstat(path("/a"))])
        let waiting = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await flight.attributes(0)
        }
        let error = await #expect(throws: SFTPError.self) { try await waiting.value }
        #expect(error?.reason == .cancelled)
        #expect(error?.message.contains(#"LSTAT "/a""#) == true, "\(error?.message ?? "")")
        await server.release()
        await client.close()
    }

    @Test func cancelledWaitEndsAtOnceAndTheReplyIsStillMatched() async throws {
        let server = held()
        let client = try await server.connect()
        let waiting = Task { try await client.lstat(path("/a")) }
        await server.waitForRequests(1)
        waiting.cancel()
        let error = await #expect(throws: SFTPError.self) { try await waiting.value }
        #expect(error?.reason == .cancelled)
        #expect(error?.message.contains(#"LSTAT "/a""#) == true)
        await server.release()
        server.change { $0.holdsAnswers = false }
        #expect(try await client.lstat(path("/a")).sizeBytes == 7)
        await client.close()
    }

    @Test func handleThatComesForACancelledOpenIsClosed() async throws {
        let server = held()
        let client = try await server.connect()
        let waiting = Task { try await client.open(path("/a"), .read) }
        await server.waitForRequests(1)
        waiting.cancel()
        await #expect(throws: SFTPError.self) { try await waiting.value }
        #expect(server.script.tree.openCount == 1)
        await server.release()
        await server.waitForRequests(2)
        #expect(server.words == ["OPEN /a", "CLOSE"])
        #expect(server.script.tree.openCount == 0)
        await client.close()
    }

    @Test func handleThatNobodyFetchesIsClosed() async throws {
        let server = held()
        let client = try await server.connect()
        var flight: SFTPFlight? = client.submit([.open(path("/a"), .read, .init())])
        #expect(flight?.count == 1)
        await server.settle()
        await server.release()
        flight = nil
        await server.waitForRequests(2)
        #expect(server.words == ["OPEN /a", "CLOSE"])
        await client.close()
    }

    @Test func cancelledTaskSendsNothingButClose() async throws {
        let server = held()
        let client = try await server.connect()
        server.change { $0.holdsAnswers = false }
        let handle = try await client.open(path("/a"), .read)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            await #expect(throws: SFTPError.self) { try await client.lstat(path("/a")) }
            await #expect(throws: SFTPError.self) { try await client.read(handle, from: 0, countBytes: 1) }
            await #expect(throws: SFTPError.self) { try await client.close(handle) }
        }
        await task.value
        await server.waitForRequests(2)
        #expect(server.words == ["OPEN /a", "CLOSE"])
        await client.close()
    }

    @Test func cancelledReadSendsNoFurtherReads() async throws {
        let server = held()
        let client = try await server.connect()
        server.change {
            $0.tree.nodes[path("/big")] = .init(content: .init(repeating: 7, count: 9 << 20))
            $0.holdsAnswers = false
        }
        let handle = try await client.open(path("/big"), .read)
        server.change { $0.holdsAnswers = true }
        let reading = Task { try await client.read(handle, from: 0, countBytes: 9 << 20) }
        await server.waitForRequests(2)
        let sent = server.words.count
        #expect(sent == 1 + 128)
        reading.cancel()
        await #expect(throws: SFTPError.self) { try await reading.value }
        await server.release()
        await server.settle()
        #expect(server.words.count == sent)
        // The window is free again.
        server.change { $0.holdsAnswers = false }
        #expect(try await client.read(handle, from: 0, countBytes: 4 << 20).reduce(0) { $0 + $1.count } == 4 << 20)
        await client.close()
    }

    @Test func silenceEndsTheConnectionOnlyWhileSomethingIsOutstanding() async throws {
        let server = held()
        let client = try await server.connect()
        #expect(await server.advance(1_000) == false)
        let first = client.submit([.lstat(path("/a")), .stat(path("/a"))])
        await server.settle()
        #expect(await server.advance(29) == false)
        // Any reply counts as life, and the count begins anew.
        await server.release(1)
        _ = try await first.attributes(0)
        #expect(await server.advance(29) == false)
        #expect(await server.advance(1))
        let error = await #expect(throws: SFTPError.self) { try await first.reply(1) }
        #expect(error?.reason == .timeout && error?.isTransient == true)
        #expect(error?.message.contains(#"STAT "/a""#) == true)
        #expect(await #expect(throws: SFTPError.self) { try await client.lstat(path("/a")) } == error)
        await client.close()
    }

    @Test func timeWithNothingOutstandingDoesNotCount() async throws {
        let server = held()
        let client = try await server.connect()
        #expect(await server.advance(100) == false)
        let flight = client.submit([.lstat(path("/a"))])
        await server.settle()
        #expect(await server.advance(29) == false)
        await server.release()
        _ = try await flight.reply(0)
        #expect(await server.advance(100) == false)
        await client.close()
    }

    @Test func nothingIsLeftBehindHoweverTasksEnd() async throws {
        var script = ScriptedServer.Script()
        script.shuffle = SeededGenerator(seed: 99)
        script.tree.readBytes = 50_000
        let content = ClientContentTests.content(700_000)
        for number in 0..<20 { script.tree.nodes[path("/\(number)")] = .init(content: content) }
        let server = ScriptedServer(script)
        let client = try await server.connect()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    let work = Task { try await Self.useFile("/\(number % 20)", content, client) }
                    // Every third is given up, each at another moment.
                    for _ in 0..<(number % 17) { await Task.yield() }
                    if number % 3 == 0 { work.cancel() }
                    guard case .failure(let error) = await work.result else { return }
                    #expect((error as? SFTPError)?.reason == .cancelled)
                }
            }
        }
        await server.settle()
        #expect(client.connection.load == [0, 0, 0, 0, 0])
        // Every handle came to somebody who closed it, or was closed for nobody.
        #expect(server.script.tree.openCount == 0)
        await client.close()
    }

    private static func useFile(_ name: String, _ content: [UInt8], _ client: SFTPClient) async throws(SFTPError) {
        let handle = try await client.open(path(name), [.read, .write])
        defer { client.closeWithoutWaiting(handle) }
        let read = try await client.readVerifyingEnd(handle, from: 0, countBytes: content.count)
        #expect(ClientContentTests.joined(read.pieces) == content && read.endsThere)
        try await client.write(handle, at: 0, read.pieces)
        _ = try await client.submitRead(handle, from: 5, countBytes: 100_000, then: [.fstat(handle)]).attributes(1)
        _ = client.submit([.lstat(path(name)), .stat(path(name))])
    }
}
