import Foundation
import Glibc
import TestKit
import Testing

/// pull, push and pushRetry end in the midst of their work, at moments that a seed decides: by SIGKILL, by SIGTERM, and at
/// the deadline. Nothing is lost, nothing is half, no mark lies, and the next healthy run completes the work.
@Suite(.serialized, .timeLimit(.minutes(60))) struct FaultKillTests {
    private static let trialsCount = TestLength.isLong ? 340 : 4

    /// What ends the process.
    private enum End: String, CaseIterable {
        case SIGKILL, SIGTERM, deadline
    }

    @Test(arguments: BuildProducts.functions)
    func endedAtAnyMomentItLosesNothing(_ function: String) async throws {
        let world = try FaultWorld()
        var counts: [String: Int] = [:]
        try await world.run {
            let seconds = try await measure(function, in: world)
            for number in 0..<Self.trialsCount {
                let found = try await end(function, number, seconds, in: world)
                counts[found, default: 0] += 1
            }
        }
        let summary = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        print("\(function) was ended \(Self.trialsCount) times: \(summary)")
        // Else the moments would not lie within its work.
        if TestLength.isLong { #expect(counts["in its midst", default: 0] > 0, "\(summary)") }
    }

    /// How long the function takes with a process that is there already.
    private func measure(_ function: String, in world: FaultWorld) async throws -> Double {
        var longest = 0.0
        for _ in 0..<3 {
            let trial = FaultTrial(world: world, function: function)
            try await trial.prepare()
            let start = ContinuousClock.now
            let ran = try await world.invoke(function, try trial.event(), timeoutSeconds: 30)
            #expect(ran.outcome.functionError == nil, "\(ran.outcome.text)")
            longest = max(longest, (ContinuousClock.now - start) / .seconds(1))
        }
        return longest
    }

    /// One end, and what follows. The number decides everything but what the clock does.
    private func end(
        _ function: String, _ number: Int, _ seconds: Double, in world: FaultWorld
    ) async throws -> String {
        var random = SeededGenerator(seed: UInt64(number))
        let end = End.allCases[number % End.allCases.count]
        let moment = Double.random(in: 0...1.1, using: &random) * seconds
        var trial = FaultTrial(world: world, function: function, salt: UInt8(number % 250 + 1))
        // Two parts take longer than all three small files.
        if number % 10 == 9 { trial.content = .parts }
        try await trial.prepare()
        let event = try trial.event()
        let limitSeconds = end == .deadline ? max(0.05, moment) : 30
        async let running = world.invoke(function, event, timeoutSeconds: limitSeconds)
        if end != .deadline {
            // The moment itself: nothing is waited for.
            try await Task.sleep(for: .seconds(moment))
            try await world.signal(function, end == .SIGKILL ? SIGKILL : SIGTERM)
        }
        let ran = try await running
        try await world.waitUntilNobodyIsLoggedIn()
        let about: Comment = "\(function) \(number): \(end) after \(moment) s of \(seconds): \(ran.outcome.text)"
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
