import Glibc
import SFTPLambdaCore

/// Shows on a terminal how far a run has come, below the lines of the log, while the run lasts.
///
/// The cursor is never hidden and nothing of the terminal is changed, so that whatever ends the process leaves nothing to be
/// put back.
struct ProgressDisplay: Sendable {
    /// Where the work tells how far it is.
    let board = ProgressBoard()
    private let terminal: Terminal
    private let writer: LineWriter

    /// How often it is drawn anew at the most.
    private static let pause = Duration.milliseconds(200)

    /// Makes a display.
    /// - Parameter writer: the writer of all lines that go to the terminal.
    init(_ terminal: Terminal, writer: LineWriter = .standardError) {
        self.terminal = terminal
        self.writer = writer
    }

    /// The display that a command gets: one whose log is for people and is not the display itself, on a terminal.
    init?(for command: Command, log: LogOptions, environment: [String: String]) {
        guard Self.isWanted(command, log), let terminal = Terminal(environment: environment) else { return nil }
        self.init(terminal)
    }

    /// Whether a command shows how far it is where there is a terminal. The lines of `--verbose` show that themselves.
    static func isWanted(_ command: Command, _ log: LogOptions) -> Bool {
        command.action == .run && !command.isVerbose && !command.hidesProgress && log.format == .text
    }

    /// Shows how far the work is until it has ended, and takes everything away again.
    func during<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        let drawing = Task { await draw() }
        do {
            let value = try await withTaskCancellationHandler {
                try await work()
            } onCancel: {
                board.note { $0.isEnding = true }
            }
            await end(drawing)
            return value
        } catch {
            await end(drawing)
            throw error
        }
    }

    private func end(_ drawing: Task<Void, Never>) async {
        drawing.cancel()
        await drawing.value
        writer.removeFooter()
    }

    /// Draws until the task is cancelled.
    private func draw() async {
        var rate = TransferRate()
        let start = ContinuousClock.now
        while !Task.isCancelled {
            let progress = board.progress
            rate.add(
                atSeconds: (ContinuousClock.now - start) / .seconds(1), bytes: progress.passedBytes,
                files: progress.doneFiles)
            if terminal.isInBackground {
                writer.forgetFooter()
            } else {
                writer.show(Self.footer(ProgressText.lines(progress, rate, terminal.size), on: terminal))
            }
            // It throws only when the task is cancelled, and then the loop ends.
            try? await Task.sleep(for: Self.pause)
        }
    }

    private static func footer(_ lines: [String], on terminal: Terminal) -> LineWriter.Footer {
        let widths = lines.map { DisplayWidth.columns(of: $0) }
        return LineWriter.Footer(text: Array(lines.joined(separator: "\n").utf8)) {
            Self.erasure(ofWidths: widths, columns: terminal.size.columns)
        }
    }

    /// What takes away lines of these widths, the cursor being at the end of the last one. A terminal that has become narrower
    /// has wrapped them.
    static func erasure(ofWidths widths: [Int], columns: Int) -> [UInt8] {
        let rows = widths.reduce(0) { $0 + max(1, ($1 + columns - 1) / max(1, columns)) }
        // ECMA-48: CUU moves up, ED erases from the cursor to the end.
        let up = rows > 1 ? "\u{1B}[\(rows - 1)A" : ""
        return Array("\r\(up)\u{1B}[J".utf8)
    }
}
