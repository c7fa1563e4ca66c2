import TestKit
import Testing
import Transfers

/// A tree to be pulled in which one call goes wrong: what must hold behind that, and after the healthy run that follows.
struct PullFaultScenario: Sendable {
    /// What an earlier run has left of a file in parts.
    enum Before: CaseIterable {
        case nothing
        /// A checkpoint, with which this one goes on.
        case checkpoint
        /// A checkpoint of what the partner has replaced since.
        case staleCheckpoint
    }

    let contents: [String: [UInt8]]
    var renameReplaces = true
    var before = Before.nothing
    /// Whether the run loses its connection at the last part, whatever else goes wrong.
    var isCutOff = false

    static let small = [
        "a": sampleBytes(30, salt: 1), "empty": [], "x/b": sampleBytes(10, salt: 2),
        "x/y/c": sampleBytes(40, salt: 3), "x/y/d": sampleBytes(40, salt: 4),
    ]
    static let large = ["x/large": sampleBytes(PartPlan.partBytes + 5, salt: 5)]
    static let larger = ["x/large": sampleBytes(3 * PartPlan.partBytes + 5, salt: 5)]
    private static let replaced = sampleBytes(3 * PartPlan.partBytes + 4, salt: 6)
    private static let older = Array("older".utf8)

    /// What came of one fault.
    struct Outcome {
        /// The call that went wrong; nil when the run made fewer calls.
        var call: PortTap.Call?
        /// What the run said of it, in a few words.
        var words: String
        /// What does not hold that must.
        var problems: [String] = []
    }

    private func fixture() throws -> PullFixture {
        var fixture = PullFixture()
        fixture.behaviour.pieceBytes = PartPlan.partBytes / 2
        fixture.behaviour.renamesWithoutReplacing = !renameReplaces
        if before != .nothing || isCutOff { fixture.plan.budgetBytes = 2 * PartPlan.partBytes }
        if before != .nothing { try leaveCheckpoint(in: fixture) }
        for (name, bytes) in contents.sorted(by: { $0.key < $1.key }) { fixture.put(name, bytes) }
        // An earlier file of the same name was transferred once.
        for name in ["x/b", "x/large"] where contents[name] != nil {
            fixture.put(name.replacing("/", with: "/.done/"), Self.older)
            fixture.store.plant("from/\(name)", Self.older, at: PullFixture.longAgo)
        }
        // Another one is past its retention.
        fixture.plan.retentionDays = 7
        fixture.put("x/.done/expired", Self.older)
        fixture.store.plant("from/x/expired", Self.older, at: PullFixture.longAgo)
        return fixture
    }

    /// A run that loses its connection at the last part.
    private func leaveCheckpoint(in fixture: PullFixture) throws {
        for (name, bytes) in contents {
            fixture.put(name, before == .checkpoint ? bytes : Self.replaced, modified: PullFixture.longAgo)
        }
        let cutOff = Self.cutOff()
        let run = try fixture.run(tap: PortTap { cutOff($0) })
        #expect(run.failed == 1 && fixture.store.notes.count == 1, "no checkpoint was left: \(run)")
        fixture.clock.advance(seconds: 600)
    }

    /// Loses the connection at the last of four parts.
    private static func cutOff() -> @Sendable (PortTap.Call) -> PortTap.Verdict {
        let reads = CallList()
        return { call in
            guard call.operation == "remote.read", call.moment == .before else { return .proceed }
            reads.add(call)
            return reads.all.count > 3 ? .disconnect : .proceed
        }
    }

    /// The calls of a run in which nothing else goes wrong.
    func healthyCalls(seed: UInt64? = nil) throws -> [PortTap.Call] {
        let calls = CallList()
        let cutOff = Self.cutOff()
        try fixture().run(
            tap: PortTap { call in
                calls.add(call)
                return isCutOff ? cutOff(call) : .proceed
            }, seed: seed)
        return calls.all
    }

