public import Foundation

/// A program of `local/` that stands in for a service of AWS or for the partner's server.
///
/// All of them follow one contract: they print one line of JSON on standard output when they are ready, log on
/// standard error, and end themselves and everything that they started when their standard input reaches its end. So
/// none outlives the test process, however that ends.
public final class StandIn: Sendable {
    /// What the ready line said.
    public let ready: [String: String]
    /// Where it logs: for assertions on what it saw, and for a person when a test fails.
    public let log: URL

    private let process: Process
    private let input: Pipe

    /// The folder of the package.
    public static let packageRoot = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The interpreter of the stand-ins' virtual environment, which `make deps` makes.
    public static let python = packageRoot.appendingPathComponent(".deps/venv/bin/python3").path

    /// The interpreter with the peers of the benchmark: asyncssh and paramiko. `make test` makes it.
    public static let pythonWithPeers = packageRoot.appendingPathComponent(".deps/bench-venv/bin/python3").path

    /// Starts `local/<script>` and returns when it is ready.
    /// - Parameters:
    ///   - workFolder: where its log goes, as `<script>.log`; `TemporaryFolder` gives one.
    public init(
        _ script: String, _ arguments: [String] = [], workFolder: URL, environment: [String: String] = [:],
        python: String = StandIn.python
    ) throws {
        log = workFolder.appendingPathComponent("\(script)-\(UUID().uuidString.prefix(8)).log")
        try Data().write(to: log)
        process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = [Self.packageRoot.appendingPathComponent("local/\(script)").path] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()

        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty, byte.first != 0x0A {
            line.append(byte)
        }
        guard let ready = try? JSONDecoder().decode([String: String].self, from: line) else {
            try? input.fileHandleForWriting.close()
            process.waitUntilExit()
            throw StandInFailure(script: script, log: (try? String(contentsOf: log, encoding: .utf8)) ?? "")
        }
        self.ready = ready
    }

    /// What each scenario of a script that plays some does, by its name: what it prints with `--list`.
    public static func scenarios(of script: String) throws -> [String: String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = ["-I", "-S", script, "--list"]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return try JSONDecoder().decode([String: String].self, from: bytes)
    }

    /// Ends it, and returns when it is gone. A second call does nothing.
    public func stop() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    deinit { stop() }
}

/// A stand-in that ended before it was ready.
public struct StandInFailure: Error, CustomStringConvertible {
    let script: String
    let log: String

    /// What it logged.
    public var description: String { "local/\(script) did not become ready. Its log:\n\(log)" }
}
