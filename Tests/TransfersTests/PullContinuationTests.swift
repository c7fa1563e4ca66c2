import Synchronization
import TestKit
import Testing
import Transfers

/// A file that does not fit into one invocation: the next ones go on with it, and what becomes of it is the same as if
/// it had.
@Suite struct PullContinuationTests {
    private static let partsCount = 9
    private static let large = sampleBytes((partsCount - 1) * PartPlan.partBytes + 1000, salt: 7)

    private func makeFixture() -> PullFixture {
        var fixture = PullFixture()
        fixture.plan.budgetBytes = 2 * PartPlan.partBytes
        fixture.put("large", Self.large)
        return fixture
    }

    /// Each part takes a second to store; one run has so many.
    private func run(
        _ fixture: PullFixture, seconds: Double, seed: UInt64? = nil, denying denied: String? = nil,
        onPart: @escaping @Sendable (Int) -> PortTap.Verdict = { _ in .proceed }
    ) throws -> (summary: PullSummary, partsCount: Int) {
        var fixture = fixture
        let clock = fixture.clock
        let deadline = clock.uptimeSeconds + seconds
        fixture.plan.deadlineUptimeSeconds = deadline
        let task = TaskBox()
        let count = Mutex(0)
        let pull = fixture.pull(
            tap: PortTap { call in
                guard call.moment == .before else { return .proceed }
                if call.operation == denied { return .failStore(.denied) }
                guard call.operation == "store.putPart" else { return .proceed }
                clock.advance(seconds: 1)
                if clock.uptimeSeconds >= deadline { task.cancel() }
                return onPart(
                    count.withLock { count in
                        count += 1
                        return count
                    })
            })
        let summary = try DeterministicRun.run(seed: seed) {
            let run = Task { await pull.flow.run() }
            task.set(run)
            return await run.value
        }
        fixture.expectNothingOpen(pull.files)
        return (summary, count.withLock { $0 })
    }

    /// - Parameter warnings: how often the operator was told of something.
    private func expectDone(_ fixture: PullFixture, _ bytes: [UInt8] = large, warnings: Int = 0) {
        #expect(isSame(fixture.stored("large") ?? [], bytes))
        #expect(fixture.store.versions("from/large").count == 1)
        #expect(isSame(fixture.remote(".done/large") ?? [], bytes))
        #expect(fixture.store.openUploadsCount == 0)
        #expect(fixture.store.notes.isEmpty)
        #expect(fixture.observer.seen.receipts.last?.object.sha256 == ReferenceSHA256.hexadecimal(bytes))
        #expect(fixture.observer.seen.warnings.count == warnings)
    }

    @Test func nextRunsGoOnBehindTheLastPart() throws {
        let fixture = makeFixture()
        var sent = 0
        var runs = 0
        while fixture.remote("large") != nil, runs < 10 {
            let (summary, partsCount) = try run(fixture, seconds: 4)
            #expect(!summary.isFailure, "\(summary)")
            sent += partsCount
            runs += 1
            if fixture.remote("large") != nil {
                #expect(summary.remaining == 1 && summary.transferred == 0)
                #expect(fixture.store.openUploadsCount == 1 && fixture.store.notes.count == 1)
                #expect(fixture.store.objects.isEmpty)
            }
            fixture.clock.advance(seconds: 600)
        }
        #expect((3...5).contains(runs))
        #expect(fixture.observer.seen.receipts.map(\.attempt) == [runs])
        // Only what was in flight when the time was up is stored twice.
        #expect(sent <= Self.partsCount + (runs - 1) * 2)
        #expect(fixture.store.counters.operations["beginUpload"] == 1)
        expectDone(fixture)
    }

    /// How many seconds a step of a run takes.
    struct Costs: Sendable {
        /// The first request to the store for a file: beginning an upload, or going on with one.
        var opening: Int64 = 0
        var part: Int64 = 0
        var complete: Int64 = 0
        var move: Int64 = 0
        /// That the upload was completed is not heard in a run whose time is up.
        var isCompletedUnheard = false

        func of(_ operation: String) -> Int64 {
            switch operation {
            case "store.beginUpload", "store.resumeUpload": opening
            case "store.putPart": part
            case "store.complete": complete
            case "remote.closeAndMove": move
            default: 0
            }
        }

        /// What one run needs to come further.
        var mostSeconds: Int64 { opening + max(part, complete + move) }
    }

