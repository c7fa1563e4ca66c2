import AWS
import Foundation
import Synchronization
import TestKit
import Testing

/// The real programs, as they were built with the tests, behind a slow line to an OpenSSH server, with an S3 and an SQS
/// that keep up with large files.
final class ContinuationWorld: Sendable {
    /// The partner's tree.
    let tree: URL

    private let folder: TemporaryFolder
    private let server: LocalSSHD
    private let line: StandIn
    private let store: LeanStore
    private let rateFile: URL
    private let environment: [String: String]
    private let functions = Mutex<[RuntimeAPIEmulator]>([])
    private let logged = Mutex("")

    /// - Parameters:
    ///   - object: the content of `outbox/large.bin`, which `prepare` makes.
    init(mebibytesPerSecond: Int, object: URL? = nil, prepare: () throws -> Void = {}) throws {
        try prepare()
        folder = try TemporaryFolder()
        tree = folder.url.appendingPathComponent("partner")
        for name in ["outgoing", "incoming"] {
            try FileManager.default.createDirectory(
                at: tree.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        server = try LocalSSHD(folder: tree, workFolder: folder.url)
        rateFile = folder.url.appendingPathComponent("rate")
        try Data("\(mebibytesPerSecond << 20)".utf8).write(to: rateFile)
        line = try StandIn(
            "slow_link.py", ["--server-port", "\(server.port)", "--rate-file", rateFile.path], workFolder: folder.url)
        let arguments = object.map { ["--object", "outbox/large.bin=\($0.path)"] } ?? []
        store = try LeanStore(arguments, workFolder: folder.url)
        environment = [
            "SFTP_HOST": server.host, "SFTP_PORT": line.ready["port"] ?? "", "SFTP_USER": server.user,
            "SFTP_PRIVATE_KEY": try server.privateKey(), "SFTP_HOST_KEY": server.hostKey,
            "SFTP_SOURCE_DIR": "outgoing", "SFTP_TARGET_S3_BUCKET": "inbox", "SFTP_TARGET_S3_PREFIX": "in/",
            "SFTP_TARGET_DIR": "incoming", "SFTP_RETRY_QUEUE_NAME": "retries",
            "AWS_ENDPOINT_URL": store.endpoint, "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example",
        ]
    }

    /// Lets the test work, and ends everything.
    func run(_ work: () async throws -> Void) async throws {
        do {
            try await work()
        } catch {
            Issue.record("\(error)\nthe functions logged:\n\(logs.suffix(8000))")
        }
        for function in functions.withLock({ $0 }) { function.stop() }
        line.stop()
        store.stop()
        server.stop()
    }

    // MARK: Functions

    func start(_ name: String) throws -> RuntimeAPIEmulator {
        let own = name == "pull" ? ["SFTP_TARGET_DIR", "SFTP_RETRY_QUEUE_NAME"] : ["SFTP_SOURCE_DIR"]
        let others = name == "pull" ? own : own + ["SFTP_TARGET_S3_BUCKET", "SFTP_TARGET_S3_PREFIX"]
        let api = try RuntimeAPIEmulator(
            workFolder: folder.url,
            function: .init(
                taskRoot: folder.url.path, program: try BuiltProgram.url(name).path, memorySizeMegabytes: 256,
                environment: environment.filter { !others.contains($0.key) }))
        functions.withLock { $0.append(api) }
        return api
    }

    func invoke(
        _ function: RuntimeAPIEmulator, _ event: String = "{}", timeoutSeconds: Double
    ) async throws -> RuntimeAPIEmulator.Outcome {
        var options = RuntimeAPIEmulator.Options()
        options.timeoutSeconds = timeoutSeconds
        let outcome = try await function.invoke(Array(event.utf8), options)
        logged.withLock { $0 += outcome.log }
        return outcome
    }

    /// Kills the function's process, and returns when its Lambda knows.
    func kill(_ function: RuntimeAPIEmulator) async throws {
        guard let processID = try await function.functionState().processID else { return }
        guard Glibc.kill(processID, SIGKILL) == 0 else { throw ToolFailure(description: "kill: errno \(errno)") }
        try await waitUntil("the function is gone") { try await function.functionState().processID != processID }
    }

    /// What the functions logged at the ends of their invocations.
    var logs: String { logged.withLock { $0 } }

    // MARK: The line

    /// From the next connection on.
    func setRate(mebibytesPerSecond: Int) throws {
        try Data("\(mebibytesPerSecond << 20)".utf8).write(to: rateFile)
    }

    /// How many bytes went one way over all connections that have ended, and how many connections those were.
    func bytes(_ way: String) async throws -> (count: Int, connections: Int) {
        let lines = try String(contentsOf: line.log, encoding: .utf8).split(separator: "\n")
        let counts = lines.compactMap { try? JSONDecoder().decode([String: Int].self, from: Data($0.utf8)) }
        return (counts.reduce(0) { $0 + ($1[way] ?? 0) }, counts.count)
    }

    // MARK: Files

    func done(_ name: String) -> URL { tree.appendingPathComponent("outgoing/.done/\(name)") }

    /// Puts a file there, as the partner does, and gives its SHA-256.
    func makeFile(_ file: URL, sizeMiB: Int, salt: UInt8, modified: Int = 1_700_000_000) throws -> String {
        let temporary = folder.url.appendingPathComponent("new")
        try Self.write(temporary, sizeMiB: sizeMiB, salt: salt)
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: TimeInterval(modified))], ofItemAtPath: temporary.path)
        guard rename(temporary.path, file.path) == 0 else { throw ToolFailure(description: "rename: errno \(errno)") }
        return try Self.sha256(of: file)
    }

    /// Writes a file no two mebibytes of which are the same.
    static func write(_ file: URL, sizeMiB: Int, salt: UInt8) throws {
        try Data().write(to: file)
        let writer = try FileHandle(forWritingTo: file)
        var piece = sampleBytes(1 << 20, salt: salt)
        for number in 0..<sizeMiB {
            for place in 0..<8 { piece[place] = UInt8(truncatingIfNeeded: number >> (8 * place)) }
            try writer.write(contentsOf: Data(piece))
        }
        try writer.close()
    }

    static func sha256(of file: URL) throws -> String {
        String(try Tool.run("/usr/bin/sha256sum", file.path).prefix(64))
    }

    /// The SHA-256 of each part of 8 MiB.
    func partDigests(of file: URL) throws -> [String] {
        let reader = try FileHandle(forReadingFrom: file)
        var digests: [String] = []
        while let piece = try reader.read(upToCount: 8 << 20), !piece.isEmpty {
            digests.append(SHA256Hasher.hexadecimal(SHA256Hasher.digest(pieces: [Array(piece)])))
        }
        return digests
    }

    // MARK: The store

    /// Everything in the buckets.
    func objects() async throws -> [LeanStore.Object] { try await store.objects() }

    /// The uploads that have begun and not ended.
    func uploads() async throws -> [String] { try await store.uploads() }
}
