import Foundation
import TestKit
import Testing

/// pull and push as programs against a server that lies: `local/hostile_sftp.py`.
@Suite(.serialized, .timeLimit(.minutes(10))) struct HostileServerTests {
    /// What a process may have had in memory at any time: the smallest function has 128 MB.
    private static let mostMemoryMiB = 112
    /// Nothing that a server sends makes a longer line (CloudWatch cuts at 256 KiB).
    private static let longestLineBytes = 255 << 10

    @Test func pullIsNeverLedAstray() async throws {
        let world = try await HostileWorld("pull")
        try await world.run {
            // The first one starts the process; the last one shows what the others have left of it.
            for row in HostileCase.played + HostileCase.played.filter({ $0.scenario == "honest" }) {
                let result = try await world.play(row.scenario, timeoutSeconds: row.timeoutSeconds)
                check(result, row)
                checkPaths(result, row.scenario, below: HostileWorld.sourceFolder)
                #expect(result.keys == row.keys.sorted(), "\(row.scenario)")
                checkAnswer(result, row)
            }
        }
    }

    /// `UPDATE_DOCS=1 swift test --filter HostileServerTests` writes the page anew.
    @Test func thePageShowsTheTable() throws {
        let page = StandIn.packageRoot.appendingPathComponent("docs/hostile-servers.md")
        let does = try HostileServer.scenarios()
        let played = Set((HostileCase.pull + HostileCase.push).map(\.scenario))
        #expect(played == Set(does.keys), "every scenario is played, and every one that is played exists")
        let proxyDoes = try HostileProxy.scenarios()
        #expect(Set(HostileProxyCase.all.map(\.scenario)) == Set(proxyDoes.keys), "the same of the proxy's")
        let markdown = HostileCase.markdown(does, proxy: proxyDoes)
        if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" { try Data(markdown.utf8).write(to: page) }
        #expect(try String(contentsOf: page, encoding: .utf8) == markdown)
    }

    private struct PushAnswer: Decodable {
        var delivered: Int
        var failed: Int
        var queued: Int
    }

    @Test func pushToAServerThatLiesEndsAndIsTriedAgain() async throws {
        let world = try await HostileWorld("push")
        try await world.run {
            for row in HostileCase.push + HostileCase.push.filter({ $0.scenario == "honest" }) {
                try await world.put("target", sampleBytes(1 << 20))
                let result = try await world.play(
                    row.scenario, event: HostileWorld.event("target"), timeoutSeconds: row.timeoutSeconds)
                check(result, row)
                checkPaths(result, row.scenario, below: HostileWorld.targetFolder)
                let answer = try? JSONDecoder().decode(PushAnswer.self, from: Data(result.outcome.payload))
                let about: Comment = "\(row.scenario): \(result.outcome.text.prefix(500))"
                if case .done(let count, _) = row.answer {
                    #expect(answer?.delivered == count && answer?.failed == 0, about)
                } else {
                    #expect(answer?.delivered == 0 && answer?.queued == 1, about)
                }
            }
        }
    }

    @Test func keysNeverLeadOutOfTheTarget() async throws {
        let world = try await HostileWorld("push")
        try await world.run {
            for row in HostileKey.all {
                try await world.put(row.key, sampleBytes(10))
                let result = try await world.play("honest", event: HostileWorld.event(row.key), timeoutSeconds: 20)
                let answer = try? JSONDecoder().decode(PushAnswer.self, from: Data(result.outcome.payload))
                let about: Comment = "\(row.shown): \(result.outcome.text.prefix(800))\n\(result.log.prefix(800))"
                checkPaths(result, row.shown, below: HostileWorld.targetFolder)
                checkLines(result, row.shown)
                if let refusal = row.refusal {
                    #expect(answer?.delivered == 0 && answer?.failed == 1, about)
                    #expect(result.log.contains(refusal) && result.requests.isEmpty, about)
                } else {
                    #expect(answer?.delivered == 1 && answer?.failed == 0, about)
                    let path = String(
                        decoding: "\(HostileWorld.targetFolder)/\(row.key)".utf8.map { UInt16($0) }, as: UTF16.self)
                    #expect(result.requests.contains { $0.operation == "rename" && $0.path == path }, about)
                }
            }
        }
    }

    /// Whatever a proxy answers, and wherever it leads: the server's credentials stay with us, and its own out of what is
    /// written.
    @Test(arguments: ["http", "socks5"]) func proxyThatLiesIsGivenUp(scheme: String) async throws {
        let world = try await HostileWorld("pull", proxy: scheme)
        var traces = SecretTraces()
        traces.add("the proxy's password", HostileProxy.password)
        traces.add("the proxy's login", "\(HostileProxy.user):\(HostileProxy.password)")
        let rows = HostileProxyCase.all.filter { $0.scheme == scheme }
        try await world.run {
            for row in rows + rows.filter(\.isHonest) {
                let result = try await world.play("honest", proxy: row.scenario, timeoutSeconds: 20)
                let played = HostileCase(
                    scenario: row.scenario, answer: row.isHonest ? .done(1) : .failed, log: row.log, outcome: "")
                check(result, played)
                checkAnswer(result, played)
                #expect(traces.found(in: result.log + result.outcome.text) == [], "\(row.scenario)")
                #expect(result.requests.isEmpty == !row.isHonest, "\(row.scenario): \(result.requests)")
            }
        }
    }

    private func check(_ result: HostileWorld.Result, _ row: HostileCase) {
        let about: Comment = "\(row.scenario): \(result.outcome.text.prefix(500))\n\(result.log.suffix(2000))"
        #expect(result.outcome.functionError != "Sandbox.Timedout" && result.seconds < row.timeoutSeconds, about)
        #expect(row.log.isEmpty || result.log.contains(row.log), about)
        #expect(result.outcome.text.utf8.count < 64 << 10, about)
        guard let peakMiB = result.peakMiB else {
            Issue.record("the process ended: \(about)")
            return
        }
        #expect(peakMiB <= Self.mostMemoryMiB || Sanitizer.isOn, about)
        checkLines(result, row.scenario)
        if ProcessInfo.processInfo.environment["HOSTILE_SHOW"] != nil {
            print(row.scenario, result.seconds, result.peakMiB ?? -1, result.outcome.text.prefix(300))
        }
    }

    /// Every line is one of ours, whatever names and words are in it.
    private func checkLines(_ result: HostileWorld.Result, _ scenario: String) {
        for line in result.lines where !HostileWorld.isOfLambda(line) {
            let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(object != nil && line.utf8.count <= Self.longestLineBytes, "\(scenario): \(line.prefix(300))")
            #expect(object?["message"] as? String != "forged", "\(scenario)")
        }
    }

    /// Whatever names the server gives, nothing is asked for that is not below the folder.
    private func checkPaths(_ result: HostileWorld.Result, _ scenario: String, below folder: String) {
        for request in result.requests {
            let parts = request.path.split(separator: "/", omittingEmptySubsequences: false)
            let isBelow = parts.first.map(String.init) == folder && !parts.contains("..") && !parts.contains("")
            #expect(isBelow && !request.path.contains("\0"), "\(scenario): \(request)")
        }
    }

    private struct Summary: Decodable {
        var transferred: Int
        var left: [String: Int]
        var isListingComplete: Bool
    }

    private func checkAnswer(_ result: HostileWorld.Result, _ row: HostileCase) {
        let about: Comment = "\(row.scenario): \(result.outcome.text.prefix(500))"
        let summary = try? JSONDecoder().decode(Summary.self, from: Data(result.outcome.payload))
        switch row.answer {
        case .done(let transferred, let left):
            #expect(summary?.transferred == transferred && summary?.left == left, about)
            #expect(summary?.isListingComplete == true, about)
        case .cutShort: #expect(summary?.isListingComplete == false, about)
        case .failed: #expect(result.outcome.functionError == "Unhandled", about)
        case .either: break
        }
    }
}
