import Transfers

/// Stands for the retry queue where none is set, as on a command line: it takes nothing and holds nothing. What fails is
/// told by the program's result and exit status alone.
struct NoRetryQueue: RetryQueue {
    private static let failure = QueueFailure(
        .notFound, "SFTP_RETRY_QUEUE_NAME is not set, so what failed is on no queue: run the command again")

    func waitingCount() async throws(QueueFailure) -> Int { throw Self.failure }

    func send(_ messages: [RetryMessage]) async -> [Int: QueueFailure] {
        Dictionary(uniqueKeysWithValues: messages.indices.map { ($0, Self.failure) })
    }

    func receive(
        maximumCount: Int, waitSeconds: Int, hiddenSeconds: Int
    ) async throws(QueueFailure) -> [QueuedMessage] { throw Self.failure }

    func delete(_ messages: [QueuedMessage]) async -> [Int: QueueFailure] { [:] }

    func hide(_ messages: [QueuedMessage], forSeconds seconds: Int) async -> [Int: QueueFailure] { [:] }
}
