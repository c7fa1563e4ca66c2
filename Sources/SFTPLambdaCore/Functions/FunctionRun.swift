import LambdaRuntime
package import Logging

/// One run of a function: an invocation of Lambda, or a call from a command line.
package struct FunctionRun: Sendable {
    /// Tells it from others in the logs: Lambda's request id, or one that is made up.
    package let id: String
    /// The time that it has.
    package let window: WorkWindow
    /// Where it tells what happens.
    package let logger: Logger
    /// Watches what is transferred; nil where nobody does.
    package let watch: (any ContentWatch)?

    /// Makes a run, whose lines do not name it unless those of the logger do.
    package init(id: String, window: WorkWindow, logger: Logger, watch: (any ContentWatch)? = nil) {
        self.id = id
        self.window = window
        self.logger = logger
        self.watch = watch
    }

    /// A run of a command line. Text for people does not name it: there a log is of one run.
    package init(id: String, logger: Logger, _ log: LogOutput, watch: (any ContentWatch)? = nil) {
        var logger = logger
        if log.options.format == .json { logger[metadataKey: LogField.requestID] = .string(id) }
        self.init(id: id, window: .unlimited, logger: logger, watch: watch)
    }

    /// The run of an invocation.
    init(_ context: InvocationContext) {
        self.init(id: context.requestID, window: WorkWindow(context.deadline), logger: context.logger)
    }
}
