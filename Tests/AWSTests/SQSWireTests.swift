import JSON
import Testing

@testable import AWS

/// The bodies of SQS's actions, to the byte, under the names of the Amazon SQS API Reference.
@Suite struct SQSWireTests {
    private func text(_ value: some JSONWritable) -> String { String(decoding: value.jsonBytes, as: UTF8.self) }

    @Test func requestsHaveTheNamesOfTheReferenceInAFixedOrder() {
        #expect(text(SQSWire.GetQueueURL(QueueName: "q")) == #"{"QueueName":"q"}"#)
        #expect(
            text(SQSWire.GetAttributes(QueueUrl: "u", AttributeNames: ["All"]))
                == #"{"QueueUrl":"u","AttributeNames":["All"]}"#)
        #expect(
            text(SQSWire.Receive(QueueUrl: "u", MaxNumberOfMessages: 10, WaitTimeSeconds: 20, VisibilityTimeout: 60))
                == #"{"QueueUrl":"u","MaxNumberOfMessages":10,"WaitTimeSeconds":20,"VisibilityTimeout":60,"#
                + #""MessageSystemAttributeNames":["All"],"MessageAttributeNames":["All"]}"#)
        let changes = [SQSWire.ChangeVisibility(Id: "0", ReceiptHandle: "r", VisibilityTimeout: 0)]
        #expect(
            text(SQSWire.Batch(QueueUrl: "u", Entries: changes))
                == #"{"QueueUrl":"u","Entries":[{"Id":"0","ReceiptHandle":"r","VisibilityTimeout":0}]}"#)
        #expect(text(SQSWire.Delete(QueueUrl: "u", ReceiptHandle: "r")) == #"{"QueueUrl":"u","ReceiptHandle":"r"}"#)
    }

    @Test func aMessageIsWrittenWithAllThatItHas() {
        let message = SQSOutgoingMessage(
            #"{"a":"b/é"}"#, attributes: ["n": .number(3), "b": SQSAttribute(dataType: "Binary", value: .binary([1]))],
            delaySeconds: 5, groupID: "g", deduplicationID: "d")
        #expect(
            text(SQSWire.Send(message, queueURL: "u"))
                == #"{"QueueUrl":"u","MessageBody":"{\"a\":\"b/é\"}","MessageAttributes":{"#
                + #""b":{"DataType":"Binary","BinaryValue":"AQ=="},"n":{"DataType":"Number","StringValue":"3"}},"#
                + #""DelaySeconds":5,"MessageGroupId":"g","MessageDeduplicationId":"d"}"#)
        #expect(text(SQSWire.Send(SQSOutgoingMessage("b"), id: "7")) == #"{"Id":"7","MessageBody":"b"}"#)
    }

    @Test(arguments: [
        (#"{"Messages":[{"Body":"a"},{"Body":5}]}"#, "Messages.1.Body is no String"),
        (#"{"Messages":[{"MessageAttributes":{"x":{}}}]}"#, "Messages.0.MessageAttributes.x.DataType is missing"),
        (#"{"Messages":[{"Attributes":{"x":1}}]}"#, "Messages.0.Attributes.x is no String"),
    ]) func aFaultNamesItsField(json: String, words: String) throws {
        let error = try #require(throws: JSONFieldFault.self) { try SQSWire.Received(parsing: Array(json.utf8)) }
        #expect("\(error)" == words)
    }

    @Test func unknownAndEmptyFieldsAreNoFaults() throws {
        let answer = try SQSWire.Received(parsing: Array(#"{"Messages":[{"Body":null,"New":[1]}],"New":{}}"#.utf8))
        #expect(answer.Messages?.count == 1 && answer.Messages?.first?.Body == nil)
        #expect(try SQSWire.Received(parsing: Array("{}".utf8)).Messages == nil)
        let batch = #"{"Failed":[{"Id":"0","SenderFault":true}],"Successful":null}"#
        let failed = try SQSWire.BatchAnswer<SQSWire.Done>(parsing: Array(batch.utf8)).Failed
        #expect(failed?.first?.Id == "0" && failed?.first?.SenderFault == true)
    }
}
