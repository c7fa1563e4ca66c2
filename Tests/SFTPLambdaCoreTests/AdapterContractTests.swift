import AWS
import Foundation
import HTTP
import Logging
import SFTP
import TestKit
import Testing
import Transfers

@testable import SFTPLambdaCore

/// The adapters keep the promises of the ports against real servers: the same checks that the fakes pass.
struct AdapterContractTests {
    @Test func remoteFilesOverSFTPKeepEveryPromise() async throws {
        let folder = try TemporaryFolder()
        let tree = folder.url.appendingPathComponent("tree")
        let server = try LocalSSHD(folder: tree, workFolder: folder.url)
        defer { server.stop() }
        let contract = RemoteFilesContract(
            root: RemotePath(tree.path), partner: .localFileSystem,
            makeFiles: { SFTPRemoteFiles(client: try await client(of: server)) },
            lose: { _ in server.dropSessions() },
            end: { files in await (files as? SFTPRemoteFiles)?.client.close() })
        for promise in RemoteFilesContract.Promise.allCases {
            await #expect(throws: Never.self, "\(promise.rawValue)") { try await contract.check(promise) }
        }
    }

    @Test func remoteDestinationOverSFTPKeepsEveryPromise() async throws {
        let folder = try TemporaryFolder()
        let tree = folder.url.appendingPathComponent("tree")
        let server = try LocalSSHD(folder: tree, workFolder: folder.url)
        defer { server.stop() }
        let contract = RemoteDestinationContract(
            root: RemotePath(tree.path), partner: .localFileSystem,
            connect: { SFTPDestination(client: try await client(of: server), logger: Logger(label: "test")) },
            lose: { _ in server.dropSessions() },
            end: { destination in await (destination as? SFTPDestination)?.client.close() })
        for promise in RemoteDestinationContract.Promise.allCases {
            await #expect(throws: Never.self, "\(promise.rawValue)") { try await contract.check(promise) }
        }
    }

    @Test func largeFileArrivesByteByByte() async throws {
        let folder = try TemporaryFolder()
        let tree = folder.url.appendingPathComponent("tree")
        let server = try LocalSSHD(folder: tree, workFolder: folder.url)
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

    private func client(of server: LocalSSHD) async throws -> SFTPClient {
        let configuration = SSHConfiguration(
            host: server.host, port: UInt16(server.port), user: server.user,
            credentials: SSHCredentials(privateKey: try server.privateKey()),
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
                client: client, bucket: "bucket", deadlineUptimeSeconds: nil, logger: Logger(label: "test")),
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
