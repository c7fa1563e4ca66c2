import AWS
import HTTP
import Logging
import TestKit
import Testing
import Transfers

@testable import SFTPLambdaCore

/// `push --check` tries whether an object may be marked, and changes nothing of it.
@Suite struct CheckMarkTests {
    private static let etag = "\"b1946ac92492d2347c6235b4d2611184\""

    /// Checks an object of a store that answers the copy so.
    private static func check(
        _ copy: ScriptedHTTPServer.Response
    ) async throws -> (steps: [CheckStep], copies: [ScriptedHTTPServer.Request]) {
        let server = try ScriptedHTTPServer(answering: { request in
            request.method == "PUT"
                ? copy
                : .init(
                    200,
                    headers: [
                        "ETag": etag, "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT", "Content-Type": "text/csv",
                        "x-amz-meta-owner": "acme", "Content-Length": "0",
                    ])
        })
        defer { server.stop() }
        let environment = [
            "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "s",
        ]
        let services = try FunctionServices(
            for: .push, environment: environment, log: LogOutput(options: LogOptions(environment: environment)))
        let run = FunctionRun(id: "1", window: .unlimited, logger: LogRecorder().logger())
        var list = CheckList()
        let object = ObjectAddress(bucket: "acme-outbox", key: try #require(ObjectKey("in/k")))
        await AWSCheck(services: services, run: run).checkSource(object, &list)
        await services.http.shutdown()
        return (list.steps, server.requests.filter { $0.method == "PUT" })
    }

    private static func refusal(_ status: Int, _ code: String) -> ScriptedHTTPServer.Response {
        .init(status, text: "<Error><Code>\(code)</Code><Message>m</Message></Error>")
    }

    @Test func aConditionThatDoesNotHoldIsThePermission() async throws {
        let (steps, copies) = try await Self.check(Self.refusal(412, "PreconditionFailed"))
        #expect(steps.map(\.name) == ["look at s3://acme-outbox/in/k", "mark s3://acme-outbox/in/k"])
        #expect(steps.map(\.outcome) == [.works, .works])
        let copy = try #require(copies.first)
        #expect(copies.count == 1)
        // No object has that ETag, and the object's own content and metadata are stated besides.
        let condition = copy.headers["x-amz-copy-source-if-match"]
        #expect(condition == copy.headers["If-Match"] && condition != nil && condition != Self.etag)
        #expect(condition?.contains("sftp-lambda-check") == true)
        #expect(copy.headers["x-amz-copy-source"] == "/acme-outbox/in/k")
        #expect(copy.headers["x-amz-meta-owner"] == "acme" && copy.headers["Content-Type"] == "text/csv")
    }

    @Test func aDenialSaysWhatToAllow() async throws {
        let (steps, _) = try await Self.check(Self.refusal(403, "AccessDenied"))
        let mark = try #require(steps.last)
        #expect(mark.outcome == .fails && mark.cause == .aws && mark.meaning.contains("retry queue"))
        #expect(mark.advice.contains("allow s3:GetObject and s3:PutObject on acme-outbox/in/k"), "\(mark.advice)")
        #expect(mark.detail.contains("403 AccessDenied") && !mark.detail.contains("allow"), "\(mark.detail)")
    }

    @Test func aStoreThatKeepsToNoConditionIsNotFitForMarks() async throws {
        let copied = "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>"
        let (steps, _) = try await Self.check(.init(200, text: copied))
        let mark = try #require(steps.last)
        #expect(mark.outcome == .fails && mark.detail.contains("whose condition does not hold"), "\(mark.detail)")
        #expect(mark.advice.contains("x-amz-copy-source-if-match"))
    }
}
