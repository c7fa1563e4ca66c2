import Testing

@testable import SFTP

@Suite(.timeLimit(.minutes(3))) struct ClientStartTests {
    @Test func serverIsKnownAfterTheStart() async throws {
        let server = ScriptedServer()
        let client = try await server.connect()
        #expect(client.server?.version == 3)
        #expect(client.supports(.posixRename) && client.supports(.fsync) && client.supports(.limits))
        #expect(!client.supports(SFTPExtension(rawValue: "copy-data")))
        await server.settle()
        #expect(client.knownLimits.readBytes == 255 << 10)
        await client.close()
    }

    @Test func limitsCostNoRoundTripBeforeTheFirstRequest() async throws {
        var script = ScriptedServer.Script()
        script.holdsAnswers = true
        let server = ScriptedServer(script)
        // Returns although limits are not answered, and the next request goes out as well.
        let client = try await server.connect()
        let flight = client.submit([.lstat(path("/"))])
        await server.settle()
        #expect(server.heldCount == 2)
        #expect(server.words == ["LSTAT /"])
        #expect(client.knownLimits.readBytes == 0)
        await server.release()
        #expect(try await flight.attributes(0).kind == .directory)
        #expect(client.knownLimits.readBytes == 255 << 10)
        await client.close()
    }

    @Test func requestsDoNotWaitForTheVersion() async throws {
        var script = ScriptedServer.Script()
        script.version = nil
        script.holdsAnswers = true
        let server = ScriptedServer(script)
        let client = try await server.connect(awaitsVersion: false)
        #expect(client.server == nil && !client.supports(.posixRename))
        let flight = client.submit([.open(path("/new"), [.write, .create], SFTPAttributes())])
        await server.waitForRequests(1)
        #expect(server.words == ["OPEN /new"])
        await server.inject(ScriptedServer.openSSHVersion)
        await server.release()
        let handle = try await flight.handle(0)
        #expect(client.supports(.posixRename))
        client.closeWithoutWaiting(handle)
        await client.close()
    }

    /// The sizes that the server takes are known only behind its VERSION.
    @Test func readsAndWritesWaitForTheVersion() async throws {
        var script = ScriptedServer.Script()
        script.version = nil
        script.holdsAnswers = true
        let server = ScriptedServer(script)
        let client = try await server.connect(awaitsVersion: false)
        let handle = SFTPHandle(bytes: [1], path: path("/f"))
        let transfers = [
            client.submitRead(handle, from: 0, countBytes: 8), client.submitWrite(handle, at: 0, [[1]]),
        ]
        let look = client.submit([.lstat(path("/"))])
        await server.waitForRequests(1)
        #expect(server.words == ["LSTAT /"])
        await server.inject(ScriptedServer.openSSHVersion)
        await server.waitForRequests(3)
        await server.release()
        #expect(try await look.attributes(0).kind == .directory)
        #expect(server.words.count == 1 + transfers.count)
        await client.close()
    }

    @Test func anotherVersionFailsWhatWasAskedAheadOfIt() async throws {
        var script = ScriptedServer.Script()
        script.version = [PacketType.version, 0, 0, 0, 2]
        let server = ScriptedServer(script)
        let client = try await server.connect(awaitsVersion: false)
        let error = await #expect(throws: SFTPError.self) { try await client.lstat(path("/")) }
        #expect(error?.step == .sftpStart && error?.reason == .unsupported)
        #expect(error?.message.contains("version 2 of SFTP") == true)
        await client.close()
    }

    @Test(arguments: [UInt32(0), 2, 4, 6, .max]) func otherVersionsAreRefused(_ version: UInt32) async {
        var script = ScriptedServer.Script()
        script.version = [PacketType.version]
        script.version?.appendUInt32(version)
        let server = ScriptedServer(script)
        let error = await #expect(throws: SFTPError.self) { try await server.connect() }
        #expect(error?.step == .sftpStart && error?.reason == .unsupported)
        #expect(error?.message.contains("version \(version) of SFTP") == true)
        #expect(server.closeCount == 1)
    }

    @Test func textInPlaceOfVersionIsShown() async {
        var script = ScriptedServer.Script()
        script.version = nil
        let server = ScriptedServer(script)
        let connected = Task { try await server.connect() }
        await server.injectRaw(path("This account is disabled.\n"))
        let error = await #expect(throws: SFTPError.self) { try await connected.value }
        #expect(error?.step == .sftpStart && error?.reason == .protocolViolation)
        #expect(error?.message.contains("This account is disabled.") == true)
    }

    @Test func replyBeforeVersionIsRefused() async {
        var script = ScriptedServer.Script()
        script.version = [PacketType.status, 0, 0, 0, 0, 0, 0, 0, 0]
        let server = ScriptedServer(script)
        let error = await #expect(throws: SFTPError.self) { try await server.connect() }
        #expect(error?.step == .sftpStart && error?.reason == .protocolViolation)
    }

    @Test func secondVersionEndsTheConnection() async throws {
        let server = ScriptedServer()
        let client = try await server.connect()
        await server.inject(ScriptedServer.openSSHVersion)
        let error = await #expect(throws: SFTPError.self) { try await client.lstat([]) }
        #expect(error?.reason == .protocolViolation)
        await client.close()
    }

    @Test func lossBeforeVersionFailsTheStart() async {
        var script = ScriptedServer.Script()
        script.version = nil
        let server = ScriptedServer(script)
        let connected = Task { try await server.connect() }
        await server.settle()
        await server.drop()
        let error = await #expect(throws: SFTPError.self) { try await connected.value }
        #expect(error?.step == .sftpStart && error?.reason == .connectionLost)
        #expect(error?.isTransient == true)
    }

    @Test func silenceInPlaceOfVersionIsATimeout() async {
        var script = ScriptedServer.Script()
        script.version = nil
        let server = ScriptedServer(script)
        let connected = Task { try await server.connect() }
        await server.waitForInitialize()
        #expect(await server.advance(29) == false)
        #expect(await server.advance(1))
        let error = await #expect(throws: SFTPError.self) { try await connected.value }
        #expect(error?.step == .sftpStart && error?.reason == .timeout)
        #expect(error?.message.contains("30 seconds") == true)
    }

    @Test func cancellationEndsTheStart() async {
        var script = ScriptedServer.Script()
        script.version = nil
        let server = ScriptedServer(script)
        let connected = Task { try await server.connect() }
        await server.waitForInitialize()
        connected.cancel()
        let error = await #expect(throws: SFTPError.self) { try await connected.value }
        #expect(error?.reason == .cancelled)
        #expect(server.closeCount == 1)
    }
}
