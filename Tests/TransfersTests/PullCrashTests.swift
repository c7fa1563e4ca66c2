import TestKit
import Testing
import Transfers

/// Whatever happens at whichever step of a run: every file is still at its place or whole in the store, and the next
/// run completes the work (decision 6, rules P2 and P6).
@Suite struct PullCrashTests {
    /// What goes wrong at one step.
    enum Accident: String, CaseIterable {
        case failure, lostConnection, crash
    }

    private static let small = [
        "a": sampleBytes(3000, salt: 1), "empty": [], "x/b": sampleBytes(10, salt: 2),
        "x/y/c": sampleBytes(4000, salt: 3),
        "x/y/d": sampleBytes(4000, salt: 4),
    ]
    private static let large = ["x/large": sampleBytes(PartPlan.partBytes + 5, salt: 5)]

    @Test(arguments: Accident.allCases, [true, false])
    func everyStepOfASmallTreeMayGoWrong(_ accident: Accident, renameReplaces: Bool) throws {
        try check(
            accident, contents: Self.small, renameReplaces,
            seeds: TestLength.isLong ? [nil] + (1...50).map(Optional.some) : [nil, 1])
    }

    @Test(arguments: Accident.allCases)
    func everyStepOfAFileInPartsMayGoWrong(_ accident: Accident) throws {
        try check(accident, contents: Self.large, true, seeds: [nil])
    }

    private func makeFixture(_ contents: [String: [UInt8]], _ renameReplaces: Bool) -> PullFixture {
        var fixture = PullFixture()
        fixture.behaviour.pieceBytes = PartPlan.partBytes / 2
        fixture.behaviour.renamesWithoutReplacing = !renameReplaces
        for (name, bytes) in contents { fixture.put(name, bytes) }
        // An earlier file of the same name was transferred once.
        let older = Array("older".utf8)
        for name in ["x/b", "x/large"] where contents[name] != nil {
            let done = name.replacing("/", with: "/.done/")
            fixture.put(done, older)
            fixture.store.plant("from/\(name)", older, at: PullFixture.longAgo)
        }
        // Another one is past its retention.
        fixture.plan.retentionDays = 7
        fixture.put("x/.done/expired", older)
        fixture.store.plant("from/x/expired", older, at: PullFixture.longAgo)
        return fixture
    }

    private func check(
        _ accident: Accident, contents: [String: [UInt8]], _ renameReplaces: Bool, seeds: [UInt64?]
    ) throws {
        for seed in seeds {
            let counting = PortTap()
            let healthy = makeFixture(contents, renameReplaces)
            try healthy.run(tap: counting, seed: seed)
            #expect(counting.count > 20)
            for index in 0..<counting.count {
                let fixture = makeFixture(contents, renameReplaces)
                guard try checkOnce(accident, at: index, fixture, contents, seed) else { return }
            }
        }
    }

    /// One accident and a healthy run after it. False when it has shown a fault: one is enough to read.
    private func checkOnce(
        _ accident: Accident, at index: Int, _ fixture: PullFixture, _ contents: [String: [UInt8]], _ seed: UInt64?
    ) throws -> Bool {
        let place = CallBox()
        let tap = tapAt(index) { call in
            place.set(call)
            return switch accident {
            case .failure: .fail
            case .lostConnection: .disconnect
            case .crash: .crash
            }
        }
        let summary = try fixture.run(tap: tap, seed: seed)
        let context = "\(accident) at \(place.text), seed \(seed.map { "\($0)" } ?? "none")"
        var isGood = true
        func expect(_ condition: Bool, _ what: String) {
            #expect(condition, "\(what): \(context)")
            isGood = isGood && condition
        }

        for (name, bytes) in contents {
            let isAtItsPlace = fixture.remote(name).map { isSame($0, bytes) } ?? false
            let isStored = fixture.store.versions("from/\(name)").contains { isSame($0.bytes, bytes) }
            expect(isAtItsPlace || isStored, "\(name) is neither at its place nor stored")
        }
        expectOnlyWholeVersions(fixture, contents, expect)
        expect(accident == .crash || summary.failed <= 2, "one accident, many failures")
        if accident != .crash && !place.text.contains("store.abort") {
            let isContinued = accident == .lostConnection && fixture.store.notes.count == 1
            expect(fixture.store.openUploadsCount == (isContinued ? 1 : 0), "an upload was left open")
        }

        fixture.clock.advance(seconds: 600)
        let second = try fixture.run()
        expect(!second.isFailure && second.remaining == 0 && second.isListingComplete, "the second run: \(second)")
        for (name, bytes) in contents {
            expect(isSame(fixture.stored(name) ?? [0], bytes), "\(name) is not the current object")
            expect(fixture.remote(name) == nil, "\(name) is still at its place")
        }
        expectOnlyWholeVersions(fixture, contents, expect)
        expect(fixture.store.notes.isEmpty, "a checkpoint was left")
        expect(!fixture.tree.exists("/in/x/.done/expired"), "nothing was purged")
        return isGood
    }

    /// No version is anything else than what the partner put there, and nothing is in `.done` that is not stored.
    private func expectOnlyWholeVersions(
        _ fixture: PullFixture, _ contents: [String: [UInt8]], _ expect: (Bool, String) -> Void
    ) {
        for (key, versions) in fixture.store.objects {
            let expected = contents[String(key.text.dropFirst("from/".count))] ?? []
            for version in versions {
                let isKnown = isSame(version.bytes, expected) || version.bytes == Array("older".utf8)
                expect(isKnown, "\(key) has a version that never was")
            }
        }
        for (path, bytes) in fixture.tree.files(below: "/in") where path.description.contains("/.done/") {
            let name = path.description.dropFirst("/in/".count).replacing(".done/", with: "")
            // What was set aside has another name than its object.
            let isAside = path.description.contains("/.sftp-lambda.")
            let versions =
                isAside ? fixture.store.objects.values.flatMap(\.self) : fixture.store.versions("from/\(name)")
            expect(versions.contains { isSame($0.bytes, bytes) }, "\(path) is not in the store")
        }
    }
}
