import TestKit
import Testing
import Transfers

/// Servers that say different things of one file in a listing, by its path and once it is open: what is said of the
/// open file counts (P3, P4).
@Suite struct PullVersionTests {
    private let odd = UnixTime(seconds: 1_749_000_017)

    @Test func listingThatRoundsTimesHindersNothing() throws {
        var fixture = PullFixture()
        fixture.behaviour.listingRoundsTimesToSeconds = 60
        fixture.put("a", Array("one".utf8), modified: odd)
        fixture.put("large", sampleBytes(PartPlan.partBytes + 1), modified: odd)
        #expect(try fixture.run().transferred == 2)
        for name in ["a", "large"] {
            #expect(fixture.store.current("from/\(name)")?.metadata["mtime"] == "\(odd.seconds)")
        }
    }

    @Test func listingWithoutTimesHindersNothing() throws {
        var fixture = PullFixture()
        fixture.behaviour.listingOmitsTimes = true
        fixture.put("a", Array("one".utf8), modified: odd)
        #expect(try fixture.run().transferred == 1)
        #expect(fixture.store.current("from/a")?.metadata["mtime"] == "\(odd.seconds)")
    }

    @Test func pathsThatTellNothingHinderNothing() throws {
        var fixture = PullFixture()
        fixture.behaviour.pathsOmitVersions = true
        fixture.put("a", Array("one".utf8), modified: odd)
        fixture.put("large", sampleBytes(PartPlan.partBytes + 1), modified: odd)
        #expect(try fixture.run().transferred == 2)
        #expect(fixture.store.current("from/a")?.metadata["mtime"] == "\(odd.seconds)")
    }

    @Test func ageThatOnlyTheOpenFileTellsIsHonoured() throws {
        var fixture = PullFixture()
        fixture.behaviour.pathsOmitVersions = true
        fixture.plan.selection.minimumAgeSeconds = 60
        fixture.put("old", Array("old".utf8), modified: fixture.clock.now + -60)
        fixture.put("young", Array("young".utf8), modified: fixture.clock.now + -59)
        let pull = fixture.pull()
        let summary = try DeterministicRun.run { await pull.flow.run() }
        #expect(summary.transferred == 1)
        #expect(summary.left == ["young": 1])
        #expect(pull.files.counters.bytesRead == 3, "the young file was read")
        fixture.expectNothingOpen(pull.files)
    }

    @Test func fileWrittenToSinceTheListingIsYoung() throws {
        var fixture = PullFixture()
        fixture.plan.selection.minimumAgeSeconds = 60
        fixture.put("a", "one")
        let tap = tapOn(.before, "remote.openFile") { [fixture] _ in
            fixture.tree.overwrite("/in/a", Array("two".utf8), modified: fixture.clock.now)
            return .proceed
        }
        #expect(try fixture.run(tap: tap).left == ["young": 1])
        #expect(fixture.stored("a") == nil)
    }

    @Test func fileReplacedBeforeItIsOpenedIsTakenAsItIs() throws {
        let fixture = PullFixture()
        fixture.put("a", "one")
        let tap = tapOn(.before, "remote.openFile") { _ in
            fixture.put("a", Array("two".utf8), modified: odd)
            return .proceed
        }
        #expect(try fixture.run(tap: tap).transferred == 1)
        #expect(fixture.storedText("a") == "two")
        #expect(fixture.remoteText(".done/a") == "two")
    }

    @Test func pathsThatRoundTimesAlwaysAlikeHinderNothing() throws {
        var fixture = PullFixture()
        fixture.behaviour.pathsRoundTimesToSeconds = 60
        fixture.put("a", Array("one".utf8), modified: odd)
        #expect(try fixture.run().transferred == 1)
        #expect(fixture.store.current("from/a")?.metadata["mtime"] == "\(odd.seconds)")
        #expect(fixture.remoteText(".done/a") == "one")
    }

    /// The listing says nothing and the look something else than the open file: nothing shows that it is the same file.
    @Test func serverWithTwoTimesForOneFileIsNamedAndTriedOnceInARun() throws {
        var fixture = PullFixture()
        fixture.behaviour.pathsRoundTimesToSeconds = 3600
        fixture.behaviour.listingOmitsTimes = true
        fixture.put("a", Array("one".utf8), modified: odd)
        for _ in 0..<3 {
            let pull = fixture.pull()
            let summary = try DeterministicRun.run { await pull.flow.run() }
            #expect(summary.failures.map(\.path) == ["/in/a"])
            #expect(summary.failures.first?.reason.contains("says another time") == true)
            #expect(pull.files.counters.operations["closeAndMove"] == 1)
            #expect(fixture.remoteText("a") == "one")
            fixture.expectNothingOpen(pull.files)
        }
    }

    /// On such a server too, a file that was replaced is seen by its size.
    @Test func replacementIsSeenWherePathsRoundTimes() throws {
        var fixture = PullFixture()
        fixture.behaviour.pathsRoundTimesToSeconds = 60
        fixture.put("a", Array("one".utf8), modified: odd)
        let tap = tapOn(.before, "remote.rename") { [fixture] _ in
            if fixture.remoteText("a") == "one" { fixture.put("a", Array("longer".utf8), modified: odd) }
            return .proceed
        }
        try fixture.run(tap: tap)
        #expect(fixture.remoteText("a") == "longer")
        try fixture.runAgain()
        #expect(fixture.storedText("a") == "longer")
    }

    @Test func fileTakenFromDoneKeepsThePartnersTime() throws {
        let fixture = PullFixture()
        fixture.put("x/a", "first")
        let tap = PortTap { call in
            switch (call.operation, call.moment) {
            case ("remote.rename", _): fixture.put("x/a", Array("second".utf8), modified: odd)
            case ("remote.moveWithoutReplacing", .before): fixture.put("x/a", "third")
            default: break
            }
            return .proceed
        }
        try fixture.run(tap: tap)
        #expect(fixture.storedText("x/a") == "second")
        #expect(fixture.store.current("from/x/a")?.metadata["mtime"] == "\(odd.seconds)")
    }
}
