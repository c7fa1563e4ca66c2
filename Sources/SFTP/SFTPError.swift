/// Why a connection to the server, or an operation on it, failed.
public struct SFTPError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The step that failed: the words an operator searches the log for.
    public enum Step: String, Sendable {
        /// Looking up the host name.
        case resolve
        /// Opening the TCP connection.
        case connect
        /// The SSH version and key exchange.
        case handshake
        /// Comparing the server's host key with SFTP_HOST_KEY.
        case hostKey = "host key"
        /// Logging in.
        case authentication
        /// Opening the channel and starting the SFTP subsystem on it.
        case sftpStart = "sftp start"
        /// An SFTP operation.
        case operation
    }

    /// What a caller can act on.
    public enum Reason: Hashable, Sendable {
        /// The server answered with a status other than OK (draft-ietf-secsh-filexfer-02, section 7).
        case status(SFTPStatus)
        /// The connection broke, or was closed by the server.
        case connectionLost
        /// No progress within the time allowed. The connection is closed: what was sent may or may not have happened.
        case timeout
        /// The server sent what the protocol does not allow. The connection is closed.
        case protocolViolation
        /// The server cannot do this at all, or does not offer the extension.
        case unsupported
        /// The server's host key is not one of those expected. No credential was sent.
        case hostKeyMismatch
        /// The server took none of the credentials.
        case authenticationRejected
        /// A setting cannot be used as it is: unreadable key, wrong passphrase, bad host key line.
        case invalidConfiguration
        /// The task was cancelled, or the client closed.
        case cancelled
        /// The address, the route or the server's port refused.
        case unreachable
    }

    /// The step that failed.
    public var step: Step
    /// What a caller can act on.
    public var reason: Reason
    /// What was being done, on what, what the other side answered, and what to do. Never holds a secret.
    public var message: String
    /// What to do, as the message ends; empty where it does not say so.
    public internal(set) var remedy = ""

    /// Makes an error.
    public init(_ step: Step, _ reason: Reason, _ message: String) {
        self.step = step
        self.reason = reason
        self.message = message
    }

    /// Whether the same thing may work later without anybody changing anything.
    public var isTransient: Bool {
        switch reason {
        case .connectionLost, .timeout, .unreachable: true
        case .status, .protocolViolation, .unsupported, .hostKeyMismatch, .authenticationRejected,
            .invalidConfiguration, .cancelled:
            false
        }
    }

    /// The message without what to do.
    public var finding: String {
        guard !remedy.isEmpty, message.hasSuffix(remedy) else { return message }
        let finding = message.dropLast(remedy.count)
        return String(finding.hasSuffix(": ") || finding.hasSuffix(". ") ? finding.dropLast(2) : finding)
    }

    /// The same finding with this to do.
    func remedied(by remedy: String) -> SFTPError {
        var error = SFTPError(step, reason, "\(finding): \(remedy)")
        error.remedy = remedy
        return error
    }

    /// Adds to what to do.
    public mutating func advise(_ more: String) {
        remedy += remedy.isEmpty ? more : ". \(more)"
        message += ". \(more)"
    }

    /// The step and the message.
    public var description: String { "\(step.rawValue): \(message)" }
}

/// A status code of an SSH_FXP_STATUS reply (draft-ietf-secsh-filexfer-02, section 7).
public struct SFTPStatus: RawRepresentable, Hashable, Sendable {
    /// The number on the wire.
    public let rawValue: UInt32

    /// Makes a status from the number on the wire; any number is taken.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// SSH_FX_OK
    public static let ok = SFTPStatus(rawValue: 0)
    /// SSH_FX_EOF
    public static let endOfFile = SFTPStatus(rawValue: 1)
    /// SSH_FX_NO_SUCH_FILE
    public static let noSuchFile = SFTPStatus(rawValue: 2)
    /// SSH_FX_PERMISSION_DENIED
    public static let permissionDenied = SFTPStatus(rawValue: 3)
    /// SSH_FX_FAILURE: most servers say this for everything that has no code of its own.
    public static let failure = SFTPStatus(rawValue: 4)
    /// SSH_FX_BAD_MESSAGE
    public static let badMessage = SFTPStatus(rawValue: 5)
    /// SSH_FX_NO_CONNECTION
    public static let noConnection = SFTPStatus(rawValue: 6)
    /// SSH_FX_CONNECTION_LOST
    public static let connectionLost = SFTPStatus(rawValue: 7)
    /// SSH_FX_OP_UNSUPPORTED
    public static let operationUnsupported = SFTPStatus(rawValue: 8)
    /// SSH_FX_FILE_ALREADY_EXISTS of later drafts, which some version 3 servers send.
    public static let fileAlreadyExists = SFTPStatus(rawValue: 11)
}
