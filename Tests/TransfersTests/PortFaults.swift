import Synchronization
import TestKit
import Transfers

/// One way in which a call of a port can go wrong.
struct PortFault: Hashable, Sendable {
    /// As the table names it.
    let name: String
    let verdict: PortTap.Verdict

    static func == (one: PortFault, other: PortFault) -> Bool { one.name == other.name }
    func hash(into hasher: inout Hasher) { hasher.combine(name) }

    private static let remote: [RemoteFailure.Reason] = [
        .notFound, .denied, .alreadyExists, .changed, .unsupported, .cancelled, .failed,
    ]
    private static let store: [StoreFailure.Reason] = [
        .notFound, .denied, .preconditionFailed, .unavailable, .cancelled, .rejected,
    ]
    private static let queue: [QueueFailure.Reason] = [.notFound, .denied, .unavailable, .cancelled, .rejected]
    private static let crash = PortFault(name: "the process ends", verdict: .crash)

    /// Every failure that this operation can answer with.
    static func all(of operation: String) -> [PortFault] {
        let failures: [PortFault]
        switch operation.prefix(while: { $0 != "." }) {
        case "remote":
            failures =
                remote.map { PortFault(name: $0.rawValue, verdict: .failRemote($0)) }
                + [PortFault(name: "connectionLost", verdict: .disconnect)]
        case "store": failures = store.map { PortFault(name: $0.rawValue, verdict: .failStore($0)) }
        case "queue": failures = queue.map { PortFault(name: $0.rawValue, verdict: .failQueue($0)) }
        default: failures = []
        }
        return failures + [crash]
    }
}

/// What came of every fault at every call of one function.
struct PortFaultTally {
    private struct Case: Hashable {
        var operation: String
        var isAfter: Bool
        var fault: PortFault
    }

    private var words: [Case: Set<String>] = [:]
    private(set) var runsCount = 0

    /// The calls that something came of.
    var operations: Set<String> { Set(words.keys.map(\.operation)) }

    /// What came of these calls alone.
    func only(_ isWanted: (String) -> Bool) -> PortFaultTally {
        var tally = self
        tally.words = words.filter { isWanted($0.key.operation) }
        return tally
    }

    mutating func add(_ fault: PortFault, at call: PortTap.Call, _ outcome: String) {
        runsCount += 1
        // That nobody hears of an end is known; what it leaves is checked all the same.
        guard !outcome.isEmpty else { return }
        words[Case(operation: call.operation, isAfter: call.moment == .after, fault: fault), default: []]
            .insert(outcome)
    }

    /// The rows of a table: what came of it, for each call and each failure, on both sides of the call's effect.
    var rows: [String] {
        var rows: [String] = []
        for operation in Set(words.keys.map(\.operation)).sorted() {
            let here = words.filter { $0.key.operation == operation }
            for outcome in Set(here.values.map(Self.text)).sorted() {
                let faults = { (isAfter: Bool) in
                    PortFault.all(of: operation).filter { fault in
                        let key = Case(operation: operation, isAfter: isAfter, fault: fault)
                        return here[key].map(Self.text) == outcome
                    }.map(\.name).joined(separator: ", ")
                }
                rows.append("| `\(operation)` | \(faults(false)) | \(faults(true)) | \(outcome) |")
            }
        }
        return rows
    }

    private static func text(_ outcomes: Set<String>) -> String { outcomes.sorted().joined(separator: "; or ") }
}
