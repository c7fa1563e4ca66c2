import JSON
import Transfers

/// The end of a dry run, as people read it.
enum PreviewText {
    private static let head = "dry run, nothing was changed: "

    /// What a run of pull would do.
    /// - Parameter doneName: the name of the directories for what was pulled.
    static func lines(_ summary: PullSummary, doneName: String) -> [String] {
        let files = "\(Printed.count(summary.transferred, "file")) would be transferred"
        var lines = [head + "\(files), \(Printed.count(summary.bytes, "byte"))"]
        if summary.purged > 0 {
            lines.append("\(Printed.count(summary.purged, "file")) would be removed from \(Printed.text(doneName))")
        }
        lines += ResultText.counts("left on the server", summary.left)
        if !summary.isListingComplete { lines.append("not the whole tree was listed") }
        if summary.failed > 0 { lines.append("would fail: \(Printed.number(summary.failed))") }
        return lines
    }

    /// What a push would do.
    static func lines(_ summary: PushSummary) -> [String] {
        let objects = "\(Printed.count(summary.delivered, "object")) would be sent"
        var lines = [head + "\(objects), \(Printed.count(summary.bytes, "byte"))"]
        if summary.marked > 0 { lines.append("\(Printed.count(summary.marked, "object")) would be marked") }
        lines += ResultText.counts("nothing to do", summary.skipped)
        if summary.failed > 0 { lines.append("would fail: \(Printed.number(summary.failed))") }
        return lines
    }

    /// What pushRetry would find.
    static func lines(waiting count: Int) -> [String] {
        [
            head + "about \(Printed.count(count, "message")) can be received from the retry queue",
            "the server takes connections",
            "what they ask for is not looked at: SQS counts every look at a message as one of its receives",
        ]
    }
}

/// The end of a dry run as JSON: the last line, told from the steps by its action.
struct PreviewSummary<Summary: JSONWritable>: JSONWritable {
    let summary: Summary

    /// Writes an object.
    func write(to text: inout JSONText) {
        text.object {
            $0.member("action", "summary")
            $0.member("summary", summary)
        }
    }
}
