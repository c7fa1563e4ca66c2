import AWS
import JSON
import LambdaRuntime
import Logging
import SFTP
import Transfers

/// The Lambda function `pull`: one run over the partner's tree for each invocation, whatever the event says.
///
/// The connection to the server lasts for one invocation: between invocations Lambda freezes the process, and the
/// server would drop it. Connections to S3 and the secret are kept.
struct PullFunction: LambdaHandler {
    private let settings: PullSettings
    private let services: FunctionServices
    private let connector: ServerConnector
    private let store: S3Client
    private let selection: Selection
    private let clock = SystemClock()

    /// - Throws: `SettingsError` with every fault of the settings.
    init(services: FunctionServices, logger: Logger) throws {
        settings = try PullSettings(environment: services.environment)
        for warning in settings.warnings { logger.warning("\(warning)") }
        self.services = services
        connector = ServerConnector(
            settings.connection, secrets: SecretsManagerSource(client: SecretsManagerClient(services.aws)))
        store = S3Client(services.aws)
        selection = settings.selection
    }

    func handle(_ event: [UInt8], context: InvocationContext) async throws -> [UInt8] {
        try Self.check(event)
        let window = WorkWindow(context.deadline)
        let summary = try await window.run { try await run(window, context.logger) }
        report(summary, context)
        if summary.isFailure { throw FunctionFailure(summary) }
        return summary.jsonBytes
    }

    /// Any JSON will do: a schedule's event says nothing that a run needs.
    private static func check(_ event: [UInt8]) throws {
        do throws(JSONFault) {
            _ = try JSONValue(parsing: event)
        } catch {
            throw FunctionFailure(
                type: "MalformedEvent",
                message: "the event is not JSON: \(error.reason), at byte \(error.offsetBytes) of \(event.count);"
                    + " expected the event of a schedule, or {} from a person")
        }
    }

    private func run(_ window: WorkWindow, _ logger: Logger) async throws -> PullSummary {
        let deadlineUptimeSeconds = window.deadlineUptimeSeconds
        let (client, origin): (SFTPClient, String)
        do {
            (client, origin) = try await connector.connect(
                deadlineUptimeSeconds: deadlineUptimeSeconds, logger: logger)
        } catch let error as SFTPError {
            throw FunctionFailure(error)
        }
        var plan = PullPlan(
            sourceDirectory: settings.sourceDirectory, keys: KeyMapping(prefix: settings.keyPrefix),
            selection: selection, retentionDays: Int64(settings.fileRetentionDays ?? 0),
            origin: origin,
            budgetBytes: MemoryBudget.bytes(environment: services.environment),
            deadlineUptimeSeconds: deadlineUptimeSeconds,
            sha256: { bytes in SHA256Hasher.hexadecimal(SHA256Hasher.digest(bytes)) })
        plan.afterPull = settings.afterPull
        plan.doneName = settings.doneDirectory
        plan.steadySeconds = Int64(settings.steadySeconds)
        plan.maximumFilesInFlight = settings.maximumFilesInFlight
        let flow = PullFlow(
            plan: plan, files: SFTPRemoteFiles(client: client),
            store: S3ObjectStore(
                client: store, bucket: settings.bucket.text, deadlineUptimeSeconds: deadlineUptimeSeconds,
                lateUptimeSeconds: window.lateUptimeSeconds, logger: logger),
            clock: clock, observer: TransferLog(logger: logger))
        let opened = OpenedClients()
        _ = opened.add(client)
        // Moves under way are not cut off at the deadline: they have until then.
        return await opened.closing(atUptimeSeconds: window.closingUptimeSeconds) { await flow.run() }
    }

    private func report(_ summary: PullSummary, _ context: InvocationContext) {
        let left: [String: Logger.MetadataValue] = summary.left.mapValues { .stringConvertible($0) }
        context.logger.log(
            level: summary.isFailure ? .error : .info, "pull finished",
            metadata: [
                "transferred": .stringConvertible(summary.transferred), "bytes": .stringConvertible(summary.bytes),
                "left": .dictionary(left), "purged": .stringConvertible(summary.purged),
                "failed": .stringConvertible(summary.failed), "remaining": .stringConvertible(summary.remaining),
                "isListingComplete": .stringConvertible(summary.isListingComplete),
                "durationMilliseconds": .stringConvertible(summary.durationMilliseconds),
            ])
        var metrics = services.metrics(of: .pull, context)
        metrics.add("FilesTransferred", summary.transferred)
        metrics.add("BytesTransferred", summary.bytes, .bytes)
        metrics.add("FilesFailed", summary.failed)
        metrics.add("FilesRemaining", summary.remaining)
        metrics.add("FilesPurged", summary.purged)
        metrics.add("DurationMilliseconds", summary.durationMilliseconds, .milliseconds)
        services.log.write(metrics)
    }
}

extension FunctionFailure {
    /// The end of a run in which something failed: the invocation fails and names what did (rule P6).
    init(_ summary: PullSummary) {
        let failures = summary.failures.map { "\($0.path): \($0.reason)" }
        self.init(
            type: "TransfersFailed",
            message: "\(summary.failed) failed, \(summary.transferred) transferred, \(summary.remaining) remaining. "
                + Self.listed(failures, of: summary.failed))
    }
}

extension PullSettings {
    /// The selection that the settings ask for.
    var selection: Selection {
        Selection(
            include: include, exclude: exclude, minimumAgeSeconds: Int64(minimumFileAgeSeconds),
            readyMarker: readyMarker)
    }
}
