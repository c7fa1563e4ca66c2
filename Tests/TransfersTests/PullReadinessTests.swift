import TestKit
import Testing
import Transfers

/// SFTP_READY_MARKER and SFTP_STEADY_SECONDS: no file is taken before its writer is done with it.
@Suite struct PullReadinessTests {
    // MARK: Markers

    private func makeMarked(_ form: String = "*.ok") throws -> PullFixture {
        var fixture = PullFixture()
        fixture.plan.selection.readyMarker = try ReadyMarker(form)
        return fixture
    }

    @Test(arguments: ["*.ok", "ready_*", "x*y"])
    func fileWaitsForItsMarkerWhichGoesWithIt(_ form: String) throws {
        let fixture = try makeMarked(form)
        let marker = form.replacing("*", with: "a.csv")
        fixture.put("x/a.csv", "content")
        fixture.put("x/b.csv", "unmarked")
        #expect(try fixture.run().left == ["unmarked": 2])
        fixture.put("x/\(marker)", "")
        let summary = try fixture.run()
        #expect(summary.transferred == 1)
        #expect(fixture.storedText("x/a.csv") == "content")
        #expect(fixture.stored("x/\(marker)") == nil, "a marker is no file of the partner's")
        #expect(fixture.remote("x/\(marker)") == nil)
        #expect(fixture.remote("x/.done/\(marker)") != nil)
        fixture.put("x/a.csv", "the next of that name", modified: fixture.clock.now)
        #expect(try fixture.run().left == ["unmarked": 2])
    }

    @Test func markerOfAnEarlierFileDoesNotCount() throws {
        let fixture = try makeMarked()
        fixture.put("a", "new", modified: PullFixture.longAgo + 10)
        fixture.put("a.ok", "", modified: PullFixture.longAgo + 9)
        #expect(try fixture.run().left == ["marker": 1, "unmarked": 1])
        fixture.put("a.ok", "", modified: PullFixture.longAgo + 10)
        #expect(try fixture.run().transferred == 1)
    }

    @Test func directoryIsNoMarker() throws {
        let fixture = try makeMarked()
        fixture.put("a", "content")
        fixture.tree.makeDirectory("/in/a.ok")
        #expect(try fixture.run().left == ["unmarked": 1])
    }

    /// The partner puts the next file and marks it, while the one before is moved: at any step.
    @Test func markerThatIsWrittenAnewMeanwhileIsForTheNextFile() throws {
        var index = 0
        while true {
            let fixture = try makeMarked()
            fixture.put("a", "first")
            fixture.put("a.ok", "")
            let hasActed = CallBox()
            let tap = tapAt(index) { call in
                // Once the file is gone from its place, the partner may use the name again.
                guard fixture.remote("a") == nil else { return .proceed }
                hasActed.set(call)
                fixture.clock.advance(seconds: 5)
                fixture.put("a", "second", modified: fixture.clock.now)
                fixture.put("a.ok", "", modified: fixture.clock.now)
                return .proceed
            }
            try fixture.run(tap: tap)
            if tap.count <= index { break }
            try fixture.runAgain(hasActed.text)
            if hasActed.value != nil {
                #expect(fixture.storedText("a") == "second", "\(hasActed.text)")
            } else {
                #expect(fixture.storedText("a") == "first")
            }
            index += 1
        }
        #expect(index > 10)
    }

    /// What was moved and is not what was read goes back with a new time: its marker must not look older for that.
    @Test(arguments: ["remote.closeAndMove", "store.put"], [false, true])
    func fileThatGoesBackIsStillMarked(operation: String, withoutReplacing: Bool) throws {
        var fixture = try makeMarked()
        fixture.behaviour.renamesWithoutReplacing = withoutReplacing
        fixture.put("a", "first")
        fixture.put("a.ok", "")
        if withoutReplacing { fixture.put(".done/a", "older") }
        let prepared = fixture
        try fixture.run(
            tap: tapOn(.before, operation) { _ in
                prepared.put("a", "second", modified: PullFixture.longAgo + 7)
                prepared.put("a.ok", "", modified: PullFixture.longAgo + 7)
                return .proceed
            })
        #expect(fixture.remoteText("a") == "second" && fixture.remote("a.ok") != nil)
        try fixture.runAgain()
        #expect(fixture.storedText("a") == "second")
        #expect(fixture.remote("a.ok") == nil)
    }

    @Test func runThatDiesBeforeTheMarkerIsMovedLetsNoLaterFilePassEarly() throws {
        let fixture = try makeMarked()
        fixture.put("a", "first")
        fixture.put("a.ok", "")
        let tap = PortTap { call in
            call.operation == "remote.moveWithoutReplacing" && call.path.contains("a.ok") ? .crash : .proceed
        }
        try DeterministicRun.run { _ = await fixture.pull(tap: tap).flow.run() }
        #expect(fixture.remote("a.ok") != nil)
        fixture.put("a", "second", modified: fixture.clock.now)
        fixture.clock.advance(seconds: 600)
        #expect(try fixture.run().left["unmarked"] == 1)
        fixture.put("a.ok", "", modified: fixture.clock.now)
        #expect(try fixture.run().transferred == 1)
        #expect(fixture.storedText("a") == "second")
        #expect(fixture.remote(".done/a.ok") != nil)
    }

