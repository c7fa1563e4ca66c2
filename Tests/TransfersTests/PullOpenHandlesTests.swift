import Synchronization
import TestKit
import Testing

@testable import Transfers

/// How many files and directories are open at once, on servers that allow few, whether they say so or not.
@Suite struct PullOpenHandlesTests {
    /// Files in one directory, in many, and a large one.
    private func fill(_ fixture: PullFixture) -> Int {
        for number in 0..<200 { fixture.put("\(number)", "x\(number)") }
        for number in 0..<100 { fixture.put("d\(number % 20)/\(number % 3)/\(number)", "x\(number)") }
        fixture.put("large", sampleBytes(PartPlan.partBytes + 1))
        return 301
    }

    @Test(arguments: [1, 2, 3, 5])
    func serverThatOnlyRefusesGivesAll(_ most: Int) throws {
        for seed in UInt64(1)...10 {
            var fixture = PullFixture()
            fixture.behaviour.maximumOpenHandles = most
            let count = fill(fixture)
            let summary = try fixture.run(seed: seed)
            #expect(summary.transferred == count, "seed \(seed): \(summary)")
            #expect(summary.isListingComplete)
            #expect(!summary.isFailure)
        }
    }

    @Test(arguments: [1, 2, 3, 8, 40])
    func announcedLimitIsKept(_ handles: Int) throws {
        for seed in UInt64(1)...5 {
            var fixture = PullFixture()
            fixture.behaviour.announcedOpenHandles = handles
            let count = fill(fixture)
            let pull = fixture.pull()
            let summary = try DeterministicRun.run(seed: seed) { await pull.flow.run() }
            #expect(summary.transferred == count)
            #expect(summary.isListingComplete)
            let counters = pull.files.counters
            #expect(counters.mostOpenHandles <= handles)
            #expect(counters.mostOpenFiles >= handles / 2, "the limit was not used")
            fixture.expectNothingOpen(pull.files)
        }
    }

    @Test(arguments: [true, false])
    func directoryLargerThanTheQueueIsListedOnOneHandle(_ isAnnounced: Bool) throws {
        var fixture = PullFixture()
        fixture.behaviour.announcedOpenHandles = isAnnounced ? 1 : nil
        fixture.behaviour.maximumOpenHandles = 1
        for number in 0..<5000 { fixture.put("\(number)", "x") }
        let summary = try fixture.run(seed: 1)
        #expect(summary.transferred == 5000)
        #expect(summary.isListingComplete)
        #expect(!summary.isFailure)
    }

    @Test func directoryTooLargeForOneHandleTakesSomeRuns() throws {
        var fixture = PullFixture()
        fixture.behaviour.announcedOpenHandles = 1
        fixture.plan.maximumHeldFiles = 1500
        fixture.plan.maximumFilesInFlight = 384
        for number in 0..<4000 { fixture.put("\(number)", "x") }
        var transferred = 0
        for runs in 1...3 {
            let summary = try fixture.run()
            #expect(summary.transferred > 0)
            #expect(!summary.isFailure)
            transferred += summary.transferred
            #expect(transferred + summary.remaining == 4000, "each is counted")
            #expect(summary.isListingComplete == (transferred == 4000))
            #expect(fixture.observer.seen.warnings.count == (transferred < 4000 ? runs : runs - 1))
        }
        #expect(transferred == 4000)
    }

    @Test func limitThatIsRealCostsFewRefusals() throws {
        var fixture = PullFixture()
        fixture.behaviour.maximumOpenHandles = 5
        fixture.plan.maximumFilesInFlight = 20
        for number in 0..<3000 { fixture.put("\(number)", "x") }
        let pull = fixture.pull()
        let summary = try DeterministicRun.run(seed: 4) { await pull.flow.run() }
        #expect(summary.transferred == 3000)
        let counters = pull.files.counters
        #expect(counters.mostOpenHandles == 5)
        // All that begin together, and then one now and then, ever more seldom.
        #expect(counters.refusedHandles < 20 + 15, "\(counters.refusedHandles) refusals")
    }

