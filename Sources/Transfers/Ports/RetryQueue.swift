/// The queue of what is to be pushed again, as the transfer rules see it. All operations may be called at once from many
/// tasks, and each retries what may pass by itself; what it throws has been tried enough.
public protocol RetryQueue: Sendable {
    /// About how many messages could be received now. It may be behind by a minute, and says 0 for an empty queue.
    func waitingCount() async throws(QueueFailure) -> Int

    /// Puts messages on the queue. A failure that leaves it unclear whether a message was taken can put it there twice.
    /// - Returns: why those were not taken that were not, by their index; empty when all were.
    func send(_ messages: [RetryMessage]) async -> [Int: QueueFailure]

    /// Takes up to ten messages, waiting for the first for up to `waitSeconds` (at most 20). They are hidden from
    /// others for `hiddenSeconds` (at most 43,200). Empty when there are none.
    func receive(
        maximumCount: Int, waitSeconds: Int, hiddenSeconds: Int
    ) async throws(QueueFailure) -> [QueuedMessage]

    /// Removes messages for good.
    /// - Returns: why those were not removed that were not, by their index.
    func delete(_ messages: [QueuedMessage]) async -> [Int: QueueFailure]

    /// Hides messages for so many seconds from now, or shows them again at once with 0. A message stays hidden for 12
    /// hours after its receive at the most.
    /// - Returns: why those were not hidden that were not, by their index.
    func hide(_ messages: [QueuedMessage], forSeconds seconds: Int) async -> [Int: QueueFailure]
}

/// A message that was received.
public struct QueuedMessage: Hashable, Sendable {
    /// The queue's name of the message, for logs.
    public var id: String
    /// What the queue must be shown to delete or hide it: of this receive alone.
    public var receipt: String
    /// The body.
    public var body: [UInt8]
    /// How often it has been received, this time included.
    public var receiveCount: Int
    /// What was before it was put there.
    public var past: RetryMessage.Past

    /// Makes a message.
    public init(
        id: String, receipt: String, body: [UInt8], receiveCount: Int,
        past: RetryMessage.Past = RetryMessage.Past()
    ) {
        self.id = id
        self.receipt = receipt
        self.body = body
        self.receiveCount = receiveCount
        self.past = past
    }

    /// How often what it asks for has been tried, this time included; each receive counts as a try.
    public var attempt: Int { past.attempts + receiveCount }
}

/// Why an operation on the queue failed.
public struct QueueFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What a rule can act on.
    public enum Reason: String, Sendable {
        /// No such queue.
        case notFound
        /// The credentials do not permit it.
        case denied
        /// Tried to the end of the retries; it may work later.
        case unavailable
        /// The task was cancelled, or the time is up.
        case cancelled
        /// It can never work as it is: the message is too long, or its receipt has expired.
        case rejected
    }

    /// What a rule can act on.
    public var reason: Reason
    /// The operation, the queue and what it answered, with its request id.
    public var message: String

    /// Makes a failure.
    public init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
