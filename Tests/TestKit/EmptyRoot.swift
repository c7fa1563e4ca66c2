public import Foundation

/// A root file system that holds nothing but a static `/bin/sh`, `/dev`, `/etc/hosts`, `/tmp` and, in `/var/task`, what
/// a zip holds. A program that runs in it has everything it needs with it.
///
/// Programs run in it as they do in Lambda: in `/var/task`, with exactly the environment given, and as another user
/// than root where this process may choose one. They share the network of this machine. There is no `/proc`.
public final class EmptyRoot: Sendable {
    /// The folder that programs see as `/`. It goes away with this object.
    public let url: URL

    private let folder: TemporaryFolder

    /// Where the zip is unpacked, as programs see it.
    public static let taskFolder = "/var/task"

    private static let devices = ["null", "zero", "full", "random", "urandom"]
    private static let shell = "/bin/busybox"
    private static let isRoot = geteuid() == 0

    /// Why programs cannot run in an empty root here, or nil when they can: it needs root, or user namespaces.
    public static let obstacle: String? = {
        guard FileManager.default.isExecutableFile(atPath: shell) else { return "\(shell) is missing (busybox-static)" }
        let probe = Process()
        probe.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
        probe.arguments = namespaces + ["/usr/bin/mount", "--bind", "/dev/null", "/dev/null"]
        probe.standardError = FileHandle.nullDevice
        do {
            try probe.run()
        } catch {
            return "/usr/bin/unshare does not run: \(error)"
        }
        probe.waitUntilExit()
        return probe.terminationStatus == 0 ? nil : "neither root nor user namespaces with mounts are to be had"
    }()

    /// What `unshare` is asked for. Mounts made in there end with the program.
    private static var namespaces: [String] { isRoot ? ["--mount"] : ["--user", "--map-root-user", "--mount"] }

    /// Makes a root with the contents of `zip`.
    /// - Parameter hosts: names and the addresses that they stand for, besides `localhost`.
    public init(unpacking zip: URL, hosts: [String: String] = [:]) throws {
        folder = try TemporaryFolder()
        url = folder.url.appendingPathComponent("root")
        let files = FileManager.default
        for path in ["bin", "dev", "etc", "tmp", "var/task"] {
            try files.createDirectory(at: url.appendingPathComponent(path), withIntermediateDirectories: true)
        }
        try files.setAttributes(
            [.posixPermissions: 0o1777], ofItemAtPath: url.appendingPathComponent("tmp").path)
        try files.copyItem(atPath: Self.shell, toPath: url.appendingPathComponent("bin/sh").path)
        let names = [("localhost", "127.0.0.1")] + hosts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        try Data(names.map { "\($0.1) \($0.0)\n" }.joined().utf8)
            .write(to: url.appendingPathComponent("etc/hosts"))
        for device in Self.devices {
            try Data().write(to: url.appendingPathComponent("dev/\(device)"))
        }
        let unpack = Process()
        unpack.executableURL = URL(fileURLWithPath: Self.shell)
        unpack.arguments = ["unzip", "-q", zip.path, "-d", url.appendingPathComponent("var/task").path]
        try unpack.run()
        unpack.waitUntilExit()
        guard unpack.terminationStatus == 0 else {
            throw EmptyRootFailure(description: "\(zip.path) cannot be unpacked: status \(unpack.terminationStatus)")
        }
    }

    /// Starts a program in the root: `bootstrap`, unless told otherwise.
    /// - Parameters:
    ///   - program: its path as programs in there see it.
    ///   - environment: the whole environment of the program.
    public func start(
        _ program: String = "\(taskFolder)/bootstrap", _ arguments: [String] = [], environment: [String: String] = [:]
    ) throws -> RunningProgram {
        let devices = Self.devices.map { "/usr/bin/mount --bind /dev/\($0) \"$0/dev/\($0)\" || exit 125; " }.joined()
        let user = Self.isRoot ? "--userspec=65534:65534 --groups= " : ""
        let enter =
            "exec /usr/sbin/chroot \(user)\"$0\" /bin/sh -c 'cd \(Self.taskFolder) && exec \"$0\" \"$@\"' \"$@\""
        return try RunningProgram(
            executable: "/usr/bin/unshare",
            arguments: Self.namespaces + ["/bin/sh", "-c", devices + enter, url.path, program] + arguments,
            environment: environment, outputFolder: folder)
    }

