internal import CWithoutProc

/// The arguments that the process was started with. Unlike `CommandLine.arguments` they are there without /proc as well.
package enum ProcessArguments {
    /// All of them, the program's own name left out; bytes that are not UTF-8 are replaced.
    package static var all: [String] {
        (0..<process_argument_count()).dropFirst().compactMap { index in
            process_argument(index).map { String(cString: $0) }
        }
    }
}
