import TestKit
import Testing

@testable import Transfers

/// Servers whose rename does not replace (rule P2): an older file in `.done` makes room, and nothing else ever does.
@Suite struct PullReplacingTests {
    private func makeFixture(hasOlder: Bool = true) -> PullFixture {
        var fixture = PullFixture()
        fixture.behaviour.renamesWithoutReplacing = true
        fixture.put("a", "one")
        if hasOlder {
            fixture.put(".done/a", "older")
            fixture.store.plant("from/a", Array("older".utf8), at: PullFixture.longAgo)
        }
        return fixture
    }

    /// What has a name of ours in `.done`.
    private func aside(_ fixture: PullFixture) -> [RemotePath: [UInt8]] {
        fixture.tree.files(below: "/in/.done").filter { $0.key.description.contains("/.sftp-lambda.") }
    }

    @Test(arguments: [1, 200, 255])
    func olderFileIsReplaced(countBytes: Int) throws {
        let fixture = makeFixture(hasOlder: false)
        let name = String(repeating: "n", count: countBytes)
        for text in ["one", "two", "three"] {
            fixture.put(name, text)
            let names = StepLog()
            let tap = tapOn(.after, "remote.moveWithoutReplacing") { _ in
                for path in aside(fixture).keys { names.add("\(path.bytes.split(separator: 0x2F).last?.count ?? 0)") }
                return .proceed
            }
            #expect(try fixture.run(tap: tap).left.isEmpty)
            #expect(fixture.remoteText(".done/\(name)") == text)
            #expect(fixture.storedText(name) == text)
            #expect(aside(fixture).isEmpty)
            #expect(names.text == (text == "one" ? "" : "\(min(255, countBytes + 35))"))
            // Longer ago than clocks can be apart.
            fixture.clock.advance(seconds: 120)
        }
        #expect(fixture.observer.seen.warnings.isEmpty)
    }

    /// It may be another pull's, which has yet to look at it under its name.
    @Test func fileThatWasMovedJustNowIsNotSetAside() throws {
        let fixture = makeFixture(hasOlder: false)
        #expect(try fixture.run().transferred == 1)
        fixture.clock.advance(seconds: 30)
        fixture.put("a", "two")
        let tap = PortTap { call in
            #expect(call.operation != "remote.moveWithoutReplacing")
            return .proceed
        }
        #expect(try fixture.run(tap: tap).left == ["changed": 1])
        #expect(fixture.remoteText(".done/a") == "one")
        fixture.clock.advance(seconds: 120)
        #expect(try fixture.run().transferred == 1)
        #expect(fixture.remoteText(".done/a") == "two")
        #expect(fixture.storedText("a") == "two")
        #expect(fixture.observer.seen.warnings.isEmpty)
    }

    @Test func withoutAnOlderFileTheMoveIsAllThereIs() throws {
        let fixture = makeFixture(hasOlder: false)
        let pull = fixture.pull()
        #expect(try DeterministicRun.run { await pull.flow.run() }.transferred == 1)
        #expect(pull.files.counters.operations["closeAndMove"] == 1)
        #expect(pull.files.counters.operations["attributes"] == nil)
    }

    @Test func directoryInTheWayStays() throws {
        let fixture = makeFixture(hasOlder: false)
        fixture.put(".done/a/inside", "kept")
        #expect(try fixture.run().failures.map(\.path) == ["/in/a"])
        #expect(fixture.remoteText(".done/a/inside") == "kept")
        #expect(fixture.remoteText("a") == "one")
    }

    /// Another pull moves a version there that it has not read: right before what stood there is set aside, or right
    /// after the look at it.
    @Test(arguments: [false, true], ["attributes", "moveWithoutReplacing"])
    func whatAnotherPullHasJustMovedThereIsNotRemoved(hasNewer: Bool, operation: String) throws {
        let fixture = makeFixture()
        let acted = Counter()
        let tap = PortTap { call in
            let isThere = call.operation == "remote.\(operation)" && call.path.hasPrefix("/in/.done/a")
            guard isThere, call.moment == (operation == "attributes" ? .after : .before), acted.next(below: 1) != nil
            else { return .proceed }
            // The partner had replaced it in the last moment, so this other pull will put it back.
            fixture.put("a", "unread", modified: PullFixture.longAgo + 5)
            fixture.tree.move("/in/a", to: "/in/.done/a")
            if hasNewer { fixture.put("a", "newer", modified: PullFixture.longAgo + 10) }
            return .proceed
        }
        let summary = try fixture.run(tap: tap)
        #expect(acted.value == 1)
        #expect(!summary.isFailure && summary.transferred == 0)
        #expect(summary.left == ["changed": 1])
        #expect(fixture.remoteText("a") == (hasNewer ? "newer" : "unread"))
        #expect(fixture.remoteText(".done/a") == (hasNewer ? "unread" : nil))
        #expect(aside(fixture).isEmpty)
        try fixture.runAgain()
        #expect(fixture.storedText("a") == (hasNewer ? "newer" : "unread"))
    }

