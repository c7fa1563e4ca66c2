import Glibc
import Synchronization

/// Writes whole lines to a file descriptor with write(2), one call a line where the system takes it at once. Lines of
/// many threads never mix, whatever their length. The descriptor stays the caller's.
///
/// A log must never stop the work it tells of: a line that cannot be written is dropped and counted.
public final class LineWriter: Sendable {
    private let descriptor: Int32
    private let maximumWaitMilliseconds: Int64
    private let state = Mutex(State())

    private struct State {
        /// The last line stopped half way: a line end must come before the next one.
        var isTorn = false
        var droppedLines = 0
    }

    /// How often one line may be interrupted, by a signal or by somebody who takes the room that was there, without any
    /// progress.
    static let maximumInterruptions = 100

    /// The writer of standard error. There should be no other for it: lines are kept whole by a writer's lock.
    public static let standardError = LineWriter(descriptor: STDERR_FILENO)

    /// Makes a writer.
    /// - Parameters:
    ///   - maximumWaitMilliseconds: how long one line may wait in all while the reader of a non-blocking descriptor is
    ///     slow.
    public init(descriptor: Int32, maximumWaitMilliseconds: Int64 = 2000) {
        self.descriptor = descriptor
        self.maximumWaitMilliseconds = maximumWaitMilliseconds
    }

    /// The lines that could not be written, or not whole.
    public var droppedLines: Int { state.withLock { $0.droppedLines } }

    /// Writes a line; the line end is added.
    func write(_ line: [UInt8]) {
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
        var deadline: Int64?
        while written < bytes.count && interruptions <= Self.maximumInterruptions {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                written += count
                interruptions = 0
                continue
            }
            interruptions += 1
            switch count < 0 ? errno : 0 {
            case EINTR: continue
            case EAGAIN:
                let end = deadline ?? Self.uptimeMilliseconds() + maximumWaitMilliseconds
                deadline = end
                guard waitUntilWritable(until: end) else { return written }
            default: return written
            }
        }
        return written
    }

    /// Waits until the descriptor takes more, or a signal comes; false when the time is over or the reader is gone.
    private func waitUntilWritable(until deadline: Int64) -> Bool {
        let left = deadline - Self.uptimeMilliseconds()
        guard left > 0 else { return false }
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        let status = poll(&entry, 1, Int32(clamping: left))
        if status < 0 { return errno == EINTR }
        return status > 0 && entry.revents & Int16(POLLOUT) != 0
    }

    private static func uptimeMilliseconds() -> Int64 {
        var time = timespec()
        let status = clock_gettime(CLOCK_MONOTONIC, &time)
        precondition(status == 0, "Linux always has this clock")
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
