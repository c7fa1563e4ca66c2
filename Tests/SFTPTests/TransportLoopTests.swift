import Foundation
import Logging
import TestKit
import Testing

@testable import SFTP

/// The loop between socket, libssh2 and handler, under what makes the obvious loop hang: keys that are exchanged
/// again and again while both directions are busy and the socket takes little at a time.
@Suite(.serialized) struct TransportLoopTests {
    private static let pieceBytes = 32_768

    @Test(.timeLimit(.minutes(2)), arguments: [(16 * 1_024, 32 * 1_048_576), (64 * 1_024, 8 * 1_048_576)])
    func bytesArriveWhileKeysAreExchangedAndTheSocketIsNarrow(sendBufferBytes: Int, sizeBytes: Int) async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["RekeyLimit 1M", "LogLevel DEBUG1"]
        var fixture = try TransportFixture(options)
        fixture.configuration.socketOptions = Self.narrow(sendBufferBytes)
        let root = fixture.folder.url.appendingPathComponent("root")
        let down = Self.noise(sizeBytes, seed: 1)
        let up = Self.noise(sizeBytes, seed: 2)
        try Data(down).write(to: root.appendingPathComponent("down"))

        let received = try await fixture.withChannel { sftp, _ in
            async let upload: Void = Self.upload(up, to: "up", sftp)
            async let download = Self.download("down", sizeBytes, sftp)
            try await upload
            return try await download
        }
        #expect(received == down)
        #expect(try Data(contentsOf: root.appendingPathComponent("up")) == Data(up))
        let exchanges = fixture.server.log.components(separatedBy: "SSH2_MSG_NEWKEYS received").count - 1
        #expect(exchanges > 10)
    }

    @Test(.timeLimit(.minutes(1)))
    func frozenServerThatThawsLosesNothing() async throws {
        var fixture = try TransportFixture()
        fixture.configuration.socketOptions = Self.narrow(16 * 1_024)
        let root = fixture.folder.url.appendingPathComponent("root")
        let up = Self.noise(8 * 1_048_576, seed: 3)
        let server = fixture.server
        try await fixture.withChannel { sftp, _ in
            async let upload: Void = Self.upload(up, to: "up", sftp)
            try await eventually { Self.size(root.appendingPathComponent("up")) > 65_536 }
            server.freezeSessions()
            try await Task.sleep(for: .milliseconds(500))
            server.thawSessions()
            try await upload
        }
        #expect(try Data(contentsOf: root.appendingPathComponent("up")) == Data(up))
    }

    /// No more than the rate in each direction, with everything whole. That it takes as long as it must is no matter of
    /// how fast the machine is.
    @Test(.timeLimit(.minutes(1)))
    func limitedConnectionCarriesBytesBothWaysAndNoFaster() async throws {
        var fixture = try TransportFixture.shared()
        fixture.configuration.maximumBytesPerSecond = 1_000_000
        let bytes = Self.noise(400_000, seed: 8)
        let start = ContinuousClock.now
        let received = try await fixture.withChannel { sftp, _ in
            try await Self.upload(bytes, to: "limited", sftp)
            return try await Self.download("limited", bytes.count, sftp)
        }
        #expect(received == bytes)
        // A tenth of a second's bytes may pass at once each way.
        #expect(ContinuousClock.now - start >= .milliseconds(600))
    }

    @Test(arguments: SSHConfiguration.standardCiphers(takesWholePackets: true))
    func everyCipherCarriesBytes(cipher: String) async throws {
        var fixture = try TransportFixture.shared()
        fixture.configuration.ciphers = [cipher]
        let bytes = Self.noise(300_000, seed: 4)
        do {
            let (received, info) = try await fixture.withChannel { sftp, channel in
                try await Self.upload(bytes, to: "cipher-\(cipher)", sftp)
                return (try await Self.download("cipher-\(cipher)", bytes.count, sftp), channel.sessionInfo)
            }
            #expect(received == bytes)
            #expect(info?.cipherToServer == cipher && info?.cipherFromServer == cipher)
        } catch let failure as SFTPError where failure.reason == .invalidConfiguration {
            // libssh2 1.10 has neither GCM nor chacha20-poly1305.
            #expect(!SSHSession.signsWithSHA2)
        }
    }

    @Test func descriptorsAndThreadsDoNotGrow() async throws {
        let fixture = try TransportFixture.shared()
        var failing = fixture
        failing.configuration.hostKeys = try HostKeyPolicy(parsing: "SHA256:" + String(repeating: "A", count: 43))
        // Descriptors come and go with the other suites of this process: what 100 connections would leave is far more.
        let before = (Self.count(in: "/proc/self/fd"), Self.count(in: "/proc/self/task"))
        for _ in 0..<50 {
            try await fixture.logIn()
            _ = await failing.failure()
        }
        #expect(Self.count(in: "/proc/self/fd") < before.0 + 40)
        #expect(Self.count(in: "/proc/self/task") < before.1 + 40)
    }

    @Test func wakingOftenCostsNothingAndLosesNothing() async throws {
        let fixture = try TransportFixture.shared()
        try await fixture.withChannel { sftp, channel in
            for _ in 0..<200 {
                for _ in 0..<50 { channel.wake() }
                _ = try await sftp.request(16, RawSFTP.string(Array(".".utf8)))
            }
        }
    }

    // MARK: Helpers

    /// A small send buffer, and segments as on a real network: with the loopback's of 64 KiB each, such a buffer
    /// would wait for a delayed acknowledgement again and again.
    private static func narrow(_ sendBufferBytes: Int) -> [SocketOption] {
        [
            SocketOption(level: SOL_SOCKET, name: SO_SNDBUF, value: Int32(sendBufferBytes)),
            SocketOption(level: Int32(IPPROTO_TCP), name: TCP_MAXSEG, value: 1_448),
        ]
    }

    private static func count(in folder: String) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: folder).count) ?? 0
    }

    private static func size(_ file: URL) -> Int {
        ((try? FileManager.default.attributesOfItem(atPath: file.path)[.size]) as? NSNumber)?.intValue ?? 0
    }

    /// Bytes that no other seed gives.
    static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                buffer[index] = UInt8(truncatingIfNeeded: state)
            }
            initialized = count
        }
    }

    static func upload(_ bytes: [UInt8], to path: String, _ sftp: RawSFTP) async throws {
        let handle = try await sftp.openFile(path, flags: 0x1A)
        try await inFlight(64, bytes.count) { offset, count in
            try await sftp.write(handle, at: UInt64(offset), bytes[offset..<offset + count])
        }
        _ = try await sftp.request(4, handle)
    }

    static func download(_ path: String, _ sizeBytes: Int, _ sftp: RawSFTP) async throws -> [UInt8] {
        let handle = try await sftp.openFile(path, flags: 1)
        var bytes = [UInt8](repeating: 0, count: sizeBytes)
        try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
            var next = 0
            var running = 0
            while next < sizeBytes || running > 0 {
                while running < 64, next < sizeBytes {
                    let (offset, count) = (next, min(pieceBytes, sizeBytes - next))
                    group.addTask { (offset, try await sftp.read(handle, at: UInt64(offset), count)) }
                    next += count
                    running += 1
                }
                guard let (offset, piece) = try await group.next() else { break }
                bytes.replaceSubrange(offset..<offset + piece.count, with: piece)
                running -= 1
            }
        }
        _ = try await sftp.request(4, handle)
        return bytes
    }

    private static func inFlight(
        _ limit: Int, _ sizeBytes: Int, _ body: @escaping @Sendable (Int, Int) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            for offset in stride(from: 0, to: sizeBytes, by: pieceBytes) {
                if running == limit {
                    try await group.next()
                    running -= 1
                }
                group.addTask { try await body(offset, min(pieceBytes, sizeBytes - offset)) }
                running += 1
            }
            try await group.waitForAll()
        }
    }
}
