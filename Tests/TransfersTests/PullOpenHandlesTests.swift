import TestKit
import Testing

@testable import Transfers

/// How many files are open at once, on servers that allow few.
@Suite struct PullOpenFilesTests {
    @Test(arguments: [1, 2, 5])
    func serverWithFewOpenFilesGivesThemAll(_ most: Int) throws {
        for seed in UInt64(1)...10 {
            var fixture = PullFixture()
            fixture.behaviour.maximumOpenFiles = most
            for number in 0..<300 { fixture.put("\(number)", "x\(number)") }
            fixture.put("large", sampleBytes(PartPlan.partBytes + 1))
            let summary = try fixture.run(seed: seed)
            #expect(summary.transferred == 301, "seed \(seed): \(summary)")
            #expect(!summary.isFailure)
        }
    }

    @Test func brokenFileIsTriedOnceMoreAloneAndFails() throws {
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
        #expect(pull.files.counters.operations["openFile"] == 302)
        #expect(pull.files.counters.mostOpenFiles > 100, "a broken file held the others up")
        fixture.expectNothingOpen(pull.files)
    }

    @Test func serversLimitIsKept() throws {
        for handles in [2, 8, 40] {
            var fixture = PullFixture()
            fixture.behaviour.announcedOpenHandles = handles
            for number in 0..<200 { fixture.put("d\(number % 20)/\(number)", "x") }
            let pull = fixture.pull()
            let summary = try DeterministicRun.run(seed: 3) { await pull.flow.run() }
            #expect(summary.transferred == 200)
            let counters = pull.files.counters
            #expect(counters.mostOpenFiles + counters.mostOpenDirectories <= handles)
            #expect(counters.mostOpenFiles >= handles / 2, "the limit was not used")
            fixture.expectNothingOpen(pull.files)
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
        fixture.behaviour.maximumOpenFiles = 1
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
