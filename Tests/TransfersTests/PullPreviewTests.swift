import TestKit
import Testing
import Transfers

/// A dry run of pull: it says what the run does that follows it, and changes nothing.
@Suite struct PullPreviewTests {
    /// Every reason to take, leave, purge or fail a file.
    private func fixture() throws -> PullFixture {
        var fixture = PullFixture()
        fixture.plan.retentionDays = 7
        fixture.plan.selection = Selection(
            include: [], exclude: [try Glob("*.tmp"), try Glob("closed")], minimumAgeSeconds: 60)
        fixture.put("a", "one")
        fixture.put("below/deep/b c", "four")
        fixture.put("young", Array("young".utf8), modified: fixture.clock.now)
        fixture.put("x.tmp", "left out")
        fixture.put("closed/d", "not entered")
        fixture.put(".done/was here", Array("old".utf8), modified: fixture.clock.now + -8 * 86_400)
        fixture.put(".done/unlike its object", Array("older".utf8), modified: fixture.clock.now + -8 * 86_400)
        fixture.put(".done/recent", Array("new".utf8), modified: fixture.clock.now + -86_400)
        fixture.store.plant("from/was here", Array("old".utf8), at: fixture.clock.now + -8 * 86_400)
        fixture.store.plant("from/unlike its object", Array("o".utf8), at: fixture.clock.now + -8 * 86_400)
        fixture.tree.makeLink("/in/link", to: "/in/a")
        fixture.tree.put(RemotePath(bytes: Array("/in/".utf8) + [0xFF]), [1], modified: PullFixture.longAgo)
        return fixture
    }

    /// The calls that change nothing.
    private static let looks: Set = [
        "remote.openDirectory", "remote.next", "remote.closeDirectory", "remote.attributes", "store.head",
        "store.notes",
        "store.note",
    ]

    @Test func itSaysWhatTheRunThenDoesAndChangesNothing() throws {
        let fixture = try fixture()
        let (foreseen, planned, calls) = try preview(fixture)
        for call in calls.all { #expect(Self.looks.contains(call.operation), "\(call)") }
        #expect(!calls.all.isEmpty)

        let run = try PullFixtureRun(fixture)
        #expect(!run.seen.receipts.isEmpty && run.summary.purged == 1 && run.summary.failed == 1)
        #expect(Set(planned.map { "\($0.path) \($0.key)" }) == Set(run.seen.receipts.map { "\($0.path) \($0.key)" }))
        #expect(Set(planned.map(\.sizeBytes)) == Set(run.seen.receipts.map(\.object.sizeBytes)))
        for file in planned { #expect(file.movesTo.map(fixture.tree.exists) == true, "\(file)") }
        #expect(Set(foreseen.seen.left) == Set(run.seen.left) && !run.seen.left.isEmpty)
        #expect(Set(foreseen.seen.purged) == Set(run.seen.purged))
        #expect(foreseen.seen.failures == run.seen.failures)
        #expect(foreseen.seen.warnings == run.seen.warnings && run.seen.warnings.count == 1)
        #expect(foreseen.summary.transferred == run.summary.transferred && foreseen.summary.bytes == run.summary.bytes)
        #expect(foreseen.summary.left == run.summary.left && foreseen.summary.failed == run.summary.failed)
        #expect(foreseen.summary.purged == run.summary.purged)
    }

    @Test func nothingIsOtherThanBefore() throws {
        let fixture = try fixture()
        let files = fixture.tree.files()
        let times = files.keys.map { fixture.tree.modified($0) }
        let objects = fixture.store.objects.mapValues { $0.map(\.etag) }
        _ = try preview(fixture)
        #expect(fixture.tree.files() == files)
        #expect(files.keys.map { fixture.tree.modified($0) } == times)
        #expect(fixture.store.objects.mapValues { $0.map(\.etag) } == objects)
        #expect(!fixture.tree.exists("/in/below/deep/.done"))
    }

    @Test func aDirectoryThatCannotBeListedIsForeseenToFail() throws {
        var fixture = PullFixture()
        fixture.plan.sourceDirectory = "/nowhere"
        let (foreseen, planned, _) = try preview(fixture)
        #expect(planned.isEmpty && foreseen.summary.failed == 1 && !foreseen.summary.isListingComplete)
    }

    // MARK: Running

    private struct Foreseen {
        let summary: PullSummary
        let seen: RecordingObserver.State
    }

    private func preview(
        _ fixture: PullFixture
    ) throws -> (Foreseen, planned: [PlannedTransfer], calls: CallList) {
        let calls = CallList()
        let tap = PortTap { call in
            calls.add(call)
            return .proceed
        }
        let files = InMemoryRemoteFiles(fixture.tree, behaviour: fixture.behaviour, tap: tap)
        let observer = RecordingObserver()
        let planned = RecordedList<PlannedTransfer>()
        let preview = PullPreview(
            plan: fixture.plan, files: files, store: fixture.store.client(tap: tap), clock: fixture.clock,
            observer: observer, planned: { planned.add($0) })
        let summary = try DeterministicRun.run { await preview.run() }
        fixture.expectNothingOpen(files)
        return (Foreseen(summary: summary, seen: observer.seen), planned.all, calls)
    }
}

/// A run of pull, and what it told.
private struct PullFixtureRun {
    let summary: PullSummary
    let seen: RecordingObserver.State

    init(_ fixture: PullFixture) throws {
        summary = try fixture.run()
        seen = fixture.observer.seen
    }
}
