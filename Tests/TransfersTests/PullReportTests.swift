import TestKit
import Testing
import Transfers

/// What a run of pull says of what it could not take: of what kind the failures are, and for how long files wait.
struct PullReportTests {
    private func age(_ modified: UnixTime, _ fixture: PullFixture) -> Int64 {
        fixture.clock.now.seconds - modified.seconds
    }

    @Test func ageIsThatOfTheOldestFileThatWaits() throws {
        var fixture = PullFixture()
        fixture.plan.selection.minimumAgeSeconds = 3600
        fixture.put("taken", "t")
        #expect(try fixture.run().oldestWaitingSeconds == 0, "nothing waits")
        let now = fixture.clock.now
        let (older, younger) = (now + -500, now + -100)
        fixture.put("older", "o", modified: older)
        fixture.put("younger", "y", modified: younger)
        fixture.put("ahead", "a", modified: now + 1000)
        let summary = try fixture.run()
        #expect(summary.left == ["young": 3])
        #expect(summary.oldestWaitingSeconds == age(older, fixture))
    }

    @Test func fileThatLiesInTheFutureHasNoAge() throws {
        var fixture = PullFixture()
        fixture.plan.selection.minimumAgeSeconds = 60
        fixture.put("ahead", "a", modified: fixture.clock.now + 1000)
        #expect(try fixture.run().oldestWaitingSeconds == 0)
    }

    /// What is left out for good waits for nothing.
    @Test func fileThatIsLeftOutDoesNotWait() throws {
        var fixture = PullFixture()
        fixture.plan.selection.exclude = [try Glob("*.tmp")]
        fixture.put("a.tmp", "a")
        let summary = try fixture.run()
        #expect(summary.left == ["excluded": 1])
        #expect(summary.oldestWaitingSeconds == 0)
    }

    @Test func fileThatFailsWaits() throws {
        let fixture = PullFixture()
        fixture.put("a", "a")
        let summary = try fixture.run(tap: tapOn(.before, "store.put") { _ in .failStore(.denied) })
        #expect(summary.failed == 1)
        #expect(summary.oldestWaitingSeconds == age(PullFixture.longAgo, fixture))
    }

    @Test func fileForWhichThereIsNoTimeWaits() throws {
        var fixture = PullFixture()
        fixture.put("a", "a")
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds - 1
        let summary = try fixture.run()
        #expect(summary.remaining == 1)
        #expect(summary.oldestWaitingSeconds == age(PullFixture.longAgo, fixture))
    }

    @Test func nothingIsSaidOfATreeThatWasNotSeen() throws {
        var fixture = PullFixture()
        fixture.plan.sourceDirectory = "/nowhere"
        let summary = try fixture.run()
        #expect(!summary.isListingComplete)
        #expect(summary.oldestWaitingSeconds == nil)
    }

    @Test(
        arguments: [
            ("remote.openFile", .failRemote(.denied), .server), ("remote.openFile", .disconnect, .connection),
            ("store.put", .failStore(.unavailable), .store),
        ] as [(String, PortTap.Verdict, FailureClass)])
    func failureIsCountedByItsClass(operation: String, verdict: PortTap.Verdict, expected: FailureClass) throws {
        let fixture = PullFixture()
        fixture.put("a", "a")
        let summary = try fixture.run(tap: tapOn(.before, operation) { _ in verdict })
        #expect(summary.failedByClass == [expected.rawValue: 1])
        #expect(summary.failures.map(\.errorClass) == [expected])
    }

    @Test func nameThatCanBeNoKeyIsRefusedForGood() throws {
        var fixture = PullFixture()
        fixture.plan.keys = KeyMapping(prefix: String(repeating: "p", count: 1020))
        fixture.put("long name", "a")
        #expect(try fixture.run().failedByClass == ["refused": 1])
    }
}
