import Foundation
import HTTP
import Synchronization
import TestKit
import Transfers

/// pull, push and pushRetry as programs, between a real sshd with a real sftp-server, an S3 with an SQS and Lambda Runtime
/// APIs, with something that breaks on each way: `local/fault_proxy.py` and `local/fault_sftp.py`. One world serves many
/// faults, one after the other.
final class FaultWorld: Sendable {
    static let bucket = PushWorld.bucket
    static let sourceFolder = "outgoing"
    static let targetFolder = "incoming"
    private static let queueName = "retries"

    let tree: URL
    private let folder: TemporaryFolder
    private let server: LocalSSHD
    /// The keys of its connections change every 64 KiB.
    private let rekeying: LocalSSHD
    private let store: LeanStore
    private let proxy: StandIn
    private let settings: [String: String]
    private let functions = Mutex<[String: RuntimeAPIEmulator]>([:])

    private var planFile: URL { folder.url.appendingPathComponent("plan") }
    private var seenFile: URL { folder.url.appendingPathComponent("seen") }

    init() throws {
        folder = try TemporaryFolder()
        tree = folder.url.appendingPathComponent("partner")
        try FileManager.default.createDirectory(at: tree, withIntermediateDirectories: true)
        server = try Self.server(tree, folder, ["MaxStartups 2:100:2", "MaxSessions 1"])
        rekeying = try Self.server(tree, folder, ["RekeyLimit 64K"])
        store = try LeanStore(["--keep", "--longest-wait", "0"], workFolder: folder.url)
        let storePort = store.address.split(separator: ":").last.map(String.init) ?? ""
        proxy = try StandIn(
            "fault_proxy.py", ["--ssh-port", "\(server.port)", "--aws-port", storePort], workFolder: folder.url)
        settings = [
            "SFTP_HOST": server.host, "SFTP_PORT": proxy.ready["sshPort"] ?? "", "SFTP_USER": server.user,
            "SFTP_PRIVATE_KEY": try server.privateKey(), "SFTP_HOST_KEY": "\(server.hostKey)\\n\(rekeying.hostKey)",
            "SFTP_SSH_READY_TIMEOUT_SECONDS": "2",
            "SFTP_SOURCE_DIR": Self.sourceFolder, "SFTP_TARGET_S3_BUCKET": Self.bucket, "SFTP_TARGET_S3_PREFIX": "in/",
            "SFTP_TARGET_DIR": Self.targetFolder, "SFTP_RETRY_QUEUE_NAME": Self.queueName,
            "AWS_ENDPOINT_URL": proxy.ready["endpoint"] ?? "", "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example",
        ]
        try plan(FaultPlan())
    }

    private static func server(
        _ tree: URL, _ folder: TemporaryFolder, _ configuration: [String]
    ) throws -> LocalSSHD {
        var options = LocalSSHD.Options()
        let words = [
            StandIn.python, "-I", "-S", StandIn.packageRoot.appendingPathComponent("local/fault_sftp.py").path,
            "--plan", folder.url.appendingPathComponent("plan").path,
            "--seen", folder.url.appendingPathComponent("seen").path, "--folder", tree.path,
        ]
        options.configuration =
            configuration + ["ForceCommand exec " + words.map { "'\($0)'" }.joined(separator: " ")]
        return try LocalSSHD(folder: tree, options, workFolder: folder.url)
    }

    /// Lets the test work, and ends everything.
    func run(_ work: () async throws -> Void) async throws {
        defer {
            for function in functions.withLock({ $0.values }) { function.stop() }
            proxy.stop()
            store.stop()
            server.stop()
            rekeying.stop()
        }
        try await work()
    }

    // MARK: Functions

    /// What one invocation came to.
    struct Ran: Sendable {
        var outcome: RuntimeAPIEmulator.Outcome
        /// What the function logged during it.
        var log: String

        /// How long it took from when the function had the event, as the platform's last line says it.
        var durationSeconds: Double? {
            guard let text = outcome.log.components(separatedBy: "\tDuration: ").last else { return nil }
            return text.split(separator: " ").first.flatMap { Double($0) }.map { $0 / 1000 }
        }
    }

    /// The function's Lambda; it starts with its first use.
    func function(_ name: String) throws -> RuntimeAPIEmulator {
        try functions.withLock { functions in
            if let running = functions[name] { return running }
            let api = try RuntimeAPIEmulator(
                workFolder: folder.url,
                function: .init(
                    taskRoot: folder.url.path, program: try BuiltProgram.url(name).path, environment: settings))
            functions[name] = api
            return api
        }
    }

    func invoke(_ name: String, _ event: String, timeoutSeconds: Double) async throws -> Ran {
        let api = try function(name)
        let before = try await api.functionState().processID
        let logged = before == nil ? 0 : try await api.functionLog().utf8.count
        let options = RuntimeAPIEmulator.Options(timeoutSeconds: timeoutSeconds)
        let outcome = try await api.invoke(Array(event.utf8), options)
        let isSame = before == nil ? true : try await api.functionState().processID == before
        let log = try await api.functionLog().utf8.dropFirst(isSame ? logged : 0)
        return Ran(outcome: outcome, log: String(decoding: Array(log), as: UTF8.self))
    }

