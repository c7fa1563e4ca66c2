import Foundation
import TestKit
import Testing

@testable import Transfers

/// Events that cannot be understood, whole or in part.
@Suite struct IncomingEventFaultTests {
    private func read(_ json: String) -> IncomingEvent { IncomingEvent(Array(json.utf8)) }

    /// The only failure, when there is nothing else.
    private func fault(_ json: String) -> EventError? {
        let event = read(json)
        guard event.requests.isEmpty, event.ignored.isEmpty, event.failures.count == 1 else { return nil }
        return event.failures.first?.error
    }

    @Test(arguments: [
        "", " ", "{", #"{"Records":["#, "{'a':1}", "nul", "[1,]", "{}x", #"{"a":"\ud800"}"#, "{\"a\":\"\n\"}", "01",
        "1.",
        "-", "+1", "\u{FEFF}{}", #"{"a" 1}"#, #"{"a":"\x"}"#, #"{"a":"\u12"}"#, #"{a:1}"#, "tru", "{,}",
    ])
    func whatIsNotJSONIsToldWithItsPlace(_ json: String) throws {
        let error = try #require(fault(json))
        #expect(error.reason == .notJSON)
        #expect(error.message.contains("at byte"))
        #expect(read(json).failures.first?.event == Array(json.utf8))
    }

