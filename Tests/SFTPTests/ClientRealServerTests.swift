import Foundation
import Logging
import Synchronization
import TestKit
import Testing

@testable import SFTP

/// The client over the real transport against OpenSSH: what only that does, and what breaks.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ClientRealServerTests {
    private let server: LocalSSHD
    private let folder: URL
    private let temporary: TemporaryFolder

    init() throws {
        temporary = try TemporaryFolder()
        folder = temporary.url.appendingPathComponent("home")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        server = try LocalSSHD(folder: folder, workFolder: temporary.url)
    }

    private func configuration() throws -> SSHConfiguration {
        SSHConfiguration(
            host: server.host, port: UInt16(server.port), user: server.user,
            credentials: SSHCredentials(privateKey: try server.privateKey()),
            hostKeys: try HostKeyPolicy(parsing: server.hostKey))
    }

    private func connect() async throws -> SFTPClient {
        try await SFTPClient.connect(try configuration(), logger: Logger(label: "tests"))
    }

    private func write(_ content: [UInt8], to name: String) throws {
        try Data(content).write(to: folder.appendingPathComponent(name))
    }

    private func reads(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appendingPathComponent(name)))
    }

    @Test func everyOperationWorks() async throws {
        let client = try await connect()
        #expect(client.supports(.posixRename) && client.supports(.fsync) && client.supports(.limits))
        #expect(client.sessionInfo?.serverIdentification.hasPrefix("SSH-2.0-OpenSSH") == true)
        let home = try await client.realpath([])
        #expect(text(home) == folder.path)

        try await client.mkdir(path("d"), .init(permissions: 0o750))
        #expect(try await client.stat(path("d")).kind == .directory)
        let exists = await #expect(throws: SFTPError.self) { try await client.mkdir(path("d")) }
        #expect(exists?.reason == .status(.failure))

        let flags: SFTPOpenFlags = [.write, .create, .exclusive]
        let handle = try await client.open(path("d/f"), flags, .init(permissions: 0o640))
        try await client.write(handle, at: 0, [path("hello, "), path("world")])
        try await client.fsync(handle)
        try await client.fsetstat(handle, .init(times: .init(accessSeconds: 1, modificationSeconds: 1_600_000_000)))
        #expect(try await client.fstat(handle).times?.modificationSeconds == 1_600_000_000)
        try await client.close(handle)
        await #expect(throws: SFTPError.self) { try await client.open(path("d/f"), flags) }
        let closed = await #expect(throws: SFTPError.self) { try await client.fstat(handle) }
        #expect(closed?.reason == .status(.failure))

        try await client.setstat(path("d/f"), .init(permissions: 0o600))
        let attributes = try await client.lstat(path("d/f"))
        #expect(attributes.permissions == 0o100_600 && attributes.sizeBytes == 12 && attributes.owner != nil)

        let append = try await client.open(path("d/f"), [.write, .append])
        try await client.write(append, at: 0, [path("!")])
        try await client.close(append)
        #expect(text(try reads("d/f")) == "hello, world!")

        try await client.symlink(path("d/link"), target: path("f"))
        #expect(try await client.readlink(path("d/link")) == path("f"))
        #expect(try await client.lstat(path("d/link")).kind == .symbolicLink)
        #expect(try await client.stat(path("d/link")).kind == .file)

        try await client.rename(path("d/f"), to: path("d/g"))
        try write(path("older"), to: "d/taken")
        let taken = await #expect(throws: SFTPError.self) {
            try await client.rename(path("d/g"), to: path("d/taken"))
        }
        #expect(taken?.reason == .status(.failure))
        try await client.posixRename(path("d/g"), to: path("d/taken"))
        #expect(text(try reads("d/taken")) == "hello, world!")

        #expect(try await client.limits().readBytes == 255 << 10)
        try await client.remove(path("d/taken"))
        try await client.remove(path("d/link"))
        let gone = await #expect(throws: SFTPError.self) { try await client.lstat(path("d/taken")) }
        #expect(gone?.reason == .status(.noSuchFile))
        #expect(gone?.message == #"LSTAT "d/taken": the server answered NO_SUCH_FILE (2): "No such file""#)
        try await client.rmdir(path("d"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        await client.close()
        let later = await #expect(throws: SFTPError.self) { try await client.lstat(path("d")) }
        #expect(later?.reason == .cancelled)
        server.stop()
    }

    @Test func lostServerFailsWhatWaits() async throws {
        try write(ClientContentTests.content(1 << 20), to: "a")
        let client = try await connect()
        let handle = try await client.open(path("a"), .read)
        server.dropSessions()
        let error = await #expect(throws: SFTPError.self) {
            // One of these meets the loss, at the latest the one that follows it.
            for _ in 0..<1_000 { _ = try await client.read(handle, from: 0, countBytes: 1 << 20) }
        }
        #expect(error?.reason == .connectionLost)
        await client.close()
        server.stop()
    }

    @Test func serverThatHangsIsGivenUp() async throws {
        // A clock that can be set back, so that the deadline is near without being short for a busy machine.
        let lag = Mutex(Duration.zero)
        let client = try await SFTPClient.connect(
            opener: SSHTransport(try configuration(), logger: Logger(label: "tests")),
            now: { ContinuousClock.now - lag.withLock { $0 } })
        _ = try await client.limits()
        server.freezeSessions()
        lag.withLock { $0 = .seconds(29) }
        let error = await #expect(throws: SFTPError.self) { try await client.lstat(path("a")) }
        #expect(error?.reason == .timeout)
        #expect(error?.message.contains(#"LSTAT "a""#) == true)
        server.thawSessions()
        await client.close()
        server.stop()
    }
}
