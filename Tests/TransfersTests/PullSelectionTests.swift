import TestKit
import Testing
import Transfers

/// Rule P3 (age) and the patterns.
@Suite struct PullSelectionTests {
    @Test func youngFileWaitsForALaterRun() throws {  // P3
        var fixture = PullFixture()
        fixture.plan.selection.minimumAgeSeconds = 60
        fixture.put("old", Array("old".utf8), modified: fixture.clock.now + -60)
        fixture.put("young", Array("young".utf8), modified: fixture.clock.now + -59)
        fixture.put("future", Array("future".utf8), modified: fixture.clock.now + 5)
        let summary = try fixture.run()
        #expect(fixture.storedText("old") == "old")
        #expect(summary.left == ["young": 2])
        #expect(!summary.isFailure)
        fixture.clock.advance(seconds: 65)
        #expect(try fixture.run().transferred == 2)
    }

    @Test func fileOfUnknownAgeIsNotTakenWhenAnAgeIsAskedFor() throws {  // P3
        var fixture = PullFixture()
        fixture.plan.selection.minimumAgeSeconds = 60
        fixture.behaviour.listingOmitsTimes = true
        fixture.behaviour.omitsVersions = true
        fixture.put("a", "one")
        #expect(try fixture.run().left == ["ageUnknown": 1])
        #expect(fixture.remoteText("a") == "one")
    }

    @Test func ageIsAskedForWhenTheListingOmitsIt() throws {  // P3
        var fixture = PullFixture()
        fixture.plan.selection.minimumAgeSeconds = 60
        fixture.behaviour.listingOmitsTimes = true
        fixture.put("a", "one")
        #expect(try fixture.run().transferred == 1)
    }

    /// What a display shows as still to be done.
    @Test func whatIsToBeTakenIsToldWithItsSizeBeforeItIsTaken() throws {
        var fixture = PullFixture()
        fixture.plan.selection.exclude = [try Glob("*.tmp")]
        for name in ["a", "below/bc", "c.tmp"] { fixture.put(name, name) }
        #expect(try fixture.run().transferred == 2)
        let seen = fixture.observer.seen
        #expect(seen.found == ["/in/a": 1, "/in/below/bc": 8])
        #expect(seen.isAllFound && seen.unannounced.isEmpty)
    }

    @Test func patternsDecideWhatIsTaken() throws {
        var fixture = PullFixture()
        fixture.plan.selection.include = [try Glob("*.csv"), try Glob("reports/**")]
        fixture.plan.selection.exclude = [try Glob("*.tmp"), try Glob("archive/old")]
        for name in [
            "a.csv", "a.txt", "x/b.csv", "reports/y/c.txt", "reports/c.tmp", "archive/old/d.csv", "archive/e.csv",
        ] {
            fixture.put(name, name)
        }
        let summary = try fixture.run()
        let keys = Set(fixture.store.objects.keys.map(\.text))
        #expect(keys == ["from/a.csv", "from/x/b.csv", "from/reports/y/c.txt", "from/archive/e.csv"])
        #expect(summary.left == ["excluded": 3])
        #expect(fixture.remoteText("archive/old/d.csv") == "archive/old/d.csv")
    }
}
