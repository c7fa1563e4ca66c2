import Glibc
import Synchronization
import Transfers

/// The file that `push --event` names.
enum EventFile {
    /// The content of a file, a pipe among them; `-` is standard input. Who waits for it is cut off at once when the task
    /// is cancelled.
    /// - Throws: `UsageError` when it cannot be read, or is longer than an event can be.
    static func read(_ path: String) async throws(UsageError) -> [UInt8] {
        // Opening a pipe must not wait for who writes to it: that could not be cut off.
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw fault(path, reason(errno)) }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        let cutOff = try CutOff(path)
        let outcome = await withTaskCancellationHandler {
            result { () throws(UsageError) in try content(of: descriptor, path, cutOff) }
        } onCancel: {
            cutOff.happens()
        }
        return try outcome.get()
    }

    private static func result(_ read: () throws(UsageError) -> [UInt8]) -> Result<[UInt8], UsageError> {
        do throws(UsageError) {
            return .success(try read())
        } catch {
            return .failure(error)
        }
    }

    private static func content(
        of descriptor: Int32, _ path: String, _ cutOff: CutOff
    ) throws(UsageError) -> [UInt8] {
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while content.count <= IncomingEvent.maximumBytes {
            guard cutOff.waits(for: descriptor) else { throw fault(path, "it was cut off before its end had come") }
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return content }
            if count < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                throw fault(path, reason(errno))
            }
            content += buffer[..<count]
        }
        throw fault(path, "it is longer than an event can be, \(IncomingEvent.maximumBytes) bytes")
    }

    /// Ends a wait for bytes from outside: a pipe, which is waited for as well.
    private final class CutOff: Sendable {
        private let reading: Int32
        private let writing: Int32
        private let hasHappened = Mutex(false)

        /// - Throws: `UsageError` when the system has no pipe left.
        init(_ path: String) throws(UsageError) {
            var ends: [Int32] = [-1, -1]
            guard pipe(&ends) == 0 else { throw EventFile.fault(path, EventFile.reason(errno)) }
            (reading, writing) = (ends[0], ends[1])
        }

        /// Ends the wait, now or later. Harmless when called again.
        func happens() {
            hasHappened.withLock { hasHappened in
                var byte: UInt8 = 0
                // There is room for one byte.
                if !hasHappened { _ = write(writing, &byte, 1) }
                hasHappened = true
            }
        }

        /// Waits until there is something to read, or its end; false when that was cut off.
        func waits(for descriptor: Int32) -> Bool {
            var entries = [
                pollfd(fd: reading, events: Int16(POLLIN), revents: 0),
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            ]
            while poll(&entries, 2, -1) < 0 {
                // What else poll can say means that reading says it as well.
                guard errno == EINTR else { return true }
            }
            return entries[0].revents == 0
        }

        deinit {
            close(reading)
            close(writing)
        }
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    private static func fault(_ path: String, _ reason: String) -> UsageError {
        UsageError("the event cannot be read from \(Printed.word(path)): \(reason)")
    }
}