    // MARK: Faults

    /// From now on this breaks; what was seen before is forgotten.
    func plan(_ plan: FaultPlan) throws {
        try Data().write(to: seenFile)
        let extra = plan.disk.map { ", \($0)" } ?? ""
        try Data("{\"rules\": [\(plan.sftp.joined(separator: ", "))]\(extra)}".utf8).write(to: planFile)
    }

    /// What the relays break from now on.
    func planRelays(_ plan: FaultPlan) async throws {
        let target = plan.isRekeying ? "\(rekeying.port)" : "null"
        let aws = plan.aws.joined(separator: ", ")
        let body =
            "{\"ssh\": \(plan.ssh ?? "null"), \"target\": \(target), \"aws\": [\(aws)], \"end\": \(plan.end ?? "null")}"
        _ = try await PlainHTTP.send("POST", proxy.ready["control"] ?? "", "/plan", body: Array(body.utf8))
    }

    /// A request that the sftp-server has seen, or a rule that was applied.
    struct SeenLine: Decodable {
        var rule: Int?
        var request: String
        var path: String
        var target: String?
        var status: Int?
    }

    func seenBySFTP() throws -> [SeenLine] {
        try String(contentsOf: seenFile, encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(SeenLine.self, from: Data($0.utf8))
        }
    }

    /// What the relays have seen and done.
    struct SeenByRelays: Decodable {
        var ssh: Int
        var aws: [Int]
        var requests: [String]
        /// How far the work of a function has come since the last plan.
        var progress: Int
    }

    func seenByRelays() async throws -> SeenByRelays {
        let answer = try await PlainHTTP.send("GET", proxy.ready["control"] ?? "", "/seen")
        return try JSONDecoder().decode(SeenByRelays.self, from: Data(answer.body))
    }

    /// Waits until every session of a server has ended, so that the next fault meets none.
    func waitUntilNobodyIsLoggedIn() async throws {
        try await waitUntil("every session has ended") { !self.server.hasSessions && !self.rekeying.hasSessions }
    }

    // MARK: The partner's tree

    /// Empties everything: the tree, the bucket and the queue.
    func reset() async throws {
        for name in [Self.sourceFolder, Self.targetFolder] {
            let url = tree.appendingPathComponent(name)
            if FileManager.default.fileExists(atPath: url.path) { try FileManager.default.removeItem(at: url) }
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        }
        try await store.reset()
    }

    func place(_ path: String, _ bytes: [UInt8]) throws {
        let url = tree.appendingPathComponent(path)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1_700_000_000)], ofItemAtPath: url.path)
    }

    /// Every file below a folder, by its path there.
    func files(below folder: String) throws -> [String: [UInt8]] {
        let root = tree.appendingPathComponent(folder)
        var found: [String: [UInt8]] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: root.path) {
            var isDirectory: ObjCBool = false
            let url = root.appendingPathComponent(path)
            guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory), !isDirectory.boolValue
            else { continue }
            found[path] = Array(try Data(contentsOf: url))
        }
        return found
    }

    // MARK: The bucket and the queue

    func put(_ key: String, _ bytes: [UInt8], metadata: [String: String] = [:]) async throws {
        var headers = HTTPHeaders()
        for (name, value) in metadata { headers.add("x-amz-meta-\(name)", value) }
        try await store.send("PUT", "/\(Self.bucket)/\(key)", headers: headers, bytes)
    }

    /// An object as it stands in the bucket.
    struct Object: Sendable {
        var bytes: [UInt8]
        var metadata: [String: String]
    }

    func objects() async throws -> [String: Object] {
        var objects: [String: Object] = [:]
        for entry in try await store.objects() {
            let bytes = try await store.send("GET", "/\(Self.bucket)/\(entry.key)")
            objects[entry.key] = Object(bytes: bytes, metadata: entry.metadata)
        }
        return objects
    }

    /// What is under way and waiting.
    func state() async throws -> LeanStore.State { try await store.state() }

    func showMessages() async throws { try await store.showMessages() }

    func queue(_ body: String) async throws {
        let order = ["QueueUrl": "\(store.endpoint)/000000000000/\(Self.queueName)", "MessageBody": body]
        try await store.send(
            "POST", "/", headers: ["X-Amz-Target": "AmazonSQS.SendMessage"],
            Array(try JSONSerialization.data(withJSONObject: order)))
    }
}

/// What breaks: each part as JSON, in the words of `local/fault_proxy.py` and `local/fault_sftp.py`.
struct FaultPlan: Sendable {
    /// On the way to the SSH server.
    var ssh: String?
    /// At the SFTP server.
    var sftp: [String] = []
    /// The disk of the SFTP server, and what else it has of its own.
    var disk: String?
    /// On the way to AWS.
    var aws: [String] = []
    /// The server changes its keys all the time.
    var isRekeying = false
    /// The signal that ends the function, and when.
    var end: String?
}
