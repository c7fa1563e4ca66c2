import Foundation
import HTTP
import LambdaRuntime
import Synchronization
import TestKit
import Testing

/// The loop over the real HTTP client, against the emulator, in this process.
@Suite(.serialized, .timeLimit(.minutes(2))) struct RuntimeLoopTests {
    private let folder: TemporaryFolder
    private let emulator: RuntimeAPIEmulator

    init() throws {
        folder = try TemporaryFolder()
        emulator = try RuntimeAPIEmulator(workFolder: folder.url)
    }

    private struct RunningLoop {
        var client: HTTPClient
        var task: Task<LambdaRuntimeError, Never>

        /// Cancels the loop, or waits until it ends by itself, and returns why it ended.
        func end(byItself: Bool = false) async -> LambdaRuntimeError {
            if !byItself { task.cancel() }
            let error = await task.value
            await client.shutdown()
            return error
        }
    }

    private func start(
        _ handler: TestHandler = TestHandler(), trace: RecordedTraceVariable = RecordedTraceVariable(),
        makeHandler: (@Sendable () async throws -> any LambdaHandler)? = nil
    ) throws -> RunningLoop {
        let client = HTTPClient(HTTPClientConfiguration(environment: [:]))
        let runtime = LambdaRuntime(
            address: try RuntimeAPIAddress(emulator.address), executor: client, logger: LogRecorder().logger(),
            traceVariable: trace, retryDelays: [.zero, .milliseconds(10)])
        let task = Task { () -> LambdaRuntimeError in
            do throws(LambdaRuntimeError) {
                try await runtime.run(makeHandler ?? { handler })
            } catch {
                return error
            }
        }
        return RunningLoop(client: client, task: task)
    }

    /// Invokes the function and returns the `errorType` of its failure.
    private func failure(_ event: [UInt8] = [], timeoutSeconds: Double = 30) async throws -> String? {
        let outcome = try await emulator.invoke(event, .init(timeoutSeconds: timeoutSeconds))
        return outcome.functionError == nil ? nil : try errorType(outcome)
    }

    private func errorType(_ outcome: RuntimeAPIEmulator.Outcome) throws -> String? {
        try (JSONSerialization.jsonObject(with: Data(outcome.payload)) as? [String: Any])?["errorType"] as? String
    }

    @Test func everythingThatLambdaSaysArrives() async throws {
        let handler = TestHandler()
        let trace = RecordedTraceVariable()
        let loop = try start(handler, trace: trace)
        let outcome = try await emulator.invoke(
            Array(#"{"key":"ä"}"#.utf8),
            .init(
                timeoutSeconds: 20, clientContext: #"{"client":1}"#, cognitoIdentity: #"{"cognitoIdentityId":"c"}"#,
                tenantID: "blue", traceID: "Root=1-2-3;Sampled=1"))
        #expect(outcome.text == #"{"key":"ä"}"#)
        #expect(outcome.functionError == nil)
        let context = try #require(handler.contexts.first)
        #expect(context.requestID == outcome.requestID)
        #expect((10...20).contains(context.deadline.remainingSeconds))
        #expect(context.invokedFunctionARN == "arn:aws:lambda:eu-central-1:123456789012:function:function")
        #expect(context.clientContext == #"{"client":1}"#)
        #expect(context.cognitoIdentity == #"{"cognitoIdentityId":"c"}"#)
        #expect(context.tenantID == "blue")
        #expect(trace.values == ["Root=1-2-3;Sampled=1"])
        let end = await loop.end()
        #expect(end.kind == .cancelled)
        let post = try #require(try await emulator.requests().last { $0.method == "POST" })
        #expect(post.status == 202)
        #expect(post.headers["user-agent"] == "sftp-lambda")
        #expect(post.headers["content-type"] == "application/json")
        #expect(post.headers["lambda-runtime-invocation-id"] != nil)
    }

    @Test func anyEventGoesThereAndBack() async throws {
        let loop = try start()
        #expect(try await emulator.invoke([]).payload.isEmpty)
        #expect(try await emulator.invoke([0xFF, 0x00, 0xC3]).payload == [0xFF, 0x00, 0xC3])
        let largest = [UInt8](repeating: 0x20, count: 6 * 1024 * 1024)
        let isSame = try await emulator.invoke(largest).payload == largest
        #expect(isSame)
        _ = await loop.end()
    }

    @Test func failureOfTheHandlerIsReported() async throws {
        let loop = try start(TestHandler { _, _ in throw ChosenError() })
        let outcome = try await emulator.invoke([])
        #expect(outcome.functionError == "Unhandled")
        #expect(try errorType(outcome) == "PartnerUnreachable")
        _ = await loop.end()
        let post = try #require(try await emulator.requests().last { $0.method == "POST" })
        #expect(post.headers["lambda-runtime-function-error-type"] == "Function.PartnerUnreachable")
    }

    @Test func responseThatIsTooLargeFailsOnlyItsOwnInvocation() async throws {
        let handler = TestHandler { event, _ in
            event.isEmpty ? [UInt8](repeating: 0x20, count: 7 * 1024 * 1024) : event
        }
        let loop = try start(handler)
        #expect(try await failure() == "Function.ResponseSizeTooLarge")
        #expect(try await emulator.invoke([0x31]).payload == [0x31])
        _ = await loop.end()
        let posts = try await emulator.requests().filter { $0.method == "POST" }
        #expect(posts.map(\.status) == [413, 403, 202])
    }

    @Test(arguments: [RuntimeAPIEmulator.Operation.response, .error])
    func serverFailureOnAResultEndsTheLoop(operation: RuntimeAPIEmulator.Operation) async throws {
        try await emulator.arm(.status(500), on: operation)
        let handler = TestHandler { event, _ in
            if operation == .error { throw ChosenError() }
            return event
        }
        let loop = try start(handler)
        #expect(try await emulator.invoke([]).functionError == "Unhandled")
        let end = await loop.end(byItself: true)
        #expect(end.kind == .refused)
    }

    @Test func serverFailureOnNextEndsTheLoop() async throws {
        try await emulator.arm(.status(500), on: .next)
        let loop = try start()
        let end = await loop.end(byItself: true)
        #expect(end.kind == .refused)
    }

    @Test(arguments: [400, 403, 410])
    func refusedResultDoesNotEndTheLoop(status: Int) async throws {
        try await emulator.arm(.status(status), on: .response)
        let loop = try start()
        #expect(try await emulator.invoke([]).functionError == "Unhandled")
        #expect(try await emulator.invoke([0x31]).payload == [0x31])
        let end = await loop.end()
        #expect(end.kind == .cancelled)
    }

    @Test func brokenConnectionsLoseNothing() async throws {
        try await emulator.arm(.drop, on: .next)
        try await emulator.arm(.status(403), on: .next)
        let handler = TestHandler()
        let loop = try start(handler)
        #expect(try await emulator.invoke(Array("1".utf8)).text == "1")
        try await emulator.arm(.drop, on: .response)
        #expect(try await emulator.invoke(Array("2".utf8)).text == "2")
        try await emulator.arm(.dropAfter, on: .response)
        #expect(try await emulator.invoke(Array("3".utf8)).text == "3")
        #expect(try await emulator.invoke(Array("4".utf8)).text == "4")
        let end = await loop.end()
        #expect(end.kind == .cancelled)
        #expect(handler.events == ["1", "2", "3", "4"].map { Array($0.utf8) })
    }

    @Test func eventThatBreaksOffIsFetchedAgain() async throws {
        try await emulator.arm(.cut, on: .next)
        let handler = TestHandler()
        let event = [UInt8](repeating: 0x31, count: 200_000)
        let loop = try start(handler)
        let isSame = try await emulator.invoke(event).payload == event
        #expect(isSame)
        _ = await loop.end()
        #expect(handler.events.count == 1)
    }

    @Test func invocationWithGarbledHeadersIsAnswered() async throws {
        try await emulator.arm(.headers(set: ["Lambda-Runtime-Deadline-Ms": "soon"]), on: .next)
        let handler = TestHandler()
        let loop = try start(handler)
        #expect(try await failure() == "Runtime.InvalidInvocation")
        #expect(try await emulator.invoke([0x31]).payload == [0x31])
        _ = await loop.end()
        #expect(handler.events.count == 1)
    }

    @Test func lateResponseIsDroppedAndTheLoopGoesOn() async throws {
        let hasTimedOut = Mutex(false)
        let handler = TestHandler { event, _ in
            let limit = Date().addingTimeInterval(10)
            while event.isEmpty, !hasTimedOut.withLock({ $0 }), Date() < limit {
                try await Task.sleep(for: .milliseconds(5))
            }
            return event
        }
        let loop = try start(handler)
        #expect(try await failure(timeoutSeconds: 0.2) == "Sandbox.Timedout")
        hasTimedOut.withLock { $0 = true }
        #expect(try await emulator.invoke([0x31]).payload == [0x31])
        let end = await loop.end()
        #expect(end.kind == .cancelled)
        #expect(try await emulator.requests().filter { $0.method == "POST" }.map(\.status) == [410, 202])
    }

    @Test func failedInitializationIsReported() async throws {
        let loop = try start(makeHandler: { throw ChosenError() })
        let outcome = try await emulator.invoke([])
        #expect(outcome.functionError == "Unhandled")
        #expect(try errorType(outcome) == "PartnerUnreachable")
        let end = await loop.end(byItself: true)
        #expect(end.kind == .initializationFailed)
        #expect(try await emulator.requests().map(\.path) == ["/2018-06-01/runtime/init/error"])
    }

    @Test func nobodyListeningEndsTheLoopWithinBounds() async throws {
        emulator.stop()
        let loop = try start()
        let end = await loop.end(byItself: true)
        #expect(end.kind == .unreachable)
    }
}
