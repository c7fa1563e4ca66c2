import Synchronization
import TestKit
import Testing

/// What a server does otherwise than the contracts say of all servers, and what that means to us.
struct ServerDifference: Sendable {
    /// The server, as its `PartnerServer.Kind` or `seaweedfs`.
    var server: String
    /// The checks that see it, as `contract.promise`, and parts of what each then reports: all of these must be seen, and
    /// nothing else. Without any, the check is not run, since it would only wait for what never comes. What the adapters
    /// make up for is seen by no check.
    var checks: [String: [String]]
    /// What the server does, for the page.
    var does: String
    /// What we do about it, for the page.
    var answer: String
}

extension ServerDifference {
    /// Checks one promise. What is a known difference of the server must be seen, and nothing else may fail.
    static func keep(_ server: String, _ check: String, _ body: () async throws -> Void) async {
        let known = all.filter { $0.server == server && $0.checks[check] != nil }
        guard !known.isEmpty else {
            await #expect(throws: Never.self, "\(server): \(check)") { try await body() }
            return
        }
        let reports = known.flatMap { $0.checks[check] ?? [] }
        if reports.isEmpty { return }
        let seen = Mutex<Set<String>>([])
        do {
            try await withKnownIssue("\(known.map(\.does))") {
                try await body()
            } matching: { issue in
                let text = "\(issue.comments) \(issue.error.map { "\($0)" } ?? "") \(issue)"
                let found = reports.filter { text.contains($0) }
                seen.withLock { $0.formUnion(found) }
                return !found.isEmpty
            }
        } catch {
            Issue.record("\(server): \(check): \(error)")
        }
        let unseen = reports.filter { report in !seen.withLock { $0.contains(report) } }
        #expect(unseen == [], "\(server) does not differ so in \(check) any more")
    }
}
