import AWS
import Foundation
import HTTP
import Logging
import TestKit
import Testing
import Transfers

@testable import SFTPLambdaCore

/// The retry queue over SQS, against the stand-in and against servers that misbehave.
@Suite(.serialized) struct RetryQueueTests {
    private static let http = HTTPClient(HTTPClientConfiguration(environment: [:]))

    @Test(arguments: ["", ".fifo"]) func everyPromiseIsKeptOverSQS(_ suffix: String) async throws {
        let folder = try TemporaryFolder()
        var options = LocalAWS.Options()
        options.queues = RetryQueueContract.Promise.allCases.map { promise in
            let isPoisoned = promise == .receivedTooOftenGoesToTheDeadLetters
            return LocalAWS.Queue(
                promise.rawValue + suffix,
                deadLetters: isPoisoned ? ("dead" + suffix, RetryQueueContract.maximumReceives) : nil)
        }
        let aws = try LocalAWS(options, workFolder: folder.url)
        defer { aws.stop() }
        let client = SQSClient(
            AWSConfiguration(
                http: Self.http, credentials: EnvironmentCredentials(environment: aws.environment), region: aws.region,
                environment: aws.environment))
        await withTaskGroup(of: Void.self) { group in
            for promise in RetryQueueContract.Promise.allCases {
                group.addTask {
                    let subject = RetryQueueContract.Subject(
                        queue: Self.queue(client, promise.rawValue + suffix), delaysMessages: suffix.isEmpty,
                        deadLetters: {
                            let dead = try await client.queue(named: "dead" + suffix)
                            return try await client.receiveMessages(from: dead, waitSeconds: 2).messages.map(\.body)
                        })
                    do { try await RetryQueueContract(subject).check(promise) } catch {
                        Issue.record("\(promise.rawValue): \(error)")
                    }
                }
            }
        }
    }

    @Test func attributesAreSentWithTheirTypes() async throws {
        let server = try Self.server(#"{"Failed":[]}"#)
        defer { server.stop() }
        let message = try RetryQueueContract.message("body")
        _ = await Self.queue(Self.client(server.url), "acme").send([message])
        struct Entry: Decodable {
            struct Attribute: Decodable {
                var DataType: String
                var StringValue: String
            }
            var MessageBody: String
            var MessageAttributes: [String: Attribute]
            var MessageGroupId: String?
        }
        struct Batch: Decodable { var Entries: [Entry] }
        let sent = try #require(server.requests.last)
        let entry = try #require(try JSONDecoder().decode(Batch.self, from: Data(sent.body)).Entries.first)
        #expect(entry.MessageBody == "body" && entry.MessageGroupId == nil)
        #expect(
            entry.MessageAttributes.mapValues(\.DataType)
                == [
                    "errorClass": "String", "errorText": "String", "time": "String", "attempt": "Number",
                    "firstTime": "String",
                ])
        #expect(entry.MessageAttributes["attempt"]?.StringValue == "1")
    }

    @Test func theQueueIsLookedForOnceAndAFailureIsForgotten() async throws {
        let asked = Counter()
        let server = try ScriptedHTTPServer(answering: { request in
            guard request.headers["X-Amz-Target"] == "AmazonSQS.GetQueueUrl" else {
                return .init(200, text: #"{"Attributes":{"ApproximateNumberOfMessages":"7"}}"#)
            }
            return asked.next() == 1
                ? .init(400, text: #"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"m"}"#)
                : .init(200, text: #"{"QueueUrl":"http://127.0.0.1:1/123456789012/acme"}"#)
        })
        defer { server.stop() }
        let locator = RetryQueueLocator(client: Self.client(server.url), reference: .name("acme"))
        #expect(asked.count == 0, "not before it is needed")
        let failure = await Self.failure { () throws(QueueFailure) in
            _ = try await Self.queue(locator).waitingCount()
        }
        #expect(failure?.reason == .notFound)
        let message = try RetryQueueContract.message("m")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let failure = await Self.failure { () throws(QueueFailure) in
                        let count = try await Self.queue(locator).waitingCount()
                        #expect(count == 7)
                    }
                    #expect(failure == nil)
                }
            }
        }
        #expect(asked.count == 2)
        // When the queue cannot be found, no message is taken.
        let lost = Self.queue(RetryQueueLocator(client: Self.client("http://127.0.0.1:1"), reference: .name("acme")))
        let unsent = await lost.send([message, message])
        #expect(unsent.mapValues(\.reason) == [0: .unavailable, 1: .unavailable])
    }

