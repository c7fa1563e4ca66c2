import Transfers

/// The results as people read them. A script asks for JSON.
enum ResultText {
    /// What a run of pull did.
    /// - Parameter doneName: the name of the directories for what was pulled.
    static func lines(_ summary: PullSummary, doneName: String) -> [String] {
        var lines = [transferred(summary.transferred, summary.bytes, summary.durationMilliseconds)]
        lines += counts("left on the server", summary.left)
        if summary.purged > 0 {
            lines.append("removed from \(Printed.text(doneName)): \(Printed.number(summary.purged))")
        }
        if summary.remaining > 0 { lines.append("remaining for the next run: \(Printed.number(summary.remaining))") }
        if !summary.isListingComplete { lines.append("not the whole tree was listed") }
        let failures = summary.failures.map { ($0.path, $0.reason) }
        return lines + failed(summary.failed, failures)
    }

    /// What a run of push or pushRetry did.
    static func lines(_ summary: PushSummary) -> [String] {
        var lines = [transferred(summary.delivered, summary.bytes, summary.durationMilliseconds)]
        if summary.received > 0 { lines.append("messages received: \(Printed.number(summary.received))") }
        if summary.marked > 0 { lines.append("marked, delivered before: \(Printed.number(summary.marked))") }
        lines += counts("nothing to do", summary.skipped)
        if summary.handedBack > 0 { lines.append("messages handed back: \(Printed.number(summary.handedBack))") }
        if summary.queued > 0 { lines.append("put on the retry queue: \(Printed.number(summary.queued))") }
        if summary.unqueued > 0 { lines.append("not on the retry queue: \(Printed.number(summary.unqueued))") }
        return lines + failed(summary.failed, summary.failures.map { ($0.subject, $0.reason) })
    }

    private static func transferred(_ count: Int, _ bytes: UInt64, _ milliseconds: Int64) -> String {
        let time = Printed.duration(milliseconds: milliseconds)
        return "\(Printed.count(count, "file")) transferred, \(Printed.count(bytes, "byte")), in \(time)"
    }

    /// `left on the server: 3 (2 symbolicLink, 1 young)`
    static func counts(_ title: String, _ counts: [String: Int]) -> [String] {
        guard !counts.isEmpty else { return [] }
        let parts = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \($0.key)" }
        let total = counts.values.reduce(0, +)
        return ["\(title): \(Printed.number(total)) (\(parts.joined(separator: ", ")))"]
    }

    /// What failed, each on a line of its own.
    static func failed(_ count: Int, _ first: [(subject: String, reason: String)]) -> [String] {
        guard count > 0 else { return [] }
        var lines = ["failed: \(Printed.number(count))"]
        lines += first.map { "  \(Printed.text($0.subject)): \(Printed.text($0.reason))" }
        if count > first.count { lines.append("  and \(Printed.number(count - first.count)) more: see the log") }
        return lines
    }
}
