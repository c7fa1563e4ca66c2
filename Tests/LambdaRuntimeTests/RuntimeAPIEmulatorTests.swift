import Foundation
import HTTP
import TestKit
import Testing

/// What AWS documents of the Runtime API and of Invoke, asked of the emulator with plain HTTP: the other tests are worth
/// as much as this one.
@Suite(.serialized) struct RuntimeAPIEmulatorTests {
    private let folder: TemporaryFolder
    private let emulator: RuntimeAPIEmulator

    init() throws {
        folder = try TemporaryFolder()
        emulator = try RuntimeAPIEmulator(workFolder: folder.url)
    }

    private func next() async throws -> PlainHTTP.Answer {
        try await PlainHTTP.send("GET", emulator.address, "/2018-06-01/runtime/invocation/next")
    }

    private func post(
        _ path: String, _ body: String = "{}", headers: HTTPHeaders = [:]
    ) async throws -> PlainHTTP.Answer {
        try await PlainHTTP.send(
            "POST", emulator.address, "/2018-06-01/runtime/\(path)", headers: headers, body: Array(body.utf8))
    }

    private struct ErrorBody: Decodable, Equatable {
        var errorMessage: String
        var errorType: String
    }

    private func errorType(_ answer: PlainHTTP.Answer) throws -> String {
        try JSONDecoder().decode(ErrorBody.self, from: Data(answer.body)).errorType
    }

    private func errorBody(_ outcome: RuntimeAPIEmulator.Outcome) throws -> ErrorBody {
        try JSONDecoder().decode(ErrorBody.self, from: Data(outcome.payload))
    }

