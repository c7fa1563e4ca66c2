import LambdaRuntime
import SFTP

/// Why a run failed, in the words that Lambda is told.
package struct FunctionFailure: LambdaReportableError, Hashable {
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
    package let errorType: String
    /// What failed, and what to do.
    package let errorMessage: String

    init(type: String, cause: Cause, message: String) {
        self.cause = cause
        errorType = type
        errorMessage = message
    }

    /// The first failures of a number of them, as text.
    static func listed(_ first: [String], of count: Int) -> String {
        let more = count - first.count
        return first.joined(separator: "; ") + (more > 0 ? "; and \(more) more, see the log" : "")
    }

    /// A connection that could not be opened. The words are part of what operators build alarms on: they stay.
    init(_ error: SFTPError) {
        let type =
            switch error.step {
            case .resolve: "ServerNameNotResolved"
            case .connect: "ServerUnreachable"
            case .handshake: "SSHHandshakeFailed"
            case .hostKey: "HostKeyRefused"
            case .authentication: "LoginRefused"
            case .sftpStart, .operation: "SFTPUnavailable"
            }
        let cause: Cause = error.reason == .invalidConfiguration ? .settings : .server
        self.init(type: type, cause: cause, message: error.description)
    }
}