    /// Runs a program in the root to its end: `bootstrap`, unless told otherwise.
    /// - Throws: `EmptyRootFailure` when it does not end within `limitSeconds`; it is then killed.
    public func run(
        _ program: String = "\(taskFolder)/bootstrap", _ arguments: [String] = [],
        environment: [String: String] = [:], limitSeconds: Double = 30
    ) async throws -> FinishedProgram {
        try await start(program, arguments, environment: environment).finish(withinSeconds: limitSeconds)
    }
}

/// What a program left behind.
public struct FinishedProgram: Sendable {
    /// Its exit status, or the number of the signal that ended it, negated.
    public let status: Int32
    /// What it wrote on standard output.
    public let output: String
    /// What it wrote on standard error.
    public let errors: String
}

/// A program that runs, in an `EmptyRoot` or not. Letting go of it kills it.
public final class RunningProgram: Sendable {
    /// The process: it is that of the program itself.
    public var processID: Int32 { process.processIdentifier }

    private let process = Process()
    private let output: URL
    private let errors: URL
    private let ended: AsyncStream<Void>
    private let outputFolder: TemporaryFolder

    init(
        executable: String, arguments: [String], environment: [String: String], input: URL? = nil,
        outputFolder: TemporaryFolder
    ) throws {
        self.outputFolder = outputFolder
        let run = UUID().uuidString.prefix(8)
        output = outputFolder.url.appendingPathComponent("output-\(run)")
        errors = outputFolder.url.appendingPathComponent("errors-\(run)")
        for file in [output, errors] { try Data().write(to: file) }
        let (ended, ending) = AsyncStream<Void>.makeStream()
        self.ended = ended
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = environment
        process.standardInput = try input.map { try FileHandle(forReadingFrom: $0) } ?? FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        process.terminationHandler = { _ in ending.finish() }
        try process.run()
    }

    /// Starts a program of this machine with exactly this environment.
    /// - Parameter input: what it finds on standard input; nothing when nil.
    public static func start(
        _ executable: String, _ arguments: [String], environment: [String: String], input: URL? = nil
    ) throws -> RunningProgram {
        try RunningProgram(
            executable: executable, arguments: arguments, environment: environment, input: input,
            outputFolder: try TemporaryFolder())
    }

    /// What it has written on standard output until now.
    public var outputSoFar: String { text(of: output) }
    /// What it has written on standard error until now.
    public var errorsSoFar: String { text(of: errors) }

    private func text(of file: URL) -> String {
        // The file is ours and there; what cannot be read shows as missing in the assertion on it.
        (try? Data(contentsOf: file)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Waits for its end.
    /// - Throws: `EmptyRootFailure` when it does not end in time; it is then killed.
    public func finish(withinSeconds limit: Double) async throws -> FinishedProgram {
        guard await endsByItself(process, ended, withinSeconds: limit, stop: { self.stop() }) else {
            throw EmptyRootFailure(
                description: "the program did not end within \(limit) s. It wrote:\n\(outputSoFar)\n\(errorsSoFar)")
        }
        let status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        return FinishedProgram(status: status, output: outputSoFar, errors: errorsSoFar)
    }

    /// Kills it. A second call does nothing.
    public func stop() {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
    }

    deinit { stop() }
}

/// Why a program could not be run in an empty root.
public struct EmptyRootFailure: Error, CustomStringConvertible {
    /// What was being done, and what was seen.
    public let description: String
}
