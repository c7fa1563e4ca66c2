import AWS

extension PushWork {
    /// Finds out whether pushRetry can work, and what it would work with. What it tries it cleans up.
    package func checkRetry(_ run: FunctionRun) async throws -> CheckReport {
        try await checkFlow(.pushRetry, run) { aws, list in
            guard let queue = settings.retryQueue else { return }
            await aws.checkQueueAttributes(queue, &list)
        }
    }
}
