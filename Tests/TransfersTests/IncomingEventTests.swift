import Foundation
import TestKit
import Testing

@testable import Transfers

/// What push and pushRetry are invoked with, or find on the queue.
@Suite struct IncomingEventTests {
    private func read(_ json: String) -> IncomingEvent { IncomingEvent(Array(json.utf8)) }

    @Test(arguments: EventFixtures.good.indices)
    func eachDocumentedShapeAsksForOnePush(_ index: Int) throws {
        let fixture = EventFixtures.good[index]
        let event = read(fixture.json)
        #expect(event.failures.isEmpty, "\(fixture.name)")
        #expect(event.ignored.isEmpty, "\(fixture.name)")
        #expect(event.requests.count == 1, "\(fixture.name)")
        let request = try #require(event.requests.first, "\(fixture.name)")
        #expect(request.bucket == EventFixtures.bucket, "\(fixture.name)")
        #expect(request.key.text == EventFixtures.key, "\(fixture.name)")
    }

    /// `examples/events`: each for push names one object, however it is wrapped.
    @Test func examplesAreWhatTheirNamesSay() throws {
        let folder = StandIn.packageRoot.appendingPathComponent("examples/events")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(names.count { $0.hasPrefix("push-") } == 5)
        for name in names where name.hasPrefix("push-") {
            let event = IncomingEvent(Array(try Data(contentsOf: folder.appendingPathComponent(name))))
            #expect(event.failures.isEmpty && event.ignored.isEmpty, "\(name)")
            #expect(event.requests.map(\.bucket) == ["outbox"], "\(name)")
            #expect(event.requests.map(\.key.text) == ["orders/2026-11 orders.csv"], "\(name)")
            #expect((event.batchItemIDs != nil) == (name == "push-sqs-batch.json"), "\(name)")
        }
    }

    @Test(arguments: EventFixtures.nothing.indices)
    func whatIsNoCreationIsNothingToDo(_ index: Int) {
        let fixture = EventFixtures.nothing[index]
        let event = read(fixture.json)
        #expect(event.failures.isEmpty && event.requests.isEmpty, "\(fixture.name)")
        #expect(event.ignored.map(\.reason.rawValue) == [fixture.reason], "\(fixture.name)")
    }

