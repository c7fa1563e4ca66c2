import HTTP
import LambdaRuntime
import Logging
import TestKit
import Testing

/// The loop against a script: what is sent for each answer, and when it ends.
@Suite struct LambdaRuntimeTests {
    @Test func servesOneInvocationAfterTheOther() async throws {
        let run = ScriptedRun([.event(#"{"a":1}"#, id: "one"), .accepted, .event("[2]", id: "two"), .accepted])
        #expect(try await run.outcome().kind == .cancelled)
        #expect(
            await run.executor.operations == [
                "invocation/next", "invocation/one/response", "invocation/next", "invocation/two/response",
            ])
        #expect(await run.executor.seen.map(\.body) == ["", #"{"a":1}"#, "", "[2]"])
        #expect(try await run.request(0).url == "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next")
    }

    @Test func nextHasNoTimeLimitAndEveryRequestNamesTheRuntime() async throws {
        let run = ScriptedRun([.event(), .accepted])
        _ = try await run.outcome()
        let seen = await run.executor.seen
        #expect(try await run.request(0).method == "GET")
        #expect(try await run.request(0).limits == .longPoll)
        #expect(try await run.request(1).method == "POST")
        #expect(try await run.request(1).headers["Content-Type"] == "application/json")
        #expect(seen.allSatisfy { $0.headers["User-Agent"] == "sftp-lambda" })
    }

    @Test func contextHoldsEveryHeader() async throws {
        let run = ScriptedRun([
            .event(
                id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
                with: [
                    "lambda-runtime-client-context": #"{"client":{}}"#,
                    "Lambda-Runtime-Cognito-Identity": #"{"cognitoIdentityId":"x"}"#,
                    "Lambda-Runtime-Aws-Tenant-Id": "blue",
                ]),
            .accepted,
        ])
        _ = try await run.outcome()
        let context = try #require(run.handler.contexts.first)
        #expect(context.requestID == "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        #expect(context.deadline.epochMilliseconds == 1_700_000_003_000)
        #expect(context.deadline.remainingSeconds == 3)
        #expect(context.invokedFunctionARN == "arn:aws:lambda:eu-central-1:123456789012:function:pull")
        #expect(context.traceID == "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1")
        #expect(context.clientContext == #"{"client":{}}"#)
        #expect(context.cognitoIdentity == #"{"cognitoIdentityId":"x"}"#)
        #expect(context.tenantID == "blue")
    }

    @Test func optionalHeadersMayBeMissing() async throws {
        let run = ScriptedRun([.event(without: ["Lambda-Runtime-Trace-Id"]), .accepted])
        _ = try await run.outcome()
        let context = try #require(run.handler.contexts.first)
        #expect(context.traceID == nil && context.clientContext == nil && context.cognitoIdentity == nil)
        #expect(context.tenantID == nil)
    }

    @Test func handlersLogCarriesTheRequestIDAndTheTraceID() async throws {
        let handler = TestHandler { event, context in
            context.logger.info("at work")
            return event
        }
        let run = ScriptedRun(
            [
                .event(id: "one", with: ["Lambda-Runtime-Trace-Id": "Root=1-5bef-7ad;Parent=9a;Sampled=0"]), .accepted,
                .event(id: "two", without: ["Lambda-Runtime-Trace-Id"]), .accepted,
            ], handler: handler)
        _ = try await run.outcome()
        #expect(run.log.lines.map { $0.metadata["requestId"] } == ["one", "two"])
        #expect(run.log.lines.map { $0.metadata["traceId"] } == ["1-5bef-7ad", nil])
    }

    @Test func resultThatIsRefusedIsLoggedWithItsInvocation() async throws {
        let run = ScriptedRun([
            .event(id: "one", with: ["Lambda-Runtime-Trace-Id": "Root=1-5bef-7ad"]), .answer(410, [:], []),
        ])
        _ = try await run.outcome()
        let line = try #require(run.log.lines.first)
        #expect(line.message == "the Runtime API refused a result")
        #expect(line.metadata["requestId"] == "one" && line.metadata["traceId"] == "1-5bef-7ad")
    }

    @Test func traceVariableFollowsEachInvocation() async throws {
        let run = ScriptedRun([
            .event(with: ["Lambda-Runtime-Trace-Id": "Root=1"]), .accepted,
            .event(without: ["Lambda-Runtime-Trace-Id"]), .accepted,
            .event(with: ["Lambda-Runtime-Trace-Id": "Root=2"]), .accepted,
        ])
        _ = try await run.outcome()
        #expect(run.trace.values == ["Root=1", nil, "Root=2"])
    }

    @Test func invocationIDIsSentBackOnlyWhenItCame() async throws {
        let handler = TestHandler { event, _ in
            if event.isEmpty { throw ChosenError() }
            return event
        }
        let nonce: HTTPHeaders = ["Lambda-Runtime-Invocation-Id": "nonce"]
        let run = ScriptedRun(
            [.event(with: nonce), .accepted, .event("", with: nonce), .accepted, .event(), .accepted], handler: handler)
        _ = try await run.outcome()
        let posts = await run.executor.seen.filter { $0.method == "POST" }
        #expect(posts.map { $0.headers["Lambda-Runtime-Invocation-Id"] } == ["nonce", "nonce", nil])
    }

    @Test(arguments: [[], [0xFF, 0x00, 0xC3], Array("not json".utf8)] as [[UInt8]])
    func eventsReachTheHandlerAsTheyAre(event: [UInt8]) async throws {
        guard case .answer(_, let headers, _) = ScriptedExecutor.Step.event() else { return }
        let run = ScriptedRun([.answer(200, headers, event), .accepted])
        _ = try await run.outcome()
        #expect(run.handler.events == [event])
    }

    @Test func oddRequestIDStaysOneSegmentOfThePath() async throws {
        let run = ScriptedRun([.event(id: "../init/error?x=%41#é"), .accepted])
        _ = try await run.outcome()
        #expect(
            await run.executor.operations.last
                == "invocation/%2E%2E%2Finit%2Ferror%3Fx%3D%2541%23%C3%A9/response")
    }
}

/// Failures of the handler.
@Suite struct HandlerFailureTests {
    private static func run(_ error: any Error & Sendable) async throws -> (ScriptedRun, ScriptedExecutor.Seen) {
        let run = ScriptedRun(
            [.event(id: "one"), .accepted, .event(id: "two"), .accepted], handler: TestHandler { _, _ in throw error })
        #expect(try await run.outcome().kind == .cancelled)
        #expect(
            await run.executor.operations == [
                "invocation/next", "invocation/one/error", "invocation/next", "invocation/two/error",
            ])
        return (run, try await run.request(1))
    }

