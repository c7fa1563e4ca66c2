import Foundation
import TestKit

/// What `make test` builds before it runs the tests, and how to look into it.
enum BuildProducts {
    /// The functions, each with a zip of its own.
    static let functions = ["pull", "push", "pushRetry"]

    /// The folder of the zips. Only `make test` says it, so that nobody tests zips of another day.
    static let zips = ProcessInfo.processInfo.environment["SFTP_LAMBDA_ZIPS"].map { URL(fileURLWithPath: $0) }
    /// The folder of the programs that were built with the system's own libraries.
    static let systemBuild = ProcessInfo.processInfo.environment["SFTP_LAMBDA_SYSTEM_BUILD"]
        .map { URL(fileURLWithPath: $0) }
    /// Whether the long tests are wanted.
    static let longTests = ProcessInfo.processInfo.environment["SFTP_LAMBDA_LONG_TESTS"] == "1"

    /// What the Swift runtime needs of a system, besides the loader.
    static let runtimeLibraries: Set<String> = ["libc.so.6", "libm.so.6", "libgcc_s.so.1"]

    /// The zip of one function.
    static func zip(_ function: String) throws -> URL {
        guard let zips else { throw ToolFailure(description: "SFTP_LAMBDA_ZIPS is not set; make test sets it") }
        return zips.appendingPathComponent("\(function).zip")
    }

    /// The version of a package of `.deps`, as its `.pc` file says it.
    static func version(ofPackage name: String) throws -> String {
        let file = StandIn.packageRoot.appendingPathComponent(".deps/lib/pkgconfig/\(name).pc")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix("Version: ") }) else {
            throw ToolFailure(description: "\(file.path) names no version")
        }
        return String(line.dropFirst("Version: ".count))
    }

    /// The libraries that a program or library asks the loader for.
    static func neededLibraries(of file: URL) throws -> Set<String> {
        let listing = try Tool.run("/usr/bin/readelf", "--dynamic", "--wide", file.path)
        return Set(
            listing.split(separator: "\n").filter { $0.contains("(NEEDED)") }.compactMap { line in
                line.split(separator: "[").last.map { String($0.dropLast()) }
            })
    }

    /// Whether a file holds these bytes.
    static func file(_ file: URL, holds text: String) throws -> Bool {
        try Data(contentsOf: file, options: .alwaysMapped).range(of: Data(text.utf8)) != nil
    }
}

/// A program of the system.
enum Tool {
    /// Runs it and gives what it wrote on standard output.
    /// - Throws: `ToolFailure` with what it wrote on standard error when it fails.
    @discardableResult
    static func run(_ program: String, _ arguments: String...) throws -> String {
        let folder = try TemporaryFolder()
        let files = ["output", "errors"].map { folder.url.appendingPathComponent($0) }
        for file in files { try Data().write(to: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: files[0])
        process.standardError = try FileHandle(forWritingTo: files[1])
        try process.run()
        process.waitUntilExit()
        let texts = try files.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
        guard process.terminationReason == .exit, process.terminationStatus == 0 else {
            throw ToolFailure(
                description: "\(program) \(arguments) ended with \(process.terminationStatus):\n\(texts[1])")
        }
        return texts[0]
    }
}

/// A program of the system that failed, or gave what cannot be used.
struct ToolFailure: Error, CustomStringConvertible {
    let description: String
}
