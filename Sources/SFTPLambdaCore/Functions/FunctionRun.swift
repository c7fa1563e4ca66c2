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

    /// Makes a run.
    package init(id: String, window: WorkWindow, logger: Logger, watch: (any ContentWatch)? = nil) {
        self.id = id
        self.window = window
        self.logger = logger
        self.watch = watch
    }

    /// The run of an invocation.
    init(_ context: InvocationContext) {
        self.init(id: context.requestID, window: WorkWindow(context.deadline), logger: context.logger)
    }
}
