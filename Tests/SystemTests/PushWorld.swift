import AWS
import Foundation
import HTTP
import Synchronization
import TestKit
import Testing
import Transfers

/// The real push and pushRetry between S3, SQS, an OpenSSH server and Lambda Runtime APIs, all of this machine.
final class PushWorld: Sendable {
    /// Which programs are started.
    enum Programs: Sendable {
        /// Those of the zips, through `bootstrap`, in an empty root file system. Everything is called by name.
        case zips
        /// Those that were built with the tests. Their Lambda starts one anew after it has ended.
        case built
    }

    /// The bucket of the event fixtures.
    static let bucket = EventFixtures.bucket
    static let targetFolder = "incoming"

    /// The partner's tree. Files arrive in `incoming`.
    let tree: URL
    let aws: LocalAWS
    let s3: S3Client
    let queue: SQSQueue
    let sqs: SQSClient
    let folder: TemporaryFolder

    private let programs: Programs
    private let http: HTTPClient
    private let host: String
    private let serverOptions: LocalSSHD.Options
    private let settings: [String: String]
    private let parts: Mutex<Parts>
    /// The server and login, as marks have it.
    let origin: String

    private struct Parts {
        var server: LocalSSHD?
        var functions: [PushedFunction] = []
    }

    /// - Parameters:
    ///   - change: changes the partner's server.
    ///   - secrets: what Secrets Manager holds, by name, for a login at that server.
    init(
        _ programs: Programs = .built, settings extra: [String: String] = [:],
        sshd change: (inout LocalSSHD.Options) -> Void = { _ in },
        secrets: (LocalSSHD) throws -> [String: String] = { _ in [:] }
    ) throws {
        self.programs = programs
        folder = try TemporaryFolder()
        tree = folder.url.appendingPathComponent("partner")
        try FileManager.default.createDirectory(
            at: tree.appendingPathComponent(Self.targetFolder), withIntermediateDirectories: true)
        var serverOptions = LocalSSHD.Options()
        change(&serverOptions)
        let server = try LocalSSHD(folder: tree, serverOptions, workFolder: folder.url)
        serverOptions.port = server.port
        self.serverOptions = serverOptions
        parts = Mutex(Parts(server: server))

        let queueName = "retries"
        var options = LocalAWS.Options()
        options.versionedBuckets = [Self.bucket]
        options.queues = [LocalAWS.Queue(queueName)]
        options.secrets = try secrets(server)
        aws = try LocalAWS(options, workFolder: folder.url)
        http = HTTPClient(HTTPClientConfiguration(environment: [:]))
        let configuration = AWSConfiguration(
            http: http, credentials: EnvironmentCredentials(environment: aws.environment), region: aws.region,
            environment: aws.environment)
        s3 = S3Client(configuration)
        sqs = SQSClient(configuration)
        queue = SQSQueue(url: aws.queueURL(queueName))

        host = programs == .zips ? "partner.test" : server.host
        origin = "\(host):\(server.port):\(server.user)"
        settings = [
            "SFTP_HOST": host, "SFTP_PORT": "\(server.port)", "SFTP_USER": server.user,
            "SFTP_PRIVATE_KEY": try server.privateKey(), "SFTP_HOST_KEY": server.hostKey,
            "SFTP_TARGET_DIR": Self.targetFolder, "SFTP_RETRY_QUEUE_NAME": queueName,
        ].merging(aws.environment) { $1 }.merging(extra) { $1 }
    }

    /// Lets the test work, and ends everything.
    func run(_ work: () async throws -> Void) async throws {
        defer {
            for function in parts.withLock({ $0.functions }) { function.stop() }
            stopServer()
            aws.stop()
        }
        do {
            try await work()
        } catch {
            var logs = ""
            for function in parts.withLock({ $0.functions }) {
                logs += "\n\(function.name) logged:\n\(await function.log.suffix(4000))"
            }
            Issue.record("\(error)\(logs)")
        }
        await http.shutdown()
    }

    // MARK: Functions

