import Foundation
import TestKit
import Testing

@testable import Transfers

/// What is put on the queue and read again, and the order of events.
@Suite struct ObjectEventTests {
    static let oddKeys = [
        "a", "a b", "a+b", "a%20b", "%", "a/b/c.txt", "a//b", "/a", "dir/", "é", "e\u{301}", "😀", "\"", "\\", "\n",
        "\u{0}", "\u{7F}", "\u{FFFE}", "\u{FFFF}", "\u{2028}", "a?b#c&d=e;f", "..", "../x", "~", "*", "'", "<x>",
        ".done/x",
        String(repeating: "ü", count: 512), " ", "+", "a\u{1B}[31m",
    ]

    private func roundTrip(_ event: ObjectEvent) -> ObjectEvent? {
        let read = IncomingEvent(Array(event.s3EventJSON.utf8))
        return read.requests.count == 1 && read.failures.isEmpty ? read.requests.first?.newest : nil
    }

    @Test(arguments: oddKeys)
    func oddKeyComesBackFromTheQueue(_ text: String) throws {
        let event = ObjectEvent(bucket: "partner-files", key: try #require(ObjectKey(text)))
        #expect(roundTrip(event) == event)
        // Other programs read it too.
        let json = try JSONSerialization.jsonObject(with: Data(event.s3EventJSON.utf8))
        let record = ((json as? [String: Any])?["Records"] as? [[String: Any]])?.first?["s3"] as? [String: Any]
        let encoded = try #require((record?["object"] as? [String: Any])?["key"] as? String)
        #expect(
            encoded.replacing("+", with: " ").removingPercentEncoding?.unicodeScalars.elementsEqual(
                text.unicodeScalars) == true)
    }

