import AWS
import JSON
import SFTPLambdaCore
import Synchronization
import Transfers

/// The work of one call, with everything that it needs.
struct ToolWork: Sendable {
    let function: LambdaFunction
    let command: Command
    let services: FunctionServices
    let run: FunctionRun
    let output: StandardOutput
    /// Shows how far it is; nil where there is no terminal for that.
    let display: ProgressDisplay?

    /// Does it, writes the result, and says how the program is to end.
    /// - Throws: why nothing could be done.
    func status() async throws -> ExitStatus {
        if command.action == .check { return try await check() }
        let isDryRun = command.action == .dryRun
        switch function {
        case .pull: return try await isDryRun ? previewPull() : pull()
        case .push: return try await isDryRun ? previewPush() : push()
        case .pushRetry: return try await isDryRun ? previewRetry() : pushRetry()
        }
    }

    private func pull() async throws -> ExitStatus {
        let work = try PullWork(services: services, logger: run.logger)
        try await checkCredentials()
        let summary = try await shown { try await work.pull(run, observer: pullObserver(work)) }
        write(summary, ResultText.lines(summary, doneName: "\(work.doneDirectory)"))
        return ExitStatus(summary)
    }

    private func push() async throws -> ExitStatus {
        let work = try PushWork(.push, services: services, logger: run.logger)
        let event = try await event()
        try await checkCredentials()
        let refusal = Refusal()
        let missing = MissingObjects(logger: run.logger)
        let observer = isNamed ? missing.noting(pushObserver) : pushObserver
        let summary = try await shown {
            try await work.push(
                event, run, queue: work.retryQueue(run), observer: observer, noteRefusal: refusal.note
            ).summary
        }
        services.report(summary, .push, run)
        write(summary, ResultText.lines(summary) + missing.lines)
        return ExitStatus(summary, refusal: refusal.value, missing: missing.all.count)
    }

    private func pushRetry() async throws -> ExitStatus {
        let work = try PushWork(.pushRetry, services: services, logger: run.logger)
        try await checkCredentials()
        let refusal = Refusal()
        let summary = try await shown {
            try await work.retryMessages(run, observer: pushObserver, noteRefusal: refusal.note)
        }
        services.report(summary, .pushRetry, run)
        write(summary, ResultText.lines(summary))
        return ExitStatus(summary, refusal: refusal.value)
    }

    private func check() async throws -> ExitStatus {
        let report: CheckReport
        switch function {
        case .pull: report = try await PullWork(services: services, logger: run.logger).checkPull(run)
        case .push:
            let objects = command.source == nil ? [] : try await event().requests.map(\.address)
            report = try await PushWork(.push, services: services, logger: run.logger)
                .checkPush(run, objects: objects)
        case .pushRetry:
            report = try await PushWork(.pushRetry, services: services, logger: run.logger).checkRetry(run)
        }
        write(report, CheckText.lines(report))
        return report.firstFailure?.cause.map { ExitStatus($0) } ?? .done
    }

    // MARK: Dry runs

    private func previewPull() async throws -> ExitStatus {
        let work = try PullWork(services: services, logger: run.logger)
        try await checkCredentials()
        let preview = PreviewOutput(output: output, writesJSON: command.writesJSON, logger: run.logger)
        let summary = try await work.previewPull(run, observer: preview) { preview.planned($0, bucket: work.bucket) }
        write(PreviewSummary(summary: summary), PreviewText.lines(summary, doneName: "\(work.doneDirectory)"))
        return ExitStatus(summary)
    }

    private func previewPush() async throws -> ExitStatus {
        let work = try PushWork(.push, services: services, logger: run.logger)
        let event = try await event()
        try await checkCredentials()
        let preview = PreviewOutput(output: output, writesJSON: command.writesJSON, logger: run.logger)
        let missing = MissingObjects(logger: run.logger)
        let summary = try await work.previewPush(
            event, run, observer: isNamed ? missing.noting(preview) : preview
        ) { preview.planned($0) }
        write(PreviewSummary(summary: summary), PreviewText.lines(summary) + missing.lines)
        return ExitStatus(summary, refusal: nil, missing: missing.all.count)
    }

    private func previewRetry() async throws -> ExitStatus {
        let work = try PushWork(.pushRetry, services: services, logger: run.logger)
        try await checkCredentials()
        let count = try await work.waitingCount(run)
        write(PreviewSummary(summary: ["waiting": count]), PreviewText.lines(waiting: count))
        return .done
    }

    // MARK: What all need

    /// What hears of each file.
    private func pullObserver(_ work: PullWork) -> any TransferObserver {
        let log = TransferLog(logger: run.logger, bucket: work.bucket)
        guard let display else { return log }
        return PullProgress(board: display.board, log: log)
    }

    /// What hears of each object.
    private var pushObserver: any PushObserver {
        let log = PushLog(logger: run.logger)
        guard let display else { return log }
        return PushProgress(board: display.board, log: log)
    }

    /// Does the work, and shows meanwhile how far it is where that is wanted.
    private func shown<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        guard let display else { return try await work() }
        return try await display.during(work)
    }

    /// Whether the objects were named one by one, and not by an event.
    private var isNamed: Bool { if case .objects = command.source { true } else { false } }

    /// What push is to push.
    /// - Throws: `UsageError` when the file cannot be read, or nothing of it can be understood.
    private func event() async throws(UsageError) -> IncomingEvent {
        switch command.source {
        case .objects(let objects): return IncomingEvent(objects: objects)
        case .event(let file):
            let event = IncomingEvent(try await EventFile.read(file))
            guard event.failures.isEmpty else {
                let reasons = event.failures.prefix(Self.shownFailures).map { Printed.text($0.error.message) }
                throw UsageError("the event in \(Printed.word(file)): \(reasons.joined(separator: "; "))")
            }
            return event
        case nil: throw UsageError("nothing to push is named")
        }
    }

    private static let shownFailures = 5

    /// Without credentials every file would fail by itself.
    /// - Throws: `CredentialsError`.
    private func checkCredentials() async throws(CredentialsError) {
        _ = try await services.aws.credentials.credentials()
    }

    private func write(_ result: some JSONWritable, _ lines: [String]) {
        if command.writesJSON {
            output.write(result.jsonBytes)
        } else {
            output.write(lines)
        }
    }
}

/// Why the server took no connection: the last reason of a run.
private final class Refusal: Sendable {
    private let state = Mutex<FunctionFailure?>(nil)

    var value: FunctionFailure? { state.withLock { $0 } }

    var note: @Sendable (FunctionFailure) -> Void {
        { [self] failure in state.withLock { $0 = failure } }
    }
}