    @Test func limitThatOnlyCameToPassIsForgotten() throws {
        let fixture = PullFixture()
        for number in 0..<2000 { fixture.put("\(number)", "x") }
        let opened = Mutex((now: 0, ever: 0))
        let tap = PortTap { call in
            // A slow store: as many files are open as may be.
            if call.operation == "store.put" { for _ in 0..<400 { await Task.yield() } }
            return opened.withLock { opened in
                switch (call.operation, call.moment) {
                // At first no file is opened beside another one.
                case ("remote.openFile", .before) where opened.ever < 20 && opened.now > 0: return .failRemote(.failed)
                case ("remote.openFile", .before):
                    opened.now += 1
                    opened.ever += 1
                case ("remote.closeAndMove", .after): opened.now -= 1
                default: break
                }
                return .proceed
            }
        }
        let pull = fixture.pull(tap: tap)
        let summary = try DeterministicRun.run { await pull.flow.run() }
        #expect(summary.transferred == 2000)
        #expect(!summary.isFailure)
        let most = pull.files.counters.mostOpenFiles
        #expect(most > 100, "at most \(most) files were open at once")
    }

    @Test func brokenFileIsTriedAgainAloneAndFails() throws {
        let fixture = PullFixture()
        for number in 0..<300 { fixture.put("\(number)", "x\(number)") }
        let tap = PortTap { call in
            // A slow store: many files are open at once.
            if call.operation == "store.put" { for _ in 0..<400 { await Task.yield() } }
            let isBroken = call.operation == "remote.openFile" && ["/in/7", "/in/8"].contains(call.path)
            return isBroken ? .failRemote(.failed) : .proceed
        }
        let pull = fixture.pull(tap: tap)
        let summary = try DeterministicRun.run { await pull.flow.run() }
        #expect(summary.transferred == 298)
        #expect(Set(summary.failures.map(\.path)) == ["/in/7", "/in/8"])
        #expect(pull.files.counters.operations["openFile"] == 298 + 2 * 3)
        #expect(pull.files.counters.mostOpenFiles > 100, "a broken file held the others up")
        fixture.expectNothingOpen(pull.files)
    }

    @Test func brokenDirectoryIsTriedAgainAloneAndFails() throws {
        let fixture = PullFixture()
        for number in 0..<300 { fixture.put("d\(number % 30)/\(number)", "x\(number)") }
        let pull = fixture.pull(
            tap: tapOn(.before, "remote.openDirectory") { $0.path == "/in/d7" ? .failRemote(.failed) : .proceed })
        let summary = try DeterministicRun.run(seed: 1) { await pull.flow.run() }
        #expect(summary.transferred == 290)
        #expect(summary.failures.map(\.path) == ["/in/d7"])
        #expect(pull.files.counters.operations["openDirectory"] == 30 + 3)
        fixture.expectNothingOpen(pull.files)
    }

    @Test func brokenFileBeforeAllOthersHoldsNothingUp() throws {
        var fixture = PullFixture()
        fixture.behaviour.batchCount = 1
        fixture.plan.maximumHeldFiles = PullPlan.maximumWaitingFiles
        for number in 0..<3000 { fixture.put("\(number)", "x") }
        let tap = tapOn(.before, "remote.openFile") { $0.path == "/in/0" ? .failRemote(.failed) : .proceed }
        let summary = try fixture.run(tap: tap)
        #expect(summary.transferred == 2999)
        #expect(summary.failures.map(\.path) == ["/in/0"])
        #expect(summary.isListingComplete)
    }

    @Test(arguments: [0, 1])
    func brokenFileThatCouldNotBeTriedAloneFails(_ seed: UInt64) throws {
        let fixture = PullFixture()
        for number in 0..<1500 { fixture.put("\(number)", "x\(number)") }
        let task = TaskBox()
        let stored = Counter()
        let tap = PortTap { call in
            if call.operation == "store.put", call.moment == .after, stored.next(below: 700) == 699 { task.cancel() }
            let isBroken = call.operation == "remote.openFile" && call.path == "/in/107"
            return isBroken ? .failRemote(.failed) : .proceed
        }
        let pull = fixture.pull(tap: tap)
        let summary = try DeterministicRun.run(seed: seed) {
            let run = Task { await pull.flow.run() }
            task.set(run)
            return await run.value
        }
        #expect(summary.failures.map(\.path) == ["/in/107"])
        #expect(summary.failures.first?.reason.contains("failed by the test (refused beside ") == true)
        #expect(summary.transferred >= 600)
        #expect(summary.remaining > 0)
        fixture.expectNothingOpen(pull.files)
    }

