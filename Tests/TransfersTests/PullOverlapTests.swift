import TestKit
import Testing
import Transfers

/// Rule P9: two pulls at work over the same tree, and a partner who replaces files meanwhile, in interleavings that a
/// seed decides. When both have ended, one further run brings the newest content to the top.
@Suite struct PullOverlapTests {
    /// How the server and the clock behave.
    struct Circumstances: CustomTestStringConvertible, Sendable {
        var name: String
        var replacements: ClosedRange<Int>
        var isClockRunning: Bool
        var hasOlder: Bool
        var names = ["a"]
        /// The partner acts when files are moved, not at any time.
        var isAimingAtMoves = false

        var testDescription: String { name }
    }

    private static let circumstances = [
        Circumstances(name: "one replacement", replacements: 1...1, isClockRunning: true, hasOlder: false),
        Circumstances(name: "several replacements", replacements: 2...4, isClockRunning: true, hasOlder: true),
        Circumstances(
            name: "several files", replacements: 2...8, isClockRunning: true, hasOlder: false,
            names: ["a", "b", "x/a", "x/b"]),
        Circumstances(
            name: "replaced while moved", replacements: 2...4, isClockRunning: true, hasOlder: false,
            isAimingAtMoves: true),
        // More of them SFTP could not tell apart: it has whole seconds.
        Circumstances(name: "all in one second", replacements: 1...1, isClockRunning: false, hasOlder: true),
    ]

    private static let moves = [
        "remote.rename", "remote.lookAhead", "remote.look", "remote.moveWithoutReplacing", "remote.removeFile",
    ]

    @Test(arguments: circumstances, [true, false])
    func newestContentWins(_ circumstances: Circumstances, renameReplaces: Bool) throws {
        let seeds = 1...UInt64(TestLength.isLong ? 10_000 : renameReplaces ? 500 : 250)
        var faults: [String] = []
        for seed in seeds {
            if let fault = try run(circumstances, renameReplaces, seed) { faults.append("seed \(seed): \(fault)") }
        }
        let isGood = faults.isEmpty
        #expect(isGood, "\(faults.count) of \(seeds.count): \(faults.first ?? "")")
    }

    /// What went wrong, or nil.
    private func run(_ circumstances: Circumstances, _ renameReplaces: Bool, _ seed: UInt64) throws -> String? {
        var fixture = PullFixture()
        fixture.behaviour.pieceBytes = 1000
        fixture.behaviour.renamesWithoutReplacing = !renameReplaces
        // More workers than files only cost steps.
        fixture.plan.maximumFilesInFlight = 4
        fixture.plan.maximumDirectoriesInFlight = 2
        let random = SharedRandom(seed: seed &+ 1_000_003)
        for (place, name) in circumstances.names.enumerated() { fixture.put(name, content(0, place)) }
        if circumstances.hasOlder {
            fixture.put(".done/a", "older")
            fixture.store.plant("from/a", Array("older".utf8), at: PullFixture.longAgo)
        }
        let fixed = fixture
        let log = StepLog()
        let count = random.int(in: circumstances.replacements)
        let pauses = (0..<count).map { _ in random.int(in: 0...90) }
        let places = (0..<count).map { _ in random.int(in: 0...circumstances.names.count - 1) }
        let slowness = (0..<2).map { _ in random.int(in: 0...12) }
        let headStart = random.int(in: 0...80)
        let clock = fixture.clock

        let acted = Counter()
        @Sendable func act() {
            guard let number = acted.next(below: count) else { return }
            let name = circumstances.names[places[number]]
            log.add("partner puts \(name) \(number + 1)")
            // A file that takes the place of one with the same size and the same second is the same to SFTP.
            let done = name.contains("/") ? name.replacing("/", with: "/.done/") : ".done/\(name)"
            let times = [name, done].map { fixed.tree.modified("/in" / $0) }
            if circumstances.isClockRunning && times.contains(clock.now) { clock.advance(seconds: 1) }
            fixed.put(name, content(number + 1, places[number]), modified: clock.now)
            if circumstances.isClockRunning { clock.advance(seconds: 1) }
        }

        @Sendable func pull(_ name: String, _ slowness: Int) -> PullFixture.Pull {
            fixed.pull(
                tap: PortTap { call in
                    log.add("\(name) \(call.moment.rawValue) \(call.operation) \(call.path)")
                    if circumstances.isClockRunning && random.int(in: 0...9) == 0 { clock.advance(seconds: 1) }
                    let isMove = Self.moves.contains(call.operation)
                    if circumstances.isAimingAtMoves && isMove && random.int(in: 0...2) == 0 { act() }
                    // Mostly short delays, and now and then one in which the other pull can do many steps.
                    let isHeldUp = random.int(in: 0...14) == 0
                    for _ in 0...random.int(in: 0...(isHeldUp ? 150 : slowness)) { await Task.yield() }
                    return .proceed
                })
        }
        let first = pull("A", slowness[0])
        let second = pull("B", slowness[1])
        try DeterministicRun.run(seed: seed) {
            async let a = first.flow.run()
            async let b: PullSummary = {
                for _ in 0..<headStart { await Task.yield() }
                return await second.flow.run()
            }()
            async let partner: Void = {
                guard !circumstances.isAimingAtMoves else { return }
                for pause in pauses {
                    for _ in 0..<pause { await Task.yield() }
                    act()
                }
            }()
            _ = await (a, b, partner)
        }
        try fixture.runAgain("seed \(seed)")
        fixture.expectNothingOpen(first.files)
        fixture.expectNothingOpen(second.files)
        for (place, name) in circumstances.names.enumerated() {
            // Aimed ones may not all have come.
            let newest = (places.prefix(acted.value).lastIndex(of: place) ?? -1) + 1
            let versions = fixture.store.versions("from/\(name)").map { version in
                (0...count).first { isSame(content($0, place), version.bytes) } ?? -1
            }
            // Of the older one that was there before, and of every other.
            let done = fixture.tree.files(below: "/in").keys.map(\.description)
            if let aside = done.first(where: { $0.contains(".sftp-lambda.") }) {
                return "\(aside) was left\n\(log.text)"
            }
            if versions.last != newest { return "\(name) has versions \(versions), not \(newest)\n\(log.text)" }
        }
        return nil
    }

    /// Contents of the same size, so that only times tell them apart.
    private func content(_ number: Int, _ place: Int) -> [UInt8] {
        sampleBytes(2500, salt: UInt8(place * 16 + number + 1))
    }
}
