/// The stable words under which a failure is reported, as `errorType`. Operators build alarms on them: they stay.
package enum FailureType: String, CaseIterable, Sendable {
    case invalidSettings = "InvalidSettings"
    case invalidArguments = "InvalidArguments"
    case malformedEvent = "MalformedEvent"
    case serverNameNotResolved = "ServerNameNotResolved"
    case serverUnreachable = "ServerUnreachable"
    case handshakeFailed = "SSHHandshakeFailed"
    case hostKeyRefused = "HostKeyRefused"
    case loginRefused = "LoginRefused"
    case sftpUnavailable = "SFTPUnavailable"
    case credentialsUnavailable = "CredentialsUnavailable"
    case secretUnavailable = "SecretUnavailable"
    case transfersFailed = "TransfersFailed"
    case retriesFailed = "RetriesFailed"
    case retryQueueUnavailable = "RetryQueueUnavailable"

    /// What it says: for the page, in plain Markdown on one line.
    package var meaning: String {
        switch self {
        case .invalidSettings: "A setting is missing or cannot be used. The message lists each with what is expected."
        case .invalidArguments: "On a command line: an option or an argument is wrong."
        case .malformedEvent: "pull was invoked with something that is no JSON."
        case .serverNameNotResolved:
            "The name in SFTP_HOST, or that of the proxy, has no address, or cannot be looked up."
        case .serverUnreachable:
            "There is no connection to the address and port of the server, or the proxy makes none."
        case .handshakeFailed: "A connection stands, and the two sides do not agree, or the server closes it."
        case .hostKeyRefused: "The server shows another host key than the expected one. No credential was sent."
        case .loginRefused: "The server does not take the key or the password, or wants a new password."
        case .sftpUnavailable: "The login works, and SFTP does not start or broke off."
        case .credentialsUnavailable:
            "On a command line: there are no AWS credentials, or who gives them refuses."
        case .secretUnavailable: "The secret of SFTP_SECRET_ID cannot be read."
        case .transfersFailed: "Some files of a pull failed; the message names them, with the reason of each."
        case .retriesFailed: "Some messages of a pushRetry failed; the message names them, with the reason of each."
        case .retryQueueUnavailable:
            "The retry queue cannot be used. What failed in a push could not be queued either, so Lambda keeps the event."
        }
    }
}
