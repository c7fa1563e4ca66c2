import Synchronization
import TestKit
import Testing
import Transfers

/// The partner does something to the file between any two steps of a pull (rules P3 and P4). What he left last is the
/// current object when a further run has ended, and no version is a mixture of two.
@Suite struct PullInterferenceTests {
    /// What the partner does to the file.
    enum Interference: String, CaseIterable {
        case replace, replaceBySameSize, append, overwrite, touch, delete, moveAway, replaceByDirectory, replaceByLink
    }

    private static let first = sampleBytes(3000, salt: 1)

    private func makeFixture(isInParts: Bool = false, hasOlder: Bool, renameReplaces: Bool = true) -> PullFixture {
        var fixture = PullFixture()
        fixture.behaviour.pieceBytes = isInParts ? PartPlan.partBytes / 2 : 1500
        fixture.behaviour.renamesWithoutReplacing = !renameReplaces
        fixture.put("x/a", isInParts ? Self.large : Self.first)
        if hasOlder {
            fixture.put("x/.done/a", Self.older)
            fixture.store.plant("from/x/a", Self.older, at: PullFixture.longAgo)
        }
        return fixture
    }

    private static let older = Array("older".utf8)
    private static let large = sampleBytes(PartPlan.partBytes + 3000, salt: 1)

    /// What the partner wrote, in the order in which he did.
    private final class Partner: Sendable {
        private struct State {
            var contents: [[UInt8]]
            var lastName: String? = "x/a"
            var modified = PullFixture.longAgo
        }

        private let fixture: PullFixture
        private let state: Mutex<State>

        init(_ fixture: PullFixture, _ first: [UInt8]) {
            self.fixture = fixture
            state = Mutex(State(contents: [PullInterferenceTests.older, first]))
        }

        var contents: [[UInt8]] { state.withLock { $0.contents } }
        /// Under which name he left the last content; nil when he left none.
        var lastName: String? { state.withLock { $0.lastName } }
        /// The last content.
        var last: [UInt8] { state.withLock { $0.contents.last ?? [] } }

        func act(_ interference: Interference) {
            let tree = fixture.tree
            let path: RemotePath = "/in/x/a"
            // Every write has its own time: what happens within one second SFTP cannot tell apart.
            let (time, salt) = state.withLock { state in
                state.modified = state.modified + 5
                return (state.modified, UInt8(truncatingIfNeeded: state.contents.count + 1))
            }
            let there = tree.read(path)
            switch interference {
            case .replace:
                let bytes = sampleBytes(2000 + Int(salt), salt: salt)
                note("x/a", bytes)
                tree.put(path, bytes, modified: time)
            case .replaceBySameSize:
                let bytes = sampleBytes(3000, salt: salt)
                note("x/a", bytes)
                tree.put(path, bytes, modified: time)
            case .append:
                guard there != nil || !tree.exists(path) else { return }
                let more = sampleBytes(100, salt: salt)
                note("x/a", (there ?? []) + more)
                tree.append(path, more, modified: time)
            case .overwrite:
                let bytes = sampleBytes(there?.count ?? 3000, salt: salt)
                note("x/a", bytes)
                tree.overwrite(path, bytes, modified: time)
            case .touch: tree.setModified(path, time)
            case .delete:
                if there != nil { state.withLock { $0.lastName = nil } }
                tree.remove(path)
            case .moveAway:
                guard let there else { return }
                note("x/elsewhere", there)
                tree.move(path, to: "/in/x/elsewhere")
            case .replaceByDirectory:
                let bytes = sampleBytes(500, salt: salt)
                note("x/a/inside", bytes)
                tree.remove(path)
                tree.put("/in/x/a/inside", bytes, modified: time)
            case .replaceByLink:
                if there != nil { state.withLock { $0.lastName = nil } }
                tree.remove(path)
                tree.makeLink(path, to: "/in/x/.done/a")
            }
        }

        private func note(_ name: String, _ bytes: [UInt8]) {
            state.withLock { state in
                state.contents.append(bytes)
                state.lastName = name
            }
        }
    }

    @Test(arguments: Interference.allCases, [true, false])
    func partnerMayActBetweenAnySteps(_ interference: Interference, renameReplaces: Bool) throws {
        for hasOlder in [false, true] {
            try everyStep {
                makeFixture(hasOlder: hasOlder, renameReplaces: renameReplaces)
            } run: { fixture, index in
                try check(fixture, Self.first, [index: interference])
            }
        }
    }

    @Test(arguments: [Interference.replace, .overwrite])
    func partnerMayActBetweenAnyStepsOfAFileInParts(_ interference: Interference) throws {
        try everyStep {
            makeFixture(isInParts: true, hasOlder: true)
        } run: { fixture, index in
            try check(fixture, Self.large, [index: interference])
        }
    }

