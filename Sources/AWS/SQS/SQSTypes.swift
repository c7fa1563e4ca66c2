/// A queue, by its URL.
public struct SQSQueue: Sendable, Hashable {
    /// The URL, as SQS gave it.
    public let url: String
    /// The queue's region; nil: that of the configuration.
    public let region: String?

    /// Makes a queue of a URL. Its region is that of `https://sqs.REGION.amazonaws.com/…` (also in the form of a VPC
    /// endpoint) or of the older `https://REGION.queue.amazonaws.com/…`; any other host names none.
    public init(url: String, region: String? = nil) {
        self.url = url
        self.region = region ?? Self.region(ofURL: url)
    }

    /// The queue's name: the last part of the URL.
    public var name: String {
        url.utf8.split(separator: UInt8(ascii: "/")).last.map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    static func region(ofURL url: String) -> String? {
        let labels = Text.lowercasedASCII(URLParts(url).host).utf8.split(separator: UInt8(ascii: "."))
            .map { String(decoding: $0, as: UTF8.self) }
        guard labels.contains("amazonaws") else { return nil }
        let region: String? =
            if let sqs = labels.firstIndex(of: "sqs"), sqs + 1 < labels.count {
                labels[sqs + 1]
            } else if let queue = labels.firstIndex(of: "queue"), queue > 0 {
                labels[queue - 1]
            } else if labels.first == "queue" {
                "us-east-1"
            } else {
                nil
            }
        return region.flatMap { AWSRegion.isValid($0) ? $0 : nil }
    }
}

/// A message attribute: a value with its type (Amazon SQS Developer Guide, "Amazon SQS message attributes").
public struct SQSAttribute: Sendable, Hashable {
    /// What it holds.
    public enum Value: Sendable, Hashable {
        /// Of the types String and Number.
        case text(String)
        /// Of the type Binary.
        case binary([UInt8])
    }

    /// `String`, `Number` or `Binary`, with or without a label of one's own behind a dot.
    public var dataType: String
    /// What it holds.
    public var value: Value

    /// Makes an attribute.
    public init(dataType: String, value: Value) {
        self.dataType = dataType
        self.value = value
    }

    /// An attribute of the type String. SQS refuses an empty one.
    public static func string(_ text: String) -> SQSAttribute { SQSAttribute(dataType: "String", value: .text(text)) }

    /// An attribute of the type Number.
    public static func number(_ number: Int) -> SQSAttribute {
        SQSAttribute(dataType: "Number", value: .text("\(number)"))
    }

    /// The text; nil when it is binary.
    public var text: String? { if case .text(let text) = value { text } else { nil } }

    var valueBytes: [UInt8] {
        switch value {
        case .text(let text): Array(text.utf8)
        case .binary(let bytes): bytes
        }
    }
}

/// A message to be sent.
public struct SQSOutgoingMessage: Sendable, Hashable {
    /// The text. SQS refuses an empty one, and control characters besides tab and line ends.
    public var body: String
    /// Up to ten attributes by name.
    public var attributes: [String: SQSAttribute]
    /// How long it stays hidden; nil: as the queue says.
    public var delaySeconds: Int?
    /// The group, which a FIFO queue wants.
    public var groupID: String?
    /// What a FIFO queue knows the same message by.
    public var deduplicationID: String?

    /// Makes a message.
    public init(
        _ body: String, attributes: [String: SQSAttribute] = [:], delaySeconds: Int? = nil, groupID: String? = nil,
        deduplicationID: String? = nil
    ) {
        self.body = body
        self.attributes = attributes
        self.delaySeconds = delaySeconds
        self.groupID = groupID
        self.deduplicationID = deduplicationID
    }

    /// What SQS counts: the body, and each attribute's name, type and value.
    var sizeBytes: Int {
        attributes.reduce(body.utf8.count) { sum, attribute in
            sum + attribute.key.utf8.count + attribute.value.dataType.utf8.count + attribute.value.valueBytes.count
        }
    }
}

/// What SQS says of a message it took.
public struct SQSSentMessage: Sendable, Hashable {
    /// SQS's id of it.
    public var messageID: String
}

/// A message that was received. It stays hidden from others until its visibility timeout ends or it is deleted.
public struct SQSMessage: Sendable, Hashable {
    /// SQS's id of it: the same at every receive.
    public var messageID: String
    /// What deletes it, or changes its visibility: another at every receive.
    public var receiptHandle: String
    /// The text.
    public var body: String
    /// The sender's attributes by name.
    public var attributes: [String: SQSAttribute]
    /// What SQS itself says of the message, by name (Amazon SQS API Reference, ReceiveMessage,
    /// MessageSystemAttributeNames).
    public var systemAttributes: [String: String]

    /// Makes a message.
    public init(
        messageID: String, receiptHandle: String, body: String, attributes: [String: SQSAttribute] = [:],
        systemAttributes: [String: String] = [:]
    ) {
        self.messageID = messageID
        self.receiptHandle = receiptHandle
        self.body = body
        self.attributes = attributes
        self.systemAttributes = systemAttributes
    }

    /// How often it has been received, this time included.
    public var receiveCount: Int? { systemAttributes["ApproximateReceiveCount"].flatMap { Int($0) } }
    /// When it was sent, in milliseconds since 1970.
    public var sentEpochMilliseconds: Int64? { systemAttributes["SentTimestamp"].flatMap { Int64($0) } }
}

/// What one receive gave.
public struct SQSReceived: Sendable, Hashable {
    /// The messages that arrived whole.
    public var messages: [SQSMessage]
    /// Messages that are not what was sent. They are left on the queue: they come again, or go where its redrive policy
    /// says.
    public var corrupted: [SQSCorruptedMessage]

    /// Makes it.
    public init(messages: [SQSMessage] = [], corrupted: [SQSCorruptedMessage] = []) {
        self.messages = messages
        self.corrupted = corrupted
    }
}

/// A message that is not what was sent.
public struct SQSCorruptedMessage: Sendable, Hashable {
    /// SQS's id of it, if there is one.
    public var messageID: String?
    /// What is wrong with it. Quotes nothing of it.
    public var reason: String
}

/// A change of how long a received message stays hidden.
public struct SQSVisibilityChange: Sendable, Hashable {
    /// The receipt handle of the last receive.
    public var receiptHandle: String
    /// From now on, in seconds; 0 hands the message back. At most 12 hours, counted from the receive.
    public var timeoutSeconds: Int

    /// Makes a change.
    public init(_ receiptHandle: String, timeoutSeconds: Int) {
        self.receiptHandle = receiptHandle
        self.timeoutSeconds = timeoutSeconds
    }
}
