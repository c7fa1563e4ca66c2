import JSON
import TextForms

/// The JSON of SQS's actions (Amazon SQS API Reference, version 2012-11-05; AWS JSON 1.0 protocol). Names are SQS's.
enum SQSWire {
    struct Nothing: JSONReadable {
        /// An action that gives nothing gives an object all the same.
        init(json: JSONValue) throws(JSONFieldFault) {
            guard json.isObject else { throw JSONFieldFault(.isNot(.object)) }
        }
    }

    struct GetQueueURL: JSONWritable {
        var QueueName: String
        var QueueOwnerAWSAccountId: String?

        func write(to text: inout JSONText) {
            text.object {
                $0.member("QueueName", QueueName)
                $0.member("QueueOwnerAWSAccountId", QueueOwnerAWSAccountId)
            }
        }
    }

    struct QueueURL: JSONReadable {
        var QueueUrl: String

        init(json: JSONValue) throws(JSONFieldFault) { QueueUrl = try json.required("QueueUrl") }
    }

    struct GetAttributes: JSONWritable {
        var QueueUrl: String
        var AttributeNames: [String]

        func write(to text: inout JSONText) {
            text.object {
                $0.member("QueueUrl", QueueUrl)
                $0.member("AttributeNames", AttributeNames)
            }
        }
    }

    struct Attributes: JSONReadable {
        var Attributes: [String: String]?

        init(json: JSONValue) throws(JSONFieldFault) { Attributes = try json.optional("Attributes") }
    }

    struct Send: JSONWritable {
        var QueueUrl: String?
        var Id: String?
        var MessageBody: String
        var MessageAttributes: [String: Attribute]?
        var DelaySeconds: Int?
        var MessageGroupId: String?
        var MessageDeduplicationId: String?

        init(_ message: SQSOutgoingMessage, queueURL: String? = nil, id: String? = nil) {
            QueueUrl = queueURL
            Id = id
            MessageBody = message.body
            MessageAttributes = message.attributes.isEmpty ? nil : message.attributes.mapValues { Attribute($0) }
            DelaySeconds = message.delaySeconds
            MessageGroupId = message.groupID
            MessageDeduplicationId = message.deduplicationID
        }

        func write(to text: inout JSONText) {
            text.object {
                $0.member("QueueUrl", QueueUrl)
                $0.member("Id", Id)
                $0.member("MessageBody", MessageBody)
                $0.member("MessageAttributes", MessageAttributes)
                $0.member("DelaySeconds", DelaySeconds)
                $0.member("MessageGroupId", MessageGroupId)
                $0.member("MessageDeduplicationId", MessageDeduplicationId)
            }
        }
    }

    struct Sent: JSONReadable {
        var Id: String?
        var MessageId: String
        var MD5OfMessageBody: String
        var MD5OfMessageAttributes: String?

        init(json: JSONValue) throws(JSONFieldFault) {
            Id = try json.optional("Id")
            MessageId = try json.required("MessageId")
            MD5OfMessageBody = try json.required("MD5OfMessageBody")
            MD5OfMessageAttributes = try json.optional("MD5OfMessageAttributes")
        }

        /// What is wrong with what SQS stored; nil when it is what was sent.
        func fault(_ message: SQSOutgoingMessage) -> String? {
            guard MD5.matches(Array(message.body.utf8), MD5OfMessageBody) else {
                return "SQS stored a body with another MD5 than what was sent, as message \(printable(MessageId))"
            }
            guard !message.attributes.isEmpty else { return nil }
            guard let given = MD5OfMessageAttributes, MD5.matches(AttributeDigest.input(message.attributes), given)
            else {
                return "SQS stored attributes with another MD5 than what was sent, as message \(printable(MessageId))"
            }
            return nil
        }
    }

    struct Attribute: JSONReadable, JSONWritable {
        var DataType: String
        var StringValue: String?
        var BinaryValue: String?

        init(_ attribute: SQSAttribute) {
            DataType = attribute.dataType
            switch attribute.value {
            case .text(let text): StringValue = text
            case .binary(let bytes): BinaryValue = Base64.encode(bytes)
            }
        }

        init(json: JSONValue) throws(JSONFieldFault) {
            DataType = try json.required("DataType")
            StringValue = try json.optional("StringValue")
            BinaryValue = try json.optional("BinaryValue")
        }

        func write(to text: inout JSONText) {
            text.object {
                $0.member("DataType", DataType)
                $0.member("StringValue", StringValue)
                $0.member("BinaryValue", BinaryValue)
            }
        }

        /// The attribute; nil when it has no value, or one that is no base 64.
        var attribute: SQSAttribute? {
            if let StringValue { return SQSAttribute(dataType: DataType, value: .text(StringValue)) }
            return BinaryValue.flatMap { Base64.decode(padded: Array($0.utf8)) }
                .map { SQSAttribute(dataType: DataType, value: .binary($0)) }
        }
    }

    struct Receive: JSONWritable {
        var QueueUrl: String
        var MaxNumberOfMessages: Int
        var WaitTimeSeconds: Int
        var VisibilityTimeout: Int?

        func write(to text: inout JSONText) {
            text.object {
                $0.member("QueueUrl", QueueUrl)
                $0.member("MaxNumberOfMessages", MaxNumberOfMessages)
                $0.member("WaitTimeSeconds", WaitTimeSeconds)
                $0.member("VisibilityTimeout", VisibilityTimeout)
                $0.member("MessageSystemAttributeNames", ["All"])
                $0.member("MessageAttributeNames", ["All"])
            }
        }
    }