    @Test func invocationGoesThereAndBack() async throws {
        async let outcome = emulator.invoke(
            Array(#"{"key":"ä"}"#.utf8),
            .init(
                timeoutSeconds: 20, clientContext: #"{"client":1}"#, cognitoIdentity: #"{"cognitoIdentityId":"c"}"#,
                tenantID: "blue", traceID: "Root=1-2-3;Sampled=1"))
        let before = Date().timeIntervalSince1970
        let answer = try await next()
        #expect(answer.status == 200)
        #expect(answer.text == #"{"key":"ä"}"#)
        #expect(answer.headers["Content-Type"] == "application/json")
        #expect(answer.headers["Lambda-Runtime-Trace-Id"] == "Root=1-2-3;Sampled=1")
        #expect(answer.headers["Lambda-Runtime-Client-Context"] == #"{"client":1}"#)
        #expect(answer.headers["Lambda-Runtime-Cognito-Identity"] == #"{"cognitoIdentityId":"c"}"#)
        #expect(answer.headers["Lambda-Runtime-Aws-Tenant-Id"] == "blue")
        #expect(
            answer.headers["Lambda-Runtime-Invoked-Function-Arn"]
                == "arn:aws:lambda:eu-central-1:123456789012:function:function")
        let deadline = try #require(answer.headers["Lambda-Runtime-Deadline-Ms"].flatMap(Double.init)) / 1000
        #expect((before + 19.9...before + 25).contains(deadline))
        let id = try #require(answer.headers["Lambda-Runtime-Aws-Request-Id"])
        #expect(UUID(uuidString: id) != nil)

        let accepted = try await post("invocation/\(id)/response", #"{"done":true}"#)
        #expect(accepted.status == 202)
        #expect(accepted.text.contains(#""status": "OK""#))
        let result = try await outcome
        #expect(result.text == #"{"done":true}"#)
        #expect(result.functionError == nil)
        #expect(result.requestID == id)
    }

    @Test func optionalHeadersAreAbsentUnlessGiven() async throws {
        async let outcome = emulator.invoke([])
        let answer = try await next()
        #expect(answer.body.isEmpty)
        for name in ["Client-Context", "Cognito-Identity", "Aws-Tenant-Id"] {
            #expect(answer.headers["Lambda-Runtime-\(name)"] == nil)
        }
        #expect(answer.headers["Lambda-Runtime-Trace-Id"]?.hasPrefix("Root=1-") == true)
        _ = try await post("invocation/\(answer.headers["Lambda-Runtime-Aws-Request-Id"] ?? "")/response")
        #expect(try await outcome.functionError == nil)
    }

    @Test func errorIsPassedOnAsUnhandled() async throws {
        async let outcome = emulator.invoke([])
        let id = try #require(try await next().headers["Lambda-Runtime-Aws-Request-Id"])
        let body = #"{"errorMessage":"m","errorType":"T","stackTrace":[]}"#
        let headers: HTTPHeaders = ["Lambda-Runtime-Function-Error-Type": "Function.T"]
        #expect(try await post("invocation/\(id)/error", body, headers: headers).status == 202)
        #expect(try await outcome.text == body)
        #expect(try await outcome.functionError == "Unhandled")
    }

    @Test(arguments: [
        ("Function.Odd", "Function.Odd"), ("Function.odd", "Function.Unknown"), ("odd", "Runtime.Unknown"),
    ])
    func errorWithoutABodyIsMadeOfItsHeader(header: String, type: String) async throws {
        async let outcome = emulator.invoke([])
        let id = try #require(try await next().headers["Lambda-Runtime-Aws-Request-Id"])
        _ = try await post("invocation/\(id)/error", "", headers: ["Lambda-Runtime-Function-Error-Type": header])
        #expect(try await outcome.text == #"{"errorType": "\#(type)"}"#)
    }

    @Test func nextWaitsForOneInvocationAtATime() async throws {
        async let first = emulator.invoke(Array("1".utf8))
        let one = try #require(try await next().headers["Lambda-Runtime-Aws-Request-Id"])
        async let second = emulator.invoke(Array("2".utf8))
        // Asked again before the answer, it is the same invocation: what a broken connection needs.
        let again = try await next()
        #expect(again.headers["Lambda-Runtime-Aws-Request-Id"] == one)
        #expect(again.text == "1")
        #expect(try await post("invocation/\(one)/response", "11").status == 202)
        let two = try await next()
        #expect(two.text == "2")
        _ = try await post("invocation/\(two.headers["Lambda-Runtime-Aws-Request-Id"] ?? "")/response", "22")
        #expect(try await [first.text, second.text] == ["11", "22"])
    }

    @Test func resultsForOtherInvocationsAreRefused() async throws {
        async let first = emulator.invoke([])
        let one = try #require(try await next().headers["Lambda-Runtime-Aws-Request-Id"])
        for operation in ["response", "error"] {
            let unknown = try await post("invocation/no-such-id/\(operation)")
            #expect(unknown.status == 400)
            #expect(try errorType(unknown) == "InvalidRequestID")
        }
        #expect(try await post("invocation/\(one)/response").status == 202)
        _ = try await first
        // Already answered: refused for its state while it is the last one, then for its id.
        for operation in ["response", "error"] {
            let twice = try await post("invocation/\(one)/\(operation)")
            #expect(twice.status == 403)
            #expect(try errorType(twice) == "InvalidStateTransition")
        }
        async let second = emulator.invoke([])
        let two = try #require(try await next().headers["Lambda-Runtime-Aws-Request-Id"])
        let late = try await post("invocation/\(one)/response")
        #expect(late.status == 400)
        #expect(try errorType(late) == "InvalidRequestID")
        _ = try await post("invocation/\(two)/response")
        _ = try await second
    }

    @Test func resultOfAnEarlierInvocationWithTheSameRequestIDIsRefused() async throws {
        async let outcome = emulator.invoke([], .init(requestID: "chosen"))
        let nonce = try #require(try await next().headers["Lambda-Runtime-Invocation-Id"])
        let stale = try await post(
            "invocation/chosen/response", "old", headers: ["Lambda-Runtime-Invocation-Id": "another"])
        #expect(stale.status == 410)
        #expect(try errorType(stale) == "InvokeTimeout")
        let right = try await post(
            "invocation/chosen/response", "new", headers: ["Lambda-Runtime-Invocation-Id": nonce])
        #expect(right.status == 202)
        #expect(try await outcome.text == "new")
    }

    @Test func responseOverTheLimitIsRefusedAndReported() async throws {
        let limit = 6_291_556
        async let largest = emulator.invoke([])
        let one = try #require(try await next().headers["Lambda-Runtime-Aws-Request-Id"])
        let mode: HTTPHeaders = ["Lambda-Runtime-Function-Response-Mode": "streaming"]
        let whole = String(repeating: "x", count: limit)
        #expect(try await post("invocation/\(one)/response", whole, headers: mode).status == 202)
        #expect(try await largest.payload.count == limit)

        async let tooLarge = emulator.invoke([])
        let two = try #require(try await next().headers["Lambda-Runtime-Aws-Request-Id"])
        let refused = try await post("invocation/\(two)/response", whole + "x")
        #expect(refused.status == 413)
        #expect(try errorType(refused) == "RequestEntityTooLarge")
        let result = try await tooLarge
        #expect(result.functionError == "Unhandled")
        #expect(
            try errorBody(result)
                == ErrorBody(
                    errorMessage:
                        "Response payload size (6291557 bytes) exceeded maximum allowed payload size (6291556 bytes).",
                    errorType: "Function.ResponseSizeTooLarge"))
        #expect(try await post("invocation/\(two)/error").status == 403)
    }

