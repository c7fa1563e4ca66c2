import Synchronization
import TestKit
import Testing
import Transfers

/// Rule P7, cancellation and the loss of the connection: what ends a run before its work is done.
@Suite struct PullDeadlineTests {
    private func makeFixture(_ count: Int) -> PullFixture {
        let fixture = PullFixture()
        for number in 0..<count { fixture.put("d\(number % 5)/\(number)", "content \(number)") }
        return fixture
    }

    private func expectComplete(_ fixture: PullFixture, _ count: Int) {
        for number in 0..<count {
            #expect(fixture.storedText("d\(number % 5)/\(number)") == "content \(number)")
        }
    }

    @Test func noFileStartsAfterTheDeadline() throws {  // P7
        var fixture = makeFixture(40)
        fixture.plan.maximumFilesInFlight = 2
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds + 10
        let deadline = fixture.clock.uptimeSeconds + 10
        let clock = fixture.clock
        let tap = PortTap { call in
            if call.operation == "remote.openFile" && call.moment == .before { #expect(clock.uptimeSeconds < deadline) }
            if call.operation == "store.put" && call.moment == .before { clock.advance(seconds: 1) }
            return .proceed
        }
        let summary = try fixture.run(tap: tap)
        #expect(summary.transferred > 3)
        #expect(summary.remaining > 20)
        #expect(summary.transferred + summary.remaining == 40)
        #expect(!summary.isFailure)
        fixture.plan.deadlineUptimeSeconds = nil
        try fixture.runAgain()
        expectComplete(fixture, 40)
    }

    @Test func runAfterItsDeadlineOnlyCounts() throws {  // P7
        var fixture = makeFixture(40)
        fixture.plan.retentionDays = 1
        fixture.put("d1/.done/old", "old")
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds - 1
        let pull = fixture.pull()
        let summary = try DeterministicRun.run { await pull.flow.run() }
        #expect(summary.remaining == 40)
        #expect(summary.isListingComplete)
        #expect(!summary.isFailure)
        #expect(pull.files.counters.operations["openFile"] == nil)
        #expect(fixture.store.objects.isEmpty)
        #expect(fixture.remoteText("d1/.done/old") == "old")
    }

    /// A run of 60 seconds, in which the first file is stored and the second one cannot be.
    struct ShortTime: CustomTestStringConvertible, Sendable {
        let testDescription: String
        var maximumBytesPerSecond: Int?
        let firstBytes: Int
        let firstSeconds: Int64
        let secondBytes: Int

        static let all = [
            // A megabyte took 20 s: twenty take 400, and there are 40 left.
            ShortTime(
                testDescription: "as large files go here", firstBytes: 1_000_000, firstSeconds: 20,
                secondBytes: 20_000_000),
            // A file takes 16 s, as far as is known; but 5 MB take 50 s at the limit, and there are 44 left.
            ShortTime(
                testDescription: "at the limit of the rate", maximumBytesPerSecond: 100_000, firstBytes: 1_000,
                firstSeconds: 16, secondBytes: 5_000_000),
        ]
    }

    @Test(arguments: ShortTime.all) func fileThatCannotComeInTimeIsNotBegun(_ time: ShortTime) throws {  // P7
        var fixture = PullFixture()
        fixture.plan.maximumFilesInFlight = 1
        fixture.plan.maximumBytesPerSecond = time.maximumBytesPerSecond
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds + 60
        fixture.put("a", sampleBytes(time.firstBytes))
        fixture.put("b", sampleBytes(time.secondBytes))
        let clock = fixture.clock
        let pull = fixture.pull(
            tap: tapOn(.before, "store.put") { _ in
                clock.advance(seconds: time.firstSeconds)
                return .proceed
            })
        let summary = try DeterministicRun.run { await pull.flow.run() }
        #expect(summary.transferred == 1 && summary.remaining == 1 && !summary.isFailure)
        #expect(pull.files.counters.operations["openFile"] == 1)
    }

    /// It would remain for ever, and nobody would hear of it.
    @Test func fileThatNoRunCanCarryAtTheLimitOfTheRateIsBegunAndFailsByName() throws {  // P7
        var fixture = PullFixture()
        fixture.plan.maximumBytesPerSecond = 100_000
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds + 20
        fixture.put("b", sampleBytes(3_000_000))
        let clock = fixture.clock
        let summary = try fixture.run(
            tap: tapOn(.before, "store.put") { _ in
                clock.advance(seconds: 21)
                return .failStore(.cancelled)
            })
        #expect(summary.failed == 1 && summary.remaining == 0)
        #expect(summary.failures.first?.reason.contains("raise SFTP_MAX_BYTES_PER_SECOND (it is 100000)") == true)
    }

    /// Ten files, and a minute for them.
    private func makeMinute() -> PullFixture {
        var fixture = PullFixture()
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds + 60
        for number in 0..<10 { fixture.put("\(number)", "x") }
        return fixture
    }

    /// What a file waits for while another one is taken.
    enum Wait: CaseIterable {
        case handle, bytes, reading
    }

    @Test(arguments: Wait.allCases)
    func fileThatWaitedTooLongIsNotBegun(_ wait: Wait) throws {  // P7
        var fixture = makeMinute()
        // One file at a time, all the others wait.
        switch wait {
        case .handle: fixture.behaviour.announcedOpenHandles = 1
        case .bytes: fixture.plan.budgetBytes = 1
        case .reading: fixture.plan.maximumFilesBeingStored = 1
        }
        let clock = fixture.clock
        let pull = fixture.pull(
            tap: tapOn(.before, "store.put") { _ in
                clock.advance(seconds: 20)
                return .proceed
            })
        // The first takes 20 s, so does the second; then 20 are left, and nothing is sure to end in them.
        let summary = try DeterministicRun.run { await pull.flow.run() }
        #expect(summary.transferred == 2)
        #expect(summary.remaining == 8)
        // Those that wait to be read are open, and are closed again.
        #expect(pull.files.counters.operations["openFile"] == (wait == .reading ? 10 : 2))
        fixture.expectNothingOpen(pull.files)
        #expect(!summary.isFailure)
    }

    @Test func openFileThatWasNotReadBeforeTheDeadlineRemains() throws {  // P7
        var fixture = makeMinute()
        fixture.plan.maximumFilesBeingStored = 1
        let clock = fixture.clock
        let pull = fixture.pull(
            tap: tapOn(.before, "store.put") { _ in
                clock.advance(seconds: 61)
                return .failStore(.cancelled)
            })
        // The first had all of the time, and that has to be said. The others were opened as early, and had none of it.
        let summary = try DeterministicRun.run { await pull.flow.run() }
        #expect(summary.failed == 1)
        #expect(summary.remaining == 9)
        #expect(pull.files.counters.operations["openFile"] == 10)
        fixture.expectNothingOpen(pull.files)
    }

    @Test func cancellationAtAnyStepLeavesTheRestToTheNextRun() throws {  // P7
        let counting = PortTap()
        try makeSmall().run(tap: counting)
        for index in 0..<counting.count {
            let fixture = makeSmall()
            let task = TaskBox()
            let place = CallBox()
            let tap = tapAt(index) { call in
                place.set(call)
                task.cancel()
                return .proceed
            }
            let pull = fixture.pull(tap: tap)
            let summary = try DeterministicRun.run {
                let run = Task { await pull.flow.run() }
                task.set(run)
                return await run.value
            }
            fixture.expectNothingOpen(pull.files)
            #expect(!summary.isFailure, "\(place.text): \(summary)")
            // What is begun is given up, or a checkpoint says where it can be gone on with.
            #expect(fixture.store.openUploadsCount <= fixture.store.notes.count, "\(place.text)")
            let isAllDone = summary.transferred == 7
            #expect(isAllDone || summary.remaining > 0 || !summary.isListingComplete, "\(place.text): \(summary)")
            try fixture.runAgain(place.text)
            for number in 0..<6 { #expect(fixture.storedText("d\(number % 2)/\(number)") == "x\(number)") }
            #expect(isSame(fixture.stored("large") ?? [], Self.large), "\(place.text)")
            #expect(fixture.store.openUploadsCount == 0 && fixture.store.notes.isEmpty, "\(place.text)")
        }
    }

    private static let large = sampleBytes(PartPlan.partBytes + 1)

    private func makeSmall() -> PullFixture {
        var fixture = PullFixture()
        fixture.plan.maximumFilesInFlight = 3
        for number in 0..<6 { fixture.put("d\(number % 2)/\(number)", "x\(number)") }
        fixture.put("large", Self.large)
        return fixture
    }

    @Test func fileThatHadNearlyAllTheTimeFails() throws {  // P7: no run could ever carry it
        var fixture = PullFixture()
        fixture.put("large", Self.large)
        fixture.plan.deadlineUptimeSeconds = fixture.clock.uptimeSeconds + 600
        let clock = fixture.clock
        let task = TaskBox()
        let pull = fixture.pull(
            tap: tapOn(.before, "store.putPart") { _ in
                clock.advance(seconds: 600)
                task.cancel()
                return .proceed
            })
        let summary = try DeterministicRun.run {
            let run = Task { await pull.flow.run() }
            task.set(run)
            return await run.value
        }
        #expect(summary.failures.map(\.path) == ["/in/large"])
        #expect(summary.failures.first?.reason.contains("timeout") == true)
        #expect(fixture.store.openUploadsCount == 0)
        #expect(fixture.remote("large") != nil)
    }

    @Test func lostConnectionIsToldOnceAndStopsTheRun() throws {
        for index in [0, 5, 100, 1000, 2500] {
            let fixture = makeFixture(300)
            let lost = Mutex(-1)
            // At the first step of the server's from there on: the store's know nothing of the connection.
            let tap = PortTap { call in
                lost.withLock { lost in
                    guard lost < 0, call.index >= index, call.operation.hasPrefix("remote.") else { return .proceed }
                    lost = call.index
                    return .disconnect
                }
            }
            let pull = fixture.pull(tap: tap)
            let summary = try DeterministicRun.run { await pull.flow.run() }
            #expect(lost.withLock { $0 } >= index, "the run had no such step")
            fixture.expectNothingOpen(pull.files)
            #expect(summary.isFailure)
            #expect(summary.failed == 1, "step \(index): \(summary.failures)")
            #expect(fixture.observer.seen.failures.count == 1)
            #expect(fixture.observer.seen.warnings.count <= 1)
            // What was under way may meet the loss once each, and nothing new is begun.
            let most = fixture.plan.maximumFilesInFlight * 4 + fixture.plan.maximumDirectoriesInFlight
            #expect(tap.count - index <= most, "\(tap.count - index) steps after the loss")
            try fixture.runAgain()
            expectComplete(fixture, 300)
        }
    }

    @Test func everyFoundFileIsCountedOnceWhateverHappens() throws {
        for seed in UInt64(1)...40 {
            let fixture = makeFixture(60)
            let random = SharedRandom(seed: seed)
            let tap = PortTap { call in
                guard call.operation.hasPrefix("store.put") || call.operation.hasPrefix("remote.openFile") else {
                    return .proceed
                }
                return random.int(in: 0...9) == 0 ? .fail : .proceed
            }
            let summary = try fixture.run(tap: tap, seed: seed)
            let left = summary.left.values.reduce(0, +)
            #expect(summary.transferred + summary.failed + summary.remaining + left == 60, "seed \(seed)")
        }
    }
}
