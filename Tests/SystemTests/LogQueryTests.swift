import Foundation
import TestKit
import Testing

/// What the programs log on Lambda is what docs/operate.md says, and what its queries ask for.
struct LogQueryTests {
    @Test func everyLineAnswersTheSavedQueries() async throws {
        let world = try CommandLineWorld(isVersioned: true)
        try await world.put("outgoing/good.csv", "good")
        try await world.put(Array("outgoing/".utf8) + [0xFF], "a name that can be no key")
        for key in ["now.csv", "later.csv"] { try await world.store(key, key) }
        try await world.run {
            let unreachable = ["SFTP_PORT": "1"]
            var logged = try await world.logged("pull", ["{}"])
            logged += try await world.logged("pull", ["{}"], settings: unreachable)
            logged += try await world.logged("push", [Self.event("now.csv"), Self.event("../no way")])
            logged += try await world.logged("push", [Self.event("later.csv")], settings: unreachable)
            logged += try await world.logged("pushRetry", ["{}"])
            Self.checkEveryLine(logged)
            Self.checkSums(logged, invocations: 6)
            try Self.checkReceipts(logged)
            for query in try SavedQuery.all() { try Self.check(query, logged) }
        }
    }

    private static func event(_ key: String) -> String {
        #"{"Bucket": "\#(CommandLineWorld.outbox)", "Key": "\#(key)"}"#
    }

    private static func checkEveryLine(_ lines: [LoggedLine]) {
        for line in lines {
            #expect(line.text("flow") == "acme", "\(line.text)")
            #expect(line.text("requestId")?.isEmpty == false, "\(line.text)")
            #expect(line.text("traceId")?.hasPrefix("1-") == true, "\(line.text)")
            #expect(["INFO", "WARN", "ERROR"].contains(line.text("level")), "\(line.text)")
            #expect(line.text("timestamp")?.hasSuffix("Z") == true, "\(line.text)")
        }
    }