    @Test func timeoutCountsFromTheFetch() async throws {
        async let outcome = emulator.invoke([], .init(timeoutSeconds: 0.25))
        let id = try #require(try await next().headers["Lambda-Runtime-Aws-Request-Id"])
        let result = try await outcome
        #expect(result.functionError == "Unhandled")
        #expect(
            try errorBody(result)
                == ErrorBody(
                    errorMessage: "RequestId: \(id) Error: Task timed out after 0.25 seconds",
                    errorType: "Sandbox.Timedout"))
        let late = try await post("invocation/\(id)/response")
        #expect(late.status == 410)
        #expect(try errorType(late) == "InvokeTimeout")
    }

    @Test func initErrorIsServedToTheFirstInvocation() async throws {
        let body = #"{"errorMessage":"no handler","errorType":"Init"}"#
        #expect(try await post("init/error", body).status == 202)
        let refused = try await next()
        #expect(refused.status == 403)
        #expect(try errorType(refused) == "InvalidStateTransition")
        let outcome = try await emulator.invoke([])
        #expect(outcome.text == body)
        #expect(outcome.functionError == "Unhandled")
    }

    @Test func initErrorAfterTheFirstNextIsRefused() async throws {
        async let outcome = emulator.invoke([])
        let id = try #require(try await next().headers["Lambda-Runtime-Aws-Request-Id"])
        let refused = try await post("init/error")
        #expect(refused.status == 403)
        #expect(try errorType(refused) == "InvalidStateTransition")
        _ = try await post("invocation/\(id)/response")
        _ = try await outcome
    }

    @Test func otherPathsAndMethodsAreRefused() async throws {
        #expect(try await PlainHTTP.send("GET", emulator.address, "/2018-06-01/runtime/other").status == 404)
        #expect(try await PlainHTTP.send("GET", emulator.address, "/runtime/invocation/next").status == 404)
        #expect(try await PlainHTTP.send("POST", emulator.address, "/2018-06-01/runtime/invocation/next").status == 405)
        #expect(try await PlainHTTP.send("GET", emulator.address, "/2018-06-01/runtime/init/error").status == 405)
    }

    @Test func invokeRefusesWhatLambdaRefuses() async throws {
        let event: HTTPHeaders = ["X-Amz-Invocation-Type": "Event"]
        let broken = try await emulator.invokeAPI(body: Array("{".utf8))
        #expect(broken.status == 400)
        #expect(broken.headers["X-Amzn-ErrorType"] == "InvalidRequestContentException")
        #expect(try await emulator.invokeAPI(function: "other", body: []).status == 404)
        for (headers, limit) in [(event, 1024 * 1024), ([:], 6 * 1024 * 1024)] {
            let tooLarge = [UInt8](repeating: UInt8(ascii: "1"), count: limit + 1)
            #expect(try await emulator.invokeAPI(headers: headers, body: tooLarge).status == 413)
        }
        #expect(try await emulator.invokeAPI(headers: ["X-Amz-Invocation-Type": "DryRun"], body: []).status == 204)
        #expect(try await emulator.invokeAPI(headers: event, body: Array("7".utf8)).status == 202)
        #expect(try await next().text == "7")
    }

    @Test func faultsHappenOnDemand() async throws {
        async let outcome = emulator.invoke(Array("123456".utf8))
        try await emulator.arm(.status(500), on: .next)
        try await emulator.arm(.drop, on: .next)
        try await emulator.arm(.cut, on: .next)
        try await emulator.arm(
            .headers(omitted: ["Lambda-Runtime-Deadline-Ms"], set: ["Lambda-Runtime-Trace-Id": "odd"]), on: .next)
        #expect(try await next().status == 500)
        await #expect(throws: PlainHTTP.Failure.self) { try await next() }
        await #expect(throws: PlainHTTP.Failure.self) { try await next() }
        let garbled = try await next()
        #expect(garbled.headers["Lambda-Runtime-Deadline-Ms"] == nil)
        #expect(garbled.headers["Lambda-Runtime-Trace-Id"] == "odd")
        let id = try #require(garbled.headers["Lambda-Runtime-Aws-Request-Id"])
        try await emulator.arm(.drop, on: .response)
        try await emulator.arm(.dropAfter, on: .response)
        for _ in 0..<2 {
            await #expect(throws: PlainHTTP.Failure.self) { try await post("invocation/\(id)/response", "done") }
        }
        #expect(try await outcome.text == "done")

        async let refused = emulator.invoke([])
        let other = try #require(try await next().headers["Lambda-Runtime-Aws-Request-Id"])
        try await emulator.arm(.status(403), on: .response)
        #expect(try await post("invocation/\(other)/response").status == 403)
        #expect(try await refused.functionError == "Unhandled")
        #expect(try await emulator.requests().last?.status == 403)
    }
}

