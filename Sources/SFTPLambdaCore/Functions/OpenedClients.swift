import SFTP
import Synchronization

/// The connections of an invocation, which are closed at its end, whatever is still under way on them.
final class OpenedClients: Sendable {
    private let clients = Mutex<[SFTPClient]?>([])

    /// False when the invocation has ended: then the client is not taken.
    func add(_ client: SFTPClient) -> Bool {
        clients.withLock { clients in
            clients?.append(client)
            return clients != nil
        }
    }

    /// Runs the work, and closes all behind it; at that time already if the work still runs. A server that is silent
    /// then must not keep the function from queueing what is left and from answering: without a connection all ends at
    /// once.
    func closing<Value: Sendable>(
        atUptimeSeconds limit: Double, behind work: () async -> Value
    ) async -> Value {
        let watch = Task {
            await SystemClock().wait(untilUptimeSeconds: limit)
            if !Task.isCancelled { await close() }
        }
        let value = await work()
        watch.cancel()
        await close()
        return value
    }

    /// Closes all, and takes no more.
    private func close() async {
        let all = clients.withLock { clients in
            defer { clients = nil }
            return clients ?? []
        }
        for client in all { await client.close() }
    }
}
