import LambdaRuntime
import SFTP

/// Why a run failed, in the words that Lambda is told.
package struct FunctionFailure: LambdaReportableError, Hashable, CustomStringConvertible {
    /// What has to be mended, as far as a caller acts on it.
    package enum Cause: Hashable, Sendable {
        /// A setting, or the event.
        case settings
        /// The partner's server cannot be worked with at all.
        case server
        /// AWS cannot be worked with at all: there are no credentials, or the secret cannot be read.
        case aws
        /// Some of the work failed.
        case work
    }

    /// What has to be mended.
    package let cause: Cause
    /// The stable word under which Lambda reports it.
    package let type: FailureType
    /// What failed, without what to do.
    package let finding: String
    /// What to do; empty where the finding says it, or nothing can be said.
    package let remedy: String

    /// The stable word under which Lambda reports it.
    package var errorType: String { type.rawValue }
    /// What failed, and what to do.
    package var errorMessage: String { remedy.isEmpty ? finding : "\(finding): \(remedy)" }

    /// The error message.
    package var description: String { errorMessage }

    init(type: FailureType, cause: Cause, message: String, remedy: String = "") {
        self.type = type
        self.cause = cause
        finding = message
        self.remedy = remedy
    }

    /// The first failures of a number of them, as text.
    static func listed(_ first: [String], of count: Int) -> String {
        let more = count - first.count
        return first.joined(separator: "; ") + (more > 0 ? "; and \(more) more, see the log" : "")
    }

    /// A connection that could not be opened. A setting that cannot be used is no answer of the server, whatever step it
    /// belongs to.
    init(_ error: SFTPError) {
        let isSetting = error.reason == .invalidConfiguration
        let type: FailureType =
            switch error.step {
            case _ where isSetting: .invalidSettings
            case .resolve: .serverNameNotResolved
            case .connect: .serverUnreachable
            case .handshake: .handshakeFailed
            case .hostKey: .hostKeyRefused
            case .authentication: .loginRefused
            case .sftpStart, .operation: .sftpUnavailable
            }
        self.init(
            type: type, cause: isSetting ? .settings : .server, message: "\(error.step.rawValue): \(error.finding)",
            remedy: error.remedy)
    }
}

/// A failure that is told in two parts.
protocol RemediedError: Error {
    /// What happened.
    var finding: String { get }
    /// What to do; empty where nothing can be said.
    var remedy: String { get }
}

extension FunctionFailure: RemediedError {}

extension SFTPError: RemediedError {}

extension SettingsError: RemediedError {}
