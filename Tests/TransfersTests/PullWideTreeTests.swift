import Synchronization
import TestKit
import Testing
import Transfers

/// Directories that wait, to be listed or to be purged, are bounded in bytes, and none is lost silently.
@Suite struct PullWideTreeTests {
    /// A directory costs about 170 bytes in these tests.
    private static let costBytes = 170

    /// Puts one file into every directory of a tree that has so many subdirectories at each level.
    private func fill(_ fixture: PullFixture, _ widths: [Int], withFiles: Bool = true) -> Int {
        var directories = [""]
        var count = 0
        for width in widths {
            directories = directories.flatMap { directory in (0..<width).map { "\(directory)d\($0)/" } }
            for directory in directories {
                if withFiles {
                    fixture.put("\(directory)file", directory)
                } else {
                    fixture.tree.makeDirectory("/in" / directory)
                }
            }
            count += directories.count
        }
        return count
    }

    /// Runs and checks that every file came.
    private func runWhole(_ fixture: PullFixture, _ count: Int, seed: UInt64?) throws -> PullFixture.Pull {
        let pull = fixture.pull()
        let summary = try DeterministicRun.run(seed: seed) { await pull.flow.run() }
        fixture.expectNothingOpen(pull.files)
        #expect(summary.transferred == count)
        #expect(summary.remaining == 0)
        #expect(summary.isListingComplete)
        #expect(!summary.isFailure)
        #expect(fixture.observer.seen.warnings.isEmpty)
        return pull
    }

    @Test(arguments: [[1000], [150, 1, 1, 1, 1, 1], [20, 20, 2]])
    func directoriesThatWaitAreBounded(_ widths: [Int]) throws {
        var fixture = PullFixture()
        fixture.plan.maximumWaitingDirectoryBytes = 40 * Self.costBytes
        fixture.behaviour.batchCount = 1
        let count = fill(fixture, widths, withFiles: false)
        // Shown by a listing and not yet listed themselves. The last answer of each listing shows nothing.
        let ahead = Mutex((current: 0, most: 0))
        let tap = PortTap { call in
            // The listing of the huge directory could run far ahead of those below it.
            if call.operation == "remote.openDirectory" { for _ in 0..<100 { await Task.yield() } }
            ahead.withLock { ahead in
                switch (call.operation, call.moment) {
                case ("remote.next", .after): ahead.current += 1
                case ("remote.openDirectory", .before), ("remote.closeDirectory", .before): ahead.current -= 1
                default: break
                }
                ahead.most = max(ahead.most, ahead.current)
            }
            return .proceed
        }
        let pull = fixture.pull(tap: tap)
        let summary = try DeterministicRun.run(seed: 7) { await pull.flow.run() }
        #expect(summary.isListingComplete)
        #expect(fixture.observer.seen.warnings.isEmpty)
        let counters = pull.files.counters
        #expect(counters.operations["openDirectory"] == count + 1)
        #expect(counters.mostOpenDirectories <= fixture.plan.maximumDirectoriesInFlight + 4)
        #expect(counters.mostOpenDirectories > 4, "the directories were not listed at once")
        // Each listing besides holds what it shows just now, and what it has just been given.
        let limit = 40 + 2 * (fixture.plan.maximumDirectoriesInFlight + 4)
        let most = ahead.withLock { $0.most }
        #expect(most <= limit, "the listing ran \(most) directories ahead")
        #expect(most > 20, "the listing never ran ahead: this shows nothing")
    }

    @Test func oneListerAloneComesThroughWithoutAnyRoom() throws {
        for seed in [nil, 1, 2] as [UInt64?] {
            var fixture = PullFixture()
            fixture.plan.maximumWaitingDirectoryBytes = 1
            fixture.plan.maximumDirectoriesInFlight = 1
            let count = fill(fixture, [5, 3, 2, 2])
            #expect(try runWhole(fixture, count, seed: seed).files.counters.mostOpenDirectories == 5)
        }
    }

    @Test func listersThatAllFindNoRoomTakeTurns() throws {
        for seed in UInt64(1)...25 {
            var fixture = PullFixture()
            fixture.plan.maximumWaitingDirectoryBytes = 8 * Self.costBytes
            fixture.plan.maximumDirectoriesInFlight = 3
            let count = fill(fixture, [6, 6, 6])
            let pull = try runWhole(fixture, count, seed: seed)
            #expect(pull.files.counters.mostOpenDirectories <= 3 + 4)
        }
    }

