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

    /// The display has the lines of what needs nothing left out, and the result has ten names at most.
    @Test(arguments: [[], ["--json"]])
    func everyObjectThatIsNamedAndNotThereIsNamed(arguments: [String]) async throws {
        let world = try CommandLineWorld()
        let keys = (1...11).map { "gone-\($0)." }
        try await world.run {
            let terminal = try start(world, "push", arguments + keys.map { "s3://acme-outbox/\($0)" })
            #expect(try await terminal.finish(withinSeconds: 60) == 1)
            let lines = terminal.screen.lines
            let warnings = lines.filter { $0.contains("no such object, or no such bucket") && $0.contains("WARN") }
            #expect(warnings.count == 11, "\(lines)")
            for key in keys { #expect(warnings.count { $0.contains("key=\(key)") } == 1, "\(key) in \(lines)") }
            #expect(arguments.isEmpty == (lines.last == "  and 1 more: see the log"), "\(lines)")
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

/// The programs as jobs of a shell, which share the terminal with it; and whoever has no patience.
struct TerminalJobTests {
    /// A shell on a terminal, and a store that never answers: what is pulled stays on its way.
    private struct Desk {
        let world: CommandLineWorld
        let store: SilentListener
        let terminal: PseudoTerminal

        init() async throws {
            world = try CommandLineWorld()
            store = try SilentListener()
            try await world.put("outgoing/file", "content")
            let pull = try BuiltProgram.url("pull")
            let environment = world.environment([
                "TERM": "xterm", "PS1": "$ ", "PATH": "\(pull.deletingLastPathComponent().path):/usr/bin:/bin",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:\(store.port)",
            ])
            terminal = try PseudoTerminal(
                URL(fileURLWithPath: "/bin/bash"), ["--norc", "--noprofile", "--noediting", "-i"],
                environment: environment, columns: 200)
        }

        /// Waits until a line says so.
        func waitFor(_ words: String) async throws {
            try await waitUntil("'\(words)' on the terminal") { terminal.screen.lines.contains { $0.contains(words) } }
        }

        /// Ends the job in the foreground and then the shell.
        func end() async throws {
            terminal.press("\u{3}")
            try await waitFor("remaining for the next run: 1")
            terminal.press("echo status=$?\n")
            try await waitFor("status=130")
            terminal.press("exit\n")
            #expect(try await terminal.finish(withinSeconds: 20) == 0)
            #expect(terminal.screen.faults.isEmpty, "\(terminal.screen.faults)")
        }
    }

    private static let display = "0 of 1 file, "

    @Test func aStoppedRunLeavesTheTerminalToTheShellAndTakesNothingOfIt() async throws {
        let desk = try await Desk()
        try await desk.world.run {
            let terminal = desk.terminal
            terminal.press("pull\n")
            try await desk.waitFor(Self.display)
            terminal.press("\u{1A}")
            try await desk.waitFor("Stopped")
            terminal.press("echo still $((40 + 2))\n")
            try await desk.waitFor("still 42")
            #expect(!terminal.screen.lines.contains { $0.contains(Self.display) }, "\(terminal.screen.lines)")
            terminal.press("fg\n")
            try await desk.waitFor(Self.display)
            try await desk.end()
            for words in ["Stopped", "still 42", "$ fg"] {
                #expect(terminal.screen.lines.contains { $0.contains(words) }, "\(words): \(terminal.screen.lines)")
            }
            #expect(!terminal.screen.lines.contains { $0.contains(Self.display) }, "\(terminal.screen.lines)")
        }
    }

    /// With `tostop`, whoever writes on the terminal from the background is stopped for it.
    @Test func aRunInTheBackgroundDrawsNothingUntilItIsBroughtToTheFront() async throws {
        let desk = try await Desk()
        try await desk.world.run {
            let terminal = desk.terminal
            terminal.press("stty tostop; pull &\n")
            // By then it has been looked at what is to be drawn.
            try await waitUntil("the file is on its way") { desk.store.hasConnection }
            terminal.press("jobs\n")
            try await desk.waitFor("Running")
            for drawn in ["no files", Self.display, "\u{1B}"] {
                #expect(!terminal.output.contains(drawn), "\(terminal.output)")
            }
            terminal.press("fg\n")
            try await desk.waitFor(Self.display)
            try await desk.end()
        }
    }

    /// The store takes the beginning of an upload, and nothing after that: not its end either.
    @Test func theSecondInterruptEndsARunThatDoesNotEnd() async throws {
        let world = try CommandLineWorld()
        let large = String(repeating: "x", count: 20 << 20)
        try await world.put("outgoing/large", large)
        let gate = ScriptedHTTPServer.Gate()
        let store = try ScriptedHTTPServer { exchange in
            switch exchange.request.method {
            case "GET": try exchange.respond(200, body: Array("<ListBucketResult></ListBucketResult>".utf8))
            case "HEAD": try exchange.respond(404)
            case "POST":
                let id = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
                try exchange.respond(200, body: Array(id.utf8))
            default: try gate.wait()
            }
        }
        defer {
            gate.open()
            store.stop()
        }
        try await world.run {
            let terminal = try PseudoTerminal(
                BuiltProgram.url("pull"), [],
                environment: world.environment(["TERM": "xterm", "AWS_ENDPOINT_URL": store.url]), columns: 200)
            try await waitUntil("a part is on its way") { store.requests.contains { $0.query.contains("partNumber=") } }
            terminal.press("\u{3}")
            try await waitUntil("it says that it ends") { terminal.screen.lines.contains { $0.hasSuffix(", ending") } }
            terminal.press("\u{3}")
            // The first one alone would end it two seconds later.
            #expect(try await terminal.finish(withinSeconds: 8) == 130)
            let screen = terminal.screen
            #expect(screen.faults.isEmpty && !screen.lines.contains { $0.contains("transferred") }, "\(screen.lines)")
            #expect(!screen.lines.contains { $0.contains("ending") || $0.contains("%") }, "\(screen.lines)")
        }
    }

    /// A shell without job control has what it starts in the background ignore SIGINT: Ctrl-C is for the foreground.
    @Test func aSignalThatIsIgnoredFromTheStartIsIgnored() async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/file", "content")
        try await world.run {
            let store = try SilentListener()
            let program = try RunningProgram.start(
                "/bin/sh", ["-c", "trap '' INT; exec \"$0\" -v", BuiltProgram.url("pull").path],
                environment: world.environment(["AWS_ENDPOINT_URL": "http://127.0.0.1:\(store.port)"]))
            try await waitUntil("the file is on its way") { store.hasConnection }
            kill(program.processID, SIGINT)
            kill(program.processID, SIGTERM)
            let run = try await program.finish(withinSeconds: 20)
            // In an orderly way, as after one signal alone.
            #expect(run.status == 143 && run.output.contains("remaining for the next run: 1"), "\(run.errors)")
        }
    }
}
