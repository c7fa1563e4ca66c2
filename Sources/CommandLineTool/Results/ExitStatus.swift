import AWS
import SFTPLambdaCore
import Transfers

/// How a program ends. The numbers are part of what scripts build on: they stay.
enum ExitStatus: Int32, CaseIterable, Sendable {
    case done = 0
    case someFailed = 1
    case wrongSetting = 2
    case cannotConnect = 3
    case awsUnusable = 4
    case interrupted = 130
    case terminated = 143

    /// What it says, on one line of plain Markdown.
    var summary: String {
        switch self {
        case .done: "Done. Nothing failed; what is left on the server or in S3 has a reason that is no failure."
        case .someFailed: "Some of the work failed: the result says what. The rest is done."
        case .wrongSetting:
            "An option, an argument or a setting is wrong, or an event cannot be understood. Nothing was tried."
        case .cannotConnect:
            "The partner's server cannot be worked with: its name, the network, its host key or the login. Nothing was "
                + "transferred."
        case .awsUnusable:
            "AWS cannot be worked with: there are no credentials, the secret of SFTP_SECRET_ID cannot be read, or the "
                + "queue cannot be used."
        case .interrupted: "Interrupted by SIGINT (Ctrl-C), in an orderly way."
        case .terminated: "Ended by SIGTERM, in an orderly way."
        }
    }

    /// The status for an error that kept the work from being done.
    init(_ error: any Error) {
        switch error {
        case is SettingsError, is UsageError: self = .wrongSetting
        case is CredentialsError: self = .awsUnusable
        case let failure as FunctionFailure: self.init(failure.cause)
        default: self = .someFailed
        }
    }

    init(_ cause: FunctionFailure.Cause) {
        switch cause {
        case .settings: self = .wrongSetting
        case .server: self = .cannotConnect
        case .aws: self = .awsUnusable
        case .work: self = .someFailed
        }
    }

    /// The status for a run of pull.
    init(_ summary: PullSummary) { self = summary.isFailure ? .someFailed : .done }

    /// The status for a run of push or pushRetry.
    /// - Parameters:
    ///   - refusal: why there was no connection, if one was asked for in vain.
    ///   - missing: how many objects were named that are not there.
    init(_ summary: PushSummary, refusal: FunctionFailure?, missing: Int = 0) {
        if summary.failed == 0 && summary.unqueued == 0 {
            self = missing == 0 ? .done : .someFailed
        } else if let refusal, summary.delivered == 0, summary.marked == 0 {
            self.init(refusal.cause)
        } else if summary.delivered == 0, !summary.failures.isEmpty,
            summary.failures.allSatisfy({ $0.errorClass == FailureClass.queue.rawValue })
        {
            self = .awsUnusable
        } else {
            self = .someFailed
        }
    }

    /// The status after a signal that asked the program to end.
    init?(signal: Int32) {
        self.init(rawValue: 128 + signal)
    }
}
