import Glibc
import SFTPLambdaCore

/// Where the result goes: standard output, in whole lines and by nobody else.
struct StandardOutput: Sendable {
    private let writer = LineWriter(descriptor: STDOUT_FILENO)

    /// Whether all that was written has got there.
    var isWhole: Bool { writer.droppedLines == 0 }

    /// Writes lines of text.
    func write(_ lines: [String]) {
        for line in lines { writer.write(Array(line.utf8)) }
    }

    /// Writes one line.
    func write(_ line: [UInt8]) { writer.write(line) }
}
