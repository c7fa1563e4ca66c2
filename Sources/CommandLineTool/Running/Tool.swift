import AWS
import Glibc
import JSON
import LambdaRuntime
import Logging
import SFTPLambdaCore
import Transfers

/// A function as a tool of the command line: reads what is asked for, does it, and says what came of it.
struct Tool: Sendable {
    let function: LambdaFunction
    let environment: [String: String]
    private let output = StandardOutput()

    init(function: LambdaFunction, environment: [String: String]) {
        self.function = function
        self.environment = environment
    }

    /// Does what the arguments ask for.
    func run(_ arguments: some Sequence<String>) async -> ExitStatus {
        // Whoever reads the output or the log may go away: that ends no transfer.
        signal(SIGPIPE, SIG_IGN)
        let command: Command
        do throws(UsageError) {
            command = try Command(arguments, of: function)
        } catch {
            LineWriter.standardError.write(
                Array("\(function.rawValue): \(error). \(function.rawValue) --help says how it is called".utf8))
            return .wrongSetting
        }
        switch command.action {
        case .help:
            output.write(
                HelpText.text(of: function).split(separator: "\n", omittingEmptySubsequences: false)
                    .map(String.init))
        case .version: output.write(ProgramVersion.lines(of: function))
        case .run, .dryRun, .check: return await work(command)
        }
        return .done
    }

    /// Works until the end or until a signal asks for it, whatever comes first.
    private func work(_ command: Command) async -> ExitStatus {
        var options = logOptions(command)
        let display = ProgressDisplay(for: command, log: options, environment: environment)
        // What the display shows needs no lines, unless somebody has asked for them.
        if display != nil, environment[LogOptions.levelName]?.isEmpty != false { options.level = .warning }
        let log = LogOutput(options: options)
        let logger = FunctionMain.logger(of: function, environment, log)
        for warning in log.options.warnings { logger.warning("\(warning)") }
        let task = Task { await perform(command, log, logger, display) }
        var actions = EndSignal.Actions(
            end: { task.cancel() }, beforeExit: { LineWriter.standardError.removeFooterAtOnce() })
        // What the shell writes then must not stand beside the display, nor be taken away with it later.
        if display != nil { actions.aroundStop = { LineWriter.standardError.withoutFooter($0) } }
        let end = EndSignal(actions)
        let status = await task.value
        guard let signal = end?.received, let ended = ExitStatus(signal: signal) else { return status }
        return ended
    }

    private func logOptions(_ command: Command) -> LogOptions {
        var options = LogOptions(environment: environment)
        if command.isVerbose { options.level = min(options.level, .debug) }
        return options
    }

    private func perform(
        _ command: Command, _ log: LogOutput, _ logger: Logger, _ display: ProgressDisplay?
    ) async -> ExitStatus {
        let run = FunctionRun(id: Self.runID(), logger: logger, log, watch: display?.board)
        do {
            let services = try FunctionServices(for: function, environment: environment, log: log)
            let work = ToolWork(
                function: function, command: command, services: services, run: run, output: output, display: display)
            let status = try await work.status()
            // Whoever reads the result must not take a part of it for the whole.
            return output.isWhole || status != .done ? status : .someFailed
        } catch {
            return report(error, command, run.logger, log)
        }
    }

    /// Says why the work could not be done: to people in plain words, and where the log is JSON as a line of it, by the
    /// fields that an invocation of Lambda fails with.
    private func report(
        _ error: any Error, _ command: Command, _ logger: Logger, _ log: LogOutput
    ) -> ExitStatus {
        let reported = ReportedError(error)
        if log.options.format == .json {
            // Nothing else on standard error tells it: it must pass where only FATAL does.
            logger.log(
                level: max(.error, log.options.level), "the run failed",
                metadata: [
                    "errorType": .string(reported.errorType), "errorMessage": .string(reported.errorMessage),
                ])
        } else {
            LineWriter.standardError.write(Array("\(function.rawValue): \(reported.errorMessage)".utf8))
        }
        if command.writesJSON { output.write(reported.jsonBytes) }
        return ExitStatus(error)
    }

    /// Tells one run from others in the logs.
    private static func runID() -> String { String(UInt64.random(in: 0 ... .max), radix: 16) }
}

/// An error as the result says it, in the form that Lambda has for it.
struct ReportedError: JSONWritable {
    let errorType: String
    let errorMessage: String

    init(_ error: any Error) {
        switch error {
        case let error as any LambdaReportableError:
            (errorType, errorMessage) = (error.errorType, error.errorMessage)
        case let error as CredentialsError:
            errorType = FailureType.credentialsUnavailable.rawValue
            errorMessage = "\(error.message): \(error.remedy)"
        case let error as UsageError:
            (errorType, errorMessage) = (FailureType.invalidArguments.rawValue, error.description)
        default: (errorType, errorMessage) = ("Unhandled", "\(error)")
        }
    }

    /// Writes an object, its members in the order of their names.
    func write(to text: inout JSONText) {
        text.object {
            $0.member("errorMessage", errorMessage)
            $0.member("errorType", errorType)
        }
    }
}