    @Test func chosenErrorIsReportedInItsOwnWords() async throws {
        let (run, post) = try await Self.run(ChosenError())
        #expect(post.headers["Lambda-Runtime-Function-Error-Type"] == "Function.PartnerUnreachable")
        #expect(post.headers["Content-Type"] == "application/json")
        #expect(
            post.body
                == #"{"errorMessage":"connect to sftp.example.com:22: refused; trying again can help","#
                + #""errorType":"PartnerUnreachable","stackTrace":[]}"#)
        #expect(run.log.text.contains("PartnerUnreachable"))
        #expect(run.log.lines.first?.metadata["requestId"] == "one")
        #expect(run.log.lines.first?.metadata["traceId"] != nil)
    }

    @Test func otherErrorsAreNamedByTheirTypeAlone() async throws {
        let (run, post) = try await Self.run(SecretiveError())
        #expect(post.headers["Lambda-Runtime-Function-Error-Type"] == "Function.Unhandled")
        #expect(post.body.contains("SecretiveError"))
        #expect(!post.body.contains("hunter2"))
        #expect(!run.log.text.contains("hunter2"))
    }
}

/// What each answer to a result does.
@Suite struct ResultAnswerTests {
    @Test(arguments: [200, 202, 204, 400, 403, 404, 410])
    func theLoopGoesOn(status: Int) async throws {
        let run = ScriptedRun([.event(id: "one"), .status(status), .event(id: "two"), .accepted])
        #expect(try await run.outcome().kind == .cancelled)
        #expect(run.handler.events.count == 2)
        #expect(run.log.lines.isEmpty == (status < 300))
    }

    @Test(arguments: [500, 502, 503, 302])
    func theLoopEnds(status: Int) async throws {
        let run = ScriptedRun([.event(), .status(status), .event(), .accepted])
        let error = try await run.outcome()
        #expect(error.kind == .refused)
        #expect(error.message.contains("\(status)"))
        #expect(error.message.contains("Scripted"))
        #expect(run.handler.events.count == 1)
    }

    @Test(arguments: [400, 403, 410, 413])
    func refusedErrorReportDoesNotEndTheLoop(status: Int) async throws {
        let run = ScriptedRun(
            [.event(), .status(status), .event(), .accepted], handler: TestHandler { _, _ in throw ChosenError() })
        #expect(try await run.outcome().kind == .cancelled)
        #expect(run.handler.events.count == 2)
    }

    @Test func serverFailureOnAnErrorReportEndsTheLoop() async throws {
        let run = ScriptedRun([.event(), .status(500)], handler: TestHandler { _, _ in throw ChosenError() })
        #expect(try await run.outcome().kind == .refused)
    }

