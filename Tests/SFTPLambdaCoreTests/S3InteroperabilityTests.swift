import AWS
import Foundation
import HTTP
import Logging
import TestKit
import Testing
import Transfers

@testable import SFTPLambdaCore

/// The adapters over a second S3 that checks signatures: SeaweedFS.
@Suite(.serialized, .timeLimit(.minutes(5))) struct S3InteroperabilityTests {
    @Test func everyPromiseIsKeptOverSeaweedFS() async throws {
        let folder = try TemporaryFolder()
        let server = try LocalSeaweedFS(versionedBuckets: ["bucket"], workFolder: folder.url)
        defer { server.stop() }
        let http = HTTPClient(HTTPClientConfiguration(environment: server.environment))
        let s3 = Self.client(http, server.environment)
        let store = Self.storeContract(s3)
        for promise in ObjectStoreContract.Promise.allCases {
            await ServerDifference.keep("seaweedfs", "store.\(promise.rawValue)") { try await store.check(promise) }
        }
        for limits in [S3SourceObjects.Limits(), S3SourceObjects.Limits(largestCopyBytes: 0, partBytes: 5 << 20)] {
            let kind = limits.largestCopyBytes == 0 ? "copyInParts" : "source"
            let source = Self.sourceContract(s3, limits, prefix: "\(kind)/")
            for promise in SourceObjectsContract.Promise.allCases {
                let check = "\(kind).\(promise.rawValue)"
                await ServerDifference.keep("seaweedfs", check) { try await source.check(promise) }
            }
        }
        await http.shutdown()
    }

    /// Else the checks above would say nothing about our signatures.
    @Test func aWrongSecretIsRefused() async throws {
        let folder = try TemporaryFolder()
        let server = try LocalSeaweedFS(buckets: ["bucket"], workFolder: folder.url)
        defer { server.stop() }
        var environment = server.environment
        environment["AWS_SECRET_ACCESS_KEY"] = "wrong"
        let http = HTTPClient(HTTPClientConfiguration(environment: environment))
        let s3 = Self.client(http, environment)
        let error = await #expect(throws: AWSError.self) {
            try await s3.putObject(S3PutRequest(S3Address(bucket: "bucket", key: "a"), content: [[1]]))
        }
        #expect(error?.description.contains("SignatureDoesNotMatch") == true, "\(String(describing: error))")
        await http.shutdown()
    }

    private static func client(_ http: HTTPClient, _ environment: [String: String]) -> S3Client {
        S3Client(
            AWSConfiguration(
                http: http, credentials: EnvironmentCredentials(environment: environment),
                region: environment["AWS_REGION"] ?? "", environment: environment))
    }

    private static func storeContract(_ s3: S3Client) -> ObjectStoreContract {
        ObjectStoreContract(
            store: S3ObjectStore(
                client: s3, bucket: "bucket", deadlineUptimeSeconds: nil, lateUptimeSeconds: nil,
                logger: Logger(label: "test")),
            bucket: ObjectStoreContract.Bucket(
                read: { key in
                    do {
                        let request = S3ReadRequest(S3Address(bucket: "bucket", key: key.text))
                        return try await s3.getObject(request).body.collect(upTo: 64 << 20)
                    } catch let error as AWSError where error.kind == .notFound {
                        return nil
                    }
                },
                openUploadsCount: { key in
                    let page = try await s3.listMultipartUploads(bucket: "bucket", prefix: key.text)
                    return page.items.count { $0.address.key == key.text }
                }))
    }

    private static func sourceContract(
        _ s3: S3Client, _ limits: S3SourceObjects.Limits, prefix: String
    ) -> SourceObjectsContract {
        SourceObjectsContract(
            objects: SourceObjectsTests.objects(s3, limits: limits),
            bucket: SourceObjectsContract.Bucket(
                name: "bucket", put: { try await SourceObjectsTests.put(s3, $0, $1) },
                read: { try await SourceObjectsTests.read(s3, $0) },
                remove: { try await s3.deleteObject(S3Address(bucket: "bucket", key: $0.text)) }),
            prefix: prefix)
    }
}