    @Test(
        arguments: [
            (Interference.replace, Interference.replace), (.replaceBySameSize, .overwrite), (.delete, .replace),
            (.replace, .delete), (.overwrite, .moveAway), (.replace, .replaceByDirectory),
            (.replaceByDirectory, .append),
        ], [true, false])
    func partnerMayActTwice(_ interferences: (Interference, Interference), renameReplaces: Bool) throws {
        func make() -> PullFixture { makeFixture(hasOlder: true, renameReplaces: renameReplaces) }
        // With an interference more steps follow than without: twice as many are enough for all of them.
        for firstIndex in 0..<(try stepCount(make)) {
            for distance in [1, 2, 3, 4, 5, 7, 9, 12, 16] {
                let actions = [firstIndex: interferences.0, firstIndex + distance: interferences.1]
                guard try check(make(), Self.first, actions) else { return }
            }
        }
    }

    @Test func partnerMayActBetweenAnyStepsOnAServerThatRefusesTimes() throws {
        for interference in Interference.allCases {
            try everyStep {
                makeFixture(hasOlder: true)
            } run: { fixture, index in
                var fixture = fixture
                fixture.behaviour.refusesTimes = .unsupported
                return try check(fixture, Self.first, [index: interference])
            }
        }
    }

    /// A slow writer who has the file open, and so follows it to `.done`: seen up to the look at what arrived. What he
    /// writes after it only the minimum age keeps apart.
    @Test func openWriterIsSeenUntilTheLook() throws {
        try everyStep {
            makeFixture(hasOlder: true)
        } run: { fixture, index in
            let identity = try #require(fixture.tree.identity(of: "/in/x/a"))
            let more = sampleBytes(77, salt: 7)
            let place = CallBox()
            let looks = StepLog()
            let tap = PortTap { call in
                if call.index == index {
                    place.set(call)
                    fixture.tree.append(to: identity, more, modified: PullFixture.longAgo + 5)
                } else if call.index < index && call.operation == "remote.look" {
                    looks.add("\(call)")
                }
                return .proceed
            }
            try fixture.run(tap: tap)
            try fixture.runAgain(place.text)
            let isCurrent = isSame(fixture.stored("x/a") ?? [], Self.first + more)
            let isLate = !looks.text.isEmpty
            #expect(isCurrent || isLate, "\(place.text)")
            return isCurrent || isLate
        }
    }

    /// The deadline comes while a file is being moved that is not the one that was read: the look and what follows
    /// from it are done to their end all the same.
    @Test func cancelledPullStillLooksAtWhatItMoved() throws {
        for replaceIndex in 0..<(try stepCount { makeFixture(hasOlder: true) }) {
            for distance in 0...6 {
                let fixture = makeFixture(hasOlder: true)
                let bytes = sampleBytes(3000, salt: 9)
                let task = TaskBox()
                let places = StepLog()
                let tap = PortTap { call in
                    if call.index == replaceIndex {
                        places.add("replace at \(call)")
                        fixture.put("x/a", bytes, modified: PullFixture.longAgo + 5)
                    }
                    if call.index == replaceIndex + distance {
                        places.add("cancel at \(call)")
                        task.cancel()
                    }
                    return .proceed
                }
                let pull = fixture.pull(tap: tap)
                let summary = try DeterministicRun.run {
                    let run = Task { await pull.flow.run() }
                    task.set(run)
                    return await run.value
                }
                #expect(!summary.isFailure, "\(places.text)")
                fixture.expectNothingOpen(pull.files)
                try fixture.runAgain(places.text)
                let isCurrent = isSame(fixture.stored("x/a") ?? [], bytes)
                #expect(isCurrent, "\(places.text)")
                guard isCurrent else { return }
            }
        }
    }

    @Test func versionThatCannotBePutBackIsReportedWithItsPlace() throws {
        for verdict in [PortTap.Verdict.failRemote(.denied), .disconnect] {
            let fixture = makeFixture(hasOlder: false)
            let tap = PortTap { call in
                if call.operation == "remote.rename" { fixture.put("x/a", Array("newer".utf8)) }
                return call.operation == "remote.moveWithoutReplacing" ? verdict : .proceed
            }
            let summary = try fixture.run(tap: tap)
            #expect(summary.failed == 1)
            #expect(summary.failures.first?.path == "/in/x/a")
            #expect(summary.failures.first?.reason.contains("stands in /in/x/.done/a") == true)
        }
    }

    @Test func versionWhosePlaceIsTakenIsPulledFromDone() throws {  // P4
        let fixture = makeFixture(hasOlder: false)
        let tap = PortTap { call in
            switch (call.operation, call.moment) {
            case ("remote.rename", _): fixture.put("x/a", "second", modified: PullFixture.longAgo + 5)
            case ("remote.moveWithoutReplacing", .before):
                fixture.put("x/a", "third", modified: PullFixture.longAgo + 10)
            default: break
            }
            return .proceed
        }
        let summary = try fixture.run(tap: tap)
        #expect(!summary.isFailure)
        #expect(fixture.storedText("x/a") == "second")
        #expect(fixture.remoteText("x/.done/a") == "second")
        #expect(fixture.tree.modified("/in/x/.done/a") == fixture.clock.now, "retention counts from the transfer")
        try fixture.runAgain()
        #expect(fixture.store.versions("from/x/a").map(\.bytes.count) == [3000, 6, 5])
        #expect(fixture.storedText("x/a") == "third")
    }

