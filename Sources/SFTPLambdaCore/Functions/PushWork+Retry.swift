import Logging
import SFTP
package import Transfers

// Apart from push, whose role permits less: the tests of the deployment read here what each function calls.
extension PushWork {
    /// Works through the retry queue.
    /// - Parameter noteRefusal: hears why a connection could not be opened.
    /// - Throws: what `ServerConnector.origin` throws; then nothing was tried.
    package func retryMessages(
        _ run: FunctionRun, observer: any PushObserver,
        noteRefusal: @escaping @Sendable (FunctionFailure) -> Void = { _ in }
    ) async throws -> PushSummary {
        try await run.window.run {
            let plan = try await plan(run)
            let opened = OpenedClients()
            let flow = RetryFlow(
                plan: plan, objects: objects(run),
                connect: { () throws(RemoteFailure) in
                    // Rule R1: before a message is received, the server has to answer.
                    try await connect(for: plan, opened, awaitsVersion: true, run, noteRefusal)
                },
                queue: retryQueue(run), clock: clock, observer: observer,
                deadlineUptimeSeconds: run.window.ruleDeadlineUptimeSeconds)
            return await opened.closing(atUptimeSeconds: run.window.closingUptimeSeconds) { await flow.run() }
        }
    }
}
