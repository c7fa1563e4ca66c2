import Logging
import SFTP
package import Transfers

extension PullWork {
    /// Says what `pull` would do, and changes nothing.
    /// - Throws: as `pull`.
    package func previewPull(
        _ run: FunctionRun, observer: any TransferObserver, planned: @escaping @Sendable (PlannedTransfer) -> Void
    ) async throws -> PullSummary {
        try await run.window.run {
            try await connector.connected(run) { client, origin in
                await PullPreview(
                    plan: plan(origin, run), files: SFTPRemoteFiles(client: client), store: objectStore(run),
                    clock: clock, observer: observer, planned: planned
                ).run()
            }
        }
    }
}
