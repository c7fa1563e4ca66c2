public import Foundation
import Synchronization

/// The server of a hostile partner: `local/hostile_sftp.py` behind a real sshd. It is in memory, anew in each session.
public final class HostileServer: Sendable {
    /// The sshd in front: address, host key and login.
    public let sshd: LocalSSHD

    private let scenarioFile: URL
    private let requestsFile: URL
    private static let script = StandIn.packageRoot.appendingPathComponent("local/hostile_sftp.py").path

    /// Something that the client asked for, with the path it named: bytes that are no ASCII are those of Latin-1.
    public struct Request: Decodable, Sendable {
        /// `open`, `rename` and the like.
        public var operation: String
        /// The path as it came.
        public var path: String
    }

    /// Starts the sshd; `play` says what it does.
    public init(workFolder: URL) throws {
        scenarioFile = workFolder.appendingPathComponent("scenario")
        requestsFile = workFolder.appendingPathComponent("requests")
        let tree = workFolder.appendingPathComponent("login")
        try FileManager.default.createDirectory(at: tree, withIntermediateDirectories: true)
        var options = LocalSSHD.Options()
        let words = [
            StandIn.python, "-I", "-S", Self.script, "--scenario-file", scenarioFile.path, "--requests",
            requestsFile.path,
        ]
        options.configuration = ["ForceCommand exec " + words.map { "'\($0)'" }.joined(separator: " ")]
        sshd = try LocalSSHD(folder: tree, options, workFolder: workFolder)
    }

    /// From the next session on the server plays this scenario. What was requested before is forgotten.
    public func play(_ scenario: String) throws {
        try Data(scenario.utf8).write(to: scenarioFile)
        try Data().write(to: requestsFile)
    }

    /// What the client has asked for since `play`.
    public func requests() throws -> [Request] {
        let decoder = JSONDecoder()
        return try String(contentsOf: requestsFile, encoding: .utf8).split(separator: "\n").map {
            try decoder.decode(Request.self, from: Data($0.utf8))
        }
    }

    /// What each scenario does, by its name.
    public static func scenarios() throws -> [String: String] { try StandIn.scenarios(of: script) }

    /// Ends the sshd and every session.
    public func stop() { sshd.stop() }
}
