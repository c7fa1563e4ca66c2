import Synchronization
import TestKit
import Testing
import Transfers

/// Decision 4: what is held at once has limits, whatever the tree holds.
@Suite struct PullScaleTests {
    @Test func tenThousandFilesPassThroughBoundedQueues() throws {
        let fixture = PullFixture()
        for directory in 0..<200 {
            for file in 0..<50 { fixture.put("d\(directory)/\(file)", "\(directory) \(file)") }
        }
        // Listed and not yet stored, counted by whole listings of a directory.
        let ahead = Mutex((current: 0, most: 0))
        let tap = PortTap { call in
            switch (call.operation, call.moment) {
            case ("remote.next", .after):
                ahead.withLock { ahead in
                    ahead.current += 25
                    ahead.most = max(ahead.most, ahead.current)
                }
            case ("store.put", .before):
                // A slow store: the listing could run far ahead.
                for _ in 0..<20 { await Task.yield() }
                ahead.withLock { $0.current -= 1 }
            default: break
            }
            return .proceed
        }
        let pull = fixture.pull(tap: tap)
        let summary = try DeterministicRun.run { await pull.flow.run() }
        #expect(summary.transferred == 10_000)
        #expect(!summary.isFailure)
        let counters = pull.files.counters
        #expect(counters.mostOpenFiles <= fixture.plan.maximumFilesInFlight)
        #expect(counters.mostOpenFiles > 100, "the files were not in flight at once")
        #expect(counters.mostOpenDirectories <= fixture.plan.maximumDirectoriesInFlight)
        #expect(counters.mostOpenDirectories > 10, "the directories were not listed at once")
        #expect(counters.operations["makeDirectory"] == 200)
        let limit =
            PullPlan.maximumWaitingFiles + fixture.plan.maximumFilesInFlight
            + 50 * fixture.plan.maximumDirectoriesInFlight
        let most = ahead.withLock { $0.most }
        #expect(most <= limit, "the listing ran \(most) files ahead")
        #expect(most > PullPlan.maximumWaitingFiles / 2, "the listing never ran ahead: this shows nothing")
    }

    @Test func filesAreOpenedAndMovedWhileOthersAreRead() throws {
        for seed in UInt64(1)...5 {
            var fixture = PullFixture()
            fixture.plan.maximumFilesInFlight = 20
            fixture.plan.maximumFilesBeingStored = 4
            for number in 0..<200 { fixture.put("\(number)", "x") }
            let held = Mutex((now: 0, most: 0))
            let tap = PortTap { call in
                switch (call.operation, call.moment) {
                case ("remote.read", .before):
                    held.withLock {
                        $0.now += 1
                        $0.most = max($0.most, $0.now)
                    }
                case ("store.put", .after): held.withLock { $0.now -= 1 }
                default: break
                }
                return .proceed
            }
            let pull = fixture.pull(tap: tap)
            let summary = try DeterministicRun.run(seed: seed) { await pull.flow.run() }
            #expect(summary.transferred == 200 && !summary.isFailure)
            #expect(held.withLock { $0.most } == 4, "seed \(seed)")
            #expect(pull.files.counters.mostOpenFiles > 15, "seed \(seed)")
        }
    }

    @Test func bytesHeldStayWithinTheBudget() throws {
        for seed in UInt64(1)...5 {
            var fixture = PullFixture()
            fixture.plan.budgetBytes = 1_000_000
            for number in 0..<60 { fixture.put("\(number)", sampleBytes(10_000 + number * 5000, salt: UInt8(number))) }
            let gauge = ByteGauge()
            let pull = fixture.pull(gauge: gauge)
            let summary = try DeterministicRun.run(seed: seed) { await pull.flow.run() }
            #expect(summary.transferred == 60)
            #expect(gauge.most <= 1_000_000, "seed \(seed): \(gauge.most)")
            #expect(gauge.most > 700_000, "the budget was not used")
            #expect(gauge.current == 0)
        }
    }

    @Test func partsStayWithinTheBudget() throws {
        var fixture = PullFixture()
        fixture.behaviour.pieceBytes = PartPlan.partBytes
        fixture.plan.budgetBytes = 2 * PartPlan.partBytes + 100_000
        let large = (0..<3).map { sampleBytes(3 * PartPlan.partBytes + $0, salt: UInt8($0)) }
        for (number, bytes) in large.enumerated() { fixture.put("large\(number)", bytes) }
        for number in 0..<10 { fixture.put("small\(number)", sampleBytes(50_000)) }
        let gauge = ByteGauge()
        let pull = fixture.pull(gauge: gauge)
        let summary = try DeterministicRun.run(seed: 1) { await pull.flow.run() }
        #expect(summary.transferred == 13)
        #expect(gauge.most <= fixture.plan.budgetBytes)
        #expect(gauge.most >= 2 * PartPlan.partBytes, "parts were not in flight at once")
        for (number, bytes) in large.enumerated() { #expect(isSame(fixture.stored("large\(number)") ?? [], bytes)) }
    }

    @Test func pieceLargerThanTheBudgetIsMovedAlone() throws {
        var fixture = PullFixture()
        fixture.plan.budgetBytes = 100_000
        for number in 0..<5 { fixture.put("\(number)", sampleBytes(300_000, salt: UInt8(number))) }
        fixture.put("large", sampleBytes(PartPlan.partBytes + 5))
        let gauge = ByteGauge()
        let pull = fixture.pull(gauge: gauge)
        let summary = try DeterministicRun.run(seed: 2) { await pull.flow.run() }
        #expect(summary.transferred == 6)
        #expect(gauge.most == PartPlan.partBytes)
    }

    /// What will not pass gives the upload up; what may pass (rule in `Checkpoints`) leaves it to the next run, with
    /// the checkpoint that names it. Either way the budget is free again, and nothing stays when the file has come.
    @Test(arguments: [StoreFailure.Reason.rejected, .unavailable], 1...4)
    func failedPartFreesTheBudgetAndKeepsOnlyWhatCanBeGoneOnWith(
        reason: StoreFailure.Reason, failingPart: Int
    ) throws {
        var fixture = PullFixture()
        fixture.plan.budgetBytes = 2 * PartPlan.partBytes
        fixture.put("large", sampleBytes(3 * PartPlan.partBytes + 1))
        for number in 0..<5 { fixture.put("small\(number)", "x") }
        let count = Mutex(0)
        let tap = tapOn(.before, "store.putPart") { _ in
            count.withLock {
                $0 += 1
                return $0 == failingPart ? .failStore(reason) : .proceed
            }
        }
        let summary = try fixture.run(tap: tap)
        #expect(summary.failures.map(\.path) == ["/in/large"])
        #expect(summary.transferred == 5)
        let isLeft = reason == .unavailable && failingPart > 1
        #expect(fixture.store.openUploadsCount == (isLeft ? 1 : 0))
        #expect(fixture.store.notes.count == (isLeft ? 1 : 0), "an upload stays only where a checkpoint names it")
        #expect(fixture.stored("large") == nil)
        try fixture.runAgain()
        #expect(fixture.stored("large")?.count == 3 * PartPlan.partBytes + 1)
        #expect(fixture.store.openUploadsCount == 0 && fixture.store.notes.isEmpty)
    }
}
