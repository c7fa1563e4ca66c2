/// Hears what happens to each object that is pushed, while it happens: the core library makes log lines and metrics of
/// it. Called from many tasks at once; must return at once.
public protocol PushObserver: Sendable {
    /// An object is asked for: in the end it is delivered, marked, skipped or failed, or is left to another run.
    func found(_ object: ObjectAddress)
    /// No more objects will be asked for.
    func foundAll()
    /// An object stands on the server, whole.
    func delivered(_ receipt: PushReceipt)
    /// An object that had been delivered before has its mark now (rule U8).
    func marked(_ object: ObjectAddress)
    /// A part of an event needs nothing.
    func ignored(_ item: IncomingEvent.Ignored)
    /// There was nothing to do for an object, and that is no failure.
    func skipped(_ object: ObjectAddress, because reason: PushDecision.Reason)
    /// Something failed, and somebody may have to do something.
    func failed(_ subject: PushSubject, _ account: FailureAccount)
    /// Something that the operator should know and that stops nothing: `message` is the same whenever it happens, and
    /// `reason` tells this time from others.
    func warning(_ message: String, because reason: String)
}

/// What is asked for matters only to who shows how far a run has come.
extension PushObserver {
    /// Does nothing.
    public func found(_ object: ObjectAddress) {}
    /// Does nothing.
    public func foundAll() {}
}

/// What failed.
public enum PushSubject: Hashable, Sendable, CustomStringConvertible {
    /// An object could not be pushed or marked.
    case object(ObjectAddress)
    /// An event could not be understood; the message of a queue that it came in, if it came in one.
    case event(messageID: String?)
    /// The partner's server could not be used, whatever the object.
    case connection
    /// The retry queue could not be read.
    case retryQueue
    /// What failed before could not be put on the retry queue; the object, unless it was an event that could not be
    /// understood.
    case retryMessage(ObjectAddress?)

    /// The subject as text for people.
    public var description: String {
        switch self {
        case .object(let object): object.description
        case .event(let messageID): messageID.map { "message \($0)" } ?? "event"
        case .connection: "connection"
        case .retryQueue: "retry queue"
        case .retryMessage(let object): object.map { "retry of \($0)" } ?? "retry of an event"
        }
    }
}

/// What is told of one failure.
public struct FailureAccount: Hashable, Sendable {
    /// One word for alarms.
    public var errorClass: String
    /// What was tried, what the other side answered, and what helps.
    public var reason: String
    /// How often an object has been tried, this time included; nil for what is no object.
    public var attempt: Int?

    /// Makes an account.
    public init(errorClass: String, reason: String, attempt: Int? = nil) {
        self.errorClass = errorClass
        self.reason = reason
        self.attempt = attempt
    }
}

/// What happened to one object that was delivered.
public struct PushReceipt: Hashable, Sendable {
    /// The object.
    public var object: ObjectAddress
    /// Where it stands on the server.
    public var path: RemotePath
    /// The ETag of what was sent, with its quotes.
    public var etag: String
    /// The version that was sent, on a versioned bucket.
    public var versionID: String?
    /// The size.
    public var sizeBytes: UInt64
    /// SHA-256 of the content in lower-case hexadecimal; nil for a directory.
    public var sha256: String?
    /// How often it has been tried, this time included. From the retry queue each receive counts as a try, also where the
    /// message was handed back or replaced.
    public var attempt: Int
    /// From the first look at the object to its mark, in milliseconds.
    public var durationMilliseconds: Int64

    /// Makes a receipt.
    public init(
        object: ObjectAddress, path: RemotePath, etag: String, versionID: String? = nil, sizeBytes: UInt64,
        sha256: String?, attempt: Int = 1, durationMilliseconds: Int64
    ) {
        self.object = object
        self.path = path
        self.etag = etag
        self.versionID = versionID
        self.sizeBytes = sizeBytes
        self.sha256 = sha256
        self.attempt = attempt
        self.durationMilliseconds = durationMilliseconds
    }
}

/// Why an object could not be pushed.
public struct PushFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What a rule, or an alarm, can act on. Failures of the queue and of events have types of their own.
    public var reason: FailureClass
    /// What was tried, what the other side answered, and what helps.
    public var message: String
    /// What stands under the object's name may have been replaced by an older version, removed or cut off before the
    /// push failed: the next one sends the object whatever a mark says.
    public var mustSend = false
    /// What was brought to the server and can be gone on with; nil when nothing can, or nothing has changed of that.
    public var partial: PartialFile?

    /// Makes a failure.
    public init(_ reason: FailureClass, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// The failure, which says that the object must be sent if it said so before or `mustSend` is true.
    func sendingAgain(_ mustSend: Bool) -> PushFailure {
        var failure = self
        failure.mustSend = self.mustSend || mustSend
        return failure
    }

    /// The message.
    public var description: String { message }
}
