import AWS
import JSON
import LambdaRuntime
import Logging
import Transfers

/// The Lambda function `push`: sends the objects that an event names to the partner's server (rules U1 to U9).
///
/// What cannot be sent goes to the retry queue, and the invocation succeeds (rule U7). So the queue is the one setting
/// without which the function does not start; with any other one wrong, events are queued until it is right.
struct PushFunction: LambdaHandler {
    private let services: FunctionServices
    private let locator: RetryQueueLocator
    private let work: Result<PushWork, SettingsError>
    private let clock = SystemClock()

    /// - Throws: `SettingsError` when the retry queue is not known.
    init(services: FunctionServices, logger: Logger) throws {
        self.services = services
        locator = RetryQueueLocator(
            client: SQSClient(services.aws),
            reference: try PushSettings.retryQueue(environment: services.environment, for: .push))
        do throws(SettingsError) {
            let settings = try PushSettings(environment: services.environment, for: .push)
            for warning in settings.warnings { logger.warning("\(warning)") }
            work = .success(PushWork(settings: settings, services: services))
        } catch {
            logger.critical(
                "nothing can be pushed: every event goes to the retry queue until the settings are right",
                metadata: ["reason": "\(error)"])
            work = .failure(error)
        }
    }

    func handle(_ event: [UInt8], context: InvocationContext) async throws -> [UInt8] {
        let window = WorkWindow(context.deadline)
        let incoming = IncomingEvent(event)
        let queue = SQSRetryQueue(
            locator: locator, deadlineUptimeSeconds: window.lastUptimeSeconds, logger: context.logger)
        let result = try await window.run {
            await push(incoming, window, queue, context.logger)
        }
        services.report(result.summary, .push, context)
        if result.isFailure { throw FunctionFailure(unqueued: result.summary) }
        if let failedItemIDs = result.failedItemIDs {
            return Array(IncomingEvent.batchAnswer(failedItemIDs: failedItemIDs).utf8)
        }
        return result.summary.jsonBytes
    }

    private func push(
        _ event: IncomingEvent, _ window: WorkWindow, _ queue: any RetryQueue, _ logger: Logger
    ) async -> PushFlow.Result {
        let observer = PushLog(logger: logger)
        let work: PushWork
        let plan: PushPlan
        do {
            work = try self.work.get()
            plan = try await work.plan(deadlineUptimeSeconds: window.deadlineUptimeSeconds)
        } catch {
            return await PushFlow.postpone(
                event, because: PushFailure(.settings, "\(error)"), queue: queue, clock: clock, observer: observer)
        }
        let opened = OpenedClients()
        let flow = PushFlow(
            plan: plan, objects: work.objects(window, logger: logger),
            connect: { () throws(RemoteFailure) in
                // One that does not speak SFTP fails what it is asked first: that goes to the retry queue all the same.
                try await work.connect(
                    for: plan, opened, awaitsVersion: false, deadlineUptimeSeconds: window.deadlineUptimeSeconds,
                    logger: logger)
            }, queue: queue, clock: clock, observer: observer)
        return await opened.closing(atUptimeSeconds: window.closingUptimeSeconds) { await flow.run(event) }
    }
}

extension FunctionFailure {
    /// The end of a push whose failures the retry queue did not take: Lambda has to keep the event.
    init(unqueued summary: PushSummary) {
        let messages = "\(summary.unqueued) of \(summary.queued + summary.unqueued) messages"
        self.init(
            type: "RetryQueueUnavailable",
            message: "\(messages) could not be put on the retry queue, so Lambda keeps the event. "
                + summary.listedFailures)
    }
}
