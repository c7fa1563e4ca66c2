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

    /// What is asked for only because a file has several parts, or an earlier run has begun with it.
    private static let ofParts: Set = [
        "store.notes", "store.note", "store.keepNote", "store.removeNote", "store.beginUpload", "store.resumeUpload",
        "store.putPart", "store.complete", "store.abort", "store.abandonUpload",
    ]

    @Test func pullBearsEveryFailureOfAFileInParts() throws {
        var tally = PortFaultTally()
        for before in PullFaultScenario.Before.allCases {
            let contents = before == .nothing ? PullFaultScenario.large : PullFaultScenario.larger
            var scenario = PullFaultScenario(contents: contents)
            scenario.before = before
            try bear(scenario, [nil], &tally) { Self.ofParts.contains($0.operation) }
        }
        let cutOff = PullFaultScenario(contents: PullFaultScenario.larger, isCutOff: true)
        try bear(cutOff, [nil], &tally) { $0.operation == "store.keepNote" }
        #expect(tally.operations == Self.ofParts.subtracting(["store.abort"]))
        try compare(tally, "pull in parts", atLeast: 100)
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

    /// A file that an earlier push has begun with.
    @Test func pushRetryBearsEveryFailureOfAFileThatIsGoneOnWith() throws {
        var tally = PortFaultTally()
        let few: Set = ["remote.write", "store.next"]
        try bear(PushFaultScenario(flow: .pushRetry, isGoneOnWith: true), &tally) { call in
            TestLength.isLong || !few.contains(call.operation)
        }
        #expect(tally.operations.contains("remote.resumeFile"))
        try compare(tally.only { !few.contains($0) }, "pushRetry that goes on", atLeast: 100)
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
    /// - Parameter leastRuns: so many faults at least: the scenario did not shrink unseen.
    private func compare(_ tally: PortFaultTally, _ function: String, atLeast leastRuns: Int = 300) throws {
        #expect(tally.runsCount > leastRuns)
        let head = [
            "| call | fails before its effect | fails after its effect | what comes of it |", "|---|---|---|---|",
        ]
        let section = DocumentSection(page: "docs/fault-matrix.md", name: "ports of \(function)")
        let table = (head + tally.rows).joined(separator: "\n")
        #expect(try section.updatedText(table) == table)
    }
}