    @Test func markersThatCannotBeMovedAreWarnedOfOnce() throws {
        let fixture = try makeMarked()
        for name in ["a", "b"] {
            fixture.put(name, "content")
            fixture.put("\(name).ok", "")
        }
        let summary = try fixture.run(
            tap: tapOn(.before, "remote.moveWithoutReplacing") { _ in .failRemote(.denied) })
        #expect(summary.transferred == 2 && summary.failed == 0)
        #expect(fixture.observer.seen.warnings.count == 1)
    }

    @Test(arguments: ["ok", "*", "**.ok", "a/*.ok", "*.\0", ""])
    func formOfMarkersIsChecked(_ form: String) {
        #expect(throws: ReadyMarkerFailure.self) { _ = try ReadyMarker(form) }
    }

    @Test func nameOfAMarkerCannotBeTooLong() throws {
        var fixture = try makeMarked()
        fixture.plan.keys = KeyMapping(prefix: "")
        fixture.put(String(repeating: "n", count: RemoteName.maximumBytes - 1), "content")
        #expect(try fixture.run().failures.first?.reason.contains("marker") == true)
    }

    // MARK: A second look

    private func run(_ fixture: PullFixture, tap: PortTap = PortTap()) throws -> PullSummary {
        let pull = fixture.pull(tap: tap)
        let clock = fixture.clock
        return try DeterministicRun.run(whenIdle: {
            guard clock.waitingCount > 0 else { return false }
            clock.advance(seconds: 1)
            return true
        }) { await pull.flow.run() }
    }

    @Test func fileThatIsTheSameAtTheSecondLookIsTaken() throws {
        var fixture = PullFixture()
        fixture.plan.steadySeconds = 5
        for number in 0..<1000 { fixture.put("\(number)", "content") }
        let before = fixture.clock.now
        #expect(try run(fixture).transferred == 1000)
        #expect(fixture.clock.now == before + 5, "all wait at the same time")
    }

    @Test(arguments: ["grows", "touched", "gone", "directory"])
    func fileThatIsNotStays(_ change: String) throws {
        var fixture = PullFixture()
        fixture.plan.steadySeconds = 5
        fixture.put("a", "content")
        let prepared = fixture
        let tap = tapOn(.before, "remote.attributes") { _ in
            switch change {
            case "grows": prepared.tree.append("/in/a", [1], modified: PullFixture.longAgo)
            case "touched":
                prepared.tree.setModified("/in/a", (prepared.tree.modified("/in/a") ?? PullFixture.longAgo) + 1)
            case "gone": prepared.tree.remove("/in/a")
            default:
                prepared.tree.remove("/in/a")
                prepared.tree.makeDirectory("/in/a")
            }
            return .proceed
        }
        let summary = try run(fixture, tap: tap)
        #expect(summary.transferred == 0 && summary.failed == 0)
        #expect(summary.left == [change == "gone" ? "gone" : "growing": 1])
    }

    @Test func runThatEndsBeforeTheSecondLookLeavesTheFile() throws {
        var fixture = PullFixture()
        fixture.plan.steadySeconds = 5
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds + 6
        fixture.put("a", "content")
        let clock = fixture.clock
        let summary = try run(
            fixture,
            tap: tapOn(.after, "remote.openDirectory") { _ in
                clock.advance(seconds: 3)
                return .proceed
            })
        #expect(summary.remaining == 1 && summary.transferred == 0 && summary.failed == 0)
    }

    @Test func runThatIsTooShortForAnySecondLookFailsByName() throws {
        var fixture = PullFixture()
        fixture.plan.steadySeconds = 60
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds + 55
        fixture.put("a", "content")
        let summary = try run(fixture)
        #expect(summary.isFailure && !summary.isListingComplete)
        #expect(summary.failures.first?.reason.contains("SFTP_STEADY_SECONDS is 60") == true)
    }

    /// Some servers round the times of listings.
    @Test func listingWithOtherTimesIsNoReasonToLeaveAFile() throws {
        var fixture = PullFixture()
        fixture.plan.steadySeconds = 5
        fixture.behaviour.listingRoundsTimesToSeconds = 60
        fixture.put("a", "content", modified: PullFixture.longAgo + 59)
        let before = fixture.clock.now
        #expect(try run(fixture).transferred == 1)
        #expect(fixture.clock.now == before + 10, "the answers of two looks are compared")
    }

    /// Between the look and the opening can lie the whole transfer of another large file.
    @Test(arguments: [true, false])
    func fileThatIsRewrittenBeforeItIsOpenedStays(isMarked: Bool) throws {
        var fixture = PullFixture()
        if isMarked {
            fixture.plan.selection.readyMarker = try ReadyMarker("*.ok")
        } else {
            fixture.plan.steadySeconds = 5
        }
        fixture.put("a", "content")
        fixture.put("a.ok", "")
        let prepared = fixture
        let tap = tapOn(.before, "remote.openFile") { call in
            if call.path.hasSuffix("/a") { prepared.put("a", "CONTENT", modified: PullFixture.longAgo + 1) }
            return .proceed
        }
        #expect(try run(fixture, tap: tap).left["changed"] == 1)
        #expect(fixture.stored("a") == nil && fixture.remoteText("a") == "CONTENT")
    }
}