    @Test func withdrawnFileLeavesTheOlderOneAsItWas() throws {
        let fixture = makeFixture()
        let tap = tapOn(.after, "remote.moveWithoutReplacing") { _ in
            fixture.tree.remove("/in/a")
            return .proceed
        }
        #expect(try fixture.run(tap: tap).transferred == 1)
        #expect(fixture.remoteText(".done/a") == "older")
        #expect(fixture.tree.modified("/in/.done/a") == PullFixture.longAgo)
        #expect(!fixture.tree.exists("/in/a"))
        #expect(aside(fixture).isEmpty)
    }

    /// Another pull takes the name that was made free.
    @Test func fileThatOvertakesStaysInDoneAndOursAtItsPlace() throws {
        let fixture = makeFixture()
        let tap = PortTap { call in
            if call.operation == "remote.rename", fixture.remote(".done/a") == nil {
                fixture.put(".done/a", "another's")
            }
            return .proceed
        }
        #expect(try fixture.run(tap: tap).left == ["changed": 1])
        #expect(fixture.remoteText(".done/a") == "another's")
        #expect(fixture.remoteText("a") == "one")
        #expect(aside(fixture).isEmpty)
    }

    @Test func olderFileThatCannotBeSetAsideStays() throws {
        let fixture = makeFixture()
        let tap = tapOn(.before, "remote.moveWithoutReplacing") { _ in .failRemote(.denied) }
        #expect(try fixture.run(tap: tap).failures.map(\.path) == ["/in/a"])
        #expect(fixture.remoteText(".done/a") == "older")
        #expect(fixture.tree.modified("/in/.done/a") == PullFixture.longAgo)
        #expect(fixture.remoteText("a") == "one")
    }

    @Test func refusedMoveGivesTheOlderFileItsNameBack() throws {
        let fixture = makeFixture()
        let tap = tapOn(.before, "remote.rename") { _ in .failRemote(.denied) }
        #expect(try fixture.run(tap: tap).failures.map(\.path) == ["/in/a"])
        #expect(fixture.remoteText(".done/a") == "older")
        #expect(fixture.remoteText("a") == "one")
        #expect(aside(fixture).isEmpty)
    }

    @Test func olderFilesThatCannotBeRemovedAreWarnedOfOnce() throws {
        let fixture = makeFixture()
        fixture.put("b", "one")
        fixture.put(".done/b", "older")
        let summary = try fixture.run(tap: tapOn(.before, "remote.removeFile") { _ in .failRemote(.denied) })
        #expect(summary.transferred == 2 && !summary.isFailure)
        #expect(fixture.observer.seen.warnings.count == 1)
        #expect(aside(fixture).values.map { String(decoding: $0, as: UTF8.self) } == ["older", "older"])
    }

    /// What a run that died has set aside: nobody pulls it, and the purge removes it.
    @Test(arguments: [0, 7] as [Int64])
    func whatWasLeftAsideIsPurged(retentionDays: Int64) throws {
        var fixture = makeFixture()
        fixture.plan.retentionDays = retentionDays
        // The older file was moved on the day before.
        let day: Int64 = 86_400
        fixture.tree.setModified("/in/.done/a", fixture.clock.now + -day)
        let pull = fixture.pull(tap: tapOn(.before, "remote.removeFile") { _ in .crash })
        _ = try DeterministicRun.run { await pull.flow.run() }
        #expect(aside(fixture).count == 1)
        for _ in 0..<5 {
            fixture.clock.advance(seconds: day)
            #expect(try fixture.run().purged == 0)
        }
        fixture.clock.advance(seconds: day + 1)
        #expect(try fixture.run().purged == (retentionDays == 0 ? 0 : 1))
        #expect(aside(fixture).count == (retentionDays == 0 ? 1 : 0))
        #expect(fixture.remoteText(".done/a") == "one")
        #expect(fixture.store.objects.count == 1)
        #expect(fixture.observer.seen.warnings.allSatisfy { $0.contains("connection lost") }, "of the run that died")
    }
}
