import Logging
import SFTP
package import Transfers

extension PushWork {
    /// Says what `push` would do, and changes nothing.
    /// - Throws: `FunctionFailure` without a connection, or what `LoginSource.login` throws.
    package func previewPush(
        _ event: IncomingEvent, _ run: FunctionRun, observer: any PushObserver,
        planned: @escaping @Sendable (PlannedPush) -> Void
    ) async throws -> PushSummary {
        try await run.window.run {
            let plan = try await plan(run)
            return try await connector.connected(run) { client, _ in
                await PushPreview(
                    plan: plan, objects: objects(run), files: SFTPRemoteFiles(client: client), clock: clock,
                    observer: observer, planned: planned
                ).run(event)
            }
        }
    }

    /// Says how many messages wait for `retry`, about, and that the server takes connections. What they ask for stays
    /// unknown: SQS counts every look at a message as a receive.
    /// - Throws: `FunctionFailure` without a connection or a queue, or what `LoginSource.login` throws.
    package func waitingCount(_ run: FunctionRun) async throws -> Int {
        try await run.window.run {
            let count: Int
            do throws(QueueFailure) {
                count = try await retryQueue(run).waitingCount()
            } catch {
                throw FunctionFailure(type: .retryQueueUnavailable, cause: .aws, message: "retry queue: \(error)")
            }
            return try await connector.connected(run) { _, _ in count }
        }
    }
}