    @Test func randomEventComesBackFromTheQueue() throws {
        var random = SeededGenerator(seed: 7)
        func text(_ lengths: ClosedRange<Int>) -> String {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: lengths, using: &random) {
                let range: ClosedRange<UInt32> =
                    [0...0x7F, 0x80...0x7FF, 0xE000...0xFFFF, 0x1F600...0x1F64F]
                    .randomElement(using: &random) ?? 0...0
                if let scalar = UnicodeScalar(UInt32.random(in: range, using: &random)) { text.append(scalar) }
            }
            return String(text)
        }
        func maybe<Value>(_ value: @autoclosure () -> Value?) -> Value? {
            Bool.random(using: &random) ? value() : nil
        }
        for _ in 0..<500 {
            let hex = String(UInt64.random(in: 0...UInt64.max, using: &random), radix: 16)
            let event = ObjectEvent(
                bucket: "partner-files", key: try #require(ObjectKey(text(1...200))), etag: maybe(ETag(hex)),
                versionID: maybe(text(1...20)), sequencer: maybe(Sequencer(hex)),
                sizeBytes: maybe(UInt64.random(in: 0...UInt64.max, using: &random)), awsRegion: maybe("eu-central-1"),
                delivered: maybe(ETag(hex).map { Delivery(etag: $0, destinationSHA256: hex) }),
                mustSend: Bool.random(using: &random))
            #expect(roundTrip(event) == event)
        }
    }

    @Test func deliveredEventNamesWhatWasSentAndWhere() throws {
        let destination = Destination(origin: "h:22:u", sha256: String(repeating: "0f", count: 32))
        let event = ObjectEvent(
            bucket: "partner-files", key: try #require(ObjectKey("k")), etag: ETag("old"), versionID: "v", sizeBytes: 1)
        let delivered = event.delivered(try #require(ETag("\"sent\"")), to: destination)
        #expect(roundTrip(delivered) == delivered)
        #expect(delivered.etag == ETag("sent") && delivered.versionID == nil && delivered.sizeBytes == nil)
        #expect(delivered.delivered?.destinationSHA256 == destination.sha256)
    }

    @Test(arguments: [
        ("true", true), ("false", false), ("null", false), ("1", true), (#""yes""#, true),
    ])
    func messageThatSaysSoIsSentWhateverTheMark(_ json: String, _ mustSend: Bool) throws {
        let record = EventFixtures.record(extra: #","sftpLambda":{"mustSend":\#(json)}"#)
        let event = IncomingEvent(Array(EventFixtures.records(record).utf8))
        #expect(event.requests.map(\.mustSend) == [mustSend])
    }

    @Test func deliveredEventNeedsNotBeSent() throws {
        let destination = Destination(origin: "h:22:u", sha256: String(repeating: "0f", count: 32))
        let event = ObjectEvent(bucket: "partner-files", key: try #require(ObjectKey("k")), mustSend: true)
        #expect(!event.delivered(try #require(ETag("e")), to: destination).mustSend)
    }

    @Test(arguments: [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E6"), ("0055AED6DCD90281E5", "0055AED6DCD90281E501"), ("1", "2"),
        ("0f", "F"), ("00", "01"), ("617f08299329d189", "617F08299329D18A"),
    ])
    func sequencersAreComparedFilledUpWithZeros(_ earlier: String, _ later: String) throws {
        let (first, second) = (try #require(Sequencer(earlier)), try #require(Sequencer(later)))
        #expect(first < second && !(second < first) && first != second)
    }

    @Test func sequencersOfDifferentLengthCanBeTheSame() throws {
        #expect(Sequencer("a0") == Sequencer("A000"))
        #expect(Set([Sequencer("a0"), Sequencer("A000")]).count == 1)
        #expect(Sequencer("") == nil && Sequencer("xyz") == nil)
        #expect(Sequencer(String(repeating: "0", count: 129)) == nil)
    }

    @Test func recordsOfOneKeyBecomeOnePushOfTheNewest() throws {
        func record(_ key: String, _ etag: String, _ sequencer: String?) -> String {
            let order = sequencer.map { #","sequencer":"\#($0)""# } ?? ""
            return EventFixtures.record(key: key, object: #""eTag":"\#(etag)"\#(order)"#)
        }
        let event = IncomingEvent(
            Array(
                EventFixtures.records(
                    record("a", "a2", "05"), record("b", "b1", nil), record("a", "a3", "0501"), record("a", "a0", nil),
                    record("a", "a1", "04"), record("a", "a1", "04"), record("b", "b2", nil)
                ).utf8))
        #expect(event.requests.map(\.key.text) == ["a", "b"])
        #expect(
            event.requests.map { $0.events.compactMap(\.etag?.text) } == [["a0", "a1", "a2", "a3"], ["b1", "b2"]])
        #expect(event.requests.map(\.newest.etag?.text) == ["a3", "b2"])
    }

    @Test func sameKeyInTwoBucketsIsTwoObjects() {
        let other = EventFixtures.record().replacing("\"partner-files\"", with: "\"other-files\"")
        let event = IncomingEvent(Array(EventFixtures.records(EventFixtures.record(), other).utf8))
        #expect(event.requests.map(\.bucket) == ["partner-files", "other-files"])
    }
}

/// Messages for the retry queue.
@Suite struct RetryMessageTests {
    private let reason = RetryMessage.Reason(
        errorClass: "connectionLost", errorText: "write: the server\u{0} went away", time: UnixTime(seconds: 0),
        attempt: 3)

    @Test func messageHoldsTheEventAndWhyItFailed() throws {
        let event = ObjectEvent(bucket: "partner-files", key: try #require(ObjectKey("a b")))
        let message = RetryMessage(event, because: reason)
        #expect(IncomingEvent(Array(message.body.utf8)).requests.map(\.newest) == [event])
        let shown = message.attributes.map { "\($0.name) \($0.dataType.rawValue) \($0.value)" }
        #expect(
            shown == [
                "errorClass String connectionLost", "errorText String write: the server\\x00 went away",
                "time String 1970-01-01T00:00:00Z", "attempt Number 3", "firstTime String 1970-01-01T00:00:00Z",
            ])
    }

    @Test func attributesAreNeverEmptyAndNeverLong() throws {
        let event = ObjectEvent(bucket: "partner-files", key: try #require(ObjectKey("k")))
        var reason = self.reason
        reason.errorClass = ""
        reason.errorText = String(repeating: "ü", count: 5000)
        let message = RetryMessage(event, because: reason)
        #expect(message.attributes.map(\.value.utf8.count) == [1, 1024, 20, 1, 20])
    }

    /// Whoever can write to the queue can write attributes.
    @Test func pastOfAMessageIsWhatItsAttributesSayIfTheyCanBeRead() {
        func past(_ attributes: [String: String]) -> RetryMessage.Past {
            RetryMessage.Past(attributes: { attributes[$0] }, sent: UnixTime(seconds: 7))
        }
        #expect(
            past(["attempt": "3", "firstTime": "1970-01-01T00:00:05Z"])
                == RetryMessage.Past(attempts: 3, since: UnixTime(seconds: 5)))
        #expect(past([:]) == RetryMessage.Past(attempts: 0, since: UnixTime(seconds: 7)))
        for attempt in ["", "x", "-1", "99999999999999999999", "\u{663}"] {
            #expect(past(["attempt": attempt, "firstTime": "yesterday"]).attempts == 0, "\(attempt)")
        }
        #expect(past(["firstTime": "yesterday"]).since == UnixTime(seconds: 7))
        #expect(past(["attempt": "\(Int.max)"]).attempts == 1_000_000)
        let message = QueuedMessage(
            id: "", receipt: "", body: [], receiveCount: 2, past: past(["attempt": "3"]))
        #expect(message.attempt == 5)
    }

    @Test func whatWasNotUnderstoodIsKeptInCharactersThatSQSTakes() throws {
        for (json, body) in [
            ("{\"a\":\"\u{FFFF}\"}", "{\"a\":\"\\uffff\"}"), ("\u{1}", "\\u0001"), ("", " "), ("{ }", "{ }"),
        ] {
            let failure = try #require(IncomingEvent(Array(json.utf8)).failures.first)
            let message = RetryMessage(failure, time: UnixTime(seconds: 0), attempt: 1)
            #expect(message.body == body)
            #expect(message.attributes.first?.value == failure.error.reason.rawValue)
        }
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (4_107_542_399, "2100-02-28T23:59:59Z"),
        (-1, "1969-12-31T23:59:59Z"), (1_772_359_530, "2026-03-01T10:05:30Z"),
        (-62_167_219_200, "0000-01-01T00:00:00Z"),
    ])
    func timesAreWrittenAndRead(_ seconds: Int64, _ text: String) {
        #expect(UnixTime(seconds: seconds).rfc3339 == text)
        #expect(UnixTime(rfc3339: text) == UnixTime(seconds: seconds))
    }

    @Test(arguments: [
        "", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00+",
        "2026-13-01T00:00:00Z", "2026-01-01T00:00:00.0Z", "-026-01-01T00:00:00Z", "2026-01-01T00:00:60Z",
    ])
    func whatIsNoTimeIsNotRead(_ text: String) { #expect(UnixTime(rfc3339: text) == nil) }
}
