import AWS
import Foundation
import HTTP
import TestKit
import Testing

/// The SQS client over the real HTTP client against the stand-in, which checks signatures.
@Suite(.serialized) struct SQSLocalTests {
    let aws: LocalAWS
    let sqs: SQSClient

    init() throws {
        aws = try SharedAWS.standIn()
        sqs = SQSClient(S3LocalTests.configuration(aws))
    }

    /// Every test has a queue of its own.
    private func queue(_ name: String) async throws -> SQSQueue { try await sqs.queue(named: name) }

    @Test func aMessageIsSentReceivedAndDeleted() async throws {
        let queue = try await queue("sqs-plain")
        #expect(queue.url == aws.queueURL("sqs-plain"))
        let attributes = [
            "error": SQSAttribute.string("no \u{FC}nicode is lost 日本"), "attempt": .number(1),
            "raw": SQSAttribute(dataType: "Binary", value: .binary([0, 255, 10])),
        ]
        let body = "{\"Records\":[{\"key\":\"a b/\\\"c\\\" é\"}]}\n"
        let sent = try await sqs.sendMessage(SQSOutgoingMessage(body, attributes: attributes), to: queue)
        let received = try await sqs.receiveMessages(from: queue, waitSeconds: 1)
        let message = try #require(received.messages.first)
        #expect(received.messages.count == 1 && received.corrupted.isEmpty)
        #expect(message.messageID == sent.messageID && message.body == body && message.attributes == attributes)
        #expect(message.receiveCount == 1 && message.sentEpochMilliseconds ?? 0 > 1_600_000_000_000)
        let counts = try await sqs.attributes(of: queue, names: ["ApproximateNumberOfMessagesNotVisible"])
        #expect(counts == ["ApproximateNumberOfMessagesNotVisible": "1"])
        try await sqs.deleteMessage(message.receiptHandle, from: queue)
        let after = try await sqs.attributes(of: queue)
        #expect(after["ApproximateNumberOfMessages"] == "0" && after["ApproximateNumberOfMessagesNotVisible"] == "0")
    }

    @Test func aMessageHandedBackComesAgainWithAHigherCount() async throws {
        let queue = try await queue("sqs-visibility")
        try await sqs.sendMessage(SQSOutgoingMessage("m"), to: queue)
        for count in 1...3 {
            let received = try await sqs.receiveMessages(from: queue, waitSeconds: 1, visibilityTimeoutSeconds: 600)
            let message = try #require(received.messages.first)
            #expect(message.receiveCount == count)
            #expect(try await sqs.receiveMessages(from: queue, waitSeconds: 0).messages.isEmpty)
            try await sqs.changeVisibility(SQSVisibilityChange(message.receiptHandle, timeoutSeconds: 0), on: queue)
        }
    }

    @Test func batchesOfAnyLengthGoThrough() async throws {
        let queue = try await queue("sqs-batches")
        let bodies = (0..<23).map { "\($0) " + String(repeating: "x", count: 30_000) }
        let results = await sqs.sendMessages(
            bodies.map { SQSOutgoingMessage($0, attributes: ["n": .string("v")]) }, to: queue)
        #expect(try Set(results.map { try $0.get().messageID }).count == 23)
        var messages: [SQSMessage] = []
        while messages.count < 23 {
            let received = try await sqs.receiveMessages(from: queue, waitSeconds: 1)
            try #require(!received.messages.isEmpty && received.corrupted.isEmpty)
            messages += received.messages
        }
        #expect(Set(messages.map(\.body)) == Set(bodies))
        let changes = messages.map { SQSVisibilityChange($0.receiptHandle, timeoutSeconds: 900) }
        #expect(await sqs.changeVisibilities(changes, on: queue).allSatisfy { $0 == nil })
        #expect(await sqs.deleteMessages(messages.map(\.receiptHandle), from: queue).allSatisfy { $0 == nil })
        #expect(try await sqs.attributes(of: queue)["ApproximateNumberOfMessagesNotVisible"] == "0")
    }

    @Test func whatIsReceivedTooOftenGoesToTheDeadLetterQueue() async throws {
        let (queue, dead) = (try await queue("sqs-redrive"), try await queue("sqs-dead"))
        #expect(try await sqs.attributes(of: dead)["MessageRetentionPeriod"] == "1209600")
        try await sqs.sendMessage(SQSOutgoingMessage("poison", attributes: ["a": .string("b")]), to: queue)
        for _ in 0..<2 {
            let received = try await sqs.receiveMessages(from: queue, waitSeconds: 1)
            let handle = try #require(received.messages.first?.receiptHandle)
            try await sqs.changeVisibility(SQSVisibilityChange(handle, timeoutSeconds: 0), on: queue)
        }
        #expect(try await sqs.receiveMessages(from: queue, waitSeconds: 0).messages.isEmpty)
        let poison = try await sqs.receiveMessages(from: dead, waitSeconds: 1).messages
        #expect(poison.map(\.body) == ["poison"] && poison.first?.attributes == ["a": .string("b")])
    }

    @Test func aLongPollEndsWhenAMessageComes() async throws {
        let queue = try await queue("sqs-poll")
        let sqs = sqs
        let polling = Task { try await sqs.receiveMessages(from: queue, waitSeconds: 20) }
        let begin = ContinuousClock.now
        try await sqs.sendMessage(SQSOutgoingMessage("late"), to: queue)
        #expect(try await polling.value.messages.map(\.body) == ["late"])
        #expect(ContinuousClock.now - begin < .seconds(10))
    }

    @Test func aLongPollEndsAtOnceWhenItIsCancelledAndAtTheDeadline() async throws {
        let server = try ScriptedHTTPServer { try $0.waitForPeerToGo() }
        defer { server.stop() }
        let silent = SQSClient(S3LocalTests.configuration(aws, environment: ["AWS_ENDPOINT_URL_SQS": server.url]))
        let queue = SQSQueue(url: aws.queueURL("any"))
        let polling = Task {
            await failure { () throws(AWSError) in _ = try await silent.receiveMessages(from: queue) }
        }
        try await server.waitForRequests(1)
        let begin = ContinuousClock.now
        polling.cancel()
        let cancelled = await polling.value
        #expect(cancelled?.kind == .cancelled && ContinuousClock.now - begin < .seconds(2))
        try await server.waitForOpenConnections(atMost: 0)
        let late = await failure { () throws(AWSError) in
            _ = try await silent.receiveMessages(
                from: queue, deadlineUptimeSeconds: AWSClock.system.uptimeSeconds() + 0.3)
        }
        #expect(late?.isTransient == true && ContinuousClock.now - begin < .seconds(4))
    }

    @Test func errorsOfTheStandInAreTold() async throws {
        let missing = await failure { () throws(AWSError) in _ = try await sqs.queue(named: "no-such-queue") }
        #expect(missing?.kind == .notFound && missing?.subject == "no-such-queue")
        let wrong = SQSClient(S3LocalTests.configuration(aws, environment: ["AWS_SECRET_ACCESS_KEY": "wrong"]))
        let denied = await failure { () throws(AWSError) in _ = try await wrong.queue(named: "retry") }
        #expect(denied?.kind == .denied)
        let queue = try await queue("sqs-plain")
        let stale = await failure { () throws(AWSError) in
            try await sqs.changeVisibility(SQSVisibilityChange("no-such-handle", timeoutSeconds: 1), on: queue)
        }
        #expect(stale?.kind == .rejected)
        let errors = await sqs.changeVisibilities([SQSVisibilityChange("no-such-handle", timeoutSeconds: 1)], on: queue)
        #expect(errors.map { $0?.kind } == [.rejected])
    }
}