    struct Received: JSONReadable {
        var Messages: [Message]?

        init(json: JSONValue) throws(JSONFieldFault) { Messages = try json.optional("Messages") }
    }

    struct Message: JSONReadable {
        var MessageId: String?
        var ReceiptHandle: String?
        var Body: String?
        var MD5OfBody: String?
        var MessageAttributes: [String: Attribute]?
        var MD5OfMessageAttributes: String?
        var Attributes: [String: String]?

        init(json: JSONValue) throws(JSONFieldFault) {
            MessageId = try json.optional("MessageId")
            ReceiptHandle = try json.optional("ReceiptHandle")
            Body = try json.optional("Body")
            MD5OfBody = try json.optional("MD5OfBody")
            MessageAttributes = try json.optional("MessageAttributes")
            MD5OfMessageAttributes = try json.optional("MD5OfMessageAttributes")
            Attributes = try json.optional("Attributes")
        }
    }

    struct Delete: JSONWritable {
        var QueueUrl: String?
        var Id: String?
        var ReceiptHandle: String

        func write(to text: inout JSONText) {
            text.object {
                $0.member("QueueUrl", QueueUrl)
                $0.member("Id", Id)
                $0.member("ReceiptHandle", ReceiptHandle)
            }
        }
    }

    struct ChangeVisibility: JSONWritable {
        var QueueUrl: String?
        var Id: String?
        var ReceiptHandle: String
        var VisibilityTimeout: Int

        func write(to text: inout JSONText) {
            text.object {
                $0.member("QueueUrl", QueueUrl)
                $0.member("Id", Id)
                $0.member("ReceiptHandle", ReceiptHandle)
                $0.member("VisibilityTimeout", VisibilityTimeout)
            }
        }
    }

    struct Batch<Entry: JSONWritable>: JSONWritable {
        var QueueUrl: String
        var Entries: [Entry]

        func write(to text: inout JSONText) {
            text.object {
                $0.member("QueueUrl", QueueUrl)
                $0.member("Entries", Entries)
            }
        }
    }

    struct BatchAnswer<Success: JSONReadable>: JSONReadable {
        var Successful: [Success]?
        var Failed: [Failure]?

        init(json: JSONValue) throws(JSONFieldFault) {
            Successful = try json.optional("Successful")
            Failed = try json.optional("Failed")
        }
    }

    struct Done: JSONReadable {
        var Id: String?

        init(json: JSONValue) throws(JSONFieldFault) { Id = try json.optional("Id") }
    }

    struct Failure: JSONReadable {
        var Id: String
        var SenderFault: Bool?
        var Code: String?
        var Message: String?

        init(json: JSONValue) throws(JSONFieldFault) {
            Id = try json.required("Id")
            SenderFault = try json.optional("SenderFault")
            Code = try json.optional("Code")
            Message = try json.optional("Message")
        }
    }
}

/// What SQS takes the MD5 of a message's attributes from (Amazon SQS Developer Guide, "Calculating the MD5 message
/// digest for message attributes"): in the order of their names, for each the name, the type, a byte that tells text
/// (1) from binary (2), and the value; lengths in four bytes, the highest first, before name, type and value.
enum AttributeDigest {
    static func input(_ attributes: [String: SQSAttribute]) -> [UInt8] {
        var bytes: [UInt8] = []
        let inOrder = attributes.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        for (name, attribute) in inOrder {
            append(Array(name.utf8), to: &bytes)
            append(Array(attribute.dataType.utf8), to: &bytes)
            if case .binary = attribute.value { bytes.append(2) } else { bytes.append(1) }
            append(attribute.valueBytes, to: &bytes)
        }
        return bytes
    }

    private static func append(_ part: [UInt8], to bytes: inout [UInt8]) {
        let length = UInt32(truncatingIfNeeded: part.count)
        for shift: UInt32 in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
        bytes += part
    }
}

extension SQSWire.Message {
    /// The message, checked against the digests that came with it, or what is wrong with it.
    func checked() -> Result<SQSMessage, SQSFault> {
        guard let MessageId, let ReceiptHandle else { return .failure(SQSFault("it has no id or no receipt handle")) }
        guard let Body, let MD5OfBody else { return .failure(SQSFault("it has no body or no MD5 of it")) }
        guard MD5.matches(Array(Body.utf8), MD5OfBody) else {
            return .failure(SQSFault("its body has another MD5 than SQS says"))
        }
        var attributes: [String: SQSAttribute] = [:]
        for (name, coded) in MessageAttributes ?? [:] {
            guard let attribute = coded.attribute else {
                return .failure(SQSFault("its attribute \(printable(name)) has no value that can be read"))
            }
            attributes[name] = attribute
        }
        // SQS gives the digest of the attributes that it gives, which are all.
        if let MD5OfMessageAttributes, !MD5.matches(AttributeDigest.input(attributes), MD5OfMessageAttributes) {
            return .failure(SQSFault("its attributes have another MD5 than SQS says"))
        }
        return .success(
            SQSMessage(
                messageID: MessageId, receiptHandle: ReceiptHandle, body: Body, attributes: attributes,
                systemAttributes: Attributes ?? [:]))
    }
}

/// What is wrong with a message.
struct SQSFault: Error, Hashable {
    var reason: String

    init(_ reason: String) { self.reason = reason }
}
