import Foundation
import JSON
import TestKit
import Testing

@testable import Transfers

/// What the functions answer.
@Suite struct SummaryTests {
    private func text(_ value: some JSONWritable) -> String { String(decoding: value.jsonBytes, as: UTF8.self) }

    /// docs/how-it-works.md shows such an answer.
    @Test func pullAnswersInTheOrderOfTheNames() {
        var summary = PullSummary()
        summary.transferred = 8
        summary.bytes = 21_272_588
        summary.left = ["young": 2, "symbolicLink": 1]
        summary.durationMilliseconds = 729
        summary.failures = [TransferFailure(path: RemotePath("a/b"), .server, reason: "no \"way\" \u{202E}é")]
        summary.failed = 1
        summary.failedByClass = ["server": 1]
        summary.oldestWaitingSeconds = 59
        #expect(
            text(summary)
                == #"{"bytes":21272588,"durationMilliseconds":729,"failed":1,"failedByClass":{"server":1},"#
                + #""failures":[{"errorClass":"server","path":"a/b","reason":"no \"way\" \u202eé"}],"#
                + #""isListingComplete":true,"left":{"symbolicLink":1,"young":2},"oldestWaitingSeconds":59,"#
                + #""purged":0,"remaining":0,"transferred":8}"#)
    }

    @Test func pushAnswersInTheOrderOfTheNames() {
        var summary = PushSummary()
        summary.failures = [PushSummary.Failure(subject: "s3://b/k", errorClass: "denied", reason: "no")]
        summary.skipped = ["unchanged": 3]
        #expect(
            text(summary)
                == #"{"bytes":0,"delivered":0,"durationMilliseconds":0,"failed":0,"failedByClass":{},"#
                + #""failures":[{"errorClass":"denied","reason":"no","subject":"s3://b/k"}],"handedBack":0,"marked":0,"#
                + #""queued":0,"received":0,"skipped":{"unchanged":3},"unqueued":0}"#)
    }

    /// A figure that is added to a summary and forgotten in its answer would be known to nobody.
    @Test func everyFigureIsInTheAnswer() throws {
        func check(_ value: some JSONWritable) throws {
            let fields = Mirror(reflecting: value).children.compactMap(\.label).sorted()
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(value.jsonBytes)) as? [String: Any])
            #expect(object.keys.sorted() == fields)
        }
        var (pull, push) = (PullSummary(), PushSummary())
        (pull.oldestWaitingSeconds, push.oldestWaitingSeconds) = (0, 0)
        try check(pull)
        try check(push)
        try check(PushSummary.Failure(subject: "s", errorClass: "c", reason: "r"))
        try check(TransferFailure(path: RemotePath("p"), .store, reason: "r"))
    }
}