    /// One run of so many seconds, in which steps take their time.
    /// - Returns: its summary, and the steps that ended behind its deadline.
    private func run(
        _ fixture: PullFixture, seconds: Int64, _ costs: Costs
    ) throws -> (summary: PullSummary, late: [String]) {
        var fixture = fixture
        let clock = fixture.clock
        let deadline = clock.uptimeSeconds + Double(seconds)
        fixture.plan.deadlineUptimeSeconds = deadline
        let task = TaskBox()
        let late = Mutex<[String]>([])
        let pull = fixture.pull(
            tap: PortTap { call in
                let isUnheard = costs.isCompletedUnheard && call.operation == "store.complete"
                guard call.moment == (isUnheard ? .after : .before) else { return .proceed }
                clock.advance(seconds: costs.of(call.operation))
                guard clock.uptimeSeconds >= deadline else { return .proceed }
                if costs.of(call.operation) > 0 { late.withLock { $0.append(call.operation) } }
                task.cancel()
                return isUnheard ? .failStore(.cancelled) : .proceed
            })
        let summary = try DeterministicRun.run {
            let run = Task { await pull.flow.run() }
            task.set(run)
            return await run.value
        }
        fixture.expectNothingOpen(pull.files)
        return (summary, late.withLock { $0 })
    }

    private static let costs = [
        Costs(part: 1, complete: 1, move: 1), Costs(part: 3, complete: 2), Costs(part: 1, complete: 5),
        Costs(opening: 1, part: 2, complete: 3, move: 1), Costs(opening: 3, part: 1, complete: 1, move: 4),
        Costs(part: 1, complete: 5, isCompletedUnheard: true),
        Costs(opening: 1, part: 4, complete: 2, move: 1, isCompletedUnheard: true),
    ]

    /// A run with time for a part, or for what comes behind the last one, always brings the file further, wherever in it
    /// the time is up; and what it has brought no later run brings again.
    @Test(arguments: costs)
    func runsThatAreShortAlwaysComeFurther(_ costs: Costs) throws {
        let count = 3
        let bytes = sampleBytes((count - 1) * PartPlan.partBytes + 1000, salt: 7)
        let first = costs.mostSeconds + 1
        for seconds in stride(from: first, through: first + 11, by: TestLength.isLong ? 1 : 5) {
            var fixture = makeFixture()
            // What comes over one line comes one after the other.
            fixture.plan.budgetBytes = PartPlan.partBytes
            fixture.put("large", bytes)
            var runs = 0
            // One more for the finish, and for a part that was cut off.
            while fixture.remote("large") != nil, runs < 2 * count + 1 {
                let (summary, _) = try run(fixture, seconds: seconds, costs)
                #expect(!summary.isFailure, "\(costs), \(seconds) s: \(summary)")
                runs += 1
                fixture.clock.advance(seconds: 600)
            }
            let isLeft = fixture.remote("large") != nil
            #expect(!isLeft, "\(costs), \(seconds) s")
            #expect(fixture.store.counters.operations["beginUpload"] == 1, "\(costs), \(seconds) s")
            expectDone(fixture, bytes)
        }
    }

    /// The time for completing and moving is kept: what would be cut off at the deadline is left to the next run, which
    /// begins with it.
    @Test func fileIsLeftInTime() throws {
        let costs = Costs(opening: 2, part: 8, complete: 2, move: 1)
        let bytes = sampleBytes(2 * PartPlan.partBytes + 1000, salt: 7)
        for seconds in stride(from: Int64(17), through: 29, by: TestLength.isLong ? 1 : 3) {
            var fixture = makeFixture()
            fixture.plan.budgetBytes = PartPlan.partBytes
            fixture.put("large", bytes)
            var runs = 0
            while fixture.remote("large") != nil, runs < 10 {
                let (summary, late) = try run(fixture, seconds: seconds, costs)
                #expect(!summary.isFailure && late.allSatisfy { $0 == "store.putPart" }, "\(seconds) s: \(late)")
                runs += 1
                fixture.clock.advance(seconds: 600)
            }
            expectDone(fixture, bytes)
        }
    }

