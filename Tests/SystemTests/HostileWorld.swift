import Foundation
import TestKit
import Testing

/// One function as a program, between a hostile SFTP server, an S3 with an SQS, and a Lambda Runtime API. The same
/// process works on every event: what one scenario breaks, the next one would see.
final class HostileWorld: Sendable {
    static let bucket = PushWorld.bucket
    static let sourceFolder = "outgoing"
    static let targetFolder = "incoming"

    let server: HostileServer
    private let folder: TemporaryFolder
    private let store: LeanStore
    private let api: RuntimeAPIEmulator
    private let proxy: HostileProxy?

    /// What came of one invocation.
    struct Result {
        var outcome: RuntimeAPIEmulator.Outcome
        var seconds: Double
        /// The lines that the function logged.
        var lines: [String]
        /// The most that the process had in memory at any time of it; nil when it is not the process it was.
        var peakMiB: Int?
        /// The keys in the bucket afterwards, in order.
        var keys: [String]
        var requests: [HostileServer.Request]

        var log: String { lines.joined(separator: "\n") }
    }

    /// - Parameter scheme: that of a proxy in front of the server, `local/hostile_proxy.py`; nil for none.
    init(_ function: String, proxy scheme: String? = nil) async throws {
        folder = try TemporaryFolder()
        server = try HostileServer(workFolder: folder.url)
        store = try LeanStore(["--keep"], workFolder: folder.url)
        proxy = try scheme.map { [folder, server] in try HostileProxy($0, to: server, workFolder: folder.url) }
        let settings = [
            "SFTP_HOST": server.sshd.host, "SFTP_PORT": "\(server.sshd.port)", "SFTP_USER": server.sshd.user,
            "SFTP_PRIVATE_KEY": try server.sshd.privateKey(), "SFTP_HOST_KEY": server.sshd.hostKey,
            "SFTP_SSH_READY_TIMEOUT_SECONDS": "2",
            "SFTP_SOURCE_DIR": Self.sourceFolder, "SFTP_TARGET_S3_BUCKET": Self.bucket, "SFTP_TARGET_S3_PREFIX": "in/",
            "SFTP_TARGET_DIR": Self.targetFolder, "SFTP_RETRY_QUEUE_NAME": "retries",
            "AWS_ENDPOINT_URL": store.endpoint, "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example",
        ].merging(proxy?.settings ?? [:]) { $1 }
        api = try RuntimeAPIEmulator(
            workFolder: folder.url,
            function: .init(
                taskRoot: folder.url.path, program: try BuiltProgram.url(function).path, environment: settings))
    }

    /// Lets the test work, and ends everything.
    func run(_ work: () async throws -> Void) async throws {
        defer {
            api.stop()
            store.stop()
            proxy?.stop()
            server.stop()
        }
        try await work()
    }

    private static let mostLogBytes = 4 << 20

    /// Invokes the function while the server plays the scenario; then empties the bucket.
    /// - Parameter proxyScenario: what the proxy plays at the same time.
    func play(
        _ scenario: String, proxy proxyScenario: String? = nil, event: String = "{}", timeoutSeconds: Double
    ) async throws -> Result {
        try server.play(scenario)
        if let proxyScenario { try proxy?.play(proxyScenario) }
        var before = try await api.functionState()
        var logged = before.processID == nil ? 0 : try await api.functionLog().utf8.count
        if logged > Self.mostLogBytes {
            // It would be fetched twice for each scenario that follows.
            try await api.reset()
            (before, logged) = (try await api.functionState(), 0)
        }
        if let processID = before.processID { try Self.forgetPeak(of: processID) }
        var options = RuntimeAPIEmulator.Options()
        options.timeoutSeconds = timeoutSeconds
        let start = ContinuousClock.now
        let outcome = try await api.invoke(Array(event.utf8), options)
        let took = (ContinuousClock.now - start).components
        let after = try await api.functionState()
        let isSame = before.processID == nil || before.processID == after.processID
        let log = try await api.functionLog().utf8.dropFirst(isSame ? logged : 0)
        return Result(
            outcome: outcome, seconds: Double(took.seconds) + Double(took.attoseconds) / 1e18,
            lines: String(decoding: Array(log), as: UTF8.self).split(separator: "\n").map(String.init),
            peakMiB: isSame ? try after.processID.map(Self.peakMiB) : nil, keys: try await emptyBucket(),
            requests: try server.requests())
    }

    /// What S3 sends when the object was stored.
    static func event(_ key: String) throws -> String {
        try PushWorld.notification(of: PushWorld.Version(key: key, bytes: [1], etag: "\"0\"", versionID: nil))
    }

    /// Stores an object.
    func put(_ key: String, _ bytes: [UInt8]) async throws {
        try await store.send("PUT", path(key), bytes)
    }

    /// The keys that were there.
    private func emptyBucket() async throws -> [String] {
        let keys = try await store.objects().map(\.key)
        for key in keys { try await store.send("DELETE", path(key)) }
        return keys.sorted()
    }

    private func path(_ key: String) -> String {
        "/\(Self.bucket)/" + key.utf8.map { String(format: "%%%02X", $0) }.joined()
    }

    /// Whether a line of the log is one that Lambda writes, not the function.
    static func isOfLambda(_ line: String) -> Bool {
        ["START ", "END ", "REPORT "].contains { line.hasPrefix($0 + "RequestId: ") }
    }

    // MARK: Memory

    /// From now on the peak counts anew (proc_pid_clear_refs(5)).
    private static func forgetPeak(of processID: Int32) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: "/proc/\(processID)/clear_refs"))
        try file.write(contentsOf: Data("5".utf8))
        try file.close()
    }

    private static func peakMiB(of processID: Int32) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        return (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) / 1024
    }
}