    @Test func purgeKeepsTheLimitToo() throws {
        for isAnnounced in [true, false] {
            var fixture = PullFixture()
            fixture.behaviour.announcedOpenHandles = isAnnounced ? 2 : nil
            fixture.behaviour.maximumOpenHandles = 2
            fixture.plan.retentionDays = 7
            for number in 0..<30 {
                fixture.put("d\(number)/.done/old", "x", modified: fixture.clock.now + -30 * 86_400)
            }
            let summary = try fixture.run(seed: 2)
            #expect(summary.purged == 30)
            #expect(fixture.observer.seen.warnings.isEmpty)
        }
    }

    @Test func nothingLocksUpWhateverTheServerBears() throws {
        for seed in UInt64(1)...(TestLength.isLong ? 5000 : 300) {
            let random = SharedRandom(seed: seed)
            var fixture = PullFixture()
            let most = random.int(in: 1...6)
            fixture.behaviour.maximumOpenHandles = most
            if random.int(in: 0...1) == 0 { fixture.behaviour.announcedOpenHandles = most }
            fixture.behaviour.batchCount = random.int(in: 1...10)
            fixture.plan.maximumFilesInFlight = random.int(in: 1...12)
            fixture.plan.maximumDirectoriesInFlight = random.int(in: 1...6)
            fixture.plan.maximumWaitingDirectoryBytes = random.int(in: 1...10_000)
            fixture.plan.budgetBytes = random.int(in: 1...20)
            let widths = (0...3).map { _ in random.int(in: 1...6) }
            var count = 0
            for number in 0..<random.int(in: 1...150) {
                let directory = widths.indices.prefix(number % 5).map { "d\(random.int(in: 1...widths[$0]))/" }.joined()
                fixture.put("\(directory)\(number)", "x\(number)")
                count += 1
            }
            let brokenEvery = random.int(in: 5...60)
            let pull = fixture.pull(
                tap: PortTap { call in
                    // Now and then the server refuses for a reason of its own.
                    let isOpening = call.operation.hasPrefix("remote.open") && call.moment == .before
                    return isOpening && random.int(in: 0...brokenEvery) == 0 ? .failRemote(.failed) : .proceed
                })
            let summary = try DeterministicRun.run(seed: seed) { await pull.flow.run() }
            fixture.expectNothingOpen(pull.files)
            #expect(pull.files.counters.mostOpenHandles <= most)
            if summary.isListingComplete {
                #expect(summary.transferred + summary.failed + summary.remaining == count, "seed \(seed): \(summary)")
            }
        }
    }

    @Test func fileIsOpenedOnlyWhenItsBytesAreGranted() throws {
        var fixture = PullFixture()
        fixture.plan.budgetBytes = 100_000
        for number in 0..<60 { fixture.put("\(number)", sampleBytes(40_000)) }
        for number in 0..<5 { fixture.put("large\(number)", sampleBytes(PartPlan.partBytes + 1)) }
        // Those whose bytes are stored still wait for their move, and hold none.
        let tap = tapOn(.before, "remote.read") { _ in
            for _ in 0..<20 { await Task.yield() }
            return .proceed
        }
        let pull = fixture.pull(tap: tap)
        let summary = try DeterministicRun.run(seed: 2) { await pull.flow.run() }
        #expect(summary.transferred == 65)
        #expect(pull.files.counters.mostOpenFiles <= 8)
    }

    @Test func cancelledPullLeavesWhatWaitsForItsTurn() throws {
        var fixture = PullFixture()
        fixture.behaviour.maximumOpenHandles = 1
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds + 100
        for number in 0..<300 { fixture.put("\(number)", "x\(number)") }
        for index in [600, 1200, 2400] {
            let task = TaskBox()
            let pull = fixture.pull(
                tap: PortTap { call in
                    if call.index == index { task.cancel() }
                    return .proceed
                })
            let summary = try DeterministicRun.run {
                let run = Task { await pull.flow.run() }
                task.set(run)
                return await run.value
            }
            #expect(summary.failures.count <= 1, "\(summary)")
            fixture.expectNothingOpen(pull.files)
        }
        fixture.plan.deadlineUptimeSeconds = nil
        try fixture.runAgain()
        for number in 0..<300 { #expect(fixture.remote("\(number)") == nil) }
    }
}