    /// One summary and one line of metrics for each invocation, also for one that could not connect.
    private static func checkSums(_ lines: [LoggedLine], invocations: Int) {
        let summaries = lines.filter { $0.text("message")?.hasSuffix(" finished") == true }
        #expect(summaries.count == invocations)
        #expect(Set(summaries.map { $0.text("requestId") }).count == invocations)
        let metrics = lines.filter { $0.fields["_aws"] != nil }
        #expect(metrics.count == invocations)
        for line in metrics { #expect(MetricDocument.faults(line.text.utf8) == [], "\(line.text)") }
        let sums = Dictionary(grouping: metrics.flatMap(\.fields), by: \.key).mapValues { $0.count }
        // Of pull and push; the object that is refused fails once more in pushRetry.
        #expect(sums["ConnectionFailures"] == 2 && sums["RefusedFailures"] == 3, "\(sums)")
        #expect(sums["OldestFileAgeSeconds"] == 2, "of pull that saw the tree, and of pushRetry: \(sums)")
    }

    private static func checkReceipts(_ lines: [LoggedLine]) throws {
        let receipts = lines.filter { ["file transferred", "object delivered"].contains($0.text("message")) }
        #expect(receipts.map { $0.text("key") } == ["good.csv", "now.csv", "later.csv"])
        #expect(receipts.map { $0.text("logger") } == ["pull", "push", "pushRetry"])
        #expect(receipts.map { $0.fields["attempt"] as? Int } == [1, 1, 2])
        for receipt in receipts { #expect(receipt.fields.keys.sorted() == receipts[0].fields.keys.sorted()) }
        let names = [
            "path", "bucket", "key", "versionId", "etag", "bytes", "sha256", "attempt", "durationMilliseconds",
        ]
        #expect(Set(names).isSubset(of: receipts[0].fields.keys))
        let failed = try #require(lines.first { $0.text("message") == "file failed" })
        #expect(failed.text("errorClass") == "refused" && failed.text("path") != nil && failed.text("reason") != nil)
    }

    /// A field that a query names is in a line that it looks at.
    private static func check(_ query: SavedQuery, _ lines: [LoggedLine]) throws {
        let sources = try SavedQuery.sources()
        for message in query.messages {
            let isLogged = sources.contains("\"\(message)\"") || message.hasSuffix(" finished")
            #expect(isLogged, "\(message)\n\(query.text)")
        }
        let looked = lines.filter { line in
            query.messages.isEmpty || line.text("message").map { query.messages.contains($0) } == true
        }
        #expect(!looked.isEmpty, "\(query.text)")
        let there = Set(looked.flatMap(\.fields.keys))
        #expect(query.fields.subtracting(there) == [], "\(query.text)")
        #expect(!query.fields.isEmpty)
    }
}

/// A query of docs/operate.md, as far as it can be judged without CloudWatch.
private struct SavedQuery {
    let text: String
    /// The messages that it looks for; empty when it looks for any.
    let messages: [String]
    /// The fields that it reads, without those that CloudWatch adds and those that it makes itself.
    let fields: Set<String>

    private static let words: Set<String> = [
        "fields", "filter", "stats", "sort", "limit", "by", "as", "and", "or", "not", "in", "like", "asc", "desc",
    ]

    init(_ text: String) {
        self.text = text
        messages = text.matches(of: #/message\s+(?:in|=)\s+(\[[^\]]*\]|"[^"]*")/#).flatMap { list in
            list.1.matches(of: #/"([^"]*)"/#).map { String($0.1) }
        }
        let bare = text.replacing(#/"[^"]*"/#, with: " ")
        let made = Set(bare.matches(of: #/\sas\s+(\w+)/#).map { String($0.1) })
        var fields: Set<String> = []
        for match in bare.matches(of: #/(@?[\w.]+)(\()?/#) where match.2 == nil {
            let name = String(match.1)
            guard let first = name.unicodeScalars.first, first.properties.isAlphabetic else { continue }
            if !Self.words.contains(name), !made.contains(name) { fields.insert(name) }
        }
        self.fields = fields
    }

    static func all() throws -> [SavedQuery] {
        let page = try String(
            contentsOf: StandIn.packageRoot.appendingPathComponent("docs/operate.md"), encoding: .utf8)
        let queries = page.components(separatedBy: "\n```logs-insights\n").dropFirst().map {
            $0.components(separatedBy: "\n```")[0]
        }
        try #require(queries.count > 5)
        return queries.map { SavedQuery($0) }
    }

    /// The text of all that the functions log.
    static func sources() throws -> String {
        let folder = StandIn.packageRoot.appendingPathComponent("Sources/SFTPLambdaCore/Functions")
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .map { try String(contentsOf: $0, encoding: .utf8) }.joined()
    }
}

/// One line of JSON that a function logged.
private struct LoggedLine {
    let text: String
    let fields: [String: Any]

    func text(_ name: String) -> String? { fields[name] as? String }
}

extension CommandLineWorld {
    /// Has Lambda start the program and invoke it, and gives what it logged.
    fileprivate func logged(
        _ program: String, _ events: [String], settings extra: [String: String] = [:]
    ) async throws -> [LoggedLine] {
        let own = ["SFTP_FLOW_NAME": "acme"].merging(extra) { $1 }
        let api = try RuntimeAPIEmulator(
            workFolder: folder.url,
            function: .init(
                taskRoot: folder.url.path, program: try BuiltProgram.url(program).path,
                environment: settings.merging(own) { $1 }))
        defer { api.stop() }
        for event in events { _ = try await api.invoke(Array(event.utf8)) }
        return try await api.functionLog().split(separator: "\n").filter { $0.hasPrefix("{") }.map { line in
            let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return LoggedLine(text: String(line), fields: try #require(fields))
        }
    }
}