    /// Runs with one verdict at one call, and then once more without.
    func outcome(
        of verdict: @escaping @Sendable (PortTap.Call) -> PortTap.Verdict, at index: Int, seed: UInt64? = nil
    ) throws -> Outcome {
        let fixture = try fixture()
        let place = CallBox()
        let cutOff = Self.cutOff()
        let tap = PortTap { call in
            guard call.index == index else { return isCutOff ? cutOff(call) : .proceed }
            place.set(call)
            return verdict(call)
        }
        let summary = try fixture.run(tap: tap, seed: seed)
        var outcome = Outcome(call: place.value, words: tap.isDead ? "" : Self.words(summary))
        func expect(_ condition: Bool, _ what: String) { if !condition { outcome.problems.append(what) } }

        for (name, bytes) in contents {
            let isAtItsPlace = fixture.remote(name).map { isSame($0, bytes) } ?? false
            let isStored = fixture.store.versions("from/\(name)").contains { isSame($0.bytes, bytes) }
            expect(isAtItsPlace || isStored, "\(name) is neither at its place nor stored")
        }
        outcome.problems += strangers(fixture)
        expect(tap.isDead || summary.failed <= 2, "one fault, many failures")
        if !tap.isDead, !mayLeaveSomething(place.value) {
            // A checkpoint names the one that is to be gone on with.
            expect(fixture.store.openUploadsCount <= fixture.store.notes.count, "an upload was left open")
        }

        fixture.clock.advance(seconds: 600)
        let second = try fixture.run()
        expect(!second.isFailure && second.remaining == 0 && second.isListingComplete, "the second run: \(second)")
        for (name, bytes) in contents {
            expect(isSame(fixture.stored(name) ?? [0], bytes), "\(name) is not the current object")
            expect(fixture.remote(name) == nil, "\(name) is still at its place")
        }
        outcome.problems += strangers(fixture)
        if mayLeaveSomething(place.value), !fixture.store.notes.isEmpty { try letExpire(fixture) }
        expect(fixture.store.notes.isEmpty, "a checkpoint was left")
        expect(!fixture.tree.exists("/in/x/.done/expired"), "nothing was purged")
        return outcome
    }

    /// What cannot be read or removed stays: an upload until a lifecycle rule ends it, a checkpoint until it is old.
    private func mayLeaveSomething(_ call: PortTap.Call?) -> Bool {
        ["store.abort", "store.abandonUpload", "store.notes", "store.note", "store.removeNote"].contains(
            call?.operation)
    }

    /// The first large file that comes by when a checkpoint is old gives it up.
    private func letExpire(_ fixture: PullFixture) throws {
        fixture.clock.advance(seconds: 8 * 24 * 3600)
        fixture.put("later", sampleBytes(PartPlan.partBytes + 1, salt: 9))
        #expect(try !fixture.run().isFailure)
    }

    /// No version is anything else than what the partner put there, and nothing is in `.done` that is not stored.
    private func strangers(_ fixture: PullFixture) -> [String] {
        var problems: [String] = []
        for (key, versions) in fixture.store.objects {
            let expected = contents[String(key.text.dropFirst("from/".count))] ?? []
            for version in versions where !isSame(version.bytes, expected) && version.bytes != Self.older {
                problems.append("\(key) has a version that never was")
            }
        }
        for (path, bytes) in fixture.tree.files(below: "/in") where path.description.contains("/.done/") {
            let name = path.description.dropFirst("/in/".count).replacing(".done/", with: "")
            // What was set aside has another name than its object.
            let isAside = path.description.contains("/.sftp-lambda.")
            let versions =
                isAside ? fixture.store.objects.values.flatMap(\.self) : fixture.store.versions("from/\(name)")
            if !versions.contains(where: { isSame($0.bytes, bytes) }) {
                problems.append("\(path) is not in the store")
            }
        }
        return problems
    }

    private static func words(_ summary: PullSummary) -> String {
        var words = summary.left.keys.sorted().map { "left as \($0)" }
        if summary.failed > 0 { words.append("fails, by name") }
        if summary.remaining > 0 { words.append("remains for the next run") }
        if !summary.isListingComplete { words.append("listing incomplete") }
        return words.isEmpty ? "nothing" : words.joined(separator: ", ")
    }
}
