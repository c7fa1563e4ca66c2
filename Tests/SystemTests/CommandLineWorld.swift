import AWS
import Foundation
import HTTP
import TestKit
import Testing
import Transfers

/// The programs as tools of the command line, between an OpenSSH server, an S3, an SQS and a Secrets Manager of this
/// machine.
final class CommandLineWorld: Sendable {
    static let inbox = "acme-inbox"
    static let outbox = "acme-outbox"
    static let queueName = "retries"

    /// The partner's tree: `outgoing` is pulled, files arrive in `incoming`.
    let tree: URL
    let server: LocalSSHD
    let aws: LocalAWS
    let s3: S3Client
    let settings: [String: String]
    let folder: TemporaryFolder
    private let http: HTTPClient

    /// - Parameters:
    ///   - isVersioned: whether the buckets keep versions.
    ///   - secrets: what Secrets Manager holds, by name.
    init(
        sshd sshdOptions: LocalSSHD.Options = .init(), isVersioned: Bool = false, secrets: [String: String] = [:]
    ) throws {
        folder = try TemporaryFolder()
        tree = folder.url.appendingPathComponent("partner")
        for name in ["outgoing", "incoming"] {
            try FileManager.default.createDirectory(
                at: tree.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        server = try LocalSSHD(folder: tree, sshdOptions, workFolder: folder.url)
        var options = LocalAWS.Options()
        let buckets = [Self.inbox, Self.outbox]
        (options.buckets, options.versionedBuckets) = isVersioned ? ([], buckets) : (buckets, [])
        options.queues = [LocalAWS.Queue(Self.queueName)]
        options.secrets = secrets
        aws = try LocalAWS(options, workFolder: folder.url)
        http = HTTPClient(HTTPClientConfiguration(environment: [:]))
        s3 = S3Client(
            AWSConfiguration(
                http: http, credentials: EnvironmentCredentials(environment: aws.environment), region: aws.region,
                environment: aws.environment))
        // A server of options of its own may have another login directory.
        let prefix = sshdOptions.configuration.isEmpty ? "" : "\(tree.path)/"
        settings = [
            "SFTP_HOST": server.host, "SFTP_PORT": "\(server.port)", "SFTP_USER": server.user,
            "SFTP_PRIVATE_KEY": try server.privateKey(), "SFTP_HOST_KEY": server.hostKey,
            "SFTP_SOURCE_DIR": "\(prefix)outgoing", "SFTP_TARGET_S3_BUCKET": Self.inbox,
            "SFTP_TARGET_DIR": "\(prefix)incoming",
            "SFTP_RETRY_QUEUE_NAME": Self.queueName, "HOME": folder.url.path,
        ].merging(aws.environment) { $1 }
    }

    /// Lets the test work, and ends everything.
    func run(_ work: () async throws -> Void) async throws {
        defer {
            server.stop()
            aws.stop()
        }
        do { try await work() } catch { Issue.record("\(error)") }
        await http.shutdown()
    }

    /// The environment of a program.
    /// - Parameter extra: settings that win over those of the world; an empty one is left out.
    func environment(_ extra: [String: String]) -> [String: String] {
        settings.merging(extra) { $1 }.filter { !$0.value.isEmpty }
    }

    /// Starts a program.
    /// - Parameters:
    ///   - extra: see `environment`.
    ///   - input: the file that is its standard input.
    func start(
        _ program: String, _ arguments: [String] = [], settings extra: [String: String] = [:], input: URL? = nil
    ) throws -> RunningProgram {
        try BuiltProgram.start(program, arguments, environment: environment(extra), input: input)
    }

    /// Runs a program to its end.
    func finish(
        _ program: String, _ arguments: [String] = [], settings extra: [String: String] = [:], input: String? = nil
    ) async throws -> FinishedProgram {
        let file = folder.url.appendingPathComponent("input")
        if let input { try Data(input.utf8).write(to: file) }
        return try await start(program, arguments, settings: extra, input: input == nil ? nil : file)
            .finish(withinSeconds: 60)
    }

    /// Has Lambda start the program, and invokes it once.
    func invoke(
        _ program: String, _ event: String, settings extra: [String: String] = [:]
    ) async throws -> RuntimeAPIEmulator.Outcome {
        let api = try RuntimeAPIEmulator(
            workFolder: folder.url,
            function: .init(
                taskRoot: folder.url.path, program: try BuiltProgram.url(program).path,
                environment: settings.merging(extra) { $1 }.filter { !$0.value.isEmpty }))
        defer { api.stop() }
        return try await api.invoke(Array(event.utf8))
    }

    /// Puts a file on the server, as the partner does. The path is taken byte by byte.
    func put(_ path: [UInt8], _ text: String, ageSeconds: Int64 = 86_400) async throws {
        let remote = RemotePath(bytes: Array("\(tree.path)/".utf8) + path)
        let time = UnixTime(seconds: Int64(Date().timeIntervalSince1970) - ageSeconds)
        try await RemoteFilesContract.Partner.localFileSystem.put(remote, Array(text.utf8), time)
    }

    func put(_ path: String, _ text: String, ageSeconds: Int64 = 86_400) async throws {
        try FileManager.default.createDirectory(
            at: tree.appendingPathComponent(path).deletingLastPathComponent(), withIntermediateDirectories: true)
        try await put(Array(path.utf8), text, ageSeconds: ageSeconds)
    }

    /// What stands on the server under this path; nil when nothing does.
    func read(_ path: String) -> String? {
        // Nothing there is an answer, and what it should be is compared.
        (try? Data(contentsOf: tree.appendingPathComponent(path))).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Stores an object that can be pushed.
    func store(_ key: String, _ text: String) async throws {
        _ = try await s3.putObject(
            S3PutRequest(S3Address(bucket: Self.outbox, key: key), content: [Array(text.utf8)]))
    }

    /// The keys of a bucket.
    func keys(_ bucket: String) async throws -> [String] {
        try await s3.listObjects(bucket: bucket).items.map(\.key)
    }
}

/// What the programs write as JSON, as far as tests ask.
struct ToolResult: Decodable {
    var transferred: Int?
    var delivered: Int?
    var failed: Int?
    var queued: Int?
    var skipped: [String: Int]?
    var errorType: String?
    var errorMessage: String?

    init(_ run: FinishedProgram) throws {
        self = try JSONDecoder().decode(ToolResult.self, from: Data(run.output.utf8))
    }
}
