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
            makeFiles: {
                let configuration = SSHConfiguration(
                    host: server.host, port: UInt16(server.port), user: server.user,
                    credentials: SSHCredentials(privateKey: try server.privateKey()),
                    hostKeys: try HostKeyPolicy(parsing: server.hostKey))
                let client = try await SFTPClient.connect(configuration, logger: Logger(label: "test"))
                return SFTPRemoteFiles(client: client)
            },
            lose: { _ in server.dropSessions() },
            end: { files in await (files as? SFTPRemoteFiles)?.client.close() })
        for promise in RemoteFilesContract.Promise.allCases {
            await #expect(throws: Never.self, "\(promise.rawValue)") { try await contract.check(promise) }
        }
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