    @Test func notificationTellsEveryField() throws {
        let event = try #require(
            read(EventFixtures.records(EventFixtures.record(object: EventFixtures.multipart))).requests.first
        ).newest
        #expect(event.etag?.text == "d41d8cd98f00b204e9800998ecf8427e-640")
        #expect(event.versionID == "3HL4kqtJvjVBH40Nrjfkd")
        #expect(event.sequencer == Sequencer("0055AED6DCD90281E5"))
        #expect(event.sizeBytes == 5_368_709_121)
        #expect(event.awsRegion == "eu-central-1")
        #expect(event.delivered == nil)
    }

    @Test func bridgeTellsEveryField() throws {
        let event = try #require(read(EventFixtures.bridge()).requests.first).newest
        #expect(event.etag?.text == EventFixtures.etag)
        #expect(event.versionID == "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e")
        #expect(event.sequencer == Sequencer("617f08299329d189"))
        #expect(event.sizeBytes == 1024)
        #expect(event.awsRegion == "eu-central-1")
    }

    @Test func etagIsTheSameWithQuotesAndWithout() throws {
        let event = try #require(
            read(EventFixtures.records(EventFixtures.record(object: #""eTag":"\"0123\"""#))).requests.first)
        #expect(event.newest.etag == ETag("0123"))
        #expect(ETag("\"0123\"") == ETag(" 0123 "))
        #expect(ETag("0123")?.quoted == "\"0123\"")
        for text in ["", "\"\"", " ", "a b", "a\"b", "a,b", "\u{E9}"] { #expect(ETag(text) == nil, "\(text)") }
    }

    @Test func keyOfANotificationIsDecodedAndThatOfBridgeIsNot() throws {
        func key(_ json: String) -> String? { read(json).requests.first?.key.text }
        #expect(key(EventFixtures.records(EventFixtures.record(key: "a%2Bb+c%C3%A9%25%2F%3d"))) == "a+b cé%/=")
        #expect(key(EventFixtures.bridge(key: "a%2Bb+c")) == "a%2Bb+c")
        #expect(key(EventFixtures.bridge(key: #"\u00e9\ud83d\ude00\"\\"#)) == "é😀\"\\")
        #expect(key(#"{"Bucket":"partner-files","Key":"a%2Bb+c"}"#) == "a%2Bb+c")
    }

    @Test func messagesOfABatchAreNamedInTheAnswer() throws {
        let event = read(
            EventFixtures.sqs(
                EventFixtures.records(EventFixtures.record(key: "a"), EventFixtures.record(key: "b")),
                EventFixtures.test, "not JSON", EventFixtures.records(EventFixtures.record(key: "b"))))
        #expect(event.batchItemIDs == ["m1", "m2", "m3", "m4"])
        #expect(event.requests.map(\.key.text) == ["a", "b"])
        #expect(event.requests.map(\.itemIDs) == [["m1"], ["m1", "m4"]])
        #expect(event.ignored.map(\.itemID) == ["m2"])
        #expect(event.failures.map(\.itemID) == ["m3"])
        #expect(event.failures.map(\.event) == [Array("not JSON".utf8)])
        #expect(
            IncomingEvent.batchAnswer(failedItemIDs: ["m3", "\"\\\n"])
                == #"{"batchItemFailures":[{"itemIdentifier":"m3"},{"itemIdentifier":"\"\\\n"}]}"#)
        #expect(IncomingEvent.batchAnswer(failedItemIDs: []) == #"{"batchItemFailures":[]}"#)
    }

    @Test func onlyTheMessagesOfTheInvocationAreNamed() throws {
        let inner = EventFixtures.sqs(EventFixtures.bridge())
        let nested = read(EventFixtures.sqs(EventFixtures.bridge(key: "x"), EventFixtures.onFailure(inner)))
        #expect(nested.batchItemIDs == ["m1", "m2"])
        #expect(nested.requests.map(\.itemIDs) == [["m1"], ["m2"]])
        #expect(read(EventFixtures.onFailure(inner)).batchItemIDs == nil)
        #expect(read(EventFixtures.bridge()).batchItemIDs == nil)
        // A message without an identifier cannot be given back by name, but it is not lost.
        let anonymous = read(#"{"Records":[{"body":"{}"},{"messageId":"","body":"1"}]}"#)
        #expect(anonymous.failures.map(\.itemID) == [nil, nil])
    }

    @Test func deliveryIsReadOnlyWhenItIsWhole() throws {
        let event = try #require(read(EventFixtures.retry).requests.first).newest
        #expect(event.delivered?.etag == ETag("0123"))
        #expect(event.delivered?.destinationSHA256 == String(repeating: "a1", count: 32))
        for part in ["{}", "1", "null", #"{"delivered":"0123"}"#, #"{"delivered":"","deliveredTo":"a1"}"#] {
            let json = EventFixtures.records(EventFixtures.record(extra: ",\"sftpLambda\":\(part)"))
            #expect(try #require(read(json).requests.first).newest.delivered == nil, "\(part)")
        }
    }

    @Test func wrappersAreOpenedToALimit() throws {
        var json = EventFixtures.bridge()
        for _ in 0..<IncomingEvent.maximumWrappers { json = EventFixtures.onFailure(json) }
        #expect(read(json).requests.count == 1)
        let tooDeep = read(EventFixtures.onFailure(json))
        #expect(tooDeep.requests.isEmpty)
        #expect(tooDeep.failures.map(\.error.reason) == [.wrappedTooDeep])
        #expect(tooDeep.failures.map(\.event) == [Array(EventFixtures.bridge().utf8)])
    }
}
