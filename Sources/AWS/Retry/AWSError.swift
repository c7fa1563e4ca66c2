public import HTTP

/// Why a call to AWS failed, after it has been tried enough. Holds no secret.
public struct AWSError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What a caller can act on.
    public enum Kind: Sendable, Hashable {
        /// No such object, bucket, version, upload or secret. S3 says `denied` instead to callers without ListBucket.
        case notFound
        /// The credentials do not permit it.
        case denied
        /// A condition of the request was not met (412).
        case preconditionFailed
        /// Something else was changing the same thing (409); the same call may succeed later.
        case conflict
        /// AWS asked to slow down, to the end of the retries.
        case throttled
        /// AWS failed (5xx, or a time-out of its own), to the end of the retries.
        case unavailable
        /// The credentials have ended, and no fresh ones could be had.
        case expiredCredentials
        /// There are no credentials.
        case noCredentials
        /// This machine's clock is wrong by more than AWS takes, and correcting for it did not help.
        case clockSkew
        /// The bucket is in another region; the one named in the answer did not help, or none was named.
        case wrongRegion
        /// The task was cancelled.
        case cancelled
        /// The request can never work as it is.
        case rejected
        /// What was stored or received is not what was sent: a checksum differs.
        case corrupted
        /// The answer is not what the protocol says.
        case malformedAnswer
        /// There is no answer, to the end of the retries.
        case network(HTTPError)
    }

    /// What a caller can act on.
    public var kind: Kind
    /// The operation, such as `PutObject`.
    public var operation: String
    /// What it was done on: `bucket/key`, or a secret's name.
    public var subject: String
    /// The HTTP status, when there was an answer.
    public var status: Int?
    /// AWS's code, such as `NoSuchKey`.
    public var code: String?
    /// AWS's message, or ours.
    public var message: String
    /// What to do, where what gives the credentials knows it better than `kind` and `code` say. The description leaves it
    /// out.
    public var advice: String?
    /// AWS's request id: what its support asks for.
    public var requestID: String?
    /// S3's second request id.
    public var hostID: String?
    /// How often it was tried.
    public var attempts: Int
    /// Whether an earlier attempt may have done what was asked although its answer was lost or an error. A condition
    /// that fails in a later attempt can then have been made to fail by the earlier one.
    public var earlierAttemptMayHaveSucceeded: Bool
    /// The region that was asked; nil when it did not come to that.
    public var region: String?
    /// The region that AWS named as the right one.
    public var rightRegion: String?

    /// Makes an error.
    public init(
        _ kind: Kind, operation: String, subject: String, status: Int? = nil, code: String? = nil, message: String,
        requestID: String? = nil, hostID: String? = nil, attempts: Int = 0, earlierAttemptMayHaveSucceeded: Bool = false
    ) {
        self.kind = kind
        self.operation = operation
        self.subject = subject
        self.status = status
        self.code = code
        self.message = message
        self.requestID = requestID
        self.hostID = hostID
        self.attempts = attempts
        self.earlierAttemptMayHaveSucceeded = earlierAttemptMayHaveSucceeded
    }

    /// Whether the same call may succeed at a later time.
    public var isTransient: Bool {
        switch kind {
        case .conflict, .throttled, .unavailable, .malformedAnswer, .corrupted: true
        case .network(let error): error.isTransient
        case .notFound, .denied, .preconditionFailed, .expiredCredentials, .noCredentials, .clockSkew, .wrongRegion,
            .cancelled, .rejected:
            false
        }
    }

    /// All of it in one line.
    public var description: String {
        var text = "\(operation) \(printable(subject)): "
        if let status { text += "\(status) " }
        if let code { text += "\(code) " }
        text += "(\(message))"
        if let requestID { text += ", request id \(requestID)" }
        if let hostID { text += ", host id \(hostID)" }
        if attempts > 1 { text += ", after \(attempts) attempts" }
        return text
    }
}

/// Text with control characters as `\u{…}`, safe in a log.
func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
        result += isControl ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }
    return result
}
