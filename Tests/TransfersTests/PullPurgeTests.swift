import TestKit
import Testing
import Transfers

/// Rule P5: what has been in `.done` for longer than its retention goes, and nothing else.
@Suite struct PullPurgeTests {
    private func makeFixture(retentionDays: Int64 = 7) -> PullFixture {
        var fixture = PullFixture()
        fixture.plan.retentionDays = retentionDays
        return fixture
    }

    private func transferredDaysAgo(_ fixture: PullFixture, _ name: String, days: Int64, seconds: Int64 = 0) {
        let time = fixture.clock.now + -(days * 86_400 + seconds)
        let done = name.split(separator: "/").dropLast().map { "\($0)/" }.joined() + ".done/"
        fixture.put(done + (name.split(separator: "/").last ?? ""), Array("old".utf8), modified: time)
        fixture.store.plant("from/\(name)", Array("old".utf8), at: time)
    }

    @Test func fileGoesWhenItsRetentionIsOver() throws {
        let fixture = makeFixture()
        transferredDaysAgo(fixture, "a", days: 7, seconds: 1)
        transferredDaysAgo(fixture, "x/y/b", days: 100)
        transferredDaysAgo(fixture, "border", days: 7)
        transferredDaysAgo(fixture, "x/young", days: 6)
        let summary = try fixture.run()
        #expect(summary.purged == 2)
        #expect(Set(fixture.observer.seen.purged) == ["/in/.done/a", "/in/x/y/.done/b"])
        #expect(!fixture.tree.exists("/in/.done/a"))
        #expect(!fixture.tree.exists("/in/x/y/.done/b"))
        #expect(fixture.tree.exists("/in/.done/border"))
        #expect(fixture.tree.exists("/in/x/.done/young"))
        #expect(fixture.storedText("a") == "old", "the object stays")
    }

    @Test func retentionOfZeroKeepsForEver() throws {
        let fixture = makeFixture(retentionDays: 0)
        transferredDaysAgo(fixture, "a", days: 10_000)
        let pull = fixture.pull()
        let summary = try DeterministicRun.run { await pull.flow.run() }
        #expect(summary.purged == 0)
        #expect(fixture.tree.exists("/in/.done/a"))
        #expect(pull.files.counters.operations["openDirectory"] == 1, "nobody looks into .done")
    }

    @Test func youngerObjectKeepsTheFile() throws {
        let fixture = makeFixture()
        transferredDaysAgo(fixture, "a", days: 100)
        fixture.store.plant("from/a", Array("newer".utf8), at: fixture.clock.now + -86_400)
        let summary = try fixture.run()
        #expect(summary.purged == 0)
        #expect(fixture.tree.exists("/in/.done/a"))
        #expect(fixture.observer.seen.warnings.isEmpty)
    }

    @Test func missingObjectKeepsNothing() throws {
        let fixture = makeFixture()
        fixture.put(".done/a", Array("old".utf8), modified: fixture.clock.now + -100 * 86_400)
        #expect(try fixture.run().purged == 1)
    }

    @Test(arguments: [StoreFailure.Reason.denied, .unavailable, .rejected])
    func objectThatCannotBeLookedAtKeepsTheFile(_ reason: StoreFailure.Reason) throws {
        let fixture = makeFixture()
        transferredDaysAgo(fixture, "a", days: 100)
        transferredDaysAgo(fixture, "b", days: 100)
        let tap = PortTap { call in
            call.operation == "store.head" && call.path == "from/a" ? .failStore(reason) : .proceed
        }
        let summary = try fixture.run(tap: tap)
        #expect(summary.purged == 1)
        #expect(fixture.tree.exists("/in/.done/a"))
        #expect(!fixture.tree.exists("/in/.done/b"))
        #expect(!summary.isFailure)
        #expect(fixture.observer.seen.warnings.count == 1)
    }

    @Test func serverThatRefusesRemovalIsWarnedOf() throws {
        let fixture = makeFixture()
        transferredDaysAgo(fixture, "a", days: 100)
        let summary = try fixture.run(tap: tapOn(.before, "remote.removeFile") { _ in .failRemote(.denied) })
        #expect(summary.purged == 0)
        #expect(!summary.isFailure)
        #expect(fixture.observer.seen.warnings.count == 1)
    }

