public import Logging

/// Where log lines and metrics go: one file descriptor, one line each, shared by all loggers.
public struct LogOutput: Sendable {
    /// How it logs.
    public let options: LogOptions

    private let writer: LineWriter
    private let epochMilliseconds: @Sendable () -> Int64

    /// Makes an output. Standard error is the default: Lambda collects it like standard output, and in a local run
    /// standard output is for the result.
    public init(
        options: LogOptions, writer: LineWriter = .standardError,
        epochMilliseconds: (@Sendable () -> Int64)? = nil
    ) {
        self.options = options
        self.writer = writer
        self.epochMilliseconds = epochMilliseconds ?? { Timestamp.epochMilliseconds() }
    }

    /// A logger that writes here.
    public func logger(label: String, metadataProvider: Logger.MetadataProvider? = nil) -> Logger {
        Logger(label: label) { JSONLogHandler(label: $0, output: self, metadataProvider: metadataProvider) }
    }

    /// Writes metrics, where something reads them (`LogOptions.writesMetrics`). They are JSON in the text form too:
    /// CloudWatch knows no other. Lambda filters them by level like any line (Lambda Developer Guide, "Log-level
    /// filtering"), so they are said to be as urgent as a line must be to pass.
    public func write(_ metrics: EmbeddedMetrics) {
        guard options.writesMetrics else { return }
        let level = max(options.level, .info)
        for line in metrics.lines(epochMilliseconds: epochMilliseconds(), level: level) { writer.write(line) }
    }

    func write(level: Logger.Level, message: String, label: String, metadata: Logger.Metadata) {
        let line = LogLine(
            epochMilliseconds: epochMilliseconds(), level: level, message: message, label: label, metadata: metadata)
        writer.write(options.format == .json ? line.json : line.text)
    }
}
