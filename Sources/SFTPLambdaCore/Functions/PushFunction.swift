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
            work = .success(try PushWork(.push, services: services, logger: logger))
        } catch {
            logger.critical(
                "nothing can be pushed: every event goes to the retry queue until the settings are right",
                metadata: ["reason": "\(error)"])
            work = .failure(error)
        }
    }

    func handle(_ event: [UInt8], context: InvocationContext) async throws -> [UInt8] {
        let run = FunctionRun(context)
        if CheckEvent.isOne(event) {
            return try await work.get().checkPush(run).answer(run.logger)
        }
        let result = await push(IncomingEvent(event), run)
        services.report(result.summary, .push, run)
        if result.isFailure { throw FunctionFailure(unqueued: result.summary) }
        if let failedItemIDs = result.failedItemIDs {
            return Array(IncomingEvent.batchAnswer(failedItemIDs: failedItemIDs).utf8)
        }
        return result.summary.jsonBytes
    }

    private func push(_ event: IncomingEvent, _ run: FunctionRun) async -> PushFlow.Result {
        let observer = PushLog(logger: run.logger)
        let queue = SQSRetryQueue(
            locator: locator, deadlineUptimeSeconds: run.window.lastUptimeSeconds, logger: run.logger)
        do {
            return try await work.get().push(event, run, queue: queue, observer: observer)
        } catch {
            return await PushFlow.postpone(
                event, because: PushFailure(.settings, "\(error)"), queue: queue, clock: clock, observer: observer)
        }
    }
}

extension FunctionFailure {
    /// The end of a push whose failures the retry queue did not take: Lambda has to keep the event.
    init(unqueued summary: PushSummary) {
        let messages = "\(summary.unqueued) of \(summary.queued + summary.unqueued) messages"
        self.init(
            type: .retryQueueUnavailable, cause: .aws,
            message: "\(messages) could not be put on the retry queue, so Lambda keeps the event. "
                + summary.listedFailures)
    }
}
