import Glibc
import Synchronization

/// Writes whole lines to a file descriptor with write(2), one call a line where the system takes it at once. Lines of
/// many threads never mix, whatever their length. The descriptor stays the caller's.
///
/// A log must never stop the work it tells of: a line that cannot be written is dropped and counted.
public final class LineWriter: Sendable {
    private let descriptor: Int32
    private let state = Mutex(State())

    private struct State {
        /// The last line stopped half way: a line end must come before the next one.
        var isTorn = false
        var droppedLines = 0
        /// Stands below the lines of a terminal.
        var footer: Footer?
    }

    /// Text that stays below the lines of a terminal while they scroll.
    package struct Footer: Sendable {
        /// What draws it where the cursor is, at the beginning of a line. No line end stands behind it.
        let text: [UInt8]
        /// What takes it away, and the cursor to where it began. Asked for when it is needed: the terminal may have another
        /// width by then.
        let erasure: @Sendable () -> [UInt8]

        /// Makes a footer.
        package init(text: [UInt8], erasure: @escaping @Sendable () -> [UInt8]) {
            self.text = text
            self.erasure = erasure
        }
    }

    /// How long a line may wait while the reader of a non-blocking descriptor is slow.
    static let maximumWaitMilliseconds = 2000
    /// How often one line may be interrupted by a signal without any progress.
    static let maximumInterruptions = 100

    /// The writer of standard error. There should be no other for it: lines are kept whole by a writer's lock.
    public static let standardError = LineWriter(descriptor: STDERR_FILENO)

    /// Makes a writer.
    public init(descriptor: Int32) { self.descriptor = descriptor }

    /// The lines that could not be written, or not whole.
    public var droppedLines: Int { state.withLock { $0.droppedLines } }

    /// Writes a line; the line end is added. A footer is taken away for it and drawn anew below it.
    package func write(_ line: [UInt8]) {
        state.withLock { state in
            let lineEnd = UInt8(ascii: "\n")
            var bytes = state.footer?.erasure() ?? []
            if state.isTorn { bytes.append(lineEnd) }
            bytes += line
            bytes.append(lineEnd)
            let neededCount = bytes.count
            if let footer = state.footer { bytes += footer.text }
            let written = writeAll(bytes)
            guard written < neededCount else {
                state.isTorn = false
                return
            }
            state.droppedLines += 1
            if written > 0 { state.isTorn = bytes[written - 1] != lineEnd }
        }
    }

    /// Draws a footer in the place of the one that is there. Where the descriptor takes nothing at once, such as a terminal
    /// that somebody has stopped, nothing is drawn.
    package func show(_ footer: Footer) {
        state.withLock { state in
            guard isWritable(withinMilliseconds: 0) else { return }
            let bytes = (state.footer?.erasure() ?? []) + footer.text
            state.footer = footer
            _ = writeAll(bytes)
        }
    }

    /// Takes the footer away.
    package func removeFooter() {
        state.withLock { state in
            if let footer = state.footer { _ = writeAll(footer.erasure()) }
            state.footer = nil
        }
    }

    /// Takes the footer away if that can be done without waiting: for a process that ends whatever others are doing.
    package func removeFooterAtOnce() { withoutFooter {} }

    /// Takes the footer away, and lets nobody write until the body has ended: what it does leaves the terminal to somebody
    /// else for a time. Where that cannot be done without waiting, the body is called all the same.
    package func withoutFooter(_ body: () -> Void) {
        let isDone: Void? = state.withLockIfAvailable { state in
            if let footer = state.footer, isWritable(withinMilliseconds: 0) { _ = writeAll(footer.erasure()) }
            state.footer = nil
            body()
        }
        if isDone == nil { body() }
    }

    /// Leaves the footer where it is and knows no more of it: the terminal is somebody else's now.
    package func forgetFooter() { state.withLock { $0.footer = nil } }

    /// Writes as much as it can and returns how much that was.
    private func writeAll(_ bytes: [UInt8]) -> Int {
        var written = 0
        var interruptions = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                written += count
                interruptions = 0
                continue
            }
            let code = count < 0 ? errno : 0
            switch code {
            case EINTR where interruptions < Self.maximumInterruptions: interruptions += 1
            case EAGAIN where isWritable(withinMilliseconds: Self.maximumWaitMilliseconds): continue
            default: return written
            }
        }
        return written
    }

    /// Waits until the descriptor takes more; false when it does not in time.
    private func isWritable(withinMilliseconds milliseconds: Int) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        var status: Int32 = -1
        for _ in 0..<Self.maximumInterruptions {
            status = poll(&entry, 1, Int32(milliseconds))
            guard status < 0 && errno == EINTR else { break }
        }
        return status > 0 && entry.revents & Int16(POLLOUT) != 0
    }
}
