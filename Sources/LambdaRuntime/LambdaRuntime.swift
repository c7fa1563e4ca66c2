public import HTTP
public import Logging

/// The loop of a custom runtime: fetches one invocation after the other from the Lambda Runtime API, calls the handler
/// and answers (AWS Lambda Developer Guide, "Building a custom runtime for AWS Lambda").
///
/// `docs/lambda-runtime.md` has a table of what is done for each answer of the Runtime API.
///
/// SIGTERM keeps its default action, the end of the process. Lambda sends it only to functions with an extension, and
/// only when no invocation runs: nothing is left to be finished, and nothing could be done better in the 300 ms before
/// SIGKILL.
public struct LambdaRuntime: Sendable {
    private let client: RuntimeAPIClient
    private let clock: any RuntimeClock
    private let traceVariable: any TraceVariable
    private let logger: Logger

    /// The waits before a call of the Runtime API is repeated, and so how often. The first is none at all: after a
    /// thaw the old connection is dead and a new one works at once.
    public static let standardRetryDelays: [Duration] = [
        .zero, .milliseconds(100), .milliseconds(500), .seconds(2),
    ]

    /// Makes a loop; nothing is sent before `run`.
    /// - Parameters:
    ///   - address: where the Runtime API listens, as a rule `RuntimeAPIAddress(environment:)`.
    ///   - executor: what sends the requests. It must not go through a proxy for the address.
    ///   - logger: for the loop's own lines, and with the request id for the handler's.
    public init(
        address: RuntimeAPIAddress, executor: any HTTPExecutor, logger: Logger,
        clock: any RuntimeClock = SystemRuntimeClock(),
        traceVariable: any TraceVariable = EnvironmentTraceVariable.shared,
        retryDelays: [Duration] = standardRetryDelays
    ) {
        client = RuntimeAPIClient(address: address, executor: executor, logger: logger, retryDelays: retryDelays)
        self.clock = clock
        self.traceVariable = traceVariable
        self.logger = logger
    }

    /// Makes the handler, then serves invocations until the process has to end.
    /// - Parameter makeHandler: runs once, in Lambda's init phase. When it throws, the failure is reported to
    ///   `init/error`.
    /// - Throws: `LambdaRuntimeError`, always in the end: the process should then exit with a status other than zero.
    public func run(
        _ makeHandler: @Sendable () async throws -> any LambdaHandler
    ) async throws(LambdaRuntimeError) -> Never {
        let handler = try await initialize(makeHandler)
        while true {
            switch try await client.next(clock: clock) {
            case .event(let event, let context, let key):
                traceVariable.set(context.traceID)
                try await serve(event, context, key, handler)
            case .unreadable(let report, let key):
                traceVariable.set(nil)
                try await fail(report, key)
            }
        }
    }

    private func initialize(
        _ makeHandler: @Sendable () async throws -> any LambdaHandler
    ) async throws(LambdaRuntimeError) -> any LambdaHandler {
        let report: ErrorReport
        do {
            return try await makeHandler()
        } catch {
            report = ErrorReport(error)
        }
        do {
            try await client.reportInitialization(report)
        } catch {
            logger.error(
                "Lambda did not take the report of the failed initialization", metadata: ["reason": "\(error)"])
        }
        throw LambdaRuntimeError(.initializationFailed, "\(report.errorType): \(report.errorMessage)")
    }

    private func serve(
        _ event: [UInt8], _ context: InvocationContext, _ key: InvocationKey, _ handler: any LambdaHandler
    ) async throws(LambdaRuntimeError) {
        let response: [UInt8]
        do {
            response = try await handler.handle(event, context: context)
        } catch {
            return try await fail(ErrorReport(error), key)
        }
        guard try await client.respond(response, to: key) == .tooLarge else { return }
        // Lambda has noted the same failure by itself by now and may refuse this one, which is `Verdict.over`.
        let report = ErrorReport(
            type: "Function.ResponseSizeTooLarge",
            message: "the response of \(response.count) bytes is larger than Lambda passes on (413)")
        try await fail(report, key)
    }

    private func fail(_ report: ErrorReport, _ key: InvocationKey) async throws(LambdaRuntimeError) {
        let logger = key.naming(logger)
        logger.error(
            "the invocation failed",
            metadata: [
                "errorType": .string(report.errorType), "errorMessage": .string(report.errorMessage),
            ])
        guard try await client.report(report, for: key) == .tooLarge else { return }
        logger.error("the Runtime API refused an error report as too large")
    }
}
