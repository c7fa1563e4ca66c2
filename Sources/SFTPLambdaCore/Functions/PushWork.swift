import AWS
import LambdaRuntime
import Logging
import SFTP
import Synchronization
import Transfers

/// What push and pushRetry have in common: the clients, the plan of an invocation, and its connection.
struct PushWork: Sendable {
    let settings: PushSettings
    let services: FunctionServices
    let clock = SystemClock()
    private let connector: ServerConnector
    private let s3: S3Client

    init(settings: PushSettings, services: FunctionServices) {
        self.settings = settings
        self.services = services
        connector = ServerConnector(
            settings.connection, secrets: SecretsManagerSource(client: SecretsManagerClient(services.aws)))
        s3 = S3Client(services.aws)
    }

    /// What an invocation works with.
    /// - Throws: what `ServerConnector.origin` throws.
    func plan(deadlineUptimeSeconds: Double) async throws -> PushPlan {
        PushPlan(
            origin: try await connector.origin(deadlineUptimeSeconds: deadlineUptimeSeconds),
            targetDirectory: settings.targetDirectory, strip: settings.strip, allowsInPlace: settings.allowInPlace,
            budgetBytes: MemoryBudget.bytes(environment: services.environment),
            objectTimeoutSeconds: settings.pushTimeoutSeconds.map(Double.init),
            sha256: { bytes in SHA256Hasher.hexadecimalDigest(bytes) })
    }

    /// The buckets, for an invocation.
    func objects(deadlineUptimeSeconds: Double, logger: Logger) -> S3SourceObjects {
        S3SourceObjects(client: s3, deadlineUptimeSeconds: deadlineUptimeSeconds, logger: logger)
    }

    /// Opens a connection for the plan, and remembers it in `opened`.
    func connect(
        for plan: PushPlan, _ opened: OpenedClients, deadlineUptimeSeconds: Double, logger: Logger
    ) async throws(RemoteFailure) -> any RemoteDestination {
        let client: SFTPClient
        let origin: String
        do {
            (client, origin) = try await connector.connect(
                deadlineUptimeSeconds: deadlineUptimeSeconds, logger: logger)
        } catch let error as SFTPError {
            throw RemoteFailure(error)
        } catch {
            throw RemoteFailure(Task.isCancelled ? .cancelled : .connectionLost, "\(error)")
        }
        guard opened.add(client) else {
            await client.close()
            throw RemoteFailure(.cancelled, "connect: the invocation has ended")
        }
        // Marks name the user: with the one that is no longer right they would lie.
        guard origin == plan.origin else {
            throw RemoteFailure(.connectionLost, "the login has changed while this invocation began; it is tried again")
        }
        return SFTPDestination(client: client, logger: logger)
    }
}

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

    /// Closes all, and takes no more.
    func close() async {
        let all = clients.withLock { clients in
            defer { clients = nil }
            return clients ?? []
        }
        for client in all { await client.close() }
    }
}
