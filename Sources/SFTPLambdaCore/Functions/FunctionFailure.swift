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
        self.init(type: type, message: error.description)
    }
}
