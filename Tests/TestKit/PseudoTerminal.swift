public import Foundation
import Synchronization

/// A terminal of its own for a program, and what it shows.
///
/// The program leads a session that the terminal controls, so that keys typed there reach it as signals. Letting go of the
/// terminal hangs it up, which ends the program.
public final class PseudoTerminal: Sendable {
    private let master: Int32
    private let process = Process()
    private let ended: AsyncStream<Void>
    private let state: Mutex<State>

    private struct State {
        var screen: TerminalScreen
        var raw: [UInt8] = []
        /// Bytes of a character whose others have not come.
        var partial: [UInt8] = []
        /// Whether all has come: nobody has it open any more.
        var isAtEnd = false
    }

    /// Starts a program with exactly this environment, standard input, output and error being the terminal.
    public init(
        _ program: URL, _ arguments: [String], environment: [String: String], columns: Int, rows: Int = 24
    ) throws {
        let flags = O_RDWR | O_NOCTTY | O_CLOEXEC
        let master = open("/dev/ptmx", flags)
        self.master = master
        state = Mutex(State(screen: TerminalScreen(columns: columns)))
        let (ended, ending) = AsyncStream<Void>.makeStream()
        self.ended = ended
        var isLocked: Int32 = 0
        guard master >= 0, ioctl(master, Self.setLock, &isLocked) == 0 else {
            throw PseudoTerminalFailure(description: "there is no pseudo-terminal: errno \(errno)")
        }
        let slave = ioctl(master, Self.openPeer, flags)
        guard slave >= 0 else { throw PseudoTerminalFailure(description: "it cannot be opened: errno \(errno)") }
        defer { close(slave) }
        try setSize(columns: columns, rows: rows)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setsid")
        process.arguments = ["--ctty", "--wait", program.path] + arguments
        process.environment = environment
        let handle = FileHandle(fileDescriptor: slave, closeOnDealloc: false)
        process.standardInput = handle
        process.standardOutput = handle
        process.standardError = handle
        process.terminationHandler = { _ in ending.finish() }
        try process.run()
        let reading = dup(master)
        Thread { [weak self] in
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(reading, &buffer, buffer.count)
                guard count > 0, let self else { break }
                self.take(buffer[..<count])
            }
            self?.state.withLock { $0.isAtEnd = true }
            close(reading)
        }.start()
    }

    /// TIOCSPTLCK and TIOCGPTPEER (ioctl_tty(2)), whose macros Swift does not import.
    private static let (setLock, openPeer): (UInt, UInt) = (0x4004_5431, 0x5441)

    private func take(_ bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            state.raw += bytes
            state.partial += bytes
            // As far as it is whole.
            var whole = state.partial.count
            while whole > 0, String(validating: state.partial[..<whole], as: UTF8.self) == nil,
                state.partial.count - whole < 4
            {
                whole -= 1
            }
            state.screen.take(String(decoding: state.partial[..<whole], as: UTF8.self))
            state.partial.removeFirst(whole)
        }
    }

    /// What it shows now.
    public var screen: TerminalScreen { state.withLock { $0.screen } }

    /// All that was written until now.
    public var output: String { String(decoding: state.withLock { $0.raw }, as: UTF8.self) }

    /// Gives it another size, as a window that is drawn smaller does.
    public func resize(columns: Int, rows: Int = 24) throws {
        try state.withLock { state in
            state.screen.resize(columns: columns)
            try setSize(columns: columns, rows: rows)
        }
    }

    private func setSize(columns: Int, rows: Int) throws {
        var size = winsize(ws_row: UInt16(rows), ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        guard ioctl(master, UInt(TIOCSWINSZ), &size) == 0 else {
            throw PseudoTerminalFailure(description: "it cannot be resized: errno \(errno)")
        }
    }

    /// Presses keys: `\u{3}` is Ctrl-C.
    public func press(_ keys: String) {
        let bytes = Array(keys.utf8)
        _ = write(master, bytes, bytes.count)
    }

    /// Waits for the program's end, and for all that it has written.
    /// - Returns: its exit status.
    public func finish(withinSeconds limit: Double) async throws -> Int32 {
        guard await endsByItself(process, ended, withinSeconds: limit, stop: { self.stop() }) else {
            throw PseudoTerminalFailure(description: "the program did not end within \(limit) s. It wrote:\n\(output)")
        }
        // What the program wrote last may still be in the terminal.
        try await waitUntil("all is read") { state.withLock { $0.isAtEnd } }
        return process.terminationStatus
    }

    /// Kills the program, which leads the terminal's session. Whoever waits for it then ends as well.
    private func stop() {
        let leader = tcgetsid(master)
        if process.isRunning, leader > 0 { kill(leader, SIGKILL) }
    }

    deinit {
        stop()
        close(master)
    }
}

/// What a pseudo-terminal could not do.
public struct PseudoTerminalFailure: Error, CustomStringConvertible {
    /// What was being done, and what was seen.
    public let description: String
}
