import TestKit
import Testing

/// Every call of every port, in every function, answers once with every failure that it can answer with, before it has
/// had its effect and after: no byte is lost, nothing half stands under a final name, nothing is marked that is not there,
/// nothing is forgotten, and the next healthy run completes the work. What comes of each is in docs/fault-matrix.md.
@Suite struct PortFaultTests {
    private static let seeds: [UInt64?] = TestLength.isLong ? [nil] + (1...10).map(Optional.some) : [nil]

    @Test func pullBearsEveryFailureOfEveryCall() throws {
        var tally = PortFaultTally()
        try bear(PullFaultScenario(contents: PullFaultScenario.small), Self.seeds, &tally)
        try compare(tally, "pull")
    }

    /// Of these calls the short form takes those that a server that replaces does not see.
    @Test func pullBearsEveryFailureOfAServerThatDoesNotReplace() throws {
        var tally = PortFaultTally()
        let scenario = PullFaultScenario(contents: PullFaultScenario.small, renameReplaces: false)
        let other: Set = ["remote.lookAhead", "remote.moveWithoutReplacing", "remote.attributes"]
        try bear(scenario, Self.seeds, &tally) { TestLength.isLong || other.contains($0.operation) }
        #expect(tally.runsCount > 30)
    }

    private func bear(
        _ scenario: PullFaultScenario, _ seeds: [UInt64?], _ tally: inout PortFaultTally,
        _ isWanted: (PortTap.Call) -> Bool = { _ in true }
    ) throws {
        for seed in seeds {
            for call in try scenario.healthyCalls(seed: seed) where isWanted(call) {
                for fault in PortFault.all(of: call.operation) {
                    let outcome = try scenario.outcome(of: { _ in fault.verdict }, at: call.index, seed: seed)
                    #expect(outcome.problems == [], "\(fault.name) at \(call), seed \(seed ?? 0)")
                    if seed == nil, let call = outcome.call { tally.add(fault, at: call, outcome.words) }
                }
            }
        }
    }

    @Test(arguments: PushFaultScenario.Flow.allCases)
    func pushAndPushRetryBearEveryFailureOfEveryCall(_ flow: PushFaultScenario.Flow) throws {
        var tally = PortFaultTally()
        try bear(PushFaultScenario(flow: flow), &tally)
        // A rename that does not replace is made of these.
        try bear(PushFaultScenario(flow: flow, server: .removes), &tally) {
            TestLength.isLong || ["remote.rename", "remote.removeTarget"].contains($0.operation)
        }
        for besides in [PushFaultScenario.Besides.fileRefused, .markRefused] {
            try bear(PushFaultScenario(flow: flow, besides: besides), &tally) { $0.operation.hasPrefix("queue.") }
        }
        try compare(tally, flow.rawValue)
    }

    private func bear(
        _ scenario: PushFaultScenario, _ tally: inout PortFaultTally, _ isWanted: (PortTap.Call) -> Bool = { _ in true }
    ) throws {
        for seed in Self.seeds {
            for call in try scenario.healthyCalls(seed: seed) where isWanted(call) {
                for fault in PortFault.all(of: call.operation) {
                    let outcome = try scenario.outcome(of: { _ in fault.verdict }, at: call.index, seed: seed)
                    let about = "\(scenario.flow), \(scenario.server), \(scenario.besides)"
                    #expect(outcome.problems == [], "\(about): \(fault.name) at \(call), seed \(seed ?? 0)")
                    let isShown =
                        call.operation.hasPrefix("queue.") || scenario.server == .replaces
                        || ["remote.rename", "remote.removeTarget"].contains(call.operation)
                    if seed == nil, isShown, let call = outcome.call { tally.add(fault, at: call, outcome.words) }
                }
            }
        }
    }

    /// `UPDATE_DOCS=1 swift test --filter PortFaultTests` writes the tables anew.
    private func compare(_ tally: PortFaultTally, _ function: String) throws {
        // So many faults at least: the scenario did not shrink unseen.
        #expect(tally.runsCount > 300)
        let head = [
            "| call | fails before its effect | fails after its effect | what comes of it |", "|---|---|---|---|",
        ]
        let section = DocumentSection(page: "docs/fault-matrix.md", name: "ports of \(function)")
        let table = (head + tally.rows).joined(separator: "\n")
        #expect(try section.updatedText(table) == table)
    }
}