    @Test func bytesThatAreNotUTF8AreNotJSON() {
        let bytes = Array(#"{"Bucket":"partner-files","Key":"a"#.utf8) + [0xFF] + Array("\"}".utf8)
        let event = IncomingEvent(bytes)
        #expect(event.failures.map(\.error.reason) == [.notJSON])
        #expect(event.failures.map(\.event) == [bytes])
    }

    @Test(arguments: ["[", "{\"a\":", "{\"requestPayload\":", "{\"Records\":[{\"body\":"])
    func aMegabyteOfBracketsIsRefused(_ opening: String) {
        let json = String(repeating: opening, count: 1_048_576 / opening.utf8.count)
        #expect(fault(json)?.reason == .notJSON)
    }

    @Test func eventThatIsTooLargeIsNotRead() {
        let json = String(repeating: " ", count: IncomingEvent.maximumBytes - 2) + "{}"
        #expect(fault(json)?.reason == .unknownShape)
        #expect(fault(" " + json)?.reason == .notJSON)
    }

    @Test(arguments: [
        "{}", "[]", "1", "true", "null", "\"text\"", #"{"Records":null}"#, #"{"Records":{}}"#, #"{"Records":"x"}"#,
        #"{"Records":[1]}"#, #"{"Records":[null]}"#, #"{"Records":[{}]}"#, #"{"Records":[{"s3":null}]}"#,
        #"{"Records":[{"body":{}}]}"#, #"{"Records":[{"Sns":{}}]}"#, #"{"Records":[{"Sns":{"Message":1}}]}"#,
        #"{"requestPayload":null}"#, #"{"requestPayload":{}}"#, #"{"Type":"Notification"}"#, #"{"Bucket":"b-b-b"}"#,
        #"{"Bucket":"b-b-b","Key":null}"#, #"{"Bucket":"b-b-b","key":"k"}"#, #"{"Event":"s3:Other"}"#,
        #"{"Type":"SubscriptionConfirmation","Message":"x"}"#,
        #"{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}"#,
        #"{"detail-type":"AWS API Call via CloudTrail","source":"aws.s3","detail":{}}"#,
    ])
    func unknownShapeIsToldByItsNames(_ json: String) throws {
        let error = try #require(fault(json))
        #expect(error.reason == .unknownShape)
        #expect(error.message.contains("expected") && error.message.contains("found"))
    }

    @Test func errorNamesFieldsAndNeverTheirValues() throws {
        let error = try #require(fault(#"{"password":"hunter2","\u001b[31m":"hunter2","n":{"hunter2":1}}"#))
        #expect(error.message.hasSuffix(#"found an object with password, \x1b[31m, n"#))
        let many =
            "{" + (0..<50).map { "\"\(String(repeating: "k", count: 100))\($0)\":1" }.joined(separator: ",") + "}"
        #expect(try #require(fault(many)).message.hasSuffix("and 34 more"))
        #expect(try #require(fault(many)).message.utf8.count < 1024)
    }

    static let badRecords: [(String, EventError.Reason)] = [
        (EventFixtures.record(version: "3.0"), .unsupportedVersion),
        (EventFixtures.record(version: "20.1"), .unsupportedVersion),
        (EventFixtures.record(version: ""), .unsupportedVersion),
        (EventFixtures.record(key: "%zz"), .invalidKey), (EventFixtures.record(key: "a%2"), .invalidKey),
        (EventFixtures.record(key: "%"), .invalidKey), (EventFixtures.record(key: "%FF"), .invalidKey),
        (EventFixtures.record(key: "%C0%AF"), .invalidKey), (EventFixtures.record(key: "%ED%A0%80"), .invalidKey),
        (EventFixtures.record(key: ""), .invalidKey),
        (EventFixtures.record(key: String(repeating: "%41", count: 1025)), .invalidKey),
        (EventFixtures.record(object: #""size":-1"#), .invalidField),
        (EventFixtures.record(object: #""size":"1""#), .invalidField),
        (EventFixtures.record(object: #""size":1.5"#), .invalidField),
        (EventFixtures.record(object: #""size":18446744073709551616"#), .invalidField),
        (EventFixtures.record(object: #""eTag":17"#), .invalidField),
        (EventFixtures.record(object: #""eTag":"a\nb""#), .invalidField),
        (EventFixtures.record(object: #""versionId":{}"#), .invalidField),
        (EventFixtures.record(object: #""sequencer":[]"#), .invalidField),
        (#"{"eventVersion":2.1,"s3":{}}"#, .invalidField), (#"{"eventName":7,"s3":{}}"#, .invalidField),
        (#"{"s3":{}}"#, .invalidField), (#"{"s3":7}"#, .invalidField), (#"{"s3":{"object":{}}}"#, .invalidField),
        (#"{"s3":{"object":{"key":"k"}}}"#, .invalidField),
        (#"{"s3":{"object":{"key":"k"},"bucket":"partner-files"}}"#, .invalidField),
        (#"{"s3":{"object":{"key":"k"},"bucket":{"name":"../x"}}}"#, .invalidField),
        (#"{"s3":{"object":{"key":"k"},"bucket":{"name":"..."}}}"#, .invalidField),
        (#"{"s3":{"object":{"key":"k"},"bucket":{"name":""}}}"#, .invalidField),
        (#"{"s3":{"object":{"key":null},"bucket":{"name":"partner-files"}}}"#, .invalidField),
    ]

    @Test(arguments: badRecords.indices)
    func badRecordDoesNotHoldUpTheOthers(_ index: Int) throws {
        let (bad, reason) = Self.badRecords[index]
        let event = read(
            EventFixtures.records(EventFixtures.record(key: "first"), bad, EventFixtures.record(key: "last")))
        #expect(event.requests.map(\.key.text) == ["first", "last"], "\(bad)")
        let failure = try #require(event.failures.first, "\(bad)")
        #expect(event.failures.count == 1 && failure.error.reason == reason, "\(bad)")
        // What goes to the queue is the record to the byte, and fails there for the same reason.
        #expect(String(decoding: failure.event, as: UTF8.self) == EventFixtures.records(bad))
        #expect(IncomingEvent(failure.event).failures == [failure])
    }

    @Test func badEventInsideAWrapperIsKeptWithoutIt() {
        let bad = #"{"hello": "world" }"#
        for json in [
            EventFixtures.sqs(bad), EventFixtures.sns(bad), EventFixtures.sqs(EventFixtures.snsEnvelope(bad)),
            EventFixtures.onFailure(bad), EventFixtures.onFailureByBridge(bad),
        ] {
            #expect(read(json).failures.map(\.event) == [Array(bad.utf8)])
        }
    }
}

/// Mutations of every fixture: there is always a result, and nothing is dropped.
@Suite struct IncomingEventFuzzTests {
    @Test(arguments: 0..<8)
    func mutatedEventIsAlwaysAnswered(_ seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let fixtures = (EventFixtures.good.map(\.json) + EventFixtures.nothing.map(\.json)).map { Array($0.utf8) }
        for round in 0..<600 {
            var bytes = fixtures.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                mutate(&bytes, with: fixtures, &random)
            }
            let event = IncomingEvent(bytes)
            let isAnswered = !(event.requests.isEmpty && event.ignored.isEmpty && event.failures.isEmpty)
            #expect(isAnswered, "seed \(seed), round \(round)")
            for failure in event.failures where failure.error.reason != .wrappedTooDeep {
                let again = IncomingEvent(failure.event)
                #expect(again.failures.map(\.error) == [failure.error], "seed \(seed), round \(round)")
                #expect(again.requests.isEmpty, "seed \(seed), round \(round)")
            }
            for request in event.requests {
                for original in request.events {
                    let again = IncomingEvent(Array(original.s3EventJSON.utf8)).requests.first?.newest
                    #expect(again == original, "seed \(seed), round \(round)")
                }
            }
        }
    }

    private func mutate(_ bytes: inout [UInt8], with fixtures: [[UInt8]], _ random: inout SeededGenerator) {
        guard !bytes.isEmpty else { return }
        let place = Int.random(in: 0..<bytes.count, using: &random)
        let end = min(bytes.count, place + Int.random(in: 1...24, using: &random))
        let words = [
            "null", "{}", "[]", "\"\"", "-1", "1e9", "true", "\\u0000", "%", "\u{FFFF}", "\"Records\":", "{", "]",
        ]
        switch Int.random(in: 0..<7, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.removeSubrange(place..<end)
        case 2: bytes.removeSubrange(place...)
        case 3: bytes.insert(contentsOf: Array((words.randomElement(using: &random) ?? "").utf8), at: place)
        case 4: bytes.replaceSubrange(place..<end, with: Array((words.randomElement(using: &random) ?? "").utf8))
        case 5: bytes.insert(contentsOf: bytes[place..<end], at: place)
        default: bytes.insert(contentsOf: fixtures.randomElement(using: &random) ?? [], at: place)
        }
    }
}
