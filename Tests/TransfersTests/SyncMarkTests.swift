import TestKit
import Testing

@testable import Transfers

/// Marks that cannot lie (rule U6), and what push decides by them (rules U2, U5 and U8).
@Suite struct SyncMarkTests {
    private let here = Destination(origin: "sftp.example.com:22:partner", sha256: String(repeating: "a", count: 64))
    private let there = Destination(origin: "other.example.com:22:partner", sha256: String(repeating: "b", count: 64))
    private let uploaded = UnixTime(seconds: 1_772_359_530)

    private func head(
        _ etag: String, _ metadata: [String: String] = [:], stored seconds: Int64 = 0
    ) -> ObjectSummary {
        ObjectSummary(etag: "\"\(etag)\"", sizeBytes: 7, lastModified: uploaded + seconds, metadata: metadata)
    }

    private func event(
        _ etag: String?, delivered: Delivery? = nil, mustSend: Bool = false
    ) throws -> ObjectEvent {
        ObjectEvent(
            bucket: "partner-files", key: try #require(ObjectKey("k")), etag: etag.flatMap { ETag($0) },
            delivered: delivered, mustSend: mustSend)
    }

    private func decision(
        _ etag: String?, _ head: ObjectSummary?, _ destination: Destination? = nil, delivered: Delivery? = nil
    ) throws -> PushDecision {
        PushDecision.decide(
            PushRequest(try event(etag, delivered: delivered)), head: head, destination: destination ?? here)
    }

    /// The object after it was marked; marking may have changed its ETag.
    private func marked(
        _ head: ObjectSummary, for destination: Destination, as etag: String? = nil, after seconds: Int64 = 5
    ) -> ObjectSummary {
        let now = head.lastModified + seconds
        return ObjectSummary(
            etag: etag.map { "\"\($0)\"" } ?? head.etag, sizeBytes: head.sizeBytes, lastModified: now + 1,
            metadata: SyncMark.marked(head, as: destination, now: now))
    }

    // MARK: Writing

