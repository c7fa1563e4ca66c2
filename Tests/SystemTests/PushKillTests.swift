import Foundation
import TestKit
import Testing
import Transfers

/// push is killed in the midst of its work, at random moments and at those that matter most, and then tried again as
/// Lambda does it.
@Suite(.serialized, .timeLimit(.minutes(30))) struct PushKillTests {
    private static let trialsCount = BuildProducts.longTests ? 200 : 15
    /// None, one WRITE, several WRITEs, several batches of WRITEs.
    private static let sizes = [0, 20_000, 300_000, 3_000_000]
    /// How long a push of each size takes, from the event to the answer.
    private typealias Durations = [Int: Double]

    /// When push is killed.
    private enum Moment {
        /// So long after it got the event.
        case after(seconds: Double)
        /// As soon as its temporary file is there.
        case writing
        /// When it asks S3 for the mark, which never comes to be.
        case marking
        /// When S3 has set the mark, and push does not know yet.
        case marked

        var isAtTheMark: Bool {
            switch self {
            case .after, .writing: false
            case .marking, .marked: true
            }
        }
    }

    /// What was found after a kill.
    private struct Found {
        var isReplaced = false
        var isMarked = false
        var temporaryFiles = 0

        var name: String {
            switch (isReplaced, isMarked, temporaryFiles > 0) {
            case (false, _, false): "before the temporary file"
            case (false, _, true): "while it was written"
            case (true, false, _): "before the mark"
            case (true, true, _): "after the mark"
            }
        }
    }

    @Test func killedAtAnyMomentItLeavesWholeFilesAndTrueMarks() async throws {
        let world = try PushWorld()
        var counts: [String: Int] = [:]
        var leftFiles = 0
        try await world.run {
            let push = try world.start("push")
            let durations = try await measure(push, in: world)
            for number in 0..<Self.trialsCount {
                let trial = Trial(number: number, world: world, push: push, durations: durations)
                let found = try await trial.run()
                counts[found.name, default: 0] += 1
                leftFiles += found.temporaryFiles
            }
            #expect(try await world.queuedCount() == 0)
        }
        let summary = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        print("push was killed \(Self.trialsCount) times: \(summary); temporary files left: \(leftFiles)")
        // Else the moments would not lie within its work.
        for name in ["while it was written", "before the mark", "after the mark"] {
            #expect(counts[name, default: 0] > 0, "\(name): \(summary)")
        }
    }

    private func measure(_ push: PushedFunction, in world: PushWorld) async throws -> Durations {
        var durations: Durations = [:]
        for size in Self.sizes {
            for round in 0..<3 {
                let version = try await world.put("measured/\(size)", sampleBytes(size, salt: UInt8(round + 1)))
                let event = try PushWorld.notification(of: version)
                let start = ContinuousClock.now
                _ = try await push.invoke(event)
                let seconds = (ContinuousClock.now - start) / .seconds(1)
                durations[size] = max(durations[size] ?? 0, seconds)
            }
        }
        return durations
    }

    /// One kill, and what follows. Its number decides everything but what the clock does.
    private struct Trial {
        let number: Int
        let world: PushWorld
        let push: PushedFunction
        let durations: Durations

        private var key: String { "killed/\(number)" }

        func run() async throws -> Found {
            var random = SeededGenerator(seed: UInt64(number))
            let size = PushKillTests.sizes[number % PushKillTests.sizes.count]
            let hasOlder = Bool.random(using: &random)
            let isOverwritten = Int.random(in: 0..<4, using: &random) == 0
            let moment = moment(size, &random)
            let comment: Comment = "trial \(number): \(size) bytes, \(moment), older file: \(hasOlder)"
            let before = try world.temporaryFiles().count

            let older = hasOlder ? sampleBytes(size / 2 + 7, salt: 1) : nil
            if let older { try await world.plant(key, older) }
            let version = try await world.put(key, sampleBytes(size, salt: 2))
            let event = try PushWorld.notification(of: version)
            // The new process is at work before the event that it is killed for comes.
            _ = try await push.invoke(EventFixtures.test)
            let process = try await push.processID()
            if case .marking = moment { try await world.aws.holdNextCopy(.request) }
            if case .marked = moment { try await world.aws.holdNextCopy(.answer) }
            async let ended: Void = { _ = try await push.outcome(of: event) }()
            try await wait(for: moment, version, before)
            if moment.isAtTheMark {
                #expect(try await world.file(key) == version.bytes, "\(comment): the mark comes before the file")
            }
            try await push.kill(process)
            try await ended
            if moment.isAtTheMark { try await world.aws.letGo(dropping: true) }

            // At once, and when the server has worked off what was still on its way.
            _ = try await look(older, version, before, comment)
            try await world.waitUntilNobodyIsLoggedIn()
            let found = try await look(older, version, before, comment)

            let newest = isOverwritten ? try await world.put(key, sampleBytes(size + 1, salt: 3)) : version
            let retried = try await push.invoke(event)
            #expect(retried.failed == 0, comment)
            #expect(try await world.faults(newest) == [], comment)
            return found
        }

        /// Two of five are moments that matter most. The others are spread over the whole time that push works.
        private func moment(_ size: Int, _ random: inout SeededGenerator) -> Moment {
            switch number % 5 {
            case 0: return .writing
            case 1: return number % 10 == 1 ? .marking : .marked
            default:
                let part = Double(number) / Double(PushKillTests.trialsCount)
                let share = (part * 7 + Double.random(in: 0..<0.2, using: &random)).truncatingRemainder(dividingBy: 1)
                return .after(seconds: share * 1.05 * (durations[size] ?? 0))
            }
        }

        private func wait(for moment: Moment, _ version: PushWorld.Version, _ before: Int) async throws {
            switch moment {
            case .after(let seconds):
                // The moment itself: nothing is waited for.
                try await Task.sleep(for: .seconds(seconds))
            case .writing:
                // Written too fast to be seen, it has replaced the file.
                try await waitUntil("a temporary file is there") {
                    if try world.temporaryFiles().count > before { return true }
                    return try await world.file(version.key) == version.bytes
                }
            case .marking, .marked:
                try await waitUntil("the mark is held back") { try await world.aws.isHolding() }
            }
        }

        /// Whatever the moment: under the name stands a whole file, and a mark is true.
        private func look(
            _ older: [UInt8]?, _ version: PushWorld.Version, _ before: Int, _ comment: Comment
        ) async throws -> Found {
            // The mark first: what it says must be true from then on.
            let head = try await world.head(key)
            let file = try await world.file(key)
            let isMarked = head.map { world.markForServer($0, key: key) != nil } ?? false
            #expect(file == version.bytes || file == older, "\(comment): under the name stands neither version")
            if isMarked { #expect(file == version.bytes, "\(comment): the mark says more than is true") }
            return Found(
                isReplaced: file == version.bytes, isMarked: isMarked,
                temporaryFiles: try world.temporaryFiles().count - before)
        }
    }
}