    @Test func listersWaitForRoomAndFullQueuesAtOnce() throws {
        var fixture = PullFixture()
        fixture.plan.maximumWaitingDirectoryBytes = 4 * Self.costBytes
        fixture.plan.maximumFilesInFlight = 1
        // More files than the queue takes.
        let count = fill(fixture, [10, 130])
        _ = try runWhole(fixture, count, seed: 1)
    }

    @Test func serverWithFewHandlesIsNotAskedForMore() throws {
        for handles in [3, 8, 40] {
            var fixture = PullFixture()
            fixture.behaviour.announcedOpenHandles = handles
            fixture.plan.maximumWaitingDirectoryBytes = 48 * Self.costBytes
            let count = fill(fixture, [60, 5])
            let counters = try runWhole(fixture, count, seed: 3).files.counters
            #expect(counters.mostOpenDirectories <= max(1, handles / 4) + max(1, handles / 16))
            #expect(counters.mostOpenHandles <= handles)
        }
    }

    @Test(arguments: [1, 2])
    func serverWithTooFewHandlesToMakeRoomLeavesDirectories(_ handles: Int) throws {
        for isAnnounced in [true, false] {
            var fixture = PullFixture()
            fixture.behaviour.maximumOpenHandles = handles
            fixture.behaviour.announcedOpenHandles = isAnnounced ? handles : nil
            fixture.plan.maximumWaitingDirectoryBytes = 48 * Self.costBytes
            // With more of them waiting for so few handles, a directory may not get its turn alone before the end.
            fixture.plan.maximumFilesInFlight = 128
            let count = fill(fixture, [60, 5])
            let pull = fixture.pull()
            let summary = try DeterministicRun.run(seed: 3) { await pull.flow.run() }
            fixture.expectNothingOpen(pull.files)
            #expect(!summary.isFailure)
            #expect(!summary.isListingComplete)
            #expect(summary.remaining > 0)
            #expect(summary.transferred > 100)
            #expect(summary.transferred < count)
            #expect(fixture.observer.seen.warnings.count == 1)
        }
    }

    @Test func directoriesThatAreLeftAreCountedAndWarnedOfOnce() throws {
        var fixture = PullFixture()
        fixture.plan.maximumWaitingDirectoryBytes = 1
        fixture.plan.maximumDirectoriesInFlight = 1
        for name in ["a", "b", "c"] {
            fixture.put("\(name)/2/3/4/file", "x")
            fixture.put("\(name)/2/3/4/5/file", "x")
        }
        let summary = try fixture.run()
        #expect(summary.transferred == 3)
        #expect(summary.remaining == 3)
        #expect(!summary.isListingComplete)
        #expect(!summary.isFailure)
        #expect(fixture.observer.seen.warnings.count == 1)
    }

    @Test func stoppedRunEndsWhereverItIs() throws {
        for index in stride(from: 0, to: 600, by: 23) {
            var fixture = PullFixture()
            fixture.plan.maximumWaitingDirectoryBytes = 4 * Self.costBytes
            fixture.plan.maximumDirectoriesInFlight = 3
            _ = fill(fixture, [5, 5, 3])
            let summary = try fixture.run(tap: tapAt(index) { _ in .disconnect }, seed: UInt64(index))
            #expect(summary.failed <= 1)
            #expect(!summary.isListingComplete || summary.transferred + summary.remaining + summary.failed >= 105)
        }
    }

    @Test func doneDirectoriesBeyondTheLimitHaveTheirTurnInLaterRuns() throws {
        var fixture = PullFixture()
        fixture.plan.retentionDays = 7
        fixture.plan.maximumDoneDirectoryBytes = 20 * Self.costBytes
        for number in 0..<60 {
            fixture.put("d\(number)/.done/old", "x", modified: fixture.clock.now + -30 * 86_400)
        }
        var purged = 0
        var runs = 0
        while purged < 60, runs < 100 {
            let summary = try fixture.run()
            #expect(summary.purged <= 20)
            purged += summary.purged
            runs += 1
        }
        #expect(purged == 60)
        #expect(fixture.observer.seen.warnings.count == runs, "one in each run")
    }
}
