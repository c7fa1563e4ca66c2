import JSON

/// What push is invoked with, or what lies on the retry queue, as far as it can be understood.
///
/// Read are S3 notifications, EventBridge events of S3, both also inside SNS notifications, SQS messages and the records
/// that Lambda sends to an on-failure destination, in any order; our own messages for retry; and `{"Bucket", "Key"}`.
///
/// - Created objects (`ObjectCreated:*`, "Object Created") are to be pushed. So are restored ones
///   (`ObjectRestore:Completed`, "Object Restore Completed"): before that an archived object could not be read.
/// - Everything else that S3 tells (removed, tagged, moved to another storage class and so on) is nothing to do.
/// - Nothing is ever dropped: what cannot be understood is in `failures`, with the bytes to put on the retry queue. Good
///   records beside a bad one are pushed.
public struct IncomingEvent: Sendable {
    /// What is to be pushed: each object once.
    public let requests: [PushRequest]
    /// What needs nothing.
    public let ignored: [Ignored]
    /// What could not be understood.
    public let failures: [Failure]
    /// The messages of the SQS batch that the function was invoked with; nil when it was not. Then the answer must be
    /// `batchAnswer(failedItemIDs:)`.
    public let batchItemIDs: [String]?

    /// A record that needs nothing.
    public struct Ignored: Hashable, Sendable {
        /// Why.
        public enum Reason: String, Sendable, CaseIterable {
            /// S3 sends it when notifications are set up.
            case testEvent
            /// The object was removed, or has expired.
            case removed
            /// Something else happened to the object than that it was created or restored.
            case notCreated
            /// A list of records without any.
            case noRecords
        }

        /// Why.
        public var reason: Reason
        /// The name of the event or its type, as text for people; empty when it has none.
        public var name: String
        /// The message of the SQS batch that it came in.
        public var itemID: String?
    }

    /// A record that could not be understood.
    public struct Failure: Hashable, Sendable {
        /// Why.
        public var error: EventError
        /// The record as an event of its own, for the retry queue: there a later version, or somebody, may understand it.
        public var event: [UInt8]
        /// The message of the SQS batch that it came in.
        public var itemID: String?
    }

    /// The largest event. Lambda takes 6 MB when it is asked for an answer and 1 MB when not, SQS 1 MiB.
    public static let maximumBytes = 8 * 1024 * 1024
    /// How many wrappers are opened around an event. SNS inside SQS inside an on-failure record are three.
    public static let maximumWrappers = 8

    /// Reads an event. Whatever the bytes are, this ends in a result.
    public init(_ bytes: [UInt8]) {
        var reader = EventReader()
        reader.readText(bytes, wrappers: 0, itemID: nil)
        requests = PushRequest.collapsing(reader.events)
        ignored = reader.ignored
        failures = reader.failures
        batchItemIDs = reader.batchItemIDs
    }

    /// What somebody asks for who names the objects himself.
    public init(objects: [ObjectAddress]) {
        requests = PushRequest.collapsing(
            objects.map { (event: ObjectEvent(bucket: $0.bucket, key: $0.key), itemID: nil) })
        ignored = []
        failures = []
        batchItemIDs = nil
    }

    /// The answer to an SQS batch: these messages come back, the others are deleted (AWS Lambda Developer Guide,
    /// "Implementing partial batch responses"). Lambda brings the whole batch back if one of them is not of it.
    public static func batchAnswer(failedItemIDs: [String]) -> String {
        String(decoding: BatchAnswer(items: failedItemIDs.map(BatchAnswer.Item.init)).jsonBytes, as: UTF8.self)
    }
}

private struct BatchAnswer: JSONWritable {
    struct Item: JSONWritable {
        let itemID: String

        func write(to text: inout JSONText) { text.object { $0.member("itemIdentifier", itemID) } }
    }

    let items: [Item]

    func write(to text: inout JSONText) { text.object { $0.member("batchItemFailures", items) } }
}
