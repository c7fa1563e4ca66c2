import AWS
import Foundation
import HTTP
import Logging
import SFTP
import Synchronization
import TestKit
import Testing
import Transfers

@testable import SFTPLambdaCore

/// The adapters keep the promises of the ports against real servers: the same checks that the fakes pass.
struct AdapterContractTests {
    /// What rclone is asked while nobody else does anything in its folder. For all other checks of reading it has to see at
    /// once what is done there: docs/interoperability.md.
    private static let undisturbed: Set<RemoteFilesContract.Promise> = [
        .listingGivesEveryEntryOnce, .listingOfNothingIsNotFound, .namesAreBytes, .attributesTellWhatIsThere,
        .nothingThereIsNilAndNoError, .readsMayRunAtTheSameTime, .versionIsThatOfTheOpenFile, .manyOperationsAtOnce,
        .cancelledTaskHarmsNobody, .lostConnectionFailsEverything,
    ]

    /// Against every server that the tests know. Where one differs, `ServerDifference` says how.
    @Test(arguments: PartnerServer.Kind.allCases)
    func remoteFilesOverSFTPKeepEveryPromise(kind: PartnerServer.Kind) async throws {
        let all = RemoteFilesContract.Promise.allCases
        guard kind == .rclone else { return try await check(all, of: kind) }
        try await check(all.filter { Self.undisturbed.contains($0) }, of: kind)
        try await check(all.filter { !Self.undisturbed.contains($0) }, of: kind, rereads: true)
    }

    private func check(
        _ promises: [RemoteFilesContract.Promise], of kind: PartnerServer.Kind, rereads: Bool = false
    ) async throws {
        let folder = try TemporaryFolder()
        let server = try PartnerServer(
            kind, folder: folder.url.appendingPathComponent("tree"), workFolder: folder.url, rereads: rereads)
        defer { server.stop() }
        let contract = RemoteFilesContract(
            root: RemotePath(server.root), partner: server.partner,
            makeFiles: { SFTPRemoteFiles(client: try await client(of: server)) },
            lose: { _ in server.dropSessions() },
            end: { files in await (files as? SFTPRemoteFiles)?.client.close() })
        for promise in promises {
            await ServerDifference.keep("\(kind)", "files.\(promise.rawValue)") { try await contract.check(promise) }
        }
    }

    /// The same of writing.
    @Test(arguments: PartnerServer.Kind.allCases)
    func remoteDestinationOverSFTPKeepsEveryPromise(kind: PartnerServer.Kind) async throws {
        let folder = try TemporaryFolder()
        let server = try PartnerServer(
            kind, folder: folder.url.appendingPathComponent("tree"), workFolder: folder.url)
        defer { server.stop() }
        let contract = RemoteDestinationContract(
            root: RemotePath(server.root), partner: server.partner,
            connect: { SFTPDestination(client: try await client(of: server), logger: Logger(label: "test")) },
            lose: { _ in server.dropSessions() },
            end: { destination in await (destination as? SFTPDestination)?.client.close() })
        for promise in RemoteDestinationContract.Promise.allCases {
            let check = "destination.\(promise.rawValue)"
            await ServerDifference.keep("\(kind)", check) { try await contract.check(promise) }
        }
    }

    @Test func olderFileInDoneIsReplacedWhereRenameDoesNotReplace() async throws {
        let folder = try TemporaryFolder()
        let tree = folder.url.appendingPathComponent("tree")
        let server = try PartnerServer(.openSSHWithoutPosixRename, folder: tree, workFolder: folder.url)
        defer { server.stop() }
        let client = try await client(of: server)
        #expect(!client.supports(.posixRename))
        let partner = RemoteFilesContract.Partner.localFileSystem
        let root = RemotePath(tree.path)
        let plan = PullPlan(
            sourceDirectory: root, keys: KeyMapping(prefix: ""), selection: Selection(), retentionDays: 0,
            origin: "origin", budgetBytes: 32 << 20, sha256: ReferenceSHA256.hexadecimal)
        let store = InMemoryObjectStore(clock: SystemClock())
        let observer = WarningCounter()
        for round in 1...3 {
            // What was moved just now would be left alone.
            let clock = LaterClock(laterSeconds: Int64(round) * 3600)
            for number in 0..<20 {
                let bytes = sampleBytes(1000 + round, salt: UInt8(number))
                try await partner.put(root / "file-\(number)", bytes, UnixTime(seconds: 1_600_000_000))
            }
            let flow = PullFlow(
                plan: plan, files: SFTPRemoteFiles(client: client), store: store.client(), clock: clock,
                observer: observer)
            let summary = await flow.run()
            #expect(summary.transferred == 20, "\(summary)")
            #expect(summary.failed == 0 && summary.left.isEmpty, "\(summary)")
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: tree.appendingPathComponent(".done").path)
        #expect(Set(names) == Set((0..<20).map { "file-\($0)" }), "nothing is left of what was set aside")
        for number in 0..<20 {
            let bytes = sampleBytes(1003, salt: UInt8(number))
            #expect(try await partner.read(root / ".done" / "file-\(number)") == bytes)
            #expect(store.current("file-\(number)")?.bytes == bytes)
        }
        #expect(observer.count == 0)
        await client.close()
    }