    @Test(arguments: ["older and larger", "o"])
    func fileOfAnotherSizeThanItsObjectStays(_ text: String) throws {
        let fixture = makeFixture()
        transferredDaysAgo(fixture, "a", days: 100)
        transferredDaysAgo(fixture, "b", days: 100)
        fixture.put(".done/a", text, modified: fixture.clock.now + -100 * 86_400)
        let summary = try fixture.run()
        #expect(fixture.observer.seen.purged == ["/in/.done/b"])
        #expect(fixture.remoteText(".done/a") == text)
        #expect(!summary.isFailure)
        #expect(fixture.observer.seen.warnings.count == 1)
        #expect(fixture.observer.seen.warnings.first?.contains("never stored") == true)
    }

    /// At whatever step of the purge: one warning, however many directories are left.
    @Test func lostConnectionEndsThePurgeWithOneWarning() throws {
        for (moment, operation) in [
            (PortTap.Moment.before, "remote.openDirectory"), (.before, "remote.next"), (.before, "remote.attributes"),
            (.before, "remote.removeFile"), (.after, "remote.removeFile"),
        ] {
            for seed: UInt64 in [1, 2, 3] {
                let fixture = makeFixture()
                for number in 0..<60 { transferredDaysAgo(fixture, "d\(number)/a", days: 30) }
                let tap = tapOn(moment, operation) { call in call.path.contains(".done") ? .disconnect : .proceed }
                let summary = try fixture.run(tap: tap, seed: seed)
                #expect(fixture.observer.seen.warnings.count == 1, "\(moment) \(operation), seed \(seed)")
                #expect(!summary.isFailure)
                #expect(try fixture.run().purged > 50)
            }
        }
    }

    @Test func onlyFilesGo() throws {
        let fixture = makeFixture()
        let old = fixture.clock.now + -100 * 86_400
        fixture.put(".done/directory/file", Array("x".utf8), modified: old)
        fixture.tree.makeLink("/in/.done/link", to: "/in/keep")
        fixture.tree.makeSpecial("/in/.done/pipe")
        for name in ["directory", "link", "pipe"] { fixture.tree.setModified("/in/.done" / name, old) }
        let latin = RemotePath(bytes: Array("/in/.done/caf".utf8) + [0xE9])
        fixture.tree.put(latin, [1], modified: old)
        #expect(try fixture.run().purged == 0)
        for name in ["directory/file", "link", "pipe"] { #expect(fixture.tree.exists("/in/.done" / name)) }
        #expect(fixture.tree.exists(latin), "it can never have been transferred")
    }

    @Test func fileWithAnOldTimeIsNotPurgedRightAfterItsTransfer() throws {
        for refusal in [nil, RemoteFailure.Reason.denied] {
            var fixture = makeFixture()
            fixture.behaviour.refusesTimes = refusal
            fixture.put(".done/other", Array("x".utf8), modified: fixture.clock.now)
            fixture.put("a", Array("one".utf8), modified: fixture.clock.now + -1000 * 86_400)
            for _ in 0..<3 {
                try fixture.run()
                #expect(fixture.remoteText(".done/a") == "one")
                fixture.clock.advance(seconds: 86_400)
            }
            fixture.clock.advance(seconds: 6 * 86_400)
            #expect(try fixture.run().purged > 0)
            #expect(!fixture.tree.exists("/in/.done/a"))
        }
    }

    @Test func fileReplacedBeforeItsRemovalStays() throws {
        let fixture = makeFixture()
        transferredDaysAgo(fixture, "a", days: 100)
        let tap = tapOn(.after, "store.head") { _ in
            fixture.put(".done/a", Array("new".utf8), modified: fixture.clock.now)
            return .proceed
        }
        #expect(try fixture.run(tap: tap).purged == 0)
        #expect(fixture.remoteText(".done/a") == "new")
    }

    @Test func vanishedDoneIsNoFailure() throws {
        let fixture = makeFixture()
        transferredDaysAgo(fixture, "a", days: 100)
        let tap = PortTap { call in
            if call.operation == "remote.openDirectory" && call.path == "/in/.done" { fixture.tree.remove("/in/.done") }
            return .proceed
        }
        #expect(try !fixture.run(tap: tap).isFailure)
    }

    @Test func nothingIsPurgedWhenTheTimeIsUp() throws {
        var fixture = makeFixture()
        transferredDaysAgo(fixture, "a", days: 100)
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds + 2
        #expect(try fixture.run().purged == 0)
        #expect(fixture.tree.exists("/in/.done/a"))
    }

    @Test func manyFilesArePurgedWithFewRequestsAtOnce() throws {
        let fixture = makeFixture()
        for number in 0..<600 { transferredDaysAgo(fixture, "d\(number % 40)/\(number)", days: 30) }
        #expect(try fixture.run(seed: 5).purged == 600)
        #expect(fixture.store.counters.mostRequests <= 16 * 16)
    }
}