    @Test func markSaysWhenWhatAndWhereAndKeepsTheRest() {
        let metadata = SyncMark.marked(head("e1", ["owner": "me", "mtime": "1"]), as: here, now: uploaded + 30)
        #expect(
            metadata == [
                "owner": "me", "mtime": "1", "synced": "true", "synced-at": "2026-03-01T10:06:00Z", "synced-etag": "e1",
                "synced-to": here.sha256, "synced-modified": "2026-03-01T10:05:30Z",
            ])
    }

    @Test func markKeepsTheDestinationsOfTheOneBefore() {
        let once = marked(head("e1-2"), for: here, as: "e2")
        let twice = marked(once, for: there, as: "e3")
        #expect(twice.metadata["synced-to"] == "\(there.sha256),\(here.sha256)")
        #expect(twice.metadata["synced-etag"] == "e2,e1-2")
        let again = marked(twice, for: here)
        #expect(again.metadata["synced-to"] == "\(here.sha256),\(there.sha256)")
        #expect(again.metadata["synced-etag"] == "e3,e2,e1-2")
    }

    @Test func markListsNoMoreThanFitsAndTheNewestStay() {
        var head = head("e0")
        for index in 1...20 {
            let digest = String(repeating: "0", count: 62) + String(index + 10)
            head = marked(head, for: Destination(origin: "h", sha256: digest), as: "e\(index)")
        }
        let mark = SyncMark(metadata: head.metadata)
        #expect(mark?.destinations.count == 8 && mark?.etags.count == 8)
        #expect(mark?.etags.first == ETag("e19"))
        let longest = String(repeating: "0", count: 32) + "-10000"
        for index in 1...8 { head = marked(head, for: here, as: "\(longest)\(index)") }
        let bytes = head.metadata.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        #expect(bytes < 1024)
    }

    /// Marking stores the object anew, and another flow's mark does so once more: the time of its content stays.
    @Test func timeOfTheContentIsThatBeforeAnyMark() {
        let first = head("e1")
        #expect(SyncMark.contentTime(of: first) == uploaded)
        let once = marked(first, for: here)
        #expect(once.lastModified != uploaded && SyncMark.contentTime(of: once) == uploaded)
        #expect(SyncMark.contentTime(of: marked(once, for: there)) == uploaded)
        // New content that carries the metadata of the old one has a time of its own.
        var other = once
        other.lastModified = uploaded + 7200
        #expect(SyncMark.contentTime(of: other) == uploaded + 7200)
        // The mark of a program that did not keep it.
        var older = once
        older.metadata["synced-modified"] = nil
        #expect(SyncMark.contentTime(of: older) == older.lastModified)
        older.metadata["synced-modified"] = "yesterday"
        #expect(SyncMark.contentTime(of: older) == older.lastModified)
    }

    @Test func identityIsServerAndPath() {
        #expect(
            String(decoding: Destination.identity(origin: "h:22:u", path: "/out/a"), as: UTF8.self) == "h:22:u:/out/a")
    }

    // MARK: Reading

    @Test(arguments: [
        ([:], false), (["synced": "true"], true), (["synched": "true"], true), (["synced": "false"], false),
        (["synced": ""], false), (["synched": "false"], false),
        (["synced-to": String(repeating: "a", count: 64)], false),
        (["synced": "true", "synced-to": String(repeating: "a", count: 64)], true),
        (["synced": "true", "synced-to": String(repeating: "b", count: 64)], false),
        (["synced": "true", "synced-to": ""], true), (["synced": "true", "synced-to": "x"], false),
        (["synched": "true", "synced": "true", "synced-to": String(repeating: "b", count: 64)], false),
    ])
    func markCountsForItsDestinationAndWithoutOneForAll(_ metadata: [String: String], _ counts: Bool) throws {
        #expect((SyncMark(metadata: metadata)?.counts(for: here) ?? false) == counts)
        let expected: PushDecision = counts ? .nothingToDo(.marked) : .send
        #expect(try decision(nil, head("e1", metadata)) == expected)
    }

    // MARK: U2

    @Test func objectThatIsGoneOrCameFromThereIsNothingToDo() throws {
        #expect(try decision("e1", nil) == .nothingToDo(.gone))
        #expect(try decision("e1", head("e1", ["synced-from": here.origin])) == .nothingToDo(.pulled))
        #expect(try decision("e1", head("e1", ["synced-from": there.origin])) == .send)
    }

    @Test func unmarkedObjectIsSentWhateverTheEventNames() throws {
        #expect(try decision("e1", head("e1")) == .send)
        #expect(try decision("old", head("e1")) == .send)
        #expect(try decision(nil, head("e1")) == .send)
    }

    @Test func markSettlesItsOwnVersionAndNoOther() throws {
        let object = marked(head("e1-2"), for: here, as: "e2")
        #expect(try decision("e2", object) == .nothingToDo(.marked))
        #expect(try decision("e1-2", object) == .nothingToDo(.marked))
        #expect(try decision(nil, object) == .nothingToDo(.marked))
        #expect(try decision("older", object) == .send)
        #expect(try decision("e2", object, there) == .send)
    }

    @Test func oneUnsettledEventOfSeveralIsEnoughToSend() throws {
        let object = marked(head("e2"), for: here)
        let records = ["e1", "e2"].map { EventFixtures.record(object: #""eTag":"\#($0)""#) }
        let request = try #require(
            IncomingEvent(Array("{\"Records\":[\(records.joined(separator: ","))]}".utf8)).requests.first)
        #expect(request.events.count == 2)
        #expect(PushDecision.decide(request, head: object, destination: here) == .send)
    }

    @Test func eventThatMustBeSentIsSettledByNoMark() throws {
        let object = marked(head("e1-2"), for: here, as: "e2")
        func decision(_ object: ObjectSummary?) throws -> PushDecision {
            let delivery = Delivery(etag: try #require(ETag("e2")), destinationSHA256: here.sha256)
            let request = PushRequest(try event("e2", delivered: delivery, mustSend: true))
            return PushDecision.decide(request, head: object, destination: here)
        }
        #expect(try decision(object) == .send)
        #expect(try decision(nil) == .nothingToDo(.gone))
        #expect(try decision(head("e1", ["synced-from": here.origin])) == .nothingToDo(.pulled))
    }

    @Test(arguments: [70, 300, 3600])
    func copyOfAnOlderVersionIsNotTakenForDelivered(afterSeconds: Int64) throws {
        // The version is brought back with its metadata; the server has what came between.
        let object = marked(head("e1"), for: here)
        var copy = object
        copy.lastModified = object.lastModified + afterSeconds
        #expect(try decision("e1", copy) == .send)
        #expect(try decision(nil, copy) == .send)
        // The new mark knows nothing of the old one.
        let remarked = marked(copy, for: there)
        #expect(remarked.metadata["synced-to"] == there.sha256)
        #expect(try decision("e1", marked(copy, for: here)) == .nothingToDo(.marked))
    }

    @Test func newContentWithOldMetadataIsNotTakenForDelivered() throws {
        let object = marked(head("e1"), for: here)
        let edited = ObjectSummary(
            etag: "\"e9\"", sizeBytes: 8, lastModified: object.lastModified + 3600, metadata: object.metadata)
        #expect(try decision("e9", edited) == .send)
    }

    /// S3 takes a second or two for a small object, and a few minutes for the largest that one copy takes.
    @Test(arguments: [
        (0, 60), (16 << 20, 61), (100 << 20, 66), (5_000_000_000, 60 + 298),
    ])
    func markIsBelievedForAsLongAsMarkingCanTake(sizeBytes: UInt64, seconds: Int64) throws {
        for (delay, isBelieved) in [(seconds, true), (seconds + 1, false)] {
            let sent = ObjectSummary(etag: "\"e1\"", sizeBytes: sizeBytes, lastModified: uploaded, metadata: [:])
            let now = uploaded + 20
            let stored = ObjectSummary(
                etag: sent.etag, sizeBytes: sizeBytes, lastModified: now + delay,
                metadata: SyncMark.marked(sent, as: here, now: now))
            #expect(try decision("e1", stored) == (isBelieved ? .nothingToDo(.marked) : .send))
        }
    }

    @Test(arguments: [2, 600])
    func clockThatIsSlowSendsNothingForEver(transferSeconds: Int64) throws {
        // Our clock is an hour behind the store's, which tells its time at the look before the mark.
        var object = head("e1", stored: 0)
        var sent = 0
        for _ in 0..<5 where try decision("e1", object) == .send {
            sent += 1
            let stored = object.lastModified + transferSeconds
            object.storeTime = stored + -1
            object.metadata = SyncMark.marked(object, as: here, now: stored + -3600)
            object.lastModified = stored
        }
        #expect(sent == 1)
    }

    @Test func twoFlowsOfOneBucketComeToRest() throws {
        // Every mark fires an event for both; each flow works through its events, in either order.
        for firstFlow in [here, there] {
            var object = head("e0-2")
            var events = [(firstFlow, "e0-2"), (firstFlow == here ? there : here, "e0-2")]
            var sent = 0
            while !events.isEmpty, sent < 10 {
                let (flow, etag) = events.removeFirst()
                guard try decision(etag, object, flow) == .send else { continue }
                sent += 1
                object = marked(object, for: flow, as: "e\(sent)")
                events += [(here, "e\(sent)"), (there, "e\(sent)")]
            }
            #expect(sent == 2)
        }
    }

    // MARK: U5

    @Test func anotherLookTellsMarkFromNewerVersion() throws {
        let sent = try #require(ETag("e1-2"))
        func after(_ head: ObjectSummary?) -> PushDecision.AfterSending {
            PushDecision.afterSending(sent, head: head, destination: here)
        }
        #expect(after(nil) == .gone)
        #expect(after(head("e1-2")) == .mark)
        #expect(after(marked(head("e1-2"), for: here, as: "e2")) == .settled)
        #expect(after(marked(head("e1-2"), for: there, as: "e2")) == .mark)
        #expect(after(marked(marked(head("e1-2"), for: here, as: "e2"), for: there, as: "e3")) == .settled)
        #expect(after(head("e5")) == .sendAgain)
        #expect(after(marked(head("e5"), for: here)) == .sendAgain)
        #expect(after(head("e5", ["synched": "true"])) == .sendAgain)
    }

    // MARK: U8

    @Test func deliveredObjectIsOnlyMarked() throws {
        let delivery = Delivery(etag: try #require(ETag("e1")), destinationSHA256: here.sha256)
        #expect(try decision("e1", head("e1"), delivered: delivery) == .markOnly)
        #expect(try decision(nil, head("e1"), delivered: delivery) == .markOnly)
        // Changed, marked, or deleted since; or the settings name another server now.
        #expect(try decision("e1", head("e2"), delivered: delivery) == .send)
        #expect(try decision("e1", marked(head("e1"), for: here), delivered: delivery) == .nothingToDo(.marked))
        #expect(try decision("e1", marked(head("e1"), for: there, as: "e2"), delivered: delivery) == .markOnly)
        #expect(try decision("e1", nil, delivered: delivery) == .nothingToDo(.gone))
        #expect(try decision("e1", head("e1"), there, delivered: delivery) == .send)
    }
}