    @Test func largeFileArrivesByteByByte() async throws {
        let folder = try TemporaryFolder()
        let tree = folder.url.appendingPathComponent("tree")
        let server = try PartnerServer(.openSSH, folder: tree, workFolder: folder.url)
        defer { server.stop() }
        let client = try await client(of: server)
        let destination = SFTPDestination(client: client, logger: Logger(label: "test"))
        let path = RemotePath("\(tree.path)/large")
        // Pieces whose size no other size divides.
        let piece = sampleBytes(99_991)
        let countPieces = (64 << 20) / piece.count
        let writer = try await destination.createFile(path)
        for number in 0..<countPieces {
            var piece = piece
            piece[0] = UInt8(truncatingIfNeeded: number)
            try await writer.write(piece)
        }
        try await writer.finish(modified: UnixTime(seconds: 1_600_000_000))
        await client.close()
        let found = try #require(try await RemoteFilesContract.Partner.localFileSystem.read(path))
        #expect(found.count == countPieces * piece.count)
        var differing: [Int] = []
        for number in 0..<countPieces {
            let part = Array(found[(number * piece.count)..<((number + 1) * piece.count)])
            var expected = piece
            expected[0] = UInt8(truncatingIfNeeded: number)
            if !isSame(part, expected) { differing.append(number) }
        }
        #expect(differing.isEmpty)
        let modified = try await RemoteFilesContract.Partner.localFileSystem.modified(path)
        #expect(modified == UnixTime(seconds: 1_600_000_000))
    }

    /// What an earlier run has stored of a large file is not read again.
    @Test func whoWatchesSeesWhatIsReadOfAFile() async throws {
        let folder = try TemporaryFolder()
        let tree = folder.url.appendingPathComponent("tree")
        let server = try PartnerServer(.openSSH, folder: tree, workFolder: folder.url)
        defer { server.stop() }
        let client = try await client(of: server)
        let path = RemotePath("\(tree.path)/file")
        let time = UnixTime(seconds: 1_600_000_000)
        try await RemoteFilesContract.Partner.localFileSystem.put(path, sampleBytes(100_000), time)
        let watch = WatchRecorder()
        let files = SFTPRemoteFiles(client: client, watch: watch)
        var record = WatchRecorder.Record(
            name: "\(path)", sizeBytes: 100_000, startBytes: 40_000, passedBytes: 60_000)
        do {
            let version = FileVersion(sizeBytes: 100_000, modified: time)
            let reader = try await files.openFile(path, expected: version)
            #expect(watch.records.isEmpty, "it is open, and nothing of it passes")
            _ = try await reader.read(from: 40_000, countBytes: 10_000, verifyingEnd: false)
            _ = try await reader.read(from: 50_000, countBytes: 50_000, verifyingEnd: true)
            #expect(watch.records == [record])
            await reader.close()
        }
        record.isEnded = true
        try await waitUntil("the reader is let go of") { watch.records == [record] }
        await client.close()
    }

    private func client(of server: PartnerServer) async throws -> SFTPClient {
        let configuration = SSHConfiguration(
            host: server.host, port: UInt16(server.port), user: server.user,
            credentials: SSHCredentials(privateKey: server.privateKey),
            hostKeys: try HostKeyPolicy(parsing: server.hostKey))
        return try await SFTPClient.connect(configuration, logger: Logger(label: "test"))
    }

    @Test func objectStoreOverS3KeepsEveryPromise() async throws {
        let folder = try TemporaryFolder()
        var options = LocalAWS.Options()
        options.versionedBuckets = ["bucket"]
        let aws = try LocalAWS(options, workFolder: folder.url)
        defer { aws.stop() }
        let http = HTTPClient(HTTPClientConfiguration(environment: aws.environment))
        let client = S3Client(
            AWSConfiguration(
                http: http, credentials: EnvironmentCredentials(environment: aws.environment), region: aws.region,
                environment: aws.environment))
        let contract = ObjectStoreContract(
            store: S3ObjectStore(
                client: client, bucket: "bucket", deadlineUptimeSeconds: nil, lateUptimeSeconds: nil,
                logger: Logger(label: "test")),
            bucket: ObjectStoreContract.Bucket(
                read: { key in
                    do {
                        let request = S3ReadRequest(S3Address(bucket: "bucket", key: key.text))
                        return try await client.getObject(request).body.collect(upTo: 64 << 20)
                    } catch let error as AWSError where error.kind == .notFound {
                        return nil
                    }
                },
                openUploadsCount: { key in
                    let page = try await client.listMultipartUploads(bucket: "bucket", prefix: key.text)
                    return page.items.count { $0.address.key == key.text }
                }))
        for promise in ObjectStoreContract.Promise.allCases {
            await #expect(throws: Never.self, "\(promise.rawValue)") { try await contract.check(promise) }
        }
        await http.shutdown()
    }
}

/// Counts what an operator would be warned of.
private final class WarningCounter: TransferObserver {
    private let warnings = Mutex(0)

    var count: Int { warnings.withLock { $0 } }

    func transferred(_ receipt: TransferReceipt) {}
    func left(_ path: RemotePath, because reason: LeftReason) {}
    func failed(_ failure: TransferFailure) {}
    func purged(_ path: RemotePath) {}
    func warning(_ message: String, path: RemotePath?) { warnings.withLock { $0 += 1 } }
}

/// The machine's clock, but for its time of day.
private struct LaterClock: Transfers.Clock {
    let laterSeconds: Int64
    private let system = SystemClock()

    init(laterSeconds: Int64) { self.laterSeconds = laterSeconds }

    var now: UnixTime { system.now + laterSeconds }
    var uptimeSeconds: Double { system.uptimeSeconds }
    func wait(untilUptimeSeconds time: Double) async { await system.wait(untilUptimeSeconds: time) }
}
