import AWS
import LambdaRuntime
import Logging
import SFTP
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
            sha256: { bytes in SHA256Hasher.hexadecimal(SHA256Hasher.digest(bytes)) })
    }

    /// The buckets, for an invocation.
    func objects(_ window: WorkWindow, logger: Logger) -> S3SourceObjects {
        S3SourceObjects(
            client: s3, deadlineUptimeSeconds: window.deadlineUptimeSeconds,
            lateUptimeSeconds: window.lateUptimeSeconds, logger: logger)
    }

    /// Opens a connection for the plan, and remembers it in `opened`.
    /// - Parameter awaitsVersion: see `SFTPClientOptions.awaitsVersion`.
    func connect(
        for plan: PushPlan, _ opened: OpenedClients, awaitsVersion: Bool, deadlineUptimeSeconds: Double, logger: Logger
    ) async throws(RemoteFailure) -> any RemoteDestination {
        let client: SFTPClient
        let origin: String
        do {
            (client, origin) = try await connector.connect(
                awaitsVersion: awaitsVersion, deadlineUptimeSeconds: deadlineUptimeSeconds, logger: logger)
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
        let modes = FileModes(file: settings.fileMode, directory: settings.directoryMode)
        return SFTPDestination(client: client, modes: modes, logger: logger)
    }
}
