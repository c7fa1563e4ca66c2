import Foundation
import TestKit
import Testing

/// Each fault of `FaultCase`, with the real programs and over real servers: behind it nothing is lost and nothing is
/// half, and the next healthy run completes the work. docs/fault-matrix.md shows what comes of each.
@Suite(.serialized, .timeLimit(.minutes(60))) struct FaultMatrixTests {
    private static let played = FaultCase.all.filter { TestLength.isLong || FaultCase.quick.contains($0.name) }
    private static let only = ProcessInfo.processInfo.environment["FAULTS_ONLY"]

    @Test func everyFaultLeavesAllBytesAndTheNextRunCompletes() async throws {
        let world = try FaultWorld()
        var lines: [String: String] = [:]
        try await world.run {
            for row in Self.played where Self.only.map({ row.name.contains($0) }) ?? true {
                lines[row.name] = try await play(row, in: world)
            }
        }
        try compare(lines)
    }

    /// What is meant to strike at a change of keys strikes at nothing else: where the keys stay, never.
    @Test func faultsAtAChangeOfKeysWaitForOne() async throws {
        let world = try FaultWorld()
        try await world.run {
            for function in BuildProducts.functions {
                let trial = FaultTrial(world: world, function: function)
                try await trial.prepare()
                try await world.planRelays(FaultPlan(ssh: FaultCase.atAChangeOfKeys("reset", function)))
                let ran = try await world.invoke(function, try trial.event(), timeoutSeconds: FaultCase.usualSeconds)
                #expect(try await world.seenByRelays().ssh == 0, "\(function)")
                #expect(ran.outcome.functionError == nil, "\(function): \(ran.outcome.text)")
                #expect(try await trial.doneCount().isAll, "\(function): \(ran.outcome.text)")
            }
        }
    }

    @Test func noRowIsThereTwice() {
        let names = FaultCase.all.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(FaultCase.quick.isSubset(of: names), "\(FaultCase.quick.subtracting(names))")
    }

    /// Plays a row, and gives it as the page shows it.
    private func play(_ row: FaultCase, in world: FaultWorld) async throws -> String {
        var trial = FaultTrial(world: world, function: row.function)
        trial.content = row.content
        trial.change = row.change
        try await trial.prepare()
        try world.plan(row.plan)
        try await world.planRelays(row.plan)
        let start = ContinuousClock.now
        let ran = try await world.invoke(row.function, try trial.event(), timeoutSeconds: row.seconds)
        let tookSeconds = (ContinuousClock.now - start) / .seconds(1)
        let isKept = ran.outcome.functionError != nil
        let result = FaultResult(ran)
        let about: Comment = "\(row.name): \(result.words)\n\(ran.log.suffix(3000))"

        #expect(result.words != "Sandbox.Timedout", about)
        #expect(try trial.forbiddenRenames() == [], about)
        try await checkStrikes(row, world, about)
        try await world.planRelays(FaultPlan())
        try await world.waitUntilNobodyIsLoggedIn()
        #expect(try await trial.problems(isKept: isKept) == [], about)
        let isStruck = try world.seenBySFTP().contains { $0.rule != nil }
        try world.plan(FaultPlan())
        #expect(try await trial.complete(isKept: isKept) == [], about)
        if ProcessInfo.processInfo.environment["FAULTS_SHOW"] != nil {
            print(row.function, "|", row.fault, "|", result.words, "|", result.said, "|", tookSeconds, isStruck)
        }
        // What a client has learned of clocks and regions, it keeps.
        if row.isLearned { try await world.function(row.function).reset() }
        return line(of: row, result)
    }

    private func checkStrikes(_ row: FaultCase, _ world: FaultWorld, _ about: Comment) async throws {
        guard row.strikes else { return }
        let relays = try await world.seenByRelays()
        if row.plan.ssh != nil { #expect(relays.ssh > 0, about) }
        for count in relays.aws { #expect(count > 0, about) }
        let rules = Set(try world.seenBySFTP().compactMap(\.rule))
        #expect(rules.count == row.plan.sftp.count, about)
    }

    // MARK: The page

    private func line(of row: FaultCase, _ result: FaultResult) -> String {
        switch row.result {
        // At the deadline any of several failures may be the first.
        case .certain where row.seconds < FaultCase.usualSeconds || (row.strikesAnyFile && !result.said.isEmpty):
            "| \(row.fault) | \(result.words) | \(result.errorClass) | |"
        case .certain: "| \(row.fault) | \(result.words) | \(result.errorClass) | \(result.said) |"
        case .depends(let text): "| \(row.fault) | \(text) | | |"
        }
    }

    /// `UPDATE_DOCS=1 SFTP_LAMBDA_LONG_TESTS=1 swift test --filter FaultMatrixTests` writes the tables anew; with
    /// `FAULTS_ONLY` besides, or without the long tests, the rows that were played. The short form compares those.
    private func compare(_ lines: [String: String]) throws {
        let isWriting = ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1"
        for function in BuildProducts.functions {
            let section = DocumentSection(page: "docs/fault-matrix.md", name: "faults of \(function)")
            let rows = FaultCase.all.filter { $0.function == function }
            let page = try section.text.split(separator: "\n").map(String.init)
            if isWriting || rows.allSatisfy({ lines[$0.name] != nil }) {
                let head = ["| fault | what comes of it | error | what the log says |", "|---|---|---|---|"]
                let known = rows.compactMap { row in
                    lines[row.name] ?? page.first { $0.hasPrefix("| \(row.fault) | ") }
                }
                let table = (head + known).joined(separator: "\n")
                #expect(try section.updatedText(table) == table)
                #expect(known.count == rows.count, "the page lacks rows of \(function)")
            } else {
                for row in rows {
                    if let line = lines[row.name] { #expect(page.contains(line), "\(line)") }
                }
            }
        }
    }
}

/// What an invocation came to, in a few words that are the same each time.
struct FaultResult {
    /// The counts, or the type of the error.
    var words: String
    /// The error's type, or the classes that the log names.
    var errorClass: String
    /// The beginning of what the log says of the first failure, without what is another one each time.
    var said: String

    init(_ ran: FaultWorld.Ran) {
        let answer = (try? JSONSerialization.jsonObject(with: Data(ran.outcome.payload))) as? [String: Any] ?? [:]
        let logged = ran.log.split(separator: "\n").compactMap {
            (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
        }
        let failures = logged.filter { ["ERROR", "error"].contains($0["level"] as? String ?? "") }
        var told: String?
        if ran.outcome.functionError != nil {
            let type = answer["errorType"] as? String ?? "no answer"
            let message = answer["errorMessage"] as? String ?? ""
            words = type == "Sandbox.Timedout" ? type : "the invocation fails"
            // These begin with what was done all the same.
            let isCounted = ["TransfersFailed", "RetriesFailed"].contains(type)
            if isCounted { words += ": \(message.prefix { $0 != "." })" }
            errorClass = type
            told = isCounted ? nil : message
        } else {
            let names = ["transferred", "delivered", "marked", "failed", "queued", "handedBack", "remaining"]
            var counts = names.compactMap { name in (answer[name] as? Int).flatMap { $0 > 0 ? "\($0) \(name)" : nil } }
            for name in ["left", "skipped"] {
                let more = answer[name] as? [String: Int] ?? [:]
                counts += more.sorted { $0.key < $1.key }.map { "\($0.value) \(name) as \($0.key)" }
            }
            words = counts.isEmpty ? "nothing done" : counts.joined(separator: ", ")
            errorClass = Set(failures.compactMap { $0["errorClass"] as? String }).sorted().joined(separator: ", ")
        }
        // Several may fail, in any order.
        said = Self.steady(failures.compactMap { $0["reason"] as? String }.min() ?? told ?? "")
    }

    private static let longestSaid = 110

    /// Without temporary names, numbers of attempts and the like.
    private static func steady(_ text: String) -> String {
        var steady = text
        for (pattern, with) in [
            (#"\.sftp-lambda\.[0-9a-f]{16}\."#, "…."), (#"127\.0\.0\.1:\d+"#, "HOST"), (#"port \d+"#, "port N"),
            (#"\|"#, "/"), (#"[0-9]+\.[0-9]+ s"#, "… s"),
            (#"after \d+ attempts"#, "after … attempts"),
            (#"\d{8}T\d{6}Z"#, "TIME"),
        ] {
            steady = steady.replacingOccurrences(of: pattern, with: with, options: .regularExpression)
        }
        return steady.count > longestSaid ? steady.prefix(longestSaid) + "…" : steady
    }
}