    @Test(arguments: [
        ("a", "", "a.replaced-S"), ("a.csv", "*.csv", "a.replaced-S.csv"), ("a.csv", "", "a.replaced-S.csv"),
        ("a.b.csv", "*.b.csv", "a.replaced-S.b.csv"), (".a", "?a*", ".a.replaced-S"),
        ("a.1", "x/?.*", "a.replaced-S.1"),
        ("one-a", "*-a", "replaced-S.one-a"), ("one-a", "one-*", "one-a.replaced-S"),
    ])
    func versionThatCannotBeStoredFromDoneGetsANameOfItsOwn(_ file: String, _ include: String, _ new: String) throws {
        var fixture = PullFixture()
        fixture.plan.selection.include = include.isEmpty ? [] : [try Glob(include)]
        // Its own time counts for its age, and not what it was given in `.done`.
        fixture.plan.selection.minimumAgeSeconds = 60
        let summary = try runWithVersionLeftInDone(fixture, file)
        let name = new.replacing("S", with: "\(fixture.clock.now.seconds)")
        #expect(fixture.remoteText("x/\(name)") == "second")
        #expect(summary.failures.first?.reason.contains("called \(name), and the next run takes it") == true)
        try fixture.runAgain()
        #expect(fixture.storedText("x/\(file)") == "third")
        #expect(fixture.storedText("x/\(name)") == "second")
        #expect(
            fixture.store.current("from/x/\(name)")?.metadata["mtime"] == "\((PullFixture.longAgo + 5).seconds)")
    }

    @Test func versionThatNoNameGetsPastTheSettingsIsReportedWithItsPlace() throws {
        var fixture = PullFixture()
        fixture.plan.selection.include = [try Glob("a.csv")]
        let summary = try runWithVersionLeftInDone(fixture, "a.csv")
        let name = "a.replaced-\(fixture.clock.now.seconds).csv"
        #expect(fixture.remoteText("x/\(name)") == "second")
        let reason = summary.failures.first?.reason ?? ""
        #expect(reason.contains("called \(name) and stays there") && reason.contains("SFTP_INCLUDE"), "\(reason)")
        #expect(!reason.contains("the next run"))
        try fixture.runAgain()
        #expect(fixture.stored("x/\(name)") == nil)
    }

    /// A run in which the file is replaced while it is moved, then its place is taken, and then the store fails.
    private func runWithVersionLeftInDone(_ fixture: PullFixture, _ name: String) throws -> PullSummary {
        fixture.put("x/\(name)", Self.first)
        let tap = PortTap { call in
            switch (call.operation, call.moment) {
            case ("remote.rename", _): fixture.put("x/\(name)", "second", modified: PullFixture.longAgo + 5)
            case ("remote.moveWithoutReplacing", .before) where !fixture.tree.exists("/in/x" / name):
                fixture.put("x/\(name)", "third", modified: PullFixture.longAgo + 10)
            case ("store.put", .before) where fixture.tree.exists("/in/x/.done" / name): return .failStore(.unavailable)
            default: break
            }
            return .proceed
        }
        let summary = try fixture.run(tap: tap)
        #expect(summary.failed == 1)
        return summary
    }

    // MARK: Tools

    private func stepCount(_ make: () -> PullFixture) throws -> Int {
        let counting = PortTap()
        try make().run(tap: counting)
        return counting.count
    }

    private func everyStep(_ make: () -> PullFixture, run: (PullFixture, Int) throws -> Bool) throws {
        for index in 0..<(try stepCount(make)) {
            guard try run(make(), index) else { return }
        }
    }

    /// One run with interferences and two healthy ones. False when it has shown a fault: one is enough to read.
    private func check(_ fixture: PullFixture, _ first: [UInt8], _ actions: [Int: Interference]) throws -> Bool {
        let partner = Partner(fixture, first)
        let places = StepLog()
        let tap = PortTap { call in
            guard let interference = actions[call.index] else { return .proceed }
            places.add("\(interference) at \(call)")
            partner.act(interference)
            return .proceed
        }
        let summary = try fixture.run(tap: tap)
        let context = places.text
        try fixture.runAgain(context)
        try fixture.runAgain(context)

        var isGood = true
        func expect(_ condition: Bool, _ what: String) {
            #expect(condition, "\(what): \(context), \(summary)")
            isGood = isGood && condition
        }
        if let name = partner.lastName {
            let isCurrent = isSame(fixture.stored(name) ?? [], partner.last)
            let index = partner.contents.lastIndex { isSame($0, fixture.stored(name) ?? []) }
            expect(isCurrent, "the current \(name) is content \(index ?? -1) of 0...\(partner.contents.count - 1)")
        }
        let history = fixture.store.versions("from/x/a").map { version in
            partner.contents.firstIndex { isSame($0, version.bytes) } ?? -1
        }
        expect(!history.contains(-1), "a version is a mixture: \(history)")
        // The content that was there before all never comes back over one that is newer.
        expect(!history.dropFirst().contains(0), "the older came back: \(history)")
        expect(fixture.store.openUploadsCount == 0, "an upload was left open")
        return isGood
    }
}
