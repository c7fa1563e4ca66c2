import AWS
import Foundation
import HTTP
import TestKit
import Testing
import Transfers

/// The real pull out of its real zip, in an empty root file system, between an OpenSSH server, an S3 and a Lambda
/// Runtime API, all of this machine and called by name.
final class PullWorld: Sendable {
    /// The partner's tree; `outgoing` in it is pulled.
    let tree: URL
    let server: LocalSSHD
    let api: RuntimeAPIEmulator
    let store: Store

    private let folder: TemporaryFolder
    private let root: EmptyRoot
    private let settings: [String: String]

    /// Which S3 there is.
    enum Store: Sendable {
        /// moto, which checks signatures.
        case checked(LocalAWS)
        /// The one that keeps up with large files and checks every body.
        case lean(StandIn)

        var environment: [String: String] {
            switch self {
            case .checked(let aws):
                aws.environment.merging(["AWS_ENDPOINT_URL": Self.byName(aws.endpoint)]) { $1 }
            case .lean(let standIn):
                [
                    "AWS_ENDPOINT_URL": Self.byName(standIn.ready["endpoint"] ?? ""), "AWS_REGION": "eu-central-1",
                    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example",
                ]
            }
        }

        private static func byName(_ endpoint: String) -> String {
            endpoint.replacingOccurrences(of: "127.0.0.1", with: "localhost")
        }

        func stop() {
            switch self {
            case .checked(let aws): aws.stop()
            case .lean(let standIn): standIn.stop()
            }
        }
    }

    static let bucket = "inbox"

    init(lean: Bool = false, sshd options: LocalSSHD.Options = .init(), settings extra: [String: String] = [:]) throws {
        folder = try TemporaryFolder()
        tree = folder.url.appendingPathComponent("partner")
        try FileManager.default.createDirectory(
            at: tree.appendingPathComponent("outgoing"), withIntermediateDirectories: true)
        server = try LocalSSHD(folder: tree, options, workFolder: folder.url)
        if lean {
            store = .lean(try StandIn("lean_s3.py", workFolder: folder.url))
        } else {
            var options = LocalAWS.Options()
            options.versionedBuckets = [Self.bucket]
            let login = [
                "Username": server.user, "PrivateKey": try server.privateKey(), "HostKey": server.hostKey,
            ]
            options.secrets = ["partner/login": String(decoding: try JSONEncoder().encode(login), as: UTF8.self)]
            store = .checked(try LocalAWS(options, workFolder: folder.url))
        }
        api = try RuntimeAPIEmulator(workFolder: folder.url)
        root = try EmptyRoot(
            unpacking: try BuildProducts.zip("pull"),
            hosts: ["partner.test": "127.0.0.1", "lambda.test": "127.0.0.1"])
        settings = [
            "SFTP_HOST": "partner.test", "SFTP_PORT": "\(server.port)", "SFTP_USER": server.user,
            "SFTP_PRIVATE_KEY": try server.privateKey(), "SFTP_HOST_KEY": server.hostKey,
            "SFTP_SOURCE_DIR": "outgoing", "SFTP_TARGET_S3_BUCKET": Self.bucket, "SFTP_TARGET_S3_PREFIX": "in/",
            "AWS_LAMBDA_RUNTIME_API": api.address.replacingOccurrences(of: "127.0.0.1", with: "lambda.test"),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "LAMBDA_TASK_ROOT": EmptyRoot.taskFolder,
        ].merging(store.environment) { $1 }.merging(extra) { $1 }.filter { !$0.value.isEmpty }
    }

    /// Starts the function, lets the test work with it, and ends everything.
    func run(_ work: (RunningProgram) async throws -> Void) async throws {
        defer {
            api.stop()
            store.stop()
            server.stop()
        }
        let function = try root.start(environment: settings)
        defer { function.stop() }
        do {
            try await work(function)
        } catch {
            Issue.record("\(error)\nthe function logged:\n\(function.errorsSoFar.suffix(8000))")
        }
    }

    /// Invokes the function and reads its summary.
    func pull(timeoutSeconds: Double = 120) async throws -> Summary {
        var options = RuntimeAPIEmulator.Options()
        options.timeoutSeconds = timeoutSeconds
        let outcome = try await api.invoke(Array("{}".utf8), options)
        guard outcome.functionError == nil else { throw PullFailed(payload: outcome.text) }
        return try JSONDecoder().decode(Summary.self, from: Data(outcome.payload))
    }

    struct Summary: Decodable {
        var transferred: Int
        var bytes: UInt64
        var left: [String: Int]
        var failed: Int
        var remaining: Int
        var isListingComplete: Bool
    }

    struct PullFailed: Error {
        var payload: String
    }

    /// Puts a file on the server, as the partner does. The path is taken byte by byte.
    func put(_ path: String, _ bytes: [UInt8]) async throws {
        let remote = RemotePath("\(tree.path)/outgoing/\(path)")
        try await RemoteFilesContract.Partner.localFileSystem.put(remote, bytes, UnixTime(seconds: 1_700_000_000))
    }

    /// What stands on the server, nil when nothing does.
    func read(_ path: String) async throws -> [UInt8]? {
        try await RemoteFilesContract.Partner.localFileSystem.read(RemotePath("\(tree.path)/outgoing/\(path)"))
    }

    /// How many SSH logins the server has seen.
    var logins: Int { server.log.components(separatedBy: "Accepted publickey").count - 1 }
}
