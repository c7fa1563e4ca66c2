import AWS
import Foundation
import HTTP
import TestKit
import Testing
import Transfers

/// The real pull and push, as they were built with the tests, between one partner's server and one S3.
final class InteroperabilityWorld: Sendable {
    static let inbox = "inbox"
    static let outbox = EventFixtures.bucket

    /// Which S3 there is. The queue is always that of `local/lean_s3.py`.
    enum Store: Sendable {
        case lean, seaweedFS
    }

    let server: PartnerServer
    let s3: S3Client
    /// The partner's folder.
    let tree: URL
    private let temporary: TemporaryFolder
    private let lean: StandIn
    private let seaweedFS: LocalSeaweedFS?
    private let http: HTTPClient
    private let settings: [String: String]

    init(_ kind: PartnerServer.Kind, _ store: Store) throws {
        temporary = try TemporaryFolder()
        tree = temporary.url.appendingPathComponent("partner")
        for name in ["outgoing", "incoming"] {
            try FileManager.default.createDirectory(
                at: tree.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        server = try PartnerServer(kind, folder: tree, workFolder: temporary.url)
        lean = try StandIn("lean_s3.py", ["--keep"], workFolder: temporary.url)
        seaweedFS =
            store == .seaweedFS
            ? try LocalSeaweedFS(buckets: [Self.inbox], versionedBuckets: [Self.outbox], workFolder: temporary.url)
            : nil
        let endpoint = lean.ready["endpoint"] ?? ""
        var environment = [
            "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
        ].merging(seaweedFS?.environment ?? [:]) { $1 }
        environment["AWS_ENDPOINT_URL_SQS"] = endpoint
        http = HTTPClient(HTTPClientConfiguration(environment: [:]))
        s3 = S3Client(
            AWSConfiguration(
                http: http, credentials: EnvironmentCredentials(environment: environment), region: "eu-central-1",
                environment: environment))
        settings = [
            "SFTP_HOST": server.host, "SFTP_PORT": "\(server.port)", "SFTP_USER": server.user,
            "SFTP_PRIVATE_KEY": server.privateKey, "SFTP_HOST_KEY": server.hostKey,
            "SFTP_SOURCE_DIR": "outgoing", "SFTP_TARGET_S3_BUCKET": Self.inbox, "SFTP_TARGET_S3_PREFIX": "in/",
            "SFTP_TARGET_DIR": "incoming", "SFTP_RETRY_QUEUE_NAME": "retries",
        ].merging(environment) { $1 }
    }

    /// Lets the test work, and ends everything.
    func run(_ work: () async throws -> Void) async throws {
        defer {
            seaweedFS?.stop()
            lean.stop()
            server.stop()
        }
        do { try await work() } catch {
            Issue.record("\(error)\nthe server logged:\n\(server.log.suffix(3000))")
        }
        await http.shutdown()
    }

    /// Starts the function for these events, one after the other, and gives its answers.
    func invoke(_ function: String, _ events: [String] = ["{}"]) async throws -> [String] {
        let api = try RuntimeAPIEmulator(
            workFolder: temporary.url,
            function: .init(
                taskRoot: temporary.url.path, program: try BuiltProgram.url(function).path, environment: settings))
        defer { api.stop() }
        var options = RuntimeAPIEmulator.Options()
        options.timeoutSeconds = 60
        var answers: [String] = []
        for event in events { answers.append(try await api.invoke(Array(event.utf8), options).text) }
        return answers
    }

    // MARK: The partner's folder

    func put(_ path: String, _ bytes: [UInt8]) async throws {
        try await server.partner.put(remote("outgoing/\(path)"), bytes, UnixTime(seconds: 1_700_000_000))
    }

    func read(_ path: String) async throws -> [UInt8]? { try await server.partner.read(remote(path)) }

    private func remote(_ path: String) -> RemotePath { RemotePath("\(server.root)/\(path)") }

    // MARK: S3

    func object(_ bucket: String, _ key: String) async throws -> [UInt8]? {
        let body: S3ObjectBody
        do throws(AWSError) {
            body = try await s3.getObject(S3ReadRequest(S3Address(bucket: bucket, key: key))).body
        } catch {
            guard error.kind == .notFound else { throw error }
            return nil
        }
        return try await body.collect(upTo: 64 << 20)
    }

    func store(_ key: String, _ bytes: [UInt8]) async throws -> PushWorld.Version {
        let stored = try await s3.putObject(S3PutRequest(S3Address(bucket: Self.outbox, key: key), content: [bytes]))
        return PushWorld.Version(key: key, bytes: bytes, etag: stored.etag, versionID: stored.versionID)
    }

    func isMarked(_ key: String) async throws -> Bool {
        let head = try await s3.headObject(S3ReadRequest(S3Address(bucket: Self.outbox, key: key)))
        return head.attributes.metadata["synced"] == "true"
    }
}
