import AWS
import Foundation
import HTTP
import Synchronization
import TestKit
import Testing
import Transfers

/// The three functions between an OpenSSH server and an S3 and SQS that keep up (`local/lean_s3.py`): for many objects,
/// many files and many invocations. The programs are those that were built with the tests.
final class LeanWorld: Sendable {
    static let bucket = EventFixtures.bucket
    static let inbox = "inbox"

    /// The partner's folder; `outgoing` in it is pulled, files arrive in `incoming`.
    let tree: URL
    let s3: S3Client
    private let sqs: SQSClient
    private let queue: SQSQueue
    private let folder: TemporaryFolder
    private let lean: LeanStore
    private let http: HTTPClient
    private let settings: [String: String]
    private let serverOptions: LocalSSHD.Options
    private let parts: Mutex<Parts>

    private struct Parts {
        var server: LocalSSHD?
        var functions: [PushedFunction] = []
    }

    /// - Parameter keepsContent: whether objects can be read, or only their sizes and hashes are kept.
    init(sshd options: LocalSSHD.Options = .init(), keepsContent: Bool, settings extra: [String: String] = [:]) throws {
        folder = try TemporaryFolder()
        tree = folder.url.appendingPathComponent("partner")
        for name in ["outgoing", "incoming"] {
            try FileManager.default.createDirectory(
                at: tree.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        let server = try LocalSSHD(folder: tree, options, workFolder: folder.url)
        var again = options
        again.port = server.port
        serverOptions = again
        parts = Mutex(Parts(server: server))
        lean = try LeanStore(keepsContent ? ["--keep"] : [], workFolder: folder.url)
        let environment = [
            "AWS_ENDPOINT_URL": lean.endpoint, "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example",
        ]
        http = HTTPClient(HTTPClientConfiguration(environment: [:]))
        let configuration = AWSConfiguration(
            http: http, credentials: EnvironmentCredentials(environment: environment), region: "eu-central-1",
            environment: environment)
        s3 = S3Client(configuration)
        sqs = SQSClient(configuration)
        queue = SQSQueue(url: "\(lean.endpoint)/000000000000/retries")
        settings = [
            "SFTP_HOST": server.host, "SFTP_PORT": "\(server.port)", "SFTP_USER": server.user,
            "SFTP_PRIVATE_KEY": try server.privateKey(), "SFTP_HOST_KEY": server.hostKey,
            "SFTP_SOURCE_DIR": "outgoing", "SFTP_TARGET_S3_BUCKET": Self.inbox, "SFTP_TARGET_S3_PREFIX": "in/",
            "SFTP_TARGET_DIR": "incoming", "SFTP_RETRY_QUEUE_NAME": "retries",
        ].merging(environment) { $1 }.merging(extra) { $1 }
    }

    /// Lets the test work, and ends everything.
    func run(_ work: () async throws -> Void) async throws {
        defer {
            for function in parts.withLock({ $0.functions }) { function.stop() }
            stopServer()
            lean.stop()
        }
        do { try await work() } catch {
            var logs = ""
            for function in parts.withLock({ $0.functions }) {
                logs += "\n\(function.name) logged:\n\(await function.log.suffix(4000))"
            }
            Issue.record("\(error)\(logs)")
        }
        await http.shutdown()
    }

    /// A function with a Lambda of its own, which works on one event at a time.
    func start(_ name: String) throws -> PushedFunction {
        let api = try RuntimeAPIEmulator(
            workFolder: folder.url,
            function: .init(
                taskRoot: folder.url.path, program: try BuiltProgram.url(name).path, environment: settings))
        let function = PushedFunction(name, api)
        parts.withLock { $0.functions.append(function) }
        return function
    }

    // MARK: The server

    /// Ends the server, and every session with it.
    func stopServer() {
        parts.withLock { parts in
            parts.server?.stop()
            parts.server = nil
        }
    }

    /// Starts the server again, under its old address and with its old keys.
    func startServer() throws {
        try parts.withLock { parts in
            parts.server = try LocalSSHD(folder: tree, serverOptions, workFolder: folder.url)
        }
    }

    /// Kills every session; the server goes on listening.
    func dropSessions() { parts.withLock { $0.server?.dropSessions() } }

    /// How often the server has logged this.
    func serverLogCount(of text: String) -> Int {
        parts.withLock { $0.server?.log ?? "" }.components(separatedBy: text).count - 1
    }

    // MARK: The buckets

    /// Every object of a bucket, by its key.
    func objects(_ bucket: String) async throws -> [String: LeanStore.Object] {
        let all = try await lean.objects()
        return Dictionary(uniqueKeysWithValues: all.filter { $0.bucket == bucket }.map { ($0.key, $0) })
    }

    /// Stores an object that is to be pushed.
    func put(_ key: String, _ bytes: [UInt8]) async throws -> PushWorld.Version {
        let stored = try await s3.putObject(S3PutRequest(S3Address(bucket: Self.bucket, key: key), content: [bytes]))
        return PushWorld.Version(key: key, bytes: bytes, etag: stored.etag, versionID: nil)
    }

    /// Takes everything off the queue that can be received, and says how many messages it was.
    func emptyQueue() async throws -> Int {
        var count = 0
        while true {
            let messages = try await sqs.receiveMessages(from: queue, maximum: 10, waitSeconds: 0).messages
            if messages.isEmpty { return count }
            for message in messages { try await sqs.deleteMessage(message.receiptHandle, from: queue) }
            count += messages.count
        }
    }

    // MARK: The folder

    /// What has arrived under this key.
    func arrived(_ key: String) -> [UInt8]? {
        // Nothing there is an answer, and what it should be is compared.
        (try? Data(contentsOf: tree.appendingPathComponent("incoming/\(key)"))).map { Array($0) }
    }

    /// What is left under a temporary name of ours, anywhere in the folder.
    func temporaryFiles() throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: tree.path).filter { path in
            path.split(separator: "/").last.flatMap { RemoteName(bytes: Array($0.utf8)) }
                .map(TemporaryName.isOurs) ?? false
        }
    }
}

/// What a process holds of the machine.
struct ProcessFigures: Sendable {
    var memoryKiB: Int
    var mostMemoryKiB: Int
    var descriptors: Int
    var threads: Int

    /// Looks at a process that runs.
    init(of processID: Int32) throws {
        let status = try String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)
        func value(_ name: String) -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix("\(name):") } ?? ""
            return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).compactMap { Int($0) }.first ?? -1
        }
        (memoryKiB, mostMemoryKiB, threads) = (value("VmRSS"), value("VmHWM"), value("Threads"))
        descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(processID)/fd").count
    }
}