/// The emulator starting the function itself, as Lambda does.
@Suite(.serialized) struct RuntimeAPISandboxTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func emulator(bootstrap: String, root: String? = nil) throws -> RuntimeAPIEmulator {
        let taskRoot = folder.url.appendingPathComponent("\(root ?? "")/var/task")
        try FileManager.default.createDirectory(at: taskRoot, withIntermediateDirectories: true)
        let file = taskRoot.appendingPathComponent("bootstrap")
        try Data(bootstrap.utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        return try RuntimeAPIEmulator(
            workFolder: folder.url,
            function: .init(
                taskRoot: root == nil ? taskRoot.path : "/var/task",
                root: root.map { folder.url.appendingPathComponent($0).path }, memorySizeMegabytes: 256,
                environment: ["SFTP_HOST": "a=b c", "AWS_ACCESS_KEY_ID": "key"]))
    }

    /// A function that does what its event says.
    private static let obedient = """
        #!\(StandIn.python)
        import http.client, json, os, subprocess, sys, time
        connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        print("cold start", flush=True)
        while True:
            connection.request("GET", "/2018-06-01/runtime/invocation/next")
            answer = connection.getresponse()
            id, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(answer.read())
            print("does", event, flush=True)
            result = None
            if event == "environment": result = dict(os.environ) | {"cwd": os.getcwd()}
            if event == "child": result = subprocess.Popen(["sleep", "1000"]).pid
            if event == "exit": sys.exit(0)
            if event == "fail": sys.exit(3)
            if event == "abort": os.abort()
            if event == "sleep": time.sleep(1000)
            connection.request("POST", f"/2018-06-01/runtime/invocation/{id}/response", json.dumps(result))
            connection.getresponse().read()
        """

    private func event(_ word: String) -> [UInt8] { Array("\"\(word)\"".utf8) }

    @Test func functionHasLambdasEnvironmentAndNoOther() async throws {
        let emulator = try emulator(bootstrap: Self.obedient)
        let outcome = try await emulator.invoke(event("environment"))
        let environment = try JSONDecoder().decode([String: String].self, from: Data(outcome.payload))
        let taskRoot = folder.url.appendingPathComponent("var/task").path
        let expected = [
            "AWS_LAMBDA_RUNTIME_API": emulator.address, "AWS_LAMBDA_FUNCTION_NAME": "function",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/function", "AWS_REGION": "eu-central-1",
            "_HANDLER": "function.handler", "LAMBDA_TASK_ROOT": taskRoot, "TZ": ":UTC",
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin", "SFTP_HOST": "a=b c",
            "AWS_ACCESS_KEY_ID": "key", "cwd": taskRoot,
            "LD_LIBRARY_PATH":
                "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:\(taskRoot):\(taskRoot)/lib:/opt/lib",
        ]
        for (name, value) in expected { #expect(environment[name] == value, "\(name)") }
        #expect(environment["HOME"] == nil && environment["USER"] == nil)
    }

    @Test func functionStaysWarmAndItsLogIsKept() async throws {
        let emulator = try emulator(bootstrap: Self.obedient)
        #expect(try await emulator.functionState().starts == 0)
        _ = try await emulator.invoke(event("one"))
        let second = try await emulator.invoke(event("two"))
        #expect(try await emulator.functionState().starts == 1)
        #expect(second.log.contains("START RequestId: \(second.requestID)"))
        #expect(second.log.contains("does two"))
        #expect(!second.log.contains("does one"))
        #expect(second.log.contains("Max Memory Used: "))
        let whole = try await emulator.functionLog()
        #expect(whole.contains("cold start") && whole.contains("does one"))
    }

    @Test(arguments: [
        ("fail", "Runtime exited with error: exit status 3"), ("exit", "Runtime exited without providing a reason"),
        ("abort", "Runtime exited with error: signal: 6"),
    ])
    func exitWithoutAnAnswerIsReportedAndTheNextInvocationStartsAnew(word: String, reason: String) async throws {
        let emulator = try emulator(bootstrap: Self.obedient)
        let outcome = try await emulator.invoke(event(word))
        #expect(outcome.functionError == "Unhandled")
        #expect(
            outcome.text
                == #"{"errorType": "Runtime.ExitError", "errorMessage": "RequestId: \#(outcome.requestID) Error: \#(reason)"}"#
        )
        #expect(try await emulator.invoke(event("again")).functionError == nil)
        #expect(try await emulator.functionState().starts == 2)
    }

