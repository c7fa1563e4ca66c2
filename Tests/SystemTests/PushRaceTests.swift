import Foundation
import TestKit
import Testing
import Transfers

/// Several push processes at once: on one object that is overwritten meanwhile, and on many.
@Suite(.serialized, .timeLimit(.minutes(30))) struct PushRaceTests {
    private static let roundsCount = BuildProducts.longTests ? 150 : 12

    /// What has happened before the next version is stored.
    private enum Moment: CaseIterable {
        /// Nothing: the events come one after the other, as fast as S3 takes the versions.
        case atOnce
        /// Some push writes its temporary file.
        case writing
        /// The version before stands under the name.
        case replaced
        /// All events until now are worked off.
        case idle
        /// As `writing`; and the processes that work on the version before stand still until the next one has arrived.
        case heldUp
    }

    @Test func newestVersionWinsAndIsMarkedWhateverOrderPushesRunIn() async throws {
        let world = try PushWorld()
        var deliveriesCount = 0
        try await world.run {
            let pushes = try (0..<3).map { _ in try world.start("push") }
            let retry = try world.start("pushRetry")
            for number in 0..<Self.roundsCount {
                var random = SeededGenerator(seed: UInt64(number))
                let newest = try await round(number, world, pushes, &deliveriesCount, &random)
                // What push has given up, such as an object that was replaced ten times meanwhile.
                if try await world.queuedCount() > 0 { _ = try await retry.invoke() }
                #expect(try await world.queuedCount() == 0, "round \(number)")
                #expect(try await world.faults(newest) == [], "round \(number)")
                #expect(try world.temporaryFiles() == [], "round \(number)")
            }
        }
        print("\(Self.roundsCount) rounds of pushes that race took \(deliveriesCount) deliveries")
    }

    /// Stores two to four versions, the next one each at some moment of the pushes of those before it, and hands each
    /// event to one process or to two. Returns when all pushes have ended.
    private func round(
        _ number: Int, _ world: PushWorld, _ pushes: [PushedFunction], _ deliveriesCount: inout Int,
        _ random: inout SeededGenerator
    ) async throws -> PushWorld.Version {
        let key = "raced/\(number)"
        var newest = try await world.put(key, content(number, 0))
        var running: [Task<PushedFunction.Summary, any Error>] = []
        var busy: [PushedFunction] = []
        for version in 0..<Int.random(in: 2...4, using: &random) {
            var heldUp: [PushedFunction] = []
            if version > 0 {
                let moment = Moment.allCases.randomElement(using: &random) ?? .heldUp
                try await wait(for: moment, newest, world, running)
                if case .heldUp = moment { heldUp = busy }
                for push in heldUp { try await push.signal(SIGSTOP) }
                newest = try await world.put(key, content(number, version))
            }
            let event = try PushWorld.notification(of: newest)
            let able = pushes.filter { push in !heldUp.contains { $0 === push } }
            busy = Array(able.shuffled(using: &random).prefix(Int.random(in: 1...2, using: &random)))
            let new = busy.map { push in Task { try await push.invoke(event) } }
            running += new
            guard !heldUp.isEmpty else { continue }
            for task in new { _ = await task.result }
            for push in heldUp { try await push.signal(SIGCONT) }
        }
        for task in running {
            let summary = try await task.value
            #expect(summary.unqueued == 0, "round \(number)")
            deliveriesCount += summary.delivered
        }
        return newest
    }

    private func content(_ round: Int, _ version: Int) -> [UInt8] {
        // The sizes go up and down, so that a part of one version over another would show.
        let sizes = [70_000, 1_500_000, 10, 400_000]
        return sampleBytes(sizes[(round + version) % sizes.count], salt: UInt8(version * 50 + round % 50))
    }

    private func wait(
        for moment: Moment, _ version: PushWorld.Version, _ world: PushWorld,
        _ running: [Task<PushedFunction.Summary, any Error>]
    ) async throws {
        switch moment {
        case .atOnce: return
        case .writing, .heldUp:
            // A push that is too fast to be seen writing has replaced the file.
            try await waitUntil("a push writes \(version.key)") {
                if try world.temporaryFiles().isEmpty == false { return true }
                return try await world.file(version.key) == version.bytes
            }
        case .replaced:
            try await waitUntil("\(version.key) is replaced") { try await world.file(version.key) == version.bytes }
        case .idle:
            for task in running { _ = try await task.value }
        }
    }
}
