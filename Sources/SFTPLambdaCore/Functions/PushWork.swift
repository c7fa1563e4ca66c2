import AWS
package import Logging
import SFTP
package import Transfers

/// What push and pushRetry do, whoever asks for it: the clients, the plan of a run, its connection and its queue.
package struct PushWork: Sendable {
    let settings: PushSettings
    let services: FunctionServices
    let clock = SystemClock()
    let connector: ServerConnector
    private let s3: S3Client
    /// The queue is looked for once by a process.
    private let locator: RetryQueueLocator?

    /// Reads the settings of `function`, which is push or pushRetry.
    /// - Throws: `SettingsError` with every fault of the settings.
    package init(
        _ function: LambdaFunction, services: FunctionServices, logger: Logger
    ) throws(SettingsError) {
        settings = try PushSettings(work: function, environment: services.environment)
        for warning in settings.warnings { logger.warning("\(warning)") }
        self.services = services
        connector = ServerConnector(
            settings.connection, secrets: SecretsManagerSource(client: SecretsManagerClient(services.aws)),
            network: LambdaNetwork(environment: services.environment))
        s3 = S3Client(services.aws)
        locator = settings.retryQueue.map { RetryQueueLocator(client: SQSClient(services.aws), reference: $0) }
    }

    /// Pushes what the event asks for, and puts on the queue what fails.
    /// - Parameter noteRefusal: hears why a connection could not be opened.
    /// - Throws: what `ServerConnector.origin` throws; then nothing was tried.
    package func push(
        _ event: IncomingEvent, _ run: FunctionRun, queue: any RetryQueue, observer: any PushObserver,
        noteRefusal: @escaping @Sendable (FunctionFailure) -> Void = { _ in }
    ) async throws -> PushFlow.Result {
        try await run.window.run {
            let plan = try await plan(run)
            let opened = OpenedClients()
            let flow = PushFlow(
                plan: plan, objects: objects(run),
                connect: { () throws(RemoteFailure) in
                    // One that does not speak SFTP fails what it is asked first: that goes to the retry queue all the
                    // same.
                    try await connect(for: plan, opened, awaitsVersion: false, run, noteRefusal)
                }, queue: queue, clock: clock, observer: observer)
            return await opened.closing(atUptimeSeconds: run.window.closingUptimeSeconds) { await flow.run(event) }
        }
    }

    /// The retry queue of the settings, or one that takes nothing where none is set.
    package func retryQueue(_ run: FunctionRun) -> any RetryQueue {
        guard let locator else { return NoRetryQueue() }
        return SQSRetryQueue(
            locator: locator, deadlineUptimeSeconds: run.window.lastUptimeSeconds, logger: run.logger)
    }

    func plan(_ run: FunctionRun) async throws -> PushPlan {
        var plan = PushPlan(
            origin: try await connector.origin(deadlineUptimeSeconds: run.window.deadlineUptimeSeconds),
            targetDirectory: settings.targetDirectory, strip: settings.strip, allowsInPlace: settings.allowInPlace,
            budgetBytes: MemoryBudget.bytes(environment: services.environment),
            objectTimeoutSeconds: settings.pushTimeoutSeconds.map(Double.init),
            sha256: { bytes in SHA256Hasher.hexadecimal(SHA256Hasher.digest(bytes)) })
        plan.targetName = settings.targetName
        plan.maximumObjectsInFlight = min(
            settings.connection.maximumFilesInFlight, PushPlan.mostObjectsInFlight)
        return plan
    }

    func objects(_ run: FunctionRun) -> S3SourceObjects {
        S3SourceObjects(
            client: s3, deadlineUptimeSeconds: run.window.ruleDeadlineUptimeSeconds,
            lateUptimeSeconds: run.window.ruleLateUptimeSeconds, logger: run.logger, watch: run.watch)
    }

    /// Opens a connection for the plan, and remembers it in `opened`.
    /// - Parameter awaitsVersion: see `SFTPClientOptions.awaitsVersion`.
    func connect(
        for plan: PushPlan, _ opened: OpenedClients, awaitsVersion: Bool, _ run: FunctionRun,
        _ noteRefusal: @Sendable (FunctionFailure) -> Void
    ) async throws(RemoteFailure) -> any RemoteDestination {
        let client: SFTPClient
        let origin: String
        do {
            (client, origin) = try await connector.connect(
                awaitsVersion: awaitsVersion, deadlineUptimeSeconds: run.window.deadlineUptimeSeconds,
                logger: run.logger)
        } catch let error as SFTPError {
            if error.reason != .cancelled { noteRefusal(FunctionFailure(error)) }
            throw RemoteFailure(error)
        } catch {
            // Only the secret is left, which could be read when the plan was made: after a refused login it is read again.
            let reason: RemoteFailure.Reason = error is SettingsError ? .invalidSettings : .connectionLost
            throw RemoteFailure(Task.isCancelled ? .cancelled : reason, "\(error)")
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
        return SFTPDestination(client: client, modes: modes, logger: run.logger)
    }
}
