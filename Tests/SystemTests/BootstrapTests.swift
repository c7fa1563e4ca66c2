import Foundation
import TestKit
import Testing

/// The shell script that starts the program, with a program of the system in the place of ours.
struct BootstrapTests {
    private let task: TemporaryFolder

    init() throws {
        task = try TemporaryFolder()
        let files = FileManager.default
        let library = task.url.appendingPathComponent("lib")
        try files.createDirectory(at: library, withIntermediateDirectories: true)
        try files.copyItem(
            at: StandIn.packageRoot.appendingPathComponent("bootstrap"),
            to: task.url.appendingPathComponent("bootstrap"))
        try files.copyItem(atPath: "/bin/ls", toPath: task.url.appendingPathComponent("pull").path)
        for line in try Tool.run("/usr/bin/ldd", "/bin/ls").split(separator: "\n") {
            guard
                let path = line.split(separator: " ").first(where: { $0.contains("/") })?
                    .trimmingCharacters(in: .whitespaces)
            else { continue }
            let name = URL(fileURLWithPath: path).lastPathComponent
            try files.copyItem(atPath: path, toPath: library.appendingPathComponent(name).path)
        }
    }

    private func path(_ name: String) -> String { task.url.appendingPathComponent(name).path }

    @Test func argumentsReachTheProgramUnchanged() throws {
        let odd = path("a  b*'\"$HOME")
        try Data().write(to: URL(fileURLWithPath: odd))
        #expect(try Tool.run(path("bootstrap"), "-N", odd) == odd + "\n")
    }

    @Test func programIsCalledByItsOwnName() throws {
        let help = try Tool.run(path("bootstrap"), "--help")
        #expect(help.hasPrefix("Usage: \(path("pull")) "), "\(help.prefix(200))")
    }

    @Test func programIsFoundWhenBootstrapIsNamedWithoutAFolder() throws {
        let help = try Tool.run("/usr/bin/env", "-C", task.url.path, "sh", "bootstrap", "--help")
        #expect(help.hasPrefix("Usage: ./pull "), "\(help.prefix(200))")
        let elsewhere = try Tool.run(
            "/usr/bin/env", "-C", "/", "LAMBDA_TASK_ROOT=\(task.url.path)", "sh", "-c",
            "exec </dev/null; . \"\(path("bootstrap"))\"", "bootstrap")
        #expect(elsewhere.contains("bin"))
    }

    @Test func librariesOfTheZipAreUsed() throws {
        try FileManager.default.removeItem(atPath: path("lib/libc.so.6"))
        let broken = "this is no library"
        try Data(broken.utf8).write(to: URL(fileURLWithPath: path("lib/libc.so.6")))
        #expect(throws: ToolFailure.self) { try Tool.run(path("bootstrap")) }
    }

    @Test func statusOfTheProgramIsThatOfBootstrap() throws {
        let failure = #expect(throws: ToolFailure.self) { try Tool.run(path("bootstrap"), path("missing")) }
        #expect(failure?.description.contains("ended with 2") == true)
    }
}