    @Test func aMessageThatIsNotWhatWasSentIsLoggedAndLeft() async throws {
        let good =
            "\"MessageId\":\"m2\",\"ReceiptHandle\":\"r2\",\"Body\":\"a\",\"MD5OfBody\":\"0cc175b9c0f1b6a831c399e269772661\""
        let server = try Self.server(
            #"{"Messages":[{"MessageId":"m1","ReceiptHandle":"r1","Body":"b","MD5OfBody":"0"},{\#(good)}]}"#)
        defer { server.stop() }
        let log = LogRecorder()
        let locator = RetryQueueLocator(client: Self.client(server.url), reference: .name("acme"))
        let queue = SQSRetryQueue(locator: locator, deadlineUptimeSeconds: nil, logger: log.logger())
        let received = try await queue.receive(maximumCount: 10, waitSeconds: 0, hiddenSeconds: 1)
        #expect(received == [QueuedMessage(id: "m2", receipt: "r2", body: [0x61], receiveCount: 1)])
        #expect(log.lines.count == 1 && log.text.contains("m1"))
        #expect(server.requests.count == 2, "the lookup and the receive")
    }

    @Test func afterTheDeadlineNothingIsAsked() async throws {
        let server = try Self.server("{}")
        defer { server.stop() }
        let locator = RetryQueueLocator(client: Self.client(server.url), reference: .name("acme"))
        _ = try await locator.queue(deadlineUptimeSeconds: nil)
        let late = SQSRetryQueue(
            locator: locator, deadlineUptimeSeconds: AWSClock.system.uptimeSeconds(), logger: Logger(label: "test"))
        let failure = await Self.failure { () throws(QueueFailure) in _ = try await late.waitingCount() }
        #expect(failure?.reason == .cancelled)
        let unsent = await late.send([try RetryQueueContract.message("m")])
        #expect(unsent.mapValues(\.reason) == [0: .cancelled])
        #expect(server.requests.count == 1, "the lookup")
    }

    @Test func whoMayNotIsToldWhatIsNeeded() async throws {
        let server = try ScriptedHTTPServer(answering: { request in
            request.headers["X-Amz-Target"] == "AmazonSQS.GetQueueUrl"
                ? .init(200, text: #"{"QueueUrl":"http://127.0.0.1:1/123456789012/acme"}"#)
                : .init(403, text: #"{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"m"}"#)
        })
        defer { server.stop() }
        let failures = await Self.queue(Self.client(server.url), "acme").send([try RetryQueueContract.message("m")])
        #expect(failures[0]?.reason == .denied && failures[0]?.message.contains("sqs:SendMessage") == true)
    }

    // MARK: Helpers

    private static func server(_ answer: String) throws -> ScriptedHTTPServer {
        try ScriptedHTTPServer(answering: { request in
            request.headers["X-Amz-Target"] == "AmazonSQS.GetQueueUrl"
                ? .init(200, text: #"{"QueueUrl":"http://127.0.0.1:1/123456789012/acme"}"#) : .init(200, text: answer)
        })
    }

    private static func queue(_ client: SQSClient, _ name: String) -> SQSRetryQueue {
        queue(RetryQueueLocator(client: client, reference: .name(name)))
    }

    private static func queue(_ locator: RetryQueueLocator) -> SQSRetryQueue {
        SQSRetryQueue(locator: locator, deadlineUptimeSeconds: nil, logger: Logger(label: "test"))
    }

    private static func client(_ endpoint: String) -> SQSClient {
        SQSClient(
            AWSConfiguration(
                http: http, credentials: StaticCredentials(AWSCredentials(accessKeyID: "id", secretAccessKey: "s")),
                region: "eu-central-1", environment: ["AWS_ENDPOINT_URL_SQS": endpoint],
                retry: RetryPolicy(maximumAttempts: 2, baseDelaySeconds: 0.01)))
    }

    private static func failure(_ body: () async throws(QueueFailure) -> Void) async -> QueueFailure? {
        do throws(QueueFailure) { try await body() } catch { return error }
        return nil
    }
}
