import Foundation
import TestKit
import Testing

/// The programs on a terminal: what stands on it while they work, and what is left on it.
struct TerminalTests {
    private func start(
        _ world: CommandLineWorld, _ program: String, _ arguments: [String] = [],
        settings: [String: String] = [:], columns: Int = 200
    ) throws -> PseudoTerminal {
        try PseudoTerminal(
            BuiltProgram.url(program), arguments,
            environment: world.environment(["TERM": "xterm"].merging(settings) { $1 }), columns: columns)
    }

    /// The store never answers: the files have been read, and are on their way until a key ends that.
    @Test func aTerminalShowsHowFarARunIsAndIsLeftAsItWas() async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/first.txt", "one")
        try await world.put("outgoing/below/second.txt", "four")
        try await world.put(Array("outgoing/".utf8) + [0xFF], "no key can be made of its name")
        try await world.run {
            let silent = try SilentListener()
            let terminal = try start(
                world, "pull", settings: ["AWS_ENDPOINT_URL": "http://127.0.0.1:\(silent.port)"])
            let names = ["outgoing/first.txt", "outgoing/below/second.txt"]
            try await waitUntil("both files are shown, and the one that failed") {
                let lines = terminal.screen.lines
                return names.allSatisfy { name in lines.contains { $0.hasSuffix("B  \(name)") } }
                    && lines.contains { $0.contains("file failed") }
                    && lines.contains { $0.hasPrefix("0 of 3 files, ") && $0.contains(", 1 failed") }
            }
            let screen = terminal.screen
            #expect(screen.lines.contains { $0.hasPrefix("  100 %       3 B  ") }, "\(screen.lines)")
            // The line of the log stands above, whole, and nothing of the display beside it.
            let failed = screen.lines.filter { $0.contains("file failed") }
            #expect(failed.count == 1 && failed[0].hasPrefix("20"), "\(failed)")
            #expect(failed[0].contains(#"path="outgoing/\\xff""#), "\(failed)")
            #expect(screen.lines.first == failed.first, "\(screen.lines)")
            #expect(!screen.lines.contains { $0.contains("INFO") }, "\(screen.lines)")

            try terminal.resize(columns: 40)
            try await waitUntil("it fits again") {
                let rows = terminal.screen.shownRows
                return rows.contains { $0.hasPrefix("0 of 3 files") && !$0.contains("B/s") }
                    && names.allSatisfy { name in rows.contains("  \(name)") }
            }
            let narrow = terminal.screen
            #expect(narrow.lines.count { $0.hasPrefix("0 of 3 files") } == 1, "\(narrow.shownRows)")

            terminal.press("\u{3}")
            let status = try await terminal.finish(withinSeconds: 20)
            let left = terminal.screen
            #expect(status == 130 && left.faults.isEmpty, "\(left.faults)")
            // Behind the lines of the log, which begin with the time.
            let lines = left.lines.filter { !$0.hasPrefix("20") }
            #expect(lines.first?.hasPrefix("0 files transferred, 0 bytes, in ") == true, "\(left.lines)")
            #expect(lines.contains("remaining for the next run: 2"), "\(left.lines)")
            for word in [" of 3 files", "100 %", "^C"] {
                #expect(!lines.contains { $0.contains(word) }, "\(word) in \(lines)")
            }
        }
    }

    @Test func onlyTheResultIsLeftOfARunThatWentWell() async throws {
        let world = try CommandLineWorld()
        for number in 1...20 { try await world.put("outgoing/\(number)", "content") }
        try await world.store("k", "object")
        try await world.run {
            for (program, arguments, result) in [
                ("pull", [], "20 files transferred, 140 bytes, in "),
                ("push", ["s3://acme-outbox/k"], "1 file transferred, 6 bytes, in "),
                ("pushRetry", [], "0 files transferred, 0 bytes, in "),
            ] {
                let terminal = try start(world, program, arguments)
                #expect(try await terminal.finish(withinSeconds: 60) == 0)
                let screen = terminal.screen
                #expect(screen.lines.count == 1 && screen.lines[0].hasPrefix(result), "\(screen.lines)")
                #expect(screen.faults.isEmpty, "\(screen.faults)")
            }
        }
    }

    /// Who asks for lines gets them, in the order in which things happened, and nothing else.
    @Test(arguments: [
        (["--no-progress"], [:]), (["--verbose"], [:]), ([], ["TERM": "dumb"]), ([], ["TERM": ""]),
        ([], ["AWS_LAMBDA_LOG_FORMAT": "JSON"]),
    ])
    func linesAreWrittenWhereADisplayIsNotWanted(arguments: [String], settings: [String: String]) async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/file", "content")
        try await world.run {
            let terminal = try start(world, "pull", arguments, settings: settings)
            #expect(try await terminal.finish(withinSeconds: 60) == 0)
            #expect(terminal.screen.lines.contains { $0.contains("file transferred") })
            #expect(!terminal.output.contains("\u{1B}"), "\(terminal.output)")
        }
    }

    @Test func linesThatAreAskedForStandAboveTheDisplay() async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/file", "content")
        try await world.run {
            let terminal = try start(world, "pull", settings: ["AWS_LAMBDA_LOG_LEVEL": "INFO"])
            #expect(try await terminal.finish(withinSeconds: 60) == 0)
            let lines = terminal.screen.lines
            #expect(lines.count { $0.contains("file transferred") && $0.hasPrefix("20") } == 1, "\(lines)")
            #expect(lines.last?.hasPrefix("1 file transferred") == true, "\(lines)")
            #expect(!lines.contains { $0.contains(" of 1") }, "\(lines)")
        }
    }
}
