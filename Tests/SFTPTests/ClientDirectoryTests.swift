import Synchronization
import Testing

@testable import SFTP

@Suite(.timeLimit(.minutes(3))) struct ClientDirectoryTests {
    private func server(
        files count: Int, change: (inout ScriptedServer.Script) -> Void = { _ in }
    ) -> ScriptedServer {
        var script = ScriptedServer.Script()
        for number in 0..<count { script.tree.nodes[path("/\(10_000 + number)")] = .init() }
        change(&script)
        return ScriptedServer(script)
    }

    private func all(_ directory: SFTPDirectory) async throws -> [String] {
        var names: [String] = []
        while let batch = try await directory.next() { names += batch.map { text($0.filename) } }
        return names
    }

    @Test(arguments: [0, 1, 100, 101, 1_234]) func everyNameComesOnceInOrder(_ count: Int) async throws {
        let server = server(files: count)
        let client = try await server.connect()
        let directory = try await client.openDirectory(path("/"))
        #expect(try await all(directory) == (0..<count).map { "\(10_000 + $0)" })
        #expect(try await directory.next() == nil)
        directory.close()
        directory.close()
        await server.settle()
        #expect(server.script.tree.openCount == 0)
        #expect(server.words.filter { $0 == "CLOSE" }.count == 1)
        await client.close()
    }

    @Test func fewReaddirsAreInFlightAndNoMoreUntilTheirBatchesAreTaken() async throws {
        let server = server(files: 2_000)
        let client = try await server.connect()
        let directory = try await client.openDirectory(path("/"))
        server.change { $0.holdsAnswers = true }
        let first = Task { try await directory.next() }
        await server.waitForRequests(3)
        #expect(server.words.dropFirst() == ["READDIR", "READDIR"])
        server.change { $0.holdsAnswers = false }
        await server.settle()
        #expect(try await first.value?.count == 100)
        #expect(try await directory.next()?.count == 100)
        await server.settle()
        // One is taken from those that were sent, and the rest of four is sent; then of eight.
        #expect(server.words.dropFirst().count == 5)
        for expected in [10, 11, 12] {
            #expect(try await directory.next()?.count == 100)
            await server.settle()
            #expect(server.words.dropFirst().count == expected)
        }
        directory.close()
        await server.settle()
        #expect(server.script.tree.openCount == 0)
        await client.close()
    }

    @Test func serverThatTakesOneReaddirAtATimeIsListedWhole() async throws {
        // Refuses a READDIR that comes before the answer to the one before has been sent: as a server does that works
        // requests off at the same time and cannot do so for one directory.
        let refused = Mutex(0)
        let server = server(files: 1_000) {
            let seen = Mutex((batch: 0, count: 0))
            $0.override = { request in
                guard request.type == PacketType.readdir else { return nil }
                let number = seen.withLock { seen in
                    seen.count += 1
                    return seen.count
                }
                guard number == 2 || number == 4 else { return nil }
                refused.withLock { $0 += 1 }
                return ScriptedFileTree.status(.failure, request)
            }
        }
        let client = try await server.connect()
        let directory = try await client.openDirectory(path("/"))
        #expect(try await all(directory) == (0..<1_000).map { "\(10_000 + $0)" })
        #expect(refused.withLock { $0 } == 2)
        directory.close()
        await client.close()
    }

    @Test func refusalWithoutCompanyFailsTheListingForGood() async throws {
        let server = server(files: 1_000) {
            $0.override = {
                $0.type == PacketType.readdir ? ScriptedFileTree.status(.permissionDenied, $0) : nil
            }
        }
        let client = try await server.connect()
        let directory = try await client.openDirectory(path("/"))
        let error = await #expect(throws: SFTPError.self) { try await directory.next() }
        #expect(error?.reason == .status(.permissionDenied))
        #expect(error?.message.hasPrefix(#"READDIR of "/": "#) == true)
        #expect(await #expect(throws: SFTPError.self) { try await directory.next() } == error)
        // Two in company, then one alone.
        #expect(server.words.filter { $0 == "READDIR" }.count == 3)
        directory.close()
        await client.close()
    }

    @Test func missingDirectoryIsARefusal() async throws {
        let client = try await server(files: 0).connect()
        let error = await #expect(throws: SFTPError.self) { try await client.openDirectory(path("/none")) }
        #expect(error?.reason == .status(.noSuchFile))
        await client.close()
    }

    @Test func emptyBatchIsTheEnd() async throws {
        let server = server(files: 5) {
            $0.override = { request in
                guard request.type == PacketType.readdir else { return nil }
                var packet = [PacketType.name]
                packet.appendUInt32(request.id)
                packet.appendUInt32(0)
                return packet
            }
        }
        let client = try await server.connect()
        let directory = try await client.openDirectory(path("/"))
        #expect(try await directory.next() == nil)
        await client.close()
    }

    @Test func listingThatIsLetGoOfIsClosed() async throws {
        let server = server(files: 5)
        let client = try await server.connect()
        var directory: SFTPDirectory? = try await client.openDirectory(path("/"))
        #expect(try await directory?.next()?.count == 5)
        directory = nil
        await server.waitForRequests(4)
        #expect(server.words.last == "CLOSE")
        await client.close()
    }

    @Test func cancelledListingStaysFailed() async throws {
        let server = server(files: 500)
        let client = try await server.connect()
        let directory = try await client.openDirectory(path("/"))
        server.change { $0.holdsAnswers = true }
        let listing = Task { try await directory.next() }
        await server.waitForRequests(3)
        listing.cancel()
        let error = await #expect(throws: SFTPError.self) { try await listing.value }
        #expect(error?.reason == .cancelled)
        server.change { $0.holdsAnswers = false }
        await server.settle()
        #expect(await #expect(throws: SFTPError.self) { try await directory.next() } == error)
        directory.close()
        await client.close()
    }
}

/// A flag that another task sets.
final class FlagBox: Sendable {
    private let value = Mutex(false)
    var isSet: Bool { value.withLock { $0 } }
    func set() { value.withLock { $0 = true } }
}
