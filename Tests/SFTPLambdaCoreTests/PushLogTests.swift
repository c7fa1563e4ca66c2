import Logging
import TestKit
import Testing
import Transfers

@testable import SFTPLambdaCore

/// What an operator sees of a push in the log: one line says what happened, to what, and what to do.
struct PushLogTests {
    private func lines(_ tell: (PushLog) -> Void) -> [LogRecorder.Line] {
        let log = LogRecorder()
        tell(PushLog(logger: log.logger()))
        return log.lines
    }

    private func object() throws -> ObjectAddress {
        ObjectAddress(bucket: "inbox", key: try #require(ObjectKey("a/b.txt")))
    }

    @Test func everyFailureIsAnErrorWithItsClassAndReason() throws {
        let object = try object()
        let subjects: [PushSubject] = [
            .object(object), .event(messageID: "m1"), .event(messageID: nil), .connection, .retryQueue,
            .retryMessage(object), .retryMessage(nil),
        ]
        let lines = lines { log in
            for subject in subjects { log.failed(subject, FailureAccount(errorClass: "class", reason: "because")) }
        }
        #expect(lines.count == subjects.count)
        for line in lines {
            #expect(line.level == .error)
            #expect(line.metadata["errorClass"] == "class")
            #expect(line.metadata["reason"] == "because")
        }
        #expect(Set(lines.map(\.message)).count == 5)
    }

    @Test func bucketAndKeyAreThereWhereTheyAreKnown() throws {
        let object = try object()
        let lines = lines { log in
            log.failed(.object(object), FailureAccount(errorClass: "server", reason: "refused"))
            log.failed(.retryMessage(object), FailureAccount(errorClass: "queue", reason: "denied"))
        }
        #expect(lines.map { $0.metadata["bucket"] } == ["inbox", "inbox"])
        #expect(lines.map { $0.metadata["key"] } == ["a/b.txt", "a/b.txt"])
    }

    @Test func howOftenAnObjectWasTriedIsTold() throws {
        let object = try object()
        let lines = lines { log in
            log.failed(.object(object), FailureAccount(errorClass: "server", reason: "refused", attempt: 3))
            log.failed(.retryQueue, FailureAccount(errorClass: "queue", reason: "denied"))
        }
        #expect(lines.map { $0.metadata["attempt"]?.description } == ["3", nil])
    }

    @Test func messageOfAnEventThatWasNotUnderstoodIsNamed() {
        let lines = lines {
            $0.failed(.event(messageID: "m1"), FailureAccount(errorClass: "notJSON", reason: "no JSON"))
        }
        #expect(lines.map { $0.metadata["messageId"] } == ["m1"])
    }

    @Test func failuresThatConcernMoreThanOneObjectSayWhatToDo() {
        let lines = lines { log in
            for subject in [PushSubject.connection, .retryQueue, .retryMessage(nil), .event(messageID: nil)] {
                log.failed(subject, FailureAccount(errorClass: "class", reason: "because"))
            }
        }
        #expect(lines.allSatisfy { !($0.metadata["action"]?.description ?? "").isEmpty })
    }

    @Test func whatStopsNothingIsAWarning() {
        let lines = lines { $0.warning("it comes again", because: "timeout") }
        #expect(lines.map(\.level) == [.warning])
        #expect(lines.map { $0.metadata["reason"] } == ["timeout"])
    }

    @Test func failureOfAPushCountsTheMessagesThatWereNotTaken() {
        var summary = PushSummary()
        summary.failed = 1
        summary.queued = 1
        summary.unqueued = 2
        #expect(FunctionFailure(unqueued: summary).errorMessage.hasPrefix("2 of 3 messages "))
    }
}
