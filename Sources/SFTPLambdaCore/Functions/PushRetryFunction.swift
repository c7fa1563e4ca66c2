import JSON
import LambdaRuntime
import Logging
import Transfers

/// The Lambda function `pushRetry`: works through the retry queue, whatever the event says (rules R1 to R4),
/// unless it is a `CheckEvent`.
struct PushRetryFunction: LambdaHandler {
    private let services: FunctionServices
    private let work: PushWork

    /// - Throws: `SettingsError` with every fault of the settings.
    init(services: FunctionServices, logger: Logger) throws {
        self.services = services
        work = try PushWork(.pushRetry, services: services, logger: logger)
    }

    func handle(_ event: [UInt8], context: InvocationContext) async throws -> [UInt8] {
        let run = FunctionRun(context)
        if CheckEvent.isOne(event) {
            return try await work.checkRetry(run).answer(run.logger)
        }
        let summary = try await work.retryMessages(run, observer: PushLog(logger: run.logger))
        services.report(summary, .pushRetry, run)
        guard summary.failed == 0 else {
            throw FunctionFailure(
                type: .retriesFailed, cause: .work,
                message: "\(summary.failed) failed, \(summary.delivered) delivered, \(summary.handedBack) handed back. "
                    + summary.listedFailures)
        }
        return summary.jsonBytes
    }
}
