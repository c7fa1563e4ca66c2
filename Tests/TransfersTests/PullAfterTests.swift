import Synchronization
import TestKit
import Testing
import Transfers

/// SFTP_AFTER_PULL and SFTP_DONE_DIR: what becomes of a file that was taken.
@Suite struct PullAfterTests {
    // MARK: keep

    private func makeKeeping() -> PullFixture {
        var fixture = PullFixture()
        fixture.plan.afterPull = .keep
        return fixture
    }

    /// The calls by which something would change on the server.
    private static let changingCalls = [
        "closeAndMove", "moveWithoutReplacing", "makeDirectory", "removeFile", "setModificationTime",
    ]

    private func pull(_ fixture: PullFixture) throws -> (PullSummary, operations: [String: Int]) {
        let pull = fixture.pull()
        let summary = try DeterministicRun.run { await pull.flow.run() }
        return (summary, pull.files.counters.operations)
    }

    @Test func keptFileIsPulledOnceAndNothingIsChangedOnTheServer() throws {
        let fixture = makeKeeping()
        fixture.put("a", "content")
        fixture.put("x/large", sampleBytes(PartPlan.partBytes + 1))
        fixture.put("x/.done/old", "of a run with another setting")
        let before = fixture.tree.files()
        let (first, firstCalls) = try pull(fixture)
        #expect(first.transferred == 2 && first.failed == 0)
        #expect(fixture.storedText("a") == "content")
        #expect(fixture.stored("x/large")?.count == PartPlan.partBytes + 1)
        #expect(fixture.store.notes.isEmpty && fixture.store.openUploadsCount == 0)
        fixture.clock.advance(seconds: 600)
        let (second, secondCalls) = try pull(fixture)
        #expect(second.transferred == 0 && second.left == ["pulledBefore": 2])
        #expect(secondCalls["openFile"] == nil, "what is stored is not even opened")
        #expect(fixture.store.versions("from/a").count == 1)
        #expect(fixture.tree.files() == before)
        for call in Self.changingCalls { #expect(firstCalls[call] == nil && secondCalls[call] == nil, "\(call)") }
    }

    @Test(arguments: ["time", "size", "object", "origin"])
    func keptFileIsPulledAgainWhenItIsNoLongerWhatIsStored(_ change: String) throws {
        var fixture = makeKeeping()
        fixture.put("a", "content")
        try fixture.run()
        fixture.clock.advance(seconds: 600)
        switch change {
        case "time": fixture.put("a", "CONTENT", modified: PullFixture.longAgo + 1)
        case "size": fixture.put("a", "longer content")
        case "object": fixture.store.remove("from/a")
        default: fixture.plan.origin = "other.example.com:22:partner"
        }
        let summary = try fixture.run()
        #expect(summary.transferred == 1)
        #expect(fixture.stored("a") == fixture.remote("a"))
        #expect(try fixture.run().left == ["pulledBefore": 1])
    }

    /// A listing may have another time than the open file; both are the partner's.
    @Test func keptFileIsKnownAgainByTheTimeOfTheListing() throws {
        var fixture = makeKeeping()
        fixture.behaviour.listingRoundsTimesToSeconds = 60
        fixture.put("a", "content", modified: PullFixture.longAgo + 59)
        #expect(try fixture.run().transferred == 1)
        #expect(fixture.store.current("from/a")?.metadata["mtime"] == String((PullFixture.longAgo + 59).seconds))
        #expect(try fixture.run().left == ["pulledBefore": 1])
    }

    @Test func withoutTimesAKeptFileIsPulledInEachRunWithAWarning() throws {
        var fixture = makeKeeping()
        fixture.behaviour.listingOmitsTimes = true
        fixture.put("a", "content")
        for number in 1...2 {
            #expect(try fixture.run().transferred == 1)
            #expect(fixture.observer.seen.warnings.count == number)
        }
        #expect(fixture.observer.seen.warnings[0].contains("SFTP_AFTER_PULL=keep"))
    }

    @Test func storeThatDoesNotTellFailsTheFileAndPullsNothingTwice() throws {
        let fixture = makeKeeping()
        fixture.put("a", "content")
        try fixture.run()
        let summary = try fixture.run(tap: tapOn(.before, "store.head") { _ in .failStore(.unavailable) })
        #expect(summary.failures.map(\.path) == ["/in/a"])
        #expect(fixture.store.versions("from/a").count == 1)
    }

    // MARK: delete

    @Test func deletedFileGoesWithTheFirstRunAnHourLater() throws {
        var fixture = PullFixture()
        fixture.plan.afterPull = .delete
        fixture.put("x/a", "content")
        #expect(try fixture.run().transferred == 1)
        #expect(fixture.remoteText("x/.done/a") == "content", "another pull may still need it (rule P9)")
        fixture.clock.advance(seconds: AfterPull.deletionDelaySeconds)
        #expect(try fixture.run().purged == 0)
        fixture.clock.advance(seconds: 1)
        #expect(try fixture.run().purged == 1)
        #expect(!fixture.tree.exists("/in/x/.done/a"))
        #expect(fixture.storedText("x/a") == "content")
    }

    /// What `AfterPull.delete` says: A has read version 1, B stores version 2 and moves it, A stores version 1. A finds
    /// version 2 in `.done` and puts it back; the next run makes it the current object.
    @Test func overlappingPullsThatDeleteLoseNoVersion() throws {
        var fixture = PullFixture()
        fixture.plan.afterPull = .delete
        fixture.put("a", "version 1")
        let prepared = fixture
        let hasBegun = Mutex(false)
        let tap = tapOn(.before, "store.put") { _ in
            let isFirst = hasBegun.withLock { begun in
                defer { begun = true }
                return !begun
            }
            if isFirst {
                prepared.tree.put("/in/a", Array("version 2".utf8), modified: prepared.clock.now)
                _ = await prepared.pull().flow.run()
            }
            return .proceed
        }
        try fixture.run(tap: tap)
        fixture.clock.advance(seconds: 600)
        try fixture.run()
        #expect(fixture.storedText("a") == "version 2")
    }

    // MARK: SFTP_DONE_DIR

    /// A directory of that name may be the partner's own.
    @Test func whatNobodyHasPulledIsNotRemovedFromADirectoryOfAnotherName() throws {
        var fixture = PullFixture()
        fixture.plan.doneName = RemoteName(bytes: Array("archive".utf8)) ?? .done
        fixture.plan.afterPull = .delete
        fixture.plan.selection.readyMarker = try ReadyMarker("*.ok")
        for name in ["own", "own too", "taken.ok"] { fixture.put("archive/\(name)", "content") }
        #expect(try fixture.run().purged == 1)
        #expect(fixture.remote("archive/own") != nil && fixture.remote("archive/own too") != nil)
        #expect(fixture.remote("archive/taken.ok") == nil)
        #expect(fixture.observer.seen.warnings.count == 1)
    }

    @Test func doneDirectoryHasTheNameThatIsAskedForAndTheOldOneIsNotPulled() throws {
        var fixture = PullFixture()
        fixture.plan.doneName = RemoteName(bytes: Array("processed".utf8)) ?? .done
        fixture.plan.retentionDays = 7
        fixture.put("x/a", "content")
        fixture.put("x/.done/old", "of a run with another setting")
        #expect(try fixture.run().transferred == 1)
        #expect(fixture.remoteText("x/processed/a") == "content")
        fixture.clock.advance(seconds: 8 * 86_400)
        let second = try fixture.run()
        #expect(second.transferred == 0 && second.purged == 1, "what was taken is not pulled again, and goes in time")
        #expect(fixture.remoteText("x/.done/old") != nil)
        #expect(second.left == ["reservedName": 1])
    }
}
