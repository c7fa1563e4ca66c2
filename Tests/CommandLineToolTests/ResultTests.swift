import AWS
import SFTPLambdaCore
import TestKit
import Testing
import Transfers

@testable import CommandLineTool

@Suite struct ResultTests {
    @Test func aRunOfPullIsToldInAFewLines() {
        var summary = PullSummary()
        summary.transferred = 8
        summary.bytes = 21_272_588
        summary.durationMilliseconds = 729
        summary.left = ["young": 1, "symbolicLink": 12]
        summary.remaining = 1234
        summary.isListingComplete = false
        summary.purged = 2
        #expect(
            ResultText.lines(summary) == [
                "8 files transferred, 21,272,588 bytes, in 0.7 s",
                "left on the server: 13 (12 symbolicLink, 1 young)", "removed from .done: 2",
                "remaining for the next run: 1,234", "not the whole tree was listed",
            ])
    }

    @Test func whatFailedIsListedAndCannotWriteOnTheTerminal() {
        var summary = PullSummary()
        summary.failed = 3
        summary.failures = [
            TransferFailure(path: RemotePath("a\u{1B}[31m"), reason: "the server said \u{1B}]0;x\u{7} \u{202E}no")
        ]
        let lines = ResultText.lines(summary)
        #expect(lines.suffix(3).first == "failed: 3")
        #expect(lines.last == "  and 2 more: see the log")
        for line in lines {
            for scalar in line.unicodeScalars { #expect(scalar.value >= 0x20 && scalar != "\u{202E}", "\(line)") }
        }
    }

    @Test func aRunOfPushIsToldInAFewLines() {
        var summary = PushSummary()
        summary.delivered = 1
        summary.bytes = 1
        summary.received = 4
        summary.marked = 1
        summary.skipped = ["marked": 2]
        summary.queued = 1
        summary.durationMilliseconds = 185_900
        #expect(
            ResultText.lines(summary) == [
                "1 file transferred, 1 byte, in 3 min 5 s", "messages received: 4", "marked, delivered before: 1",
                "nothing to do: 2 (2 marked)", "put on the retry queue: 1",
            ])
    }

    @Test(arguments: [
        (0, "0"), (999, "999"), (1000, "1,000"), (-1000, "-1,000"), (-100, "-100"), (1_234_567, "1,234,567"),
    ])
    func numbersAreDividedByThousands(value: Int, text: String) { #expect(Printed.number(value) == text) }

    @Test func longTextIsCut() {
        let long = String(repeating: "x", count: Printed.maximumScalars + 10)
        #expect(Printed.text(long).unicodeScalars.count == Printed.maximumScalars + 1)
    }

    // MARK: Exit status

    @Test func statusOfPull() {
        var summary = PullSummary()
        summary.remaining = 5
        #expect(ExitStatus(summary) == .done)
        summary.failed = 1
        #expect(ExitStatus(summary) == .someFailed)
    }

    @Test func statusOfPush() {
        var summary = PushSummary()
        summary.skipped = ["marked": 1]
        #expect(ExitStatus(summary, refusal: nil) == .done)
        summary.unqueued = 1
        #expect(ExitStatus(summary, refusal: nil) == .someFailed)
        summary.failed = 1
        #expect(ExitStatus(summary, refusal: nil) == .someFailed)
    }

    @Test func onlyCredentialsSettingsAndArgumentsHaveAStatusOfTheirOwn() {
        #expect(ExitStatus(UsageError("x")) == .wrongSetting)
        #expect(ExitStatus(CredentialsError("none")) == .awsUnusable)
        #expect(ExitStatus(CancellationError()) == .someFailed)
        #expect(ExitStatus(FunctionFailure.Cause.server) == .cannotConnect)
        #expect(ExitStatus(FunctionFailure.Cause.settings) == .wrongSetting)
        #expect(ExitStatus(signal: 2) == .interrupted && ExitStatus(signal: 15) == .terminated)
        #expect(ExitStatus(signal: 9) == nil)
    }
}