    /// No later run could do better, so it is said.
    @Test func fileThatIsNeverCompletedFailsByName() throws {
        let bytes = sampleBytes(PartPlan.partBytes + 1000, salt: 7)
        let fixture = makeFixture()
        fixture.put("large", bytes)
        let costs = Costs(part: 1, complete: 20)
        let (first, _) = try run(fixture, seconds: 10, costs)
        #expect(first.remaining == 1 && !first.isFailure, "\(first)")
        fixture.clock.advance(seconds: 600)
        let (second, _) = try run(fixture, seconds: 10, costs)
        let reason = second.failures.first?.reason ?? ""
        #expect(second.failed == 1 && reason.contains("all parts of it are stored"), "\(second)")
        #expect(reason.contains("10 s") && reason.contains("timeout"), "\(reason)")
        fixture.clock.advance(seconds: 600)
        _ = try run(fixture, seconds: 60, costs)
        #expect(fixture.store.counters.operations["putPart"] == 2)
        expectDone(fixture, bytes)
    }

    @Test func fileThatFitsCostsNoRequest() throws {
        let fixture = makeFixture()
        let (summary, _) = try run(fixture, seconds: 600)
        #expect(summary.transferred == 1)
        let operations = fixture.store.counters.operations
        // One listing for the first large file of the run.
        #expect(operations["notes"] == 1)
        for name in ["note", "keepNote", "removeNote", "resumeUpload"] { #expect(operations[name] == nil, "\(name)") }
        expectDone(fixture)
    }

    @Test func smallFilesCostNoListing() throws {
        let fixture = PullFixture()
        fixture.put("small", sampleBytes(PartPlan.partBytes))
        try fixture.run()
        #expect(fixture.store.counters.operations["notes"] == nil)
    }

    enum Change: CaseIterable { case size, time }

    @Test(arguments: Change.allCases)
    func fileThatWasReplacedBeginsAnew(_ change: Change) throws {
        let fixture = makeFixture()
        _ = try run(fixture, seconds: 4)
        #expect(fixture.store.notes.count == 1)
        let other = sampleBytes(Self.large.count + (change == .size ? 1 : 0), salt: 8)
        fixture.put(
            "large", other, modified: change == .time ? PullFixture.longAgo + 1 : PullFixture.longAgo)
        fixture.clock.advance(seconds: 600)
        let (summary, partsCount) = try run(fixture, seconds: 600)
        #expect(summary.transferred == 1)
        #expect(partsCount == Self.partsCount)
        #expect(fixture.store.counters.operations["abandonUpload"] == 1)
        expectDone(fixture, other)
    }

    @Test func uploadThatWasEndedBeginsAnew() throws {
        let fixture = makeFixture()
        _ = try run(fixture, seconds: 4)
        fixture.store.endUploads()
        fixture.clock.advance(seconds: 600)
        let (summary, partsCount) = try run(fixture, seconds: 600)
        #expect(summary.transferred == 1)
        #expect(partsCount == Self.partsCount)
        expectDone(fixture)
    }

    /// With the role of an older deployment, large files are taken as they were before.
    @Test(arguments: ["store.notes", "store.resumeUpload"])
    func whatIsDeniedIsToldAndBeginsAnew(_ operation: String) throws {
        let fixture = makeFixture()
        _ = try run(fixture, seconds: 4)
        fixture.clock.advance(seconds: 600)
        let summary = try fixture.run(tap: tapOn(.before, operation) { _ in .failStore(.denied) })
        #expect(summary.transferred == 1 && !summary.isFailure)
        #expect(isSame(fixture.stored("large") ?? [], Self.large))
        #expect(fixture.observer.seen.warnings.contains { $0.contains("begin anew in each run") })
    }

    /// Else it would begin anew in each run, and no run would say that it never comes.
    @Test(arguments: ["store.notes", "store.keepNote", "store.resumeUpload"])
    func fileThatDoesNotFitFailsByNameWhereNothingCanBeKept(_ operation: String) throws {
        let fixture = makeFixture()
        // What cannot be gone on with has to be there first.
        if operation == "store.resumeUpload" { _ = try run(fixture, seconds: 4) }
        fixture.clock.advance(seconds: 600)
        let (summary, _) = try run(fixture, seconds: 4, denying: operation)
        #expect(summary.failed == 1 && summary.remaining == 0, "\(summary)")
        #expect(fixture.store.openUploadsCount == 0 && fixture.store.notes.isEmpty)
    }

    @Test func checkpointsThatAreNotOursAreNotBelieved() throws {
        let fixture = makeFixture()
        _ = try run(fixture, seconds: 4)
        let (key, note) = try #require(fixture.store.notes.first)
        let text = String(decoding: note.bytes, as: UTF8.self)
        #expect(key.text.hasPrefix("from/.sftp-lambda/"))
        #expect(note.metadata == ["synced-from": fixture.plan.origin])
        let others = [
            "", "{", "[]", text.replacing("\"format\":1", with: "\"format\":2"),
            text.replacing("sftp.example.com", with: "sftp.example.org"),
            text.replacing("/in/large", with: "/in/other"), text.replacing("from/large", with: "from/other"),
            text.replacing("\"partBytes\":8388608", with: "\"partBytes\":5242880"),
            text.replacing("\"uploadId\":\"", with: "\"uploadId\":\"9"),
            text.replacing("\"digest\":\"", with: "\"digest\":\"9"),
            text.replacing("\"etags\":[", with: "\"etags\":[\"x\","), String(repeating: " ", count: 3 << 20) + text,
        ]
        for other in others {
            #expect(other != text)
            let fixture = makeFixture()
            fixture.store.plantNote(key, Array(other.utf8))
            let (summary, partsCount) = try run(fixture, seconds: 600)
            #expect(summary.transferred == 1, "\(other.prefix(300)): \(summary)")
            #expect(partsCount == Self.partsCount)
            expectDone(fixture)
        }
    }

    @Test func oldCheckpointsAreGivenUpWithTheirUploads() throws {
        let fixture = makeFixture()
        _ = try run(fixture, seconds: 4)
        // The partner takes the file back.
        fixture.tree.remove("/in/large")
        fixture.clock.advance(seconds: 6 * 24 * 3600)
        let another = sampleBytes(PartPlan.partBytes + 1, salt: 9)
        fixture.put("another", another)
        _ = try run(fixture, seconds: 600)
        #expect(fixture.store.notes.count == 1 && fixture.store.openUploadsCount == 1, "it is not old yet")
        fixture.clock.advance(seconds: 2 * 24 * 3600)
        fixture.put("another", another)
        _ = try run(fixture, seconds: 600)
        #expect(fixture.store.notes.isEmpty && fixture.store.openUploadsCount == 0)
    }

    @Test func partThatIsTooSlowForARunFailsByName() throws {
        let fixture = makeFixture()
        let (summary, _) = try run(fixture, seconds: 1)
        #expect(summary.failures.map(\.path) == ["/in/large"])
        let reason = summary.failures.first?.reason ?? ""
        #expect(reason.contains("8388608 bytes") && reason.contains("kB/s") && reason.contains("timeout"), "\(reason)")
        #expect(fixture.store.openUploadsCount == 0 && fixture.store.notes.isEmpty)
    }

    /// What was reached stays reached when a later run gets no part at all.
    @Test func checkpointOutlivesARunWithoutAPart() throws {
        let fixture = makeFixture()
        _ = try run(fixture, seconds: 4)
        let before = fixture.store.notes.values.map(\.bytes)
        fixture.clock.advance(seconds: 600)
        _ = try run(fixture, seconds: 1)
        #expect(fixture.store.notes.values.map(\.bytes) == before)
        fixture.clock.advance(seconds: 600)
        let (_, partsCount) = try run(fixture, seconds: 600)
        #expect(partsCount < Self.partsCount)
        expectDone(fixture)
    }

    @Test func killedProcessGoesOnFromItsLastCheckpoint() throws {
        let fixture = makeFixture()
        let (_, before) = try run(fixture, seconds: 8) { $0 == 4 ? .crash : .proceed }
        #expect(before == 4, "it ends in the midst of a part")
        #expect(fixture.store.notes.count == 1, "a file that does not fit is kept while it comes")
        fixture.clock.advance(seconds: 600)
        let (summary, partsCount) = try run(fixture, seconds: 600)
        #expect(summary.transferred == 1)
        #expect(partsCount < Self.partsCount)
        // What the dead process would have warned of: nothing that it did at its end had an effect.
        expectDone(fixture, warnings: fixture.observer.seen.warnings.count)
    }

    @Test func lostConnectionLeavesACheckpoint() throws {
        let fixture = makeFixture()
        let reads = Mutex(0)
        let lost = try fixture.run(
            tap: tapOn(.before, "remote.read") { _ in
                let number = reads.withLock { reads in
                    reads += 1
                    return reads
                }
                return number == 6 ? .disconnect : .proceed
            })
        #expect(lost.failed == 1)
        #expect(fixture.store.notes.count == 1 && fixture.store.openUploadsCount == 1)
        fixture.clock.advance(seconds: 600)
        let (summary, partsCount) = try run(fixture, seconds: 600)
        #expect(summary.transferred == 1)
        #expect(partsCount <= Self.partsCount - 3)
        expectDone(fixture)
    }

    @Test func oneLargeFileAtATimeIsLeftInTheMiddle() throws {
        let fixture = makeFixture()
        fixture.put("large too", Self.large)
        let (summary, _) = try run(fixture, seconds: 4)
        #expect(summary.remaining == 2 && !summary.isFailure)
        #expect(fixture.store.openUploadsCount == 1 && fixture.store.notes.count == 1)
        #expect(fixture.store.counters.operations["beginUpload"] == 1)
    }

    @Test func directoryOfCheckpointsIsNotPulled() throws {
        let fixture = PullFixture()
        fixture.put(".sftp-lambda/x.json", "forged")
        fixture.put("deep/.sftp-lambda/x.json", "forged")
        let summary = try fixture.run()
        #expect(summary.left == ["reservedName": 2])
        #expect(fixture.store.objects.isEmpty)
    }

    /// Whatever happens at whichever step: the runs after it bring the file whole, once, and leave nothing behind.
    @Test(arguments: [PullCrashTests.Accident.failure, .lostConnection, .crash])
    func everyStepOfAContinuationMayGoWrong(_ accident: PullCrashTests.Accident) throws {
        let bytes = sampleBytes(3 * PartPlan.partBytes + 10, salt: 7)
        func makeFixture() -> PullFixture {
            let fixture = self.makeFixture()
            fixture.put("large", bytes)
            return fixture
        }
        let counting = PortTap()
        let first = makeFixture()
        _ = try run(first, seconds: 2.5)
        #expect(first.store.notes.count == 1)
        first.clock.advance(seconds: 600)
        try first.run(tap: counting)
        // In its short form every fifth step, others for each accident.
        let start = PullCrashTests.Accident.allCases.firstIndex(of: accident) ?? 0
        for index in stride(from: TestLength.isLong ? 0 : start, to: counting.count, by: TestLength.isLong ? 1 : 5) {
            let fixture = makeFixture()
            _ = try run(fixture, seconds: 2.5)
            fixture.clock.advance(seconds: 600)
            let place = CallBox()
            try fixture.run(
                tap: tapAt(index) { call in
                    place.set(call)
                    return switch accident {
                    case .failure: .fail
                    case .lostConnection: .disconnect
                    case .crash: .crash
                    }
                })
            fixture.clock.advance(seconds: 600)
            let last = try fixture.run()
            #expect(!last.isFailure && last.remaining == 0, "\(place.text): \(last)")
            #expect(isSame(fixture.stored("large") ?? [], bytes), "\(place.text)")
            #expect(fixture.remote("large") == nil, "\(place.text)")
            guard accident != .crash, !place.text.contains("abort"), !place.text.contains("abandon"),
                !place.text.contains("removeNote")
            else { continue }
            #expect(fixture.store.notes.isEmpty && fixture.store.openUploadsCount == 0, "\(place.text)")
        }
    }

    /// Rule P9: two pulls go on with one upload. The object is whole, whoever is first.
    @Test(arguments: UInt64(1)...12)
    func twoPullsMayGoOnWithOneUpload(seed: UInt64) throws {
        let fixture = makeFixture()
        _ = try run(fixture, seconds: 4)
        fixture.clock.advance(seconds: 600)
        let pulls = [fixture.pull(), fixture.pull()]
        let summaries = try DeterministicRun.run(seed: seed) {
            async let one = pulls[0].flow.run()
            async let two = pulls[1].flow.run()
            return await [one, two]
        }
        _ = summaries
        try fixture.runAgain("seed \(seed)")
        try fixture.runAgain("seed \(seed)")
        #expect(fixture.store.versions("from/large").allSatisfy { isSame($0.bytes, Self.large) })
        #expect(isSame(fixture.stored("large") ?? [], Self.large))
        #expect(fixture.remote("large") == nil)
        #expect(fixture.store.notes.isEmpty)
    }
}
