public import JSON

/// What a run of pull did. As JSON, it is the function's answer.
public struct PullSummary: Sendable, Hashable {
    /// Files that were stored and moved.
    public var transferred = 0
    /// Their bytes.
    public var bytes: UInt64 = 0
    /// Files that stay where they are without a failure, by the word of their `LeftReason`.
    public var left: [String: Int] = [:]
    /// Files removed from `.done` after their retention.
    public var purged = 0
    /// Things that failed.
    public var failed = 0
    /// The same by the word of their `FailureClass`.
    public var failedByClass: [String: Int] = [:]
    /// Files that were found and not begun, or cut off, because the time was up: the next run takes them. And
    /// directories that were found and not listed, because too many others were waiting.
    public var remaining = 0
    /// Whether the whole tree was listed. When not, `remaining` counts only what had been found.
    public var isListingComplete = true
    /// The age, by its time on the server, of the oldest file that was seen and waits there for a later run, whatever the
    /// reason; 0 when none does; nil when that is not known, because not the whole tree was listed.
    public var oldestWaitingSeconds: Int64?
    /// The first failures, at most `maximumFailures` of them.
    public var failures: [TransferFailure] = []
    /// How long the run took.
    public var durationMilliseconds: Int64 = 0

    /// How many failures are listed one by one.
    public static let maximumFailures = 100

    /// Makes an empty summary.
    public init() {}

    /// Whether the invocation fails (rule P6).
    public var isFailure: Bool { failed > 0 }
}

extension PullSummary: JSONWritable {
    /// Writes an object, its members in the order of their names.
    public func write(to text: inout JSONText) {
        text.object {
            $0.member("bytes", bytes)
            $0.member("durationMilliseconds", durationMilliseconds)
            $0.member("failed", failed)
            $0.member("failedByClass", failedByClass)
            $0.member("failures", failures)
            $0.member("isListingComplete", isListingComplete)
            $0.member("left", left)
            $0.member("oldestWaitingSeconds", oldestWaitingSeconds)
            $0.member("purged", purged)
            $0.member("remaining", remaining)
            $0.member("transferred", transferred)
        }
    }
}