    @Test(arguments: [202, 400, 403])
    func tooLargeResponseBecomesAnErrorOfTheSameInvocation(answerToReport: Int) async throws {
        let run = ScriptedRun([
            .event(id: "one"), .status(413), .status(answerToReport), .event(id: "two"), .accepted,
        ])
        #expect(try await run.outcome().kind == .cancelled)
        let seen = await run.executor.seen
        #expect(
            seen.map(\.operation) == [
                "invocation/next", "invocation/one/response", "invocation/one/error", "invocation/next",
                "invocation/two/response",
            ])
        #expect(
            try await run.request(2).headers["Lambda-Runtime-Function-Error-Type"] == "Function.ResponseSizeTooLarge")
        #expect(try await run.request(2).body.contains("2 bytes"))
    }

    @Test func postIsRepeatedAfterALostConnection() async throws {
        let run = ScriptedRun([.event(), .failure(.connectionLost), .failure(.connect), .accepted, .event(), .accepted])
        #expect(try await run.outcome().kind == .cancelled)
        #expect(run.handler.events.count == 2)
    }

    @Test func postThatCannotBeSentEndsTheLoop() async throws {
        let run = ScriptedRun([.event()] + Array(repeating: .failure(.connect), count: 9))
        #expect(try await run.outcome().kind == .unreachable)
        #expect(await run.executor.seen.count == 4)
    }
}

/// What each answer to `next` does.
@Suite struct NextAnswerTests {
    @Test func deadConnectionIsReplaced() async throws {
        let run = ScriptedRun([.failure(.connectionLost), .event(), .accepted])
        #expect(try await run.outcome().kind == .cancelled)
        #expect(run.handler.events.count == 1)
    }

    @Test func eventThatBreaksOffIsFetchedAgain() async throws {
        let run = ScriptedRun([.cutBody(200, [:]), .event(), .accepted])
        #expect(try await run.outcome().kind == .cancelled)
        #expect(run.handler.events.count == 1)
    }

    @Test(arguments: [403, 404, 429, 503])
    func refusalIsTriedAgain(status: Int) async throws {
        let run = ScriptedRun([.status(status), .event(), .accepted])
        #expect(try await run.outcome().kind == .cancelled)
        #expect(run.handler.events.count == 1)
    }

    @Test func triesAreBoundedAndCountedAnewAfterASuccess() async throws {
        let lost = ScriptedExecutor.Step.failure(.connectionLost)
        let run = ScriptedRun([lost, lost, .event(), .accepted, lost, lost, lost, .event()])
        let error = try await run.outcome()
        #expect(error.kind == .unreachable)
        #expect(error.message.contains("next"))
        #expect(run.handler.events.count == 1)
        let refused = ScriptedRun(Array(repeating: .status(403), count: 9))
        #expect(try await refused.outcome().kind == .refused)
        #expect(await refused.executor.seen.count == 3)
    }

    @Test func serverFailureEndsTheLoopAtOnce() async throws {
        let run = ScriptedRun([.status(500), .event()])
        #expect(try await run.outcome().kind == .refused)
        #expect(await run.executor.seen.count == 1)
    }

    @Test(arguments: [HTTPError.Kind.invalidRequest, .tls, .closed])
    func failureThatCannotPassEndsTheLoopAtOnce(kind: HTTPError.Kind) async throws {
        let run = ScriptedRun([.failure(kind), .event()])
        #expect(try await run.outcome().kind == .unreachable)
        #expect(await run.executor.seen.count == 1)
    }

    @Test func cancellationEndsTheWaitBeforeARepetition() async throws {
        let run = ScriptedRun([.failure(.connectionLost), .event()])
        let task = Task { try await run.outcome(retryDelays: [.seconds(3600)]) }
        while await run.executor.seen.isEmpty { await Task.yield() }
        task.cancel()
        #expect(try await task.value.kind == .cancelled)
    }