    @Test func timeoutKillsTheFunctionAndItsChildren() async throws {
        let emulator = try emulator(bootstrap: Self.obedient)
        let child = try #require(Int32(try await emulator.invoke(event("child")).text))
        let function = try #require(try await emulator.functionState().processID)
        let outcome = try await emulator.invoke(event("sleep"), .init(timeoutSeconds: 0.5))
        #expect(outcome.text.contains("Task timed out after 0.50 seconds"))
        #expect(outcome.log.contains("Task timed out after 0.50 seconds"))
        #expect(kill(function, 0) == -1 && errno == ESRCH)
        #expect(try await isGone(child))
        #expect(try await emulator.invoke(event("again")).functionError == nil)
        #expect(try await emulator.functionState().starts == 2)
    }

    @Test func functionEndsWithTheEmulator() async throws {
        let emulator = try emulator(bootstrap: Self.obedient)
        _ = try await emulator.invoke(event("one"))
        let function = try #require(try await emulator.functionState().processID)
        emulator.stop()
        #expect(try await isGone(function))
    }

    @Test func exitDuringInitializationIsReported() async throws {
        let emulator = try emulator(bootstrap: "#!/bin/sh\necho no good\nexit 9\n")
        let outcome = try await emulator.invoke([])
        #expect(outcome.text.contains("Runtime exited with error: exit status 9"))
        #expect(outcome.log.contains("no good"))
    }

    @Test func initErrorOfAProcessIsReportedOnceAndThenItStartsAnew() async throws {
        let emulator = try emulator(
            bootstrap: """
                #!\(StandIn.python)
                import http.client, os
                connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
                connection.request("POST", "/2018-06-01/runtime/init/error", '{"errorType":"Init"}')
                connection.getresponse().read()
                raise SystemExit(1)
                """)
        for _ in 0..<2 { #expect(try await emulator.invoke([]).text == #"{"errorType":"Init"}"#) }
        #expect(try await emulator.functionState().starts == 2)
    }

    @Test func missingBootstrapIsReported() async throws {
        let emulator = try RuntimeAPIEmulator(workFolder: folder.url, function: .init(taskRoot: folder.url.path))
        #expect(try await emulator.invoke([]).text.contains("Runtime.InvalidEntrypoint"))
    }

    @Test(.enabled(if: geteuid() == 0 && FileManager.default.fileExists(atPath: "/bin/busybox")))
    func functionCanBeStartedInAnotherRoot() async throws {
        let bin = folder.url.appendingPathComponent("other/bin")
        try FileManager.default.createDirectory(at: bin, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: "/bin/busybox", toPath: bin.appendingPathComponent("sh").path)
        let script = "#!/bin/sh\n[ -e /usr ] && exit 1\n[ \"$PWD\" = /var/task ] || exit 2\nexit 42\n"
        let emulator = try emulator(bootstrap: script, root: "other")
        #expect(try await emulator.invoke([]).text.contains("exit status 42"))
    }

    private func isGone(_ process: Int32) async throws -> Bool {
        let limit = Date().addingTimeInterval(5)
        while Date() < limit {
            // A zombie that nobody has reaped yet is as dead as can be.
            guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else {
                return true
            }
            if status.contains(") Z ") { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }
}
