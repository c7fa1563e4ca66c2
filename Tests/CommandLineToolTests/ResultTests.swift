import AWS
import JSON
import SFTPLambdaCore
import TestKit
import Testing

@testable import CommandLineTool
@testable import Transfers

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
            ResultText.lines(summary, doneName: ".taken") == [
                "8 files transferred, 21,272,588 bytes, in 0.7 s",
                "left on the server: 13 (12 symbolicLink, 1 young)", "removed from .taken: 2",
                "remaining for the next run: 1,234", "not the whole tree was listed",
            ])
    }

    @Test func whatFailedIsListedAndCannotWriteOnTheTerminal() {
        var summary = PullSummary()
        summary.failed = 3
        summary.failures = [
            TransferFailure(
                path: RemotePath("a\u{1B}[31m"), .server, reason: "the server said \u{1B}]0;x\u{7} \u{202E}no")
        ]
        let lines = ResultText.lines(summary, doneName: ".done")
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

    @Test func aDryRunNamesTheDirectoryThatIsSet() {
        var summary = PullSummary()
        summary.purged = 1
        #expect(PreviewText.lines(summary, doneName: ".taken").contains("1 file would be removed from .taken"))
    }

    /// An object whose key ends in a slash makes a directory, which replaces none.
    @Test func aDryRunTellsAFolderFromAFile() throws {
        func step(_ key: String, _ kind: RemoteAttributes.Kind?, missing: [RemotePath] = []) throws -> PreviewStep {
            let object = ObjectAddress(bucket: "b", key: try #require(ObjectKey(key)))
            var push = PlannedPush(action: .send, object: object, path: "in/a/x", sizeBytes: 0)
            let version = FileVersion(sizeBytes: 7, modified: nil)
            push.present = kind.map { RemoteAttributes(kind: $0, version: version) }
            push.missingDirectories = missing
            return .push(push)
        }
        let head = "send      s3://b/a/x/ -> in/a/x, "
        #expect(try step("a/x/", .directory).text == head + "a directory, which is there")
        let parents = try step("a/x/", nil, missing: ["in/a", "in/a/x"])
        #expect(parents.text == head + "a new directory, making the directories in/a")
        #expect(try step("a/x/", nil, missing: ["in/a/x"]).text == head + "a new directory")
        #expect(try step("a/x/", .file).text == head + "a directory, where something else may stand already")
        #expect(try step("a/x", .file).text.hasSuffix("(0 bytes), replacing a file of 7 bytes"))
        #expect(try step("a/x", .directory).text.hasSuffix("replacing a directory, which no server permits"))
        #expect(try !String(decoding: step("a/x/", .directory).jsonBytes, as: UTF8.self).contains(#""replaces":"d"#))
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