    /// A function with a Lambda of its own, which works on one event at a time.
    /// - Parameter extra: settings that win over those of the world.
    func start(_ name: String, settings extra: [String: String] = [:]) throws -> PushedFunction {
        let function: PushedFunction
        let settings = settings.merging(extra) { $1 }
        switch programs {
        case .zips:
            let api = try RuntimeAPIEmulator(workFolder: folder.url)
            let addresses = [host: "127.0.0.1", "lambda.test": "127.0.0.1"]
            let root = try EmptyRoot(unpacking: try BuildProducts.zip(name), hosts: addresses)
            var environment = settings
            environment["AWS_ENDPOINT_URL"] = aws.endpoint.replacing("127.0.0.1", with: "localhost")
            environment["AWS_LAMBDA_RUNTIME_API"] = api.address.replacing("127.0.0.1", with: "lambda.test")
            environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = "128"
            environment["LAMBDA_TASK_ROOT"] = EmptyRoot.taskFolder
            let process = try root.start(environment: environment)
            function = PushedFunction(name, api, (root, process))
        case .built:
            let program = try BuiltProgram.url(name).path
            let api = try RuntimeAPIEmulator(
                workFolder: folder.url,
                function: .init(taskRoot: folder.url.path, program: program, environment: settings))
            function = PushedFunction(name, api, nil)
        }
        parts.withLock { $0.functions.append(function) }
        return function
    }

    // MARK: The server

    /// Its port on this machine.
    var serverPort: Int { serverOptions.port }

    /// The private key of the server's user.
    func serverKey() throws -> String { settings["SFTP_PRIVATE_KEY"] ?? "" }

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

    /// Waits until the server has worked off everything that was sent to it, and nobody is logged in.
    func waitUntilNobodyIsLoggedIn() async throws {
        try await waitUntil("every session has ended") { self.parts.withLock { $0.server?.hasSessions != true } }
    }
}

/// A function that runs as long as its world does.
final class PushedFunction: Sendable {
    let name: String
    let api: RuntimeAPIEmulator
    private let started: (root: EmptyRoot, process: RunningProgram)?

    init(_ name: String, _ api: RuntimeAPIEmulator, _ started: (EmptyRoot, RunningProgram)? = nil) {
        self.name = name
        self.api = api
        self.started = started
    }

    /// What push and pushRetry answer.
    struct Summary: Decodable, Equatable {
        var delivered: Int
        var bytes: UInt64
        var marked: Int
        var skipped: [String: Int]
        var failed: Int
        var queued: Int
        var unqueued: Int
        var received: Int
        var handedBack: Int
    }

    struct Failed: Error {
        var payload: String
    }

    /// Invokes the function and reads its answer.
    /// - Throws: `Failed` when the invocation does.
    func invoke(_ event: String = "{}", timeoutSeconds: Double = 60) async throws -> Summary {
        let outcome = try await outcome(of: event, timeoutSeconds: timeoutSeconds)
        guard outcome.functionError == nil else { throw Failed(payload: outcome.text) }
        return try JSONDecoder().decode(Summary.self, from: Data(outcome.payload))
    }

    /// Invokes the function.
    func outcome(of event: String, timeoutSeconds: Double = 60) async throws -> RuntimeAPIEmulator.Outcome {
        var options = RuntimeAPIEmulator.Options()
        options.timeoutSeconds = timeoutSeconds
        return try await api.invoke(Array(event.utf8), options)
    }

    /// The process that works on the events.
    func processID() async throws -> Int32 {
        guard let processID = try await api.functionState().processID else {
            throw ToolFailure(description: "\(name) does not run")
        }
        return processID
    }

    /// Sends a signal to the process that works on the events.
    func signal(_ signal: Int32) async throws { try Self.signal(signal, try await processID()) }

    private static func signal(_ signal: Int32, _ processID: Int32) throws {
        guard Glibc.kill(processID, signal) == 0 else { throw ToolFailure(description: "kill: errno \(errno)") }
    }

    /// Kills a process of the function, and returns when its Lambda knows; the next event gets a new one.
    func kill(_ processID: Int32) async throws {
        try Self.signal(SIGKILL, processID)
        try await waitUntil("\(name) is gone") { try await self.api.functionState().processID != processID }
    }

    /// What it has logged until now.
    var log: String {
        get async {
            if let started { return started.process.errorsSoFar }
            // Only for a person who looks for the cause of a failure: one that cannot be had is no other failure.
            return (try? await api.functionLog()) ?? ""
        }
    }

    func stop() {
        api.stop()
        started?.process.stop()
    }
}
