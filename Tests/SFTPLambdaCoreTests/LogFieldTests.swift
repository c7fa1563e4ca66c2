import Logging
import TestKit
import Testing
import Transfers

@testable import SFTPLambdaCore

/// The fields that saved queries build on.
struct LogFieldTests {
    @Test(
        arguments: [
            ([:], nil), (["AWS_LAMBDA_FUNCTION_NAME": "sftp-lambda-acme-pull"], "sftp-lambda-acme"),
            (["AWS_LAMBDA_FUNCTION_NAME": "acme-push"], "acme-push"), (["AWS_LAMBDA_FUNCTION_NAME": "-pull"], "-pull"),
            (["AWS_LAMBDA_FUNCTION_NAME": ""], nil),
            (["AWS_LAMBDA_FUNCTION_NAME": "x-pull", "SFTP_FLOW_NAME": " acme \n"], "acme"),
            (["AWS_LAMBDA_FUNCTION_NAME": "x-pull", "SFTP_FLOW_NAME": " "], "x"),
        ] as [([String: String], String?)])
    func flowIsNamedBySettingOrFunction(environment: [String: String], name: String?) {
        #expect(LogField.flowName(environment, of: .pull) == name)
    }

    @Test func receiptsHaveTheSameFieldsBothWays() throws {
        let key = try #require(ObjectKey("in/a.csv"))
        let log = LogRecorder()
        let object = StoredObject(etag: "\"e\"", versionID: "v1", sha256: "abc", sizeBytes: 3)
        TransferLog(logger: log.logger(), bucket: "inbox").transferred(
            TransferReceipt(path: "out/a.csv", key: key, object: object, attempt: 2, durationMilliseconds: 5))
        PushLog(logger: log.logger()).delivered(
            PushReceipt(
                object: ObjectAddress(bucket: "inbox", key: key), path: "out/a.csv", etag: "\"e\"", versionID: "v1",
                sizeBytes: 3, sha256: "abc", attempt: 2, durationMilliseconds: 5))
        let fields: Logger.Metadata = [
            "path": "out/a.csv", "bucket": "inbox", "key": "in/a.csv", "bytes": "3", "sha256": "abc",
            "etag": "\"e\"", "versionId": "v1", "attempt": "2", "durationMilliseconds": "5",
        ]
        #expect(log.lines.map(\.message) == ["file transferred", "object delivered"])
        for line in log.lines { #expect(line.metadata.mapValues(\.description) == fields.mapValues(\.description)) }
    }

    @Test func failedFileIsLoggedWithItsClass() {
        let log = LogRecorder()
        TransferLog(logger: log.logger(), bucket: "inbox")
            .failed(TransferFailure(path: "out/a.csv", .store, reason: "denied"))
        #expect(log.lines.map(\.level) == [.error])
        #expect(log.lines.first?.metadata == ["path": "out/a.csv", "errorClass": "store", "reason": "denied"])
    }

    /// A metric that is sent costs money: those of failures are sent by runs that had some.
    @Test func failuresAreMetricsByTheirClass() {
        var metrics = EmbeddedMetrics(namespace: "N")
        metrics.addFailures(["store": 0, "unknown": 3])
        #expect(metrics.lines(epochMilliseconds: 0).isEmpty)
        metrics.addFailures(["store": 2, "connection": 1])
        let line = String(decoding: metrics.lines(epochMilliseconds: 0).first ?? [], as: UTF8.self)
        #expect(line.contains(#""StoreFailures":2"#) && line.contains(#""ConnectionFailures":1"#))
        let names = FailureClass.allCases.map(\.metricName)
        #expect(Set(names).count == names.count && names.allSatisfy { $0.hasSuffix("Failures") })
    }

    @Test func runThatCouldNotBeginFailsByAClass() {
        let server = FunctionFailure(type: .serverUnreachable, cause: .server, message: "")
        let secret = FunctionFailure(type: .secretUnavailable, cause: .aws, message: "")
        #expect(FailureClass(ofRun: server) == .connection)
        #expect(FailureClass(ofRun: secret) == .settings)
        #expect(FailureClass(ofRun: CancellationError()) == nil)
    }
}
