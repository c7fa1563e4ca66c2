import TestKit
import Testing
import Transfers

/// Whatever happens at whichever step of a run: every file is still at its place or whole in the store, and the next
/// run completes the work (decision 6, rules P2 and P6). `PortFaultTests` does the same with every failure that a call
/// can answer with.
@Suite struct PullCrashTests {
    /// What goes wrong at one step.
    enum Accident: String, CaseIterable {
        case failure, lostConnection, crash

        var verdict: PortTap.Verdict {
            switch self {
            case .failure: .fail
            case .lostConnection: .disconnect
            case .crash: .crash
            }
        }
    }

    @Test(arguments: Accident.allCases, [true, false])
    func everyStepOfASmallTreeMayGoWrong(_ accident: Accident, renameReplaces: Bool) throws {
        try check(
            accident, PullFaultScenario(contents: PullFaultScenario.small, renameReplaces: renameReplaces),
            seeds: TestLength.isLong ? [nil] + (1...50).map(Optional.some) : [nil, 1])
    }

    @Test(arguments: Accident.allCases)
    func everyStepOfAFileInPartsMayGoWrong(_ accident: Accident) throws {
        try check(accident, PullFaultScenario(contents: PullFaultScenario.large), seeds: [nil])
    }

    private func check(_ accident: Accident, _ scenario: PullFaultScenario, seeds: [UInt64?]) throws {
        for seed in seeds {
            let count = try scenario.healthyCalls(seed: seed).count
            #expect(count > 20)
            for index in 0..<count {
                let outcome = try scenario.outcome(of: { _ in accident.verdict }, at: index, seed: seed)
                let place = outcome.call.map { "\($0)" } ?? "no call"
                #expect(outcome.problems == [], "\(accident) at \(place), seed \(seed.map { "\($0)" } ?? "none")")
                // One is enough to read.
                guard outcome.problems.isEmpty else { return }
            }
        }
    }
}
