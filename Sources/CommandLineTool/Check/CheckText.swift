import SFTPLambdaCore

/// What a check has found out, as people read it: the server, a table of what was tried, and what to change.
enum CheckText {
    /// The whole of it.
    static func lines(_ report: CheckReport) -> [String] {
        server(report.server) + [""] + table(report.steps) + [""] + end(report)
    }

    // MARK: The server

    private static func server(_ facts: ServerFacts?) -> [String] {
        guard let facts else { return ["The server was not reached."] }
        var rows = [("server", "\(facts.software) at \(facts.address)")]
        if !facts.hostKey.isEmpty {
            rows.append(
                facts.hostKeyVerdict == .refused
                    ? ("NOT the host key", "that is set, but shown now: '\(facts.hostKey)'")
                    : ("host key", "SFTP_HOST_KEY='\(facts.hostKey)'"))
            rows.append(("", facts.hostKeyFingerprint))
        }
        rows += algorithms.compactMap { name, key in facts.algorithms[key].map { (name, $0) } }
        if !facts.methods.isEmpty { rows.append(("it offers", facts.methods.joined(separator: ", "))) }
        if !facts.method.isEmpty { rows.append(("logged in by", facts.method)) }
        if !facts.extensions.isEmpty { rows.append(("extensions", facts.extensions.joined(separator: ", "))) }
        if let handles = facts.maximumOpenHandles { rows.append(("open files", "at most \(Printed.number(handles))")) }
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { Printed.padded($0.0, width) + "  " + Printed.text($0.1) }
    }

    /// What algorithms are for, in the order of the lines.
    private static let algorithms = [
        ("key exchange", "keyExchange"), ("host key algorithm", "hostKey"), ("cipher to server", "cipherToServer"),
        ("cipher from server", "cipherFromServer"), ("mac to server", "macToServer"),
        ("mac from server", "macFromServer"),
    ]

    // MARK: The table

    private static func table(_ steps: [CheckStep]) -> [String] {
        let names = steps.map { Printed.text($0.name) }
        let width = names.map(\.count).max() ?? 0
        return zip(steps, names).flatMap { step, name in
            var lines = [
                "\(Printed.padded(word(step.outcome), 7))  \(Printed.padded(name, width))  \(time(step.milliseconds))  "
                    + Printed.text(step.detail)
            ]
            if !step.meaning.isEmpty { lines.append("         which means: " + Printed.text(step.meaning)) }
            if !step.advice.isEmpty { lines.append("         to change it: " + Printed.text(step.advice)) }
            return lines
        }
    }

    private static func word(_ outcome: CheckStep.Outcome) -> String {
        switch outcome {
        case .works: "works"
        case .differs: "without"
        case .fails: "FAILS"
        case .skipped: "skipped"
        }
    }

    private static func time(_ milliseconds: Double?) -> String {
        guard let milliseconds else { return Printed.padded("", timeWidth, onTheLeft: true) }
        return Printed.padded("\(Printed.number(Int(milliseconds.rounded()))) ms", timeWidth, onTheLeft: true)
    }

    private static let timeWidth = 9

    private static func end(_ report: CheckReport) -> [String] {
        let failed = report.steps.filter { $0.outcome == .fails }.map { Printed.text($0.name) }
        guard let last = failed.last else { return ["\(report.function.rawValue) can work."] }
        let names = failed.count > 1 ? failed.dropLast().joined(separator: ", ") + " and \(last) fail" : "\(last) fails"
        return ["\(report.function.rawValue) cannot work: \(names)."]
    }
}
