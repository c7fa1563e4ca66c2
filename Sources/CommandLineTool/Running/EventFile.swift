import Glibc
import Transfers

/// The file that `push --event` names.
enum EventFile {
    /// The content of a file; `-` is standard input.
    /// - Throws: `UsageError` when it cannot be read, or is longer than an event can be.
    static func read(_ path: String) throws(UsageError) -> [UInt8] {
        let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw fault(path, reason(errno)) }
        defer { if descriptor != STDIN_FILENO { close(descriptor) } }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while content.count <= IncomingEvent.maximumBytes {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return content }
            if count < 0 {
                if errno == EINTR { continue }
                throw fault(path, reason(errno))
            }
            content += buffer[..<count]
        }
        throw fault(path, "it is longer than an event can be, \(IncomingEvent.maximumBytes) bytes")
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    private static func fault(_ path: String, _ reason: String) -> UsageError {
        UsageError("the event cannot be read from \(Printed.word(path)): \(reason)")
    }
}
