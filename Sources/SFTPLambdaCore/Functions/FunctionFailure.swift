import LambdaRuntime
import SFTP

/// Why an invocation failed, in the words that Lambda is told.
struct FunctionFailure: LambdaReportableError, Hashable {
    let errorType: String
    let errorMessage: String

    init(type: String, message: String) {
        errorType = type
        errorMessage = message
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
        self.init(type: type, message: error.description)
    }
}
