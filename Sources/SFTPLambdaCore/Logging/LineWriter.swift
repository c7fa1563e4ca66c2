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

    /// Writes a line; the line end is added.
    package func write(_ line: [UInt8]) {
        state.withLock { state in
            let lineEnd = [UInt8(ascii: "\n")]
            let bytes = (state.isTorn ? lineEnd : []) + line + lineEnd
            let written = writeAll(bytes)
            guard written < bytes.count else {
                state.isTorn = false
                return
            }
            state.droppedLines += 1
            if written > 0 { state.isTorn = bytes[written - 1] != UInt8(ascii: "\n") }
        }
    }

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
            case EAGAIN where isWritable(): continue
            default: return written
            }
        }
        return written
    }

    /// Waits until the descriptor takes more; false when it does not in time.
    private func isWritable() -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        var status: Int32 = -1
        for _ in 0..<Self.maximumInterruptions {
            status = poll(&entry, 1, Int32(Self.maximumWaitMilliseconds))
            guard status < 0 && errno == EINTR else { break }
        }
        return status > 0 && entry.revents & Int16(POLLOUT) != 0
    }
}
