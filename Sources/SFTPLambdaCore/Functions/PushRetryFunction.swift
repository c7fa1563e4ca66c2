import AWS
import JSON
import LambdaRuntime
import Logging
import Transfers

/// The Lambda function `pushRetry`: works through the retry queue, whatever the event says (rules R1 to R4).
struct PushRetryFunction: LambdaHandler {
    private let services: FunctionServices
    private let locator: RetryQueueLocator
    private let work: PushWork
    private let clock = SystemClock()

    /// - Throws: `SettingsError` with every fault of the settings.
    init(services: FunctionServices, logger: Logger) throws {
        self.services = services
        let settings = try PushSettings(environment: services.environment, for: .pushRetry)
        for warning in settings.warnings { logger.warning("\(warning)") }
        work = PushWork(settings: settings, services: services)
        locator = RetryQueueLocator(client: SQSClient(services.aws), reference: settings.retryQueue)
    }

    func handle(_ event: [UInt8], context: InvocationContext) async throws -> [UInt8] {
        let window = WorkWindow(context.deadline)
        let summary = try await window.run { try await retry(window, context.logger) }
        services.report(summary, .pushRetry, context)
        guard summary.failed == 0 else {
            throw FunctionFailure(
                type: "RetriesFailed",
                message: "\(summary.failed) failed, \(summary.delivered) delivered, \(summary.handedBack) handed back. "
                    + summary.listedFailures)
        }
        return summary.jsonBytes
    }

    private func retry(_ window: WorkWindow, _ logger: Logger) async throws -> PushSummary {
        let deadline = window.deadlineUptimeSeconds
        let plan = try await work.plan(deadlineUptimeSeconds: deadline)
        let opened = OpenedClients()
        let flow = RetryFlow(
            plan: plan, objects: work.objects(window, logger: logger),
            connect: { () throws(RemoteFailure) in
                // Rule R1: before a message is received, the server has to answer.
                try await work.connect(
                    for: plan, opened, awaitsVersion: true, deadlineUptimeSeconds: deadline, logger: logger)
            },
            queue: SQSRetryQueue(
                locator: locator, deadlineUptimeSeconds: window.lastUptimeSeconds, logger: logger), clock: clock,
            observer: PushLog(logger: logger), deadlineUptimeSeconds: deadline)
        return await opened.closing(atUptimeSeconds: window.closingUptimeSeconds) { await flow.run() }
    }
}
