import Foundation
import HTTP
import Testing

@testable import AWS

/// The SQS client over scripted answers: what it sends, what it makes of what it gets, and what it tries again.
@Suite struct SQSClientTests {
    typealias Script = ScriptedExecutor

    static let queue = SQSQueue(url: "https://sqs.eu-central-1.amazonaws.com/123456789012/retry")

    static func md5(_ text: String) -> String { MD5.hexadecimal(Array(text.utf8)) ?? "" }

    private static func sent(_ body: String, id: String? = nil, attributes: String? = nil) -> String {
        let id = id.map { #""Id":"\#($0)","# } ?? ""
        let attributes = attributes.map { #","MD5OfMessageAttributes":"\#($0)""# } ?? ""
        return #"{\#(id)"MessageId":"m-\#(body)","MD5OfMessageBody":"\#(md5(body))"\#(attributes)}"#
    }

    private static func json(_ seen: ScriptedExecutor.Seen) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(seen.body)) as? [String: Any])
    }

    private static func ids(_ seen: ScriptedExecutor.Seen) throws -> [String] {
        let entries = try #require(try json(seen)["Entries"] as? [[String: Any]])
        return entries.compactMap { $0["Id"] as? String }
    }

    // MARK: MD5

    @Test(arguments: [
        ("", "d41d8cd98f00b204e9800998ecf8427e"), ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
    ]) func md5IsThatOfTheRFC(_ text: String, _ digest: String) {
        #expect(Self.md5(text) == digest)
        #expect(MD5.matches(Array(text.utf8), digest.uppercased()))
        #expect(!MD5.matches(Array("\(text)x".utf8), digest))
    }

    @Test func theDigestOfAttributesIsInTheOrderOfTheirNamesWithLengths() {
        let input = AttributeDigest.input([
            "b": SQSAttribute(dataType: "Binary", value: .binary([9, 8])), "a": .string("xy"), "A": .number(7),
        ])
        let expected: [UInt8] =
            [0, 0, 0, 1] + Array("A".utf8) + [0, 0, 0, 6] + Array("Number".utf8) + [1, 0, 0, 0, 1] + Array("7".utf8)
            + [0, 0, 0, 1] + Array("a".utf8) + [0, 0, 0, 6] + Array("String".utf8) + [1, 0, 0, 0, 2] + Array("xy".utf8)
            + [0, 0, 0, 1] + Array("b".utf8) + [0, 0, 0, 6] + Array("Binary".utf8) + [2, 0, 0, 0, 2, 9, 8]
        #expect(input == expected)
    }

    // MARK: where requests go

    @Test func asksTheProtocolsWay() async throws {
        let http = Script([Script.status(200, #"{"QueueUrl":"https://sqs.eu-central-1.amazonaws.com/1/n"}"#)])
        let queue = try await SQSClient(configuration(http)).queue(named: "n", accountID: "210987654321")
        #expect(queue.url == "https://sqs.eu-central-1.amazonaws.com/1/n" && queue.name == "n")
        let seen = http.seen[0]
        #expect(seen.request.url == "https://sqs.eu-central-1.amazonaws.com/")
        #expect(seen.request.headers["X-Amz-Target"] == "AmazonSQS.GetQueueUrl")
        #expect(seen.request.headers["Content-Type"] == "application/x-amz-json-1.0")
        #expect(seen.request.headers["Authorization"]?.contains("/eu-central-1/sqs/aws4_request") == true)
        #expect(
            try Self.json(seen) as? [String: String] == ["QueueName": "n", "QueueOwnerAWSAccountId": "210987654321"])
    }

    @Test(
        arguments: [
            ("https://sqs.us-west-2.amazonaws.com/123456789012/q", "us-west-2"),
            ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q", "cn-north-1"),
            ("https://eu-west-3.queue.amazonaws.com/123456789012/q", "eu-west-3"),
            ("https://queue.amazonaws.com/123456789012/q", "us-east-1"),
            ("https://vpce-1-a.sqs.eu-west-1.vpce.amazonaws.com/123456789012/q", "eu-west-1"),
            ("http://127.0.0.1:4566/123456789012/q", nil), ("https://sqs.example.com/123456789012/q", nil),
        ] as [(String, String?)]) func theURLsRegionIsWorkedIn(_ url: String, _ region: String?) async throws
    {
        let queue = SQSQueue(url: url)
        #expect(queue.region == region && queue.name == "q")
        let http = Script([Script.status(200, "{}"), Script.status(200, "{}")])
        try await SQSClient(configuration(http)).deleteMessage("r", from: queue)
        let used = region ?? "eu-central-1"
        #expect(http.seen[0].request.headers["Authorization"]?.contains("/\(used)/sqs/aws4_request") == true)
        #expect(http.seen[0].request.url.hasPrefix("https://sqs.\(used).amazonaws.com"))
        #expect(try Self.json(http.seen[0])["QueueUrl"] as? String == url)
        // A custom endpoint takes every request, and the queue's URL stays what it is.
        let environment = ["AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_SQS": "http://b:2/"]
        try await SQSClient(configuration(http, environment: environment)).deleteMessage("r", from: queue)
        #expect(http.seen[1].request.url == "http://b:2/")
        #expect(try Self.json(http.seen[1])["QueueUrl"] as? String == url)
    }

    // MARK: sending

    @Test func aMessageIsSentWithItsAttributes() async throws {
        let attributes = ["error": SQSAttribute.string("é"), "n": .number(3)]
        let digest = MD5.hexadecimal(AttributeDigest.input(attributes))
        let message = SQSOutgoingMessage("b", attributes: attributes, delaySeconds: 5)
        let scripted = Script([Script.status(200, Self.sent("b", attributes: digest))])
        #expect(try await SQSClient(configuration(scripted)).sendMessage(message, to: Self.queue).messageID == "m-b")
        let sent = try Self.json(scripted.seen[0])
        #expect(sent["MessageBody"] as? String == "b" && sent["DelaySeconds"] as? Int == 5)
        #expect(sent["QueueUrl"] as? String == Self.queue.url && sent["Id"] == nil && sent["MessageGroupId"] == nil)
        let coded = try #require(sent["MessageAttributes"] as? [String: [String: String]])
        #expect(
            coded == [
                "error": ["DataType": "String", "StringValue": "é"], "n": ["DataType": "Number", "StringValue": "3"],
            ])
    }

    @Test(arguments: [
        sent("other"), sent("b", attributes: "00000000000000000000000000000000"), sent("b"),
    ]) func whatSQSStoredMustBeWhatWasSent(_ answer: String) async throws {
        let http = Script([Script.status(200, answer.replacingOccurrences(of: "m-other", with: "m-b"))])
        let error = await failure { () throws(AWSError) in
            try await SQSClient(configuration(http))
                .sendMessage(SQSOutgoingMessage("b", attributes: ["a": .string("x")]), to: Self.queue)
        }
        #expect(error?.kind == .corrupted && error?.message.contains("m-b") == true)
        #expect(http.seen.count == 1)
    }

    @Test func whatSQSCannotTakeIsNotSent() async throws {
        let http = Script([])
        let large = SQSOutgoingMessage(
            String(repeating: "x", count: SQSClient.maximumMessageBytes), attributes: ["a": .string("b")])
        let error = await failure { () throws(AWSError) in
            try await SQSClient(configuration(http)).sendMessage(large, to: Self.queue)
        }
        #expect(error?.kind == .rejected && error?.isTransient == false && http.seen.isEmpty)
    }

    @Test(arguments: [
        (400, "com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue;Sender", "notFound", 1),
        (400, "", "AWS.SimpleQueueService.NonExistentQueue;Sender", "notFound", 1),
        (403, "com.amazonaws.sqs#AccessDeniedException", "AccessDenied;Sender", "denied", 1),
        (400, "com.amazonaws.sqs#InvalidMessageContents", "InvalidMessageContents;Sender", "rejected", 1),
        (403, "com.amazonaws.sqs#OverLimit", "OverLimit;Sender", "throttled", 6),
        (400, "com.amazonaws.sqs#KmsThrottled", "KMS.ThrottlingException;Sender", "throttled", 6),
        (403, "com.amazon.coral.service#ThrottlingException", "RequestThrottled;Sender", "throttled", 6),
        (500, "com.amazonaws.sqs#InternalFailure", "InternalFailure;Receiver", "unavailable", 6),
        (503, "", "", "unavailable", 6),
    ]) func errorsAreTold(_ status: Int, _ type: String, _ query: String, _ kind: String, _ count: Int) async throws {
        let headers: HTTPHeaders = query.isEmpty ? [:] : ["x-amzn-query-error": query, "x-amzn-RequestId": "R9"]
        let body = type.isEmpty ? "" : #"{"__type":"\#(type)","message":"why"}"#
        let http = Script(Array(repeating: Script.status(status, headers: headers, body), count: 9))
        let error = await failure { () throws(AWSError) in
            _ = try await SQSClient(configuration(http)).receiveMessages(from: Self.queue)
        }
        #expect(error.map { "\($0.kind)" } == kind && http.seen.count == count)
        #expect(error?.operation == "ReceiveMessage" && error?.subject == "retry" && error?.attempts == count)
        if !type.isEmpty { #expect(error?.message == "why" && error?.requestID == "R9") }
    }

    // MARK: receiving

    private static func received(_ body: String, md5: String? = nil, more: String = "") -> String {
        let digest = md5 ?? Self.md5(body)
        return
            #"{"MessageId":"id-\#(body)","ReceiptHandle":"r-\#(body)","Body":"\#(body)","MD5OfBody":"\#(digest)"\#(more)}"#
    }

    @Test func messagesComeWithTheirAttributes() async throws {
        let attributes = [
            "a": SQSAttribute.string("x"), "b": SQSAttribute(dataType: "Binary.z", value: .binary([1, 2])),
        ]
        let digest = MD5.hexadecimal(AttributeDigest.input(attributes)) ?? ""
        let more = #"""
            ,"MessageAttributes":{"a":{"DataType":"String","StringValue":"x"},"b":{"DataType":"Binary.z","BinaryValue":"AQI="}}
            ,"MD5OfMessageAttributes":"\#(digest)"
            ,"Attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1700000000123","SenderId":"AIDA"}
            """#
        let http = Script([Script.status(200, #"{"Messages":[\#(Self.received("one", more: more))]}"#)])
        let received = try await SQSClient(configuration(http)).receiveMessages(
            from: Self.queue, maximum: 99, visibilityTimeoutSeconds: 60)
        #expect(received.corrupted.isEmpty)
        let message = try #require(received.messages.first)
        #expect(message.messageID == "id-one" && message.receiptHandle == "r-one" && message.body == "one")
        #expect(message.attributes == attributes && message.attributes["a"]?.text == "x")
        #expect(message.receiveCount == 3 && message.sentEpochMilliseconds == 1_700_000_000_123)
        let asked = try Self.json(http.seen[0])
        #expect(asked["MaxNumberOfMessages"] as? Int == 10 && asked["WaitTimeSeconds"] as? Int == 20)
        #expect(asked["VisibilityTimeout"] as? Int == 60 && asked["MessageAttributeNames"] as? [String] == ["All"])
        #expect(asked["MessageSystemAttributeNames"] as? [String] == ["All"])
        #expect(http.seen[0].request.limits.stallSeconds > 20)
    }

    @Test(arguments: [
        received("two", md5: "00000000000000000000000000000000"),
        received("two", more: #","MD5OfMessageAttributes":"00000000000000000000000000000000""#),
        received("two", more: #","MessageAttributes":{"b":{"DataType":"Binary","BinaryValue":"???"}}"#),
        #"{"MessageId":"id-two","Body":"two","MD5OfBody":"\#(md5("two"))"}"#,
        #"{"MessageId":"id-two","ReceiptHandle":"r","Body":"two"}"#, #"{"MessageId":"id-two","ReceiptHandle":"r"}"#,
    ]) func aMessageThatIsNotWhatWasSentIsKeptOutAndReported(_ bad: String) async throws {
        let answer = #"{"Messages":[\#(Self.received("one")),\#(bad),\#(Self.received("three"))]}"#
        let http = Script([Script.status(200, answer)])
        let received = try await SQSClient(configuration(http)).receiveMessages(from: Self.queue)
        #expect(received.messages.map(\.body) == ["one", "three"])
        #expect(received.corrupted.map(\.messageID) == ["id-two"])
        #expect(http.seen.count == 1)
    }

    @Test(arguments: [(1000.5, 20, 0), (1006, 20, 5), (1100, 20, 20), (1100, 99, 20), (1100, -1, 0)])
    func theWaitEndsBeforeTheDeadline(_ deadline: Double, _ wanted: Int, _ waited: Int) async throws {
        let http = Script([Script.status(200, "{}")])
        let received = try await SQSClient(configuration(http)).receiveMessages(
            from: Self.queue, waitSeconds: wanted, deadlineUptimeSeconds: deadline)
        #expect(received == SQSReceived())
        #expect(try Self.json(http.seen[0])["WaitTimeSeconds"] as? Int == waited)
        #expect(http.seen[0].request.limits.totalTimeoutSeconds == deadline - 1000)
    }

    @Test func anAnswerWithoutABodyIsAnAnswer() async throws {
        let client = SQSClient(configuration(Script([Script.status(200), Script.status(200), Script.status(200)])))
        try await client.deleteMessage("r", from: Self.queue)
        try await client.changeVisibility(SQSVisibilityChange("r", timeoutSeconds: 0), on: Self.queue)
        #expect(try await client.attributes(of: Self.queue) == [:])
    }

    // MARK: batches

    @Test func batchesAreSplitAtTenEntriesAndAtTheirSize() {
        func sizes(_ sizes: [Int]) -> [[Int]] {
            SQSClient.split(sizes.map { SQSBatchEntry(value: "", sizeBytes: $0) }).map { batch in
                #expect(batch.map(\.index) == Array(0..<batch.count))
                return batch.map(\.sizeBytes)
            }
        }
        let limit = SQSClient.maximumBatchBytes
        #expect(sizes([]) == [])
        #expect(sizes(Array(repeating: 1, count: 21)).map(\.count) == [10, 10, 1])
        #expect(sizes([limit, 1, limit - 1, 1]) == [[limit], [1, limit - 1], [1]])
        #expect(sizes([1, limit + 1, 1]) == [[1], [limit + 1], [1]])
    }

    @Test func onlyTheServicesOwnFailuresAreTriedAgain() async throws {
        let digest = { Self.sent($0, id: $1) }
        let first =
            #"{"Successful":[\#(digest("a", "0"))],"Failed":[{"Id":"1","SenderFault":false,"Code":"InternalError","Message":"m"},"#
            + #"{"Id":"2","SenderFault":true,"Code":"InvalidMessageContents","Message":"chars"},"#
            + #"{"Id":"3","SenderFault":false,"Code":"RequestThrottled"}]}"#
        let second =
            #"{"Successful":[\#(digest("d", "3"))],"Failed":[{"Id":"1","SenderFault":false,"Code":"InternalError"}]}"#
        let http = Script([
            Script.status(200, first), Script.status(200, second),
            Script.status(200, #"{"Successful":[\#(digest("b", "1"))]}"#),
        ])
        let clock = ManualClock()
        let results = await SQSClient(configuration(http, clock: clock.clock())).sendMessages(
            ["a", "b", "c", "d"].map { SQSOutgoingMessage($0) }, to: Self.queue)
        #expect(try http.seen.map(Self.ids) == [["0", "1", "2", "3"], ["1", "3"], ["1"]])
        #expect(results.map { try? $0.get().messageID } == ["m-a", "m-b", nil, "m-d"])
        guard case .failure(let error) = results[2] else { return }
        #expect(error.kind == .rejected && error.code == "InvalidMessageContents" && error.message == "chars")
        // Throttled once, so the wait is the longer one.
        #expect(clock.sleeps == [0.25, 0.1])
    }

    @Test func entriesAreTriedAsOftenAsThePolicySays() async throws {
        let failed = #"{"Failed":[{"Id":"0","SenderFault":false,"Code":"ServiceUnavailable","Message":"m"}]}"#
        let http = Script(Array(repeating: Script.status(200, failed), count: 20))
        let errors = await SQSClient(configuration(http)).deleteMessages(["r"], from: Self.queue)
        #expect(http.seen.count == RetryPolicy.standard.maximumAttempts)
        #expect(errors.map { $0?.kind } == [.unavailable] && errors[0]?.attempts == 6)
        let hasty = Script(Array(repeating: Script.status(200, failed), count: 20))
        // After 0.05 s; the next wait would leave no time for an attempt.
        let late = await SQSClient(configuration(hasty)).deleteMessages(
            ["r"], from: Self.queue, deadlineUptimeSeconds: 1000.18)
        #expect(hasty.seen.count == 2 && late.map { $0?.kind } == [.unavailable])
    }

    @Test func aBatchThatFailsDoesNotTakeTheOthersWithIt() async throws {
        let done = { (count: Int) in
            #"{"Successful":[\#((0..<count).map { #"{"Id":"\#($0)"}"# }.joined(separator: ","))]}"#
        }
        let http = Script([
            Script.status(200, done(10)), Script.status(403, #"{"__type":"AccessDeniedException"}"#),
            Script.status(200, done(2)),
        ])
        let changes = (0..<22).map { SQSVisibilityChange("r\($0)", timeoutSeconds: $0) }
        let errors = await SQSClient(configuration(http)).changeVisibilities(changes, on: Self.queue)
        #expect(
            errors.map { $0?.kind } == Array(repeating: nil, count: 10) + Array(repeating: .denied, count: 10) + [
                nil, nil,
            ])
        let entries = try #require(try Self.json(http.seen[2])["Entries"] as? [[String: Any]])
        #expect(entries.map { $0["ReceiptHandle"] as? String } == ["r20", "r21"])
        #expect(entries.map { $0["VisibilityTimeout"] as? Int } == [20, 21])
    }

    @Test func anEntryThatTheAnswerSaysNothingOfIsNoSuccess() async throws {
        let http = Script([Script.status(200, #"{"Successful":[{"Id":"0"},{"Id":"7"},{}]}"#)])
        let errors = await SQSClient(configuration(http)).deleteMessages(["a", "b"], from: Self.queue)
        #expect(errors.map { $0?.kind } == [nil, .malformedAnswer])
    }

    @Test func anEntryStoredOtherwiseIsCorrupted() async throws {
        let wrong = Self.sent("x", id: "1")
        let http = Script([Script.status(200, #"{"Successful":[\#(Self.sent("a", id: "0")),\#(wrong)]}"#)])
        let results = await SQSClient(configuration(http)).sendMessages(
            [SQSOutgoingMessage("a"), SQSOutgoingMessage("b")], to: Self.queue)
        guard case .failure(let error) = results[1] else {
            Issue.record("another body passed for the one that was sent")
            return
        }
        #expect(error.kind == .corrupted && http.seen.count == 1)
    }

    @Test func nothingIsAskedForNothing() async throws {
        let http = Script([])
        let client = SQSClient(configuration(http))
        #expect(await client.sendMessages([], to: Self.queue).isEmpty)
        #expect(await client.deleteMessages([], from: Self.queue).isEmpty)
    }
}
