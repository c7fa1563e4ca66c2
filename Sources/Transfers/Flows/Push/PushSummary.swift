public import JSON

/// What an invocation of push or pushRetry did. As JSON, it is the function's answer.
public struct PushSummary: Sendable, Hashable {
    /// Objects that stand on the server now by this invocation.
    public var delivered = 0
    /// Their bytes.
    public var bytes: UInt64 = 0
    /// Objects that had been delivered before and lacked only their mark.
    public var marked = 0
    /// Objects and events that needed nothing, by the reason's word.
    public var skipped: [String: Int] = [:]
    /// Objects and events that failed, the server and the retry queue when they could not be used.
    public var failed = 0
    /// The same by the word of their `FailureClass`.
    public var failedByClass: [String: Int] = [:]
    /// Messages put on the retry queue (rule U7); pushRetry puts there only what says more than the
    /// message that it received: that an object needs nothing but its mark (rule U8), or must be sent.
    public var queued = 0
    /// Messages for what failed that the retry queue did not take.
    public var unqueued = 0
    /// Messages that were received from the retry queue.
    public var received = 0
    /// Messages that were handed back because the time was up or the server was lost.
    public var handedBack = 0
    /// For how long the oldest message has waited that was received and is not done, since its first failure; nil when
    /// there is none. Those that this run did not receive are not in it.
    public var oldestWaitingSeconds: Int64?
    /// The first failures, at most `maximumFailures` of them.
    public var failures: [Failure] = []
    /// How long it took.
    public var durationMilliseconds: Int64 = 0

    /// One thing that failed.
    public struct Failure: Sendable, Hashable {
        /// What failed, such as bucket and key: `PushSubject` as text.
        public var subject: String
        /// One word for alarms: a `FailureClass`, or an `EventError.Reason`.
        public var errorClass: String
        /// What was tried and what the other side answered.
        public var reason: String
    }

    /// How many failures are listed one by one.
    public static let maximumFailures = 100

    /// Makes an empty summary.
    public init() {}
}

extension PushSummary: JSONWritable {
    /// Writes an object, its members in the order of their names.
    public func write(to text: inout JSONText) {
        text.object {
            $0.member("bytes", bytes)
            $0.member("delivered", delivered)
            $0.member("durationMilliseconds", durationMilliseconds)
            $0.member("failed", failed)
            $0.member("failedByClass", failedByClass)
            $0.member("failures", failures)
            $0.member("handedBack", handedBack)
            $0.member("marked", marked)
            $0.member("oldestWaitingSeconds", oldestWaitingSeconds)
            $0.member("queued", queued)
            $0.member("received", received)
            $0.member("skipped", skipped)
            $0.member("unqueued", unqueued)
        }
    }
}

extension PushSummary.Failure: JSONWritable {
    /// Writes an object, its members in the order of their names.
    public func write(to text: inout JSONText) {
        text.object {
            $0.member("errorClass", errorClass)
            $0.member("reason", reason)
            $0.member("subject", subject)
        }
    }
}