    @Test(
        arguments: [
            (["Lambda-Runtime-Deadline-Ms"], [:], "Lambda-Runtime-Deadline-Ms is missing"),
            ([], ["Lambda-Runtime-Deadline-Ms": "soon"], "Lambda-Runtime-Deadline-Ms is not a time"),
            ([], ["Lambda-Runtime-Deadline-Ms": "-1"], "Lambda-Runtime-Deadline-Ms is not a time"),
            ([], ["Lambda-Runtime-Deadline-Ms": "99999999999999999999"], "Lambda-Runtime-Deadline-Ms is not a time"),
            (["Lambda-Runtime-Invoked-Function-Arn"], [:], "Lambda-Runtime-Invoked-Function-Arn is missing"),
        ] as [([String], HTTPHeaders, String)])
    func invocationWithoutAHeaderIsAnsweredWithAnError(
        omitted: [String], other: HTTPHeaders, message: String
    ) async throws {
        let run = ScriptedRun([.event(id: "one", without: omitted, with: other), .accepted, .event(), .accepted])
        #expect(try await run.outcome().kind == .cancelled)
        let post = try await run.request(1)
        #expect(post.operation == "invocation/one/error")
        #expect(post.headers["Lambda-Runtime-Function-Error-Type"] == "Runtime.InvalidInvocation")
        #expect(post.body.contains(message))
        #expect(run.handler.events.count == 1)
    }

    @Test(arguments: [nil, "", String(repeating: "x", count: 257)] as [String?])
    func invocationThatCannotBeAnsweredEndsTheLoop(id: String?) async throws {
        let run = ScriptedRun([
            id.map { .event(id: $0) } ?? .event(without: ["Lambda-Runtime-Aws-Request-Id"]), .accepted,
        ])
        let error = try await run.outcome()
        #expect(error.kind == .malformedInvocation)
        #expect(error.message.contains("Lambda-Runtime-Aws-Request-Id"))
    }

    @Test func oversizedEventIsAnsweredWithAnError() async throws {
        let largest = 8 * 1024 * 1024
        guard case .answer(_, let headers, _) = ScriptedExecutor.Step.event() else { return }
        let run = ScriptedRun(
            [
                .answer(200, headers, [UInt8](repeating: 0x20, count: largest + 1)), .accepted,
                .answer(200, headers, [UInt8](repeating: 0x20, count: largest)), .accepted,
            ], handler: TestHandler { _, _ in [] })
        #expect(try await run.outcome().kind == .cancelled)
        #expect(try await run.request(1).headers["Lambda-Runtime-Function-Error-Type"] == "Runtime.EventTooLarge")
        #expect(run.handler.events.map(\.count) == [largest])
    }
}

/// Making the handler.
@Suite struct InitializationTests {
    @Test(arguments: [202, 403, 500])
    func failureIsReportedAndEndsTheProcess(status: Int) async throws {
        let run = ScriptedRun([.status(status), .event()])
        let error = try await run.outcome(makeHandler: { throw ChosenError() })
        #expect(error.kind == .initializationFailed)
        #expect(error.message.contains("PartnerUnreachable: connect to"))
        let seen = await run.executor.seen
        #expect(seen.map(\.operation) == ["init/error"])
        #expect(try await run.request(0).headers["Lambda-Runtime-Function-Error-Type"] == "Function.PartnerUnreachable")
        #expect(try await run.request(0).body.contains(#""errorType":"PartnerUnreachable""#))
        #expect(run.log.lines.isEmpty == (status == 202))
    }

    @Test func unreachableRuntimeAPIDoesNotHideTheFailure() async throws {
        let run = ScriptedRun(Array(repeating: .failure(.connect), count: 9))
        let error = try await run.outcome(makeHandler: { throw ChosenError() })
        #expect(error.kind == .initializationFailed)
        #expect(await run.executor.seen.count == 3)
    }

    @Test func handlerIsMadeBeforeTheFirstInvocationIsFetched() async throws {
        let run = ScriptedRun([.event(), .accepted])
        let error = try await run.outcome(makeHandler: {
            #expect(await run.executor.seen.isEmpty)
            return run.handler
        })
        #expect(error.kind == .cancelled)
        #expect(run.handler.events.count == 1)
    }
}

/// AWS_LAMBDA_RUNTIME_API.
@Suite struct RuntimeAPIAddressTests {
    @Test func comesFromTheEnvironment() throws {
        let address = try RuntimeAPIAddress(environment: ["AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"])
        #expect(address.description == "127.0.0.1:9001")
        #expect(try RuntimeAPIAddress("[::1]:9001").description == "[::1]:9001")
    }

    @Test(arguments: [[:], ["AWS_LAMBDA_RUNTIME_API": ""]])
    func missingIsAnErrorOfItsOwn(environment: [String: String]) {
        let error = #expect(throws: LambdaRuntimeError.self) { try RuntimeAPIAddress(environment: environment) }
        #expect(error?.kind == .addressMissing)
    }

    @Test(arguments: ["", "host:1/path", "user@host:1", "host:1?x", "host :1", "hôst:1", "a\r\nb"])
    func anythingButHostAndPortIsRefused(text: String) {
        let error = #expect(throws: LambdaRuntimeError.self) { try RuntimeAPIAddress(text) }
        #expect(error?.kind == .addressInvalid)
    }
}
