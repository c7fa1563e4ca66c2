import Foundation
import Glibc
import TestKit
import Testing

/// pull, push and pushRetry end in the midst of their work: by SIGKILL and SIGTERM at a point of it that a seed decides,
/// whatever time it takes to come so far, and at deadlines. Nothing is lost, nothing is half, no mark lies, and the next
/// healthy run completes the work.
///
/// The long form has 1,020 ends. `FAULTS_ONLY=push FAULTS_SEEDS=100-199` plays these alone.
@Suite(.serialized, .timeLimit(.minutes(60))) struct FaultKillTests {
    private static let seeds = chosenSeeds ?? (TestLength.isLong ? 0...339 : 0...3)
    /// How many of the ends have to find the work begun and not done, where there are many.
    private static let leastShareInItsMidst = 0.2
    private static let manyTrials = 30

    private static var chosenSeeds: ClosedRange<Int>? {
        let words = ProcessInfo.processInfo.environment["FAULTS_SEEDS"]?.split(separator: "-").compactMap { Int($0) }
        guard let words, words.count == 2, words[0] <= words[1] else { return nil }
        return words[0]...words[1]
    }

    /// What ends the process.
    private enum End: String, CaseIterable {
        case SIGKILL, SIGTERM, deadline

        var signal: Int32? {
            switch self {
            case .SIGKILL: Glibc.SIGKILL
            case .SIGTERM: Glibc.SIGTERM
            case .deadline: nil
            }
        }
    }

    private static let functions = BuildProducts.functions.filter { name in
        ProcessInfo.processInfo.environment["FAULTS_ONLY"].map { $0 == name } ?? true
    }

    @Test(arguments: functions)
    func endedAtAnyMomentItLosesNothing(_ function: String) async throws {
        let world = try FaultWorld()
        var counts: [String: Int] = [:]
        try await world.run {
            let whole = [
                FaultCase.Content.small: try await measure(function, .small, in: world),
                .parts: try await measure(function, .parts, in: world),
            ]
            for seed in Self.seeds {
                let found = try await end(function, seed, whole, in: world)
                counts[found, default: 0] += 1
            }
        }
        let summary = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        print("\(function) was ended \(Self.seeds.count) times: \(summary)")
        // Else the moments would not lie within its work.
        if Self.seeds.count >= Self.manyTrials {
            let least = Self.leastShareInItsMidst * Double(Self.seeds.count)
            #expect(Double(counts["in its midst", default: 0]) > least, "\(summary)")
        }
    }

    /// What a run takes that nothing ends.
    private struct Whole {
        var progress: Double
        /// From when the function has the event. Its process is a new one, as behind most ends.
        var seconds: Double
    }

    private func measure(
        _ function: String, _ content: FaultCase.Content, in world: FaultWorld
    ) async throws -> Whole {
        try await world.function(function).reset()
        var trial = FaultTrial(world: world, function: function)
        trial.content = content
        try await trial.prepare()
        try await world.planRelays(FaultPlan())
        let ran = try await world.invoke(function, try trial.event(), timeoutSeconds: 30)
        #expect(ran.outcome.functionError == nil, "\(ran.outcome.text)")
        let seconds = try #require(ran.durationSeconds, "\(ran.outcome.log)")
        return Whole(progress: Double(try await world.seenByRelays().progress), seconds: seconds)
    }

    /// One end, and what follows. The seed decides everything but what the clock does.
    private func end(
        _ function: String, _ seed: Int, _ whole: [FaultCase.Content: Whole], in world: FaultWorld
    ) async throws -> String {
        var random = SeededGenerator(seed: UInt64(seed))
        let end = End.allCases[seed % End.allCases.count]
        var trial = FaultTrial(world: world, function: function, salt: UInt8(seed % 250 + 1))
        if seed % 10 == 9 { trial.content = .parts }
        let all = try #require(whole[trial.content])
        let share = Double.random(in: 0...1, using: &random)
        try await trial.prepare()
        var plan = FaultPlan()
        if let number = end.signal {
            let control = try world.function(function).control
            plan.end = #"{"control": "\#(control)", "number": \#(number), "at": \#(share * all.progress)}"#
        }
        try await world.planRelays(plan)
        // Of a deadline the function keeps a part for its end, and other machines are slower than they were a moment ago.
        let limitSeconds = end == .deadline ? max(0.05, share * 2 * all.seconds) : 30
        let ran = try await world.invoke(function, try trial.event(), timeoutSeconds: limitSeconds)
        try await world.planRelays(FaultPlan())
        try await world.waitUntilNobodyIsLoggedIn()
        let about: Comment = "\(function) \(seed): \(end) at \(share): \(ran.outcome.text)"
        let isKept = ran.outcome.functionError != nil
        #expect(try trial.forbiddenRenames() == [], about)
        #expect(try await trial.problems(isKept: isKept) == [], about)
        let doneCount = try await trial.doneCount()
        #expect(try await trial.complete(isKept: isKept) == [], about)
        try world.plan(FaultPlan())
        if doneCount.done == 0 && !doneCount.hasBegun { return "before anything was done" }
        return doneCount.isAll ? "behind everything" : "in its midst"
    }
}
