import JSON
import LambdaRuntime
import Logging
import Transfers

/// The Lambda function `pull`: one run over the partner's tree for each invocation, whatever the event says, unless it is
/// a `CheckEvent`.
struct PullFunction: LambdaHandler {
    private let work: PullWork

    /// - Throws: `SettingsError` with every fault of the settings.
    init(services: FunctionServices, logger: Logger) throws {
        work = try PullWork(services: services, logger: logger)
    }

    func handle(_ event: [UInt8], context: InvocationContext) async throws -> [UInt8] {
        try Self.check(event)
        let run = FunctionRun(context)
        if CheckEvent.isOne(event) { return try await work.checkPull(run).answer(run.logger) }
        let summary = try await work.pull(run, observer: TransferLog(logger: run.logger, bucket: work.bucket))
        if summary.isFailure { throw FunctionFailure(summary) }
        return summary.jsonBytes
    }

    /// Any JSON will do: a schedule's event says nothing that a run needs.
    private static func check(_ event: [UInt8]) throws {
        do throws(JSONFault) {
            _ = try JSONValue(parsing: event)
        } catch {
            throw FunctionFailure(
                type: .malformedEvent, cause: .settings,
                message: "the event is not JSON: \(error.reason), at byte \(error.offsetBytes) of \(event.count);"
                    + " expected the event of a schedule, or {} from a person")
        }
    }
}

extension FunctionFailure {
    /// The end of a run in which something failed: the invocation fails and names what did (rule P6).
    init(_ summary: PullSummary) {
        let failures = summary.failures.map { "\($0.path): \($0.reason)" }
        self.init(
            type: .transfersFailed, cause: .work,
            message: "\(summary.failed) failed, \(summary.transferred) transferred, \(summary.remaining) remaining. "
                + Self.listed(failures, of: summary.failed))
    }
}
