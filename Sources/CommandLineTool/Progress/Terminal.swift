import Glibc

/// The terminal that standard error may be.
struct Terminal: Sendable {
    private let descriptor: Int32

    /// Nil where standard error is no terminal, or one that can do no more than a printer.
    init?(environment: [String: String], descriptor: Int32 = STDERR_FILENO) {
        guard let kind = environment["TERM"], !kind.isEmpty, kind != "dumb", isatty(descriptor) == 1 else { return nil }
        self.descriptor = descriptor
    }

    /// How many columns and rows it has now.
    var size: ProgressText.Size {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return .usual }
        return ProgressText.Size(columns: Int(size.ws_col), rows: Int(size.ws_row))
    }

    /// Whether a job in the background is what this process is: then the terminal belongs to another one.
    var isInBackground: Bool {
        let foreground = tcgetpgrp(descriptor)
        // It can be another's terminal altogether, of which no group is ours.
        return foreground > 0 && foreground != getpgrp()
    }
}
