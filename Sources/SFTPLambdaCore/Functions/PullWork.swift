import AWS
package import Logging
import SFTP
package import Transfers

/// What pull does, whoever asks for it: the clients, the plan of a run, its connection and its report.
///
/// The connection to the server lasts for one run: between invocations Lambda freezes the process, and the server would
/// drop it. Connections to S3 and the secret are kept.
package struct PullWork: Sendable {
    let settings: PullSettings
    let services: FunctionServices
    let connector: ServerConnector
    private let store: S3Client
    let clock = SystemClock()

    /// - Throws: `SettingsError` with every fault of the settings.
    package init(services: FunctionServices, logger: Logger) throws(SettingsError) {
        settings = try PullSettings(environment: services.environment)
        for warning in settings.warnings { logger.warning("\(warning)") }
        self.services = services
        connector = ServerConnector(
            settings.connection, secrets: SecretsManagerSource(client: SecretsManagerClient(services.aws)),
            network: LambdaNetwork(environment: services.environment))
        store = S3Client(services.aws)
    }

    /// Runs once over the tree, and reports. Cancelling the task ends it in an orderly way; the summary comes all the
    /// same, if there was a connection by then.
    /// - Throws: `FunctionFailure` without a connection, or what `LoginSource.login` throws.
    package func pull(_ run: FunctionRun, observer: any TransferObserver) async throws -> PullSummary {
        let began = clock.uptimeSeconds
        do {
            let summary = try await run.window.run {
                try await connector.connected(run) { client, origin in
                    await PullFlow(
                        plan: plan(origin, run), files: SFTPRemoteFiles(client: client, watch: run.watch),
                        store: objectStore(run), clock: clock, observer: observer
                    ).run()
                }
            }
            report(summary, run)
            return summary
        } catch {
            if let failureClass = FailureClass(ofRun: error) {
                report(PullSummary(untried: failureClass, afterSeconds: clock.uptimeSeconds - began), run)
            }
            throw error
        }
    }

    /// The bucket that takes the files.
    package var bucket: String { settings.bucket.text }

    /// The name of the directories that what was taken moves to.
    package var doneDirectory: RemoteName { settings.doneDirectory }

    func plan(_ origin: String, _ run: FunctionRun) -> PullPlan {
        var plan = PullPlan(
            sourceDirectory: settings.sourceDirectory, keys: KeyMapping(prefix: settings.keyPrefix),
            selection: settings.selection, retentionDays: Int64(settings.fileRetentionDays ?? 0), origin: origin,
            budgetBytes: MemoryBudget.bytes(environment: services.environment),
            deadlineUptimeSeconds: run.window.ruleDeadlineUptimeSeconds,
            sha256: { bytes in SHA256Hasher.hexadecimal(SHA256Hasher.digest(bytes)) })
        plan.afterPull = settings.afterPull
        plan.doneName = settings.doneDirectory
        plan.steadySeconds = Int64(settings.steadySeconds)
        plan.maximumFilesInFlight = settings.connection.maximumFilesInFlight
        plan.maximumBytesPerSecond = settings.connection.maximumBytesPerSecond
        return plan
    }

    func objectStore(_ run: FunctionRun) -> S3ObjectStore {
        S3ObjectStore(
            client: store, bucket: settings.bucket.text, deadlineUptimeSeconds: run.window.ruleDeadlineUptimeSeconds,
            lateUptimeSeconds: run.window.ruleLateUptimeSeconds, logger: run.logger)
    }

    private func report(_ summary: PullSummary, _ run: FunctionRun) {
        var fields: Logger.Metadata = [
            "transferred": .stringConvertible(summary.transferred), "bytes": .stringConvertible(summary.bytes),
            "left": .counts(summary.left), "purged": .stringConvertible(summary.purged),
            "failed": .stringConvertible(summary.failed), "failedByClass": .counts(summary.failedByClass),
            "remaining": .stringConvertible(summary.remaining),
            "isListingComplete": .stringConvertible(summary.isListingComplete),
            "durationMilliseconds": .stringConvertible(summary.durationMilliseconds),
        ]
        fields["oldestWaitingSeconds"] = summary.oldestWaitingSeconds.map { .stringConvertible($0) }
        run.logger.log(level: summary.isFailure ? .error : .info, "pull finished", metadata: fields)
        var metrics = services.metrics(of: .pull, run)
        metrics.add("FilesTransferred", summary.transferred)
        metrics.add("BytesTransferred", summary.bytes, .bytes)
        metrics.add("FilesFailed", summary.failed)
        metrics.add("FilesRemaining", summary.remaining)
        metrics.add("FilesPurged", summary.purged)
        metrics.add("DurationMilliseconds", summary.durationMilliseconds, .milliseconds)
        if let seconds = summary.oldestWaitingSeconds { metrics.add("OldestFileAgeSeconds", seconds, .seconds) }
        metrics.addFailures(summary.failedByClass)
        services.log.write(metrics)
    }
}

extension PullSummary {
    /// The summary of a run that could not begin.
    fileprivate init(untried failureClass: FailureClass, afterSeconds seconds: Double) {
        self.init()
        failed = 1
        failedByClass = [failureClass.rawValue: 1]
        isListingComplete = false
        durationMilliseconds = Int64(seconds * 1000)
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
