import Foundation
import Logging
import Synchronization
import TestKit
import Testing

@testable import SFTP

/// A few SFTP requests by hand (draft-ietf-secsh-filexfer-02), so that the transport is tested without the client
/// that stands on it.
final class RawSFTP: ChannelHandler {
    typealias Reply = (type: UInt8, body: [UInt8])

    private struct State {
        var pending: [UInt8] = []
        var arrived: [UInt8] = []
        var nextID: UInt32 = 1
        var waiters: [UInt32: CheckedContinuation<Result<Reply, SFTPError>, Never>] = [:]
        var ends: [SFTPError] = []
        var deadline: ContinuousClock.Instant?
        var channel: (any Channel)?
    }
    private let state = Mutex(State())

    /// How often and why the transport said that it is over.
    var ends: [SFTPError] { state.withLock { $0.ends } }

    /// A time by which something has to arrive.
    func setDeadline(_ deadline: ContinuousClock.Instant?) {
        state.withLock { $0.deadline = deadline }
        state.withLock { $0.channel }?.wake()
    }

    // MARK: The transport's side

    func sent() {}

    func fillOutput(_ output: inout [UInt8], limitBytes: Int) {
        state.withLock { state in
            let count = min(state.pending.count, max(0, limitBytes - output.count))
            guard count > 0 else { return }
            output += state.pending.prefix(count)
            state.pending.removeFirst(count)
        }
    }

    func receive(_ bytes: UnsafeRawBufferPointer) throws(SFTPError) {
        let answers = state.withLock { state -> [(CheckedContinuation<Result<Reply, SFTPError>, Never>, Reply)] in
            state.arrived += bytes
            var answers: [(CheckedContinuation<Result<Reply, SFTPError>, Never>, Reply)] = []
            var start = 0
            while state.arrived.count - start >= 9 {
                let length = Int(Self.number(state.arrived[start...]))
                guard state.arrived.count - start >= 4 + length else { break }
                let packet = state.arrived[(start + 4)..<(start + 4 + length)]
                start += 4 + length
                let type = packet[packet.startIndex]
                // VERSION has no request id: 0 stands for it.
                let id = type == 2 ? 0 : Self.number(packet.dropFirst())
                if let waiter = state.waiters.removeValue(forKey: id) {
                    answers.append((waiter, (type, Array(packet.dropFirst(5)))))
                }
            }
            state.arrived.removeFirst(start)
            return answers
        }
        for (waiter, reply) in answers { waiter.resume(returning: .success(reply)) }
    }

    var deadline: ContinuousClock.Instant? { state.withLock { $0.deadline } }

    func deadlinePassed() -> SFTPError { SFTPError(.operation, .timeout, "the test's deadline passed") }

    func ended(_ error: SFTPError) {
        let waiters = state.withLock { state in
            state.ends.append(error)
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: .failure(error)) }
    }

    // MARK: The test's side

    func start(on channel: any Channel) async throws {
        // A loop that hangs fails its test instead of stopping the run.
        state.withLock { ($0.channel, $0.deadline) = (channel, .now + .seconds(60)) }
        let reply = try await exchange(id: 0, Self.word(5) + [1] + Self.word(3))
        guard reply.type == 2 else { throw SFTPError(.operation, .protocolViolation, "no VERSION") }
    }

    func request(_ type: UInt8, _ body: [UInt8]) async throws -> Reply {
        let id = state.withLock { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
        return try await exchange(id: id, Self.word(UInt32(5 + body.count)) + [type] + Self.word(id) + body)
    }

    private func exchange(id: UInt32, _ packet: [UInt8]) async throws -> Reply {
        let result = await withCheckedContinuation { waiter in
            let end = state.withLock { state -> SFTPError? in
                if let end = state.ends.first { return end }
                state.waiters[id] = waiter
                state.pending += packet
                return nil
            }
            if let end { return waiter.resume(returning: .failure(end)) }
            state.withLock { $0.channel }?.wake()
        }
        return try result.get()
    }

    /// Opens a file and returns its handle as a string of the protocol.
    func openFile(_ path: String, flags: UInt32) async throws -> [UInt8] {
        let reply = try await request(3, Self.string(Array(path.utf8)) + Self.word(flags) + Self.word(0))
        guard reply.type == 102 else { throw SFTPError(.operation, .protocolViolation, "no handle for \(path)") }
        return reply.body
    }

    func write(_ handle: [UInt8], at offset: UInt64, _ bytes: ArraySlice<UInt8>) async throws {
        let reply = try await request(6, handle + Self.long(offset) + Self.string(Array(bytes)))
        guard reply.type == 101, reply.body.prefix(4).allSatisfy({ $0 == 0 }) else {
            throw SFTPError(.operation, .protocolViolation, "a write failed")
        }
    }

    func read(_ handle: [UInt8], at offset: UInt64, _ count: Int) async throws -> [UInt8] {
        let reply = try await request(5, handle + Self.long(offset) + Self.word(UInt32(count)))
        guard reply.type == 103 else { throw SFTPError(.operation, .protocolViolation, "a read failed") }
        return Array(reply.body.dropFirst(4))
    }

    static func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    static func long(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * $0)) } }
    static func string(_ bytes: [UInt8]) -> [UInt8] { word(UInt32(bytes.count)) + bytes }
    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// A server, and a transport that fits it.
struct TransportFixture {
    let folder: TemporaryFolder
    let server: LocalSSHD
    var configuration: SSHConfiguration

    init(_ options: LocalSSHD.Options = LocalSSHD.Options()) throws {
        folder = try TemporaryFolder()
        server = try LocalSSHD(folder: folder.url.appendingPathComponent("root"), options)
        configuration = SSHConfiguration(
            host: server.host, port: UInt16(server.port), user: server.user,
            credentials: SSHCredentials(privateKey: try server.privateKey(try #require(options.clientKeyTypes.first))),
            hostKeys: try HostKeyPolicy(parsing: server.hostKey))
    }

    /// A plain server that tests without wishes of their own share, because starting one takes a while. It ends with
    /// the test process.
    static func shared() throws -> TransportFixture { try sharedResult.get() }
    private static let sharedResult = Result { () throws -> TransportFixture in
        var options = LocalSSHD.Options()
        options.hostKeyTypes = [.ed25519, .ecdsa]
        options.clientKeyTypes = SSHSession.signsWithSHA2 ? [.ed25519, .ecdsa, .rsa] : [.ed25519, .ecdsa]
        return try TransportFixture(options)
    }

    /// Opens a channel, lists nothing, and runs the body with it.
    func withChannel<Result>(
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        _ body: (RawSFTP, any Channel) async throws -> Result
    ) async throws -> Result {
        let handler = RawSFTP()
        let channel = try await SSHTransport(configuration, logger: logger).open(handler: handler)
        do {
            try await handler.start(on: channel)
            let result = try await body(handler, channel)
            await channel.close()
            return result
        } catch {
            await channel.close()
            throw error
        }
    }

    /// Logs in, and says with what.
    @discardableResult func logIn() async throws -> SSHSessionInfo {
        try await withChannel { _, channel in try #require(channel.sessionInfo) }
    }

    /// The error of an attempt that has to fail.
    func failure() async -> SFTPError? {
        do {
            try await logIn()
            return nil
        } catch { return error as? SFTPError }
    }

    /// The error of an attempt that has to fail, of whatever server.
    static func failure(of configuration: SSHConfiguration) async -> SFTPError? {
        do throws(SFTPError) {
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            await (try SSHTransport(configuration, logger: logger).open(handler: RawSFTP())).close()
            return nil
        } catch { return error }
    }
}
