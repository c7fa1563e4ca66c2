import HTTP
import LambdaRuntime
import Logging
import Synchronization
import TestKit
import Testing

/// Answers requests from a script, one step each, and remembers them. After the last step it fails as cancelled, which
/// is how a test ends a loop that has no other end.
actor ScriptedExecutor: HTTPExecutor {
    enum Step: Sendable {
        case answer(Int, HTTPHeaders, [UInt8])
        case failure(HTTPError.Kind)
        /// The head arrives, the body breaks off.
        case cutBody(Int, HTTPHeaders)

        /// An invocation as Lambda sends it.
        static func event(
            _ event: String = "{}", id: String = "id-1", without omitted: [String] = [], with other: HTTPHeaders = [:]
        ) -> Step {
            var headers: HTTPHeaders = [
                "Lambda-Runtime-Aws-Request-Id": id, "Lambda-Runtime-Deadline-Ms": "1700000003000",
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:123456789012:function:pull",
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1",
            ]
            for name in omitted { headers[name] = nil }
            for field in other { headers[field.name] = field.value }
            return .answer(200, headers, Array(event.utf8))
        }

        static let accepted = Step.answer(202, [:], Array(#"{"status":"OK"}"#.utf8))

        static func status(_ status: Int) -> Step {
            .answer(status, [:], Array(#"{"errorMessage":"as told","errorType":"Scripted"}"#.utf8))
        }
    }

    struct Seen: Sendable {
        var method: String
        var url: String
        var headers: HTTPHeaders
        var body: String
        var limits: HTTPLimits

        /// What follows `/runtime/`.
        var operation: String { String(url.split(separator: "/runtime/", maxSplits: 1).last ?? "") }
    }

    private var steps: [Step]
    private(set) var seen: [Seen] = []

    init(_ steps: [Step]) { self.steps = steps }

    var operations: [String] { seen.map(\.operation) }

    func execute(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        guard !steps.isEmpty else { throw HTTPError(.cancelled, "the script is at its end") }
        var body: [UInt8] = []
        if case .buffered(let pieces) = request.body { body = Array(pieces.joined()) }
        seen.append(
            Seen(
                method: request.method.rawValue, url: request.url, headers: request.headers,
                body: String(decoding: body, as: UTF8.self), limits: request.limits))
        switch steps.removeFirst() {
        case .answer(let status, let headers, let body):
            return HTTPResponse(status: status, headers: headers, body: HTTPResponseBody(bytes: body))
        case .failure(let kind): throw HTTPError(kind, "as told")
        case .cutBody(let status, let headers):
            return HTTPResponse(status: status, headers: headers, body: HTTPResponseBody(BrokenBody()))
        }
    }
}

private final class BrokenBody: HTTPResponseBodySource {
    func next() async throws(HTTPError) -> [UInt8]? { throw HTTPError(.connectionLost, "as told") }
}

/// A clock that stands still until it is moved.
final class FixedClock: RuntimeClock {
    private let time: Mutex<(epochMilliseconds: Int64, uptimeSeconds: Double)>

    init(epochMilliseconds: Int64 = 1_700_000_000_000, uptimeSeconds: Double = 50) {
        time = Mutex((epochMilliseconds, uptimeSeconds))
    }

    var epochMilliseconds: Int64 { time.withLock { $0.epochMilliseconds } }
    var uptimeSeconds: Double { time.withLock { $0.uptimeSeconds } }

    func advance(bySeconds seconds: Double) { time.withLock { $0.uptimeSeconds += seconds } }
    func stepTimeOfDay(byMilliseconds milliseconds: Int64) { time.withLock { $0.epochMilliseconds += milliseconds } }
}

/// Remembers what the loop set instead of changing the environment of the test process.
final class RecordedTraceVariable: TraceVariable {
    private let recorded = Mutex<[String?]>([])

    var values: [String?] { recorded.withLock { $0 } }

    func set(_ value: String?) { recorded.withLock { $0.append(value) } }
}

/// A handler made of a closure; remembers what it was called with.
final class TestHandler: LambdaHandler {
    private let calls = Mutex<[(event: [UInt8], context: InvocationContext)]>([])
    private let body: @Sendable ([UInt8], InvocationContext) async throws -> [UInt8]

    init(
        isRecording: Bool = true,
        _ body: @escaping @Sendable ([UInt8], InvocationContext) async throws -> [UInt8] = { event, _ in event }
    ) {
        self.body = body
    }

    var events: [[UInt8]] { calls.withLock { $0.map(\.event) } }
    var contexts: [InvocationContext] { calls.withLock { $0.map(\.context) } }

    func handle(_ event: [UInt8], context: InvocationContext) async throws -> [UInt8] {
        calls.withLock { $0.append((event, context)) }
        return try await body(event, context)
    }
}

/// An error that chooses its own words.
struct ChosenError: LambdaReportableError {
    var errorType = "PartnerUnreachable"
    var errorMessage = "connect to sftp.example.com:22: refused; trying again can help"
}

/// An error that does not, and whose text must not get out.
struct SecretiveError: Error, CustomStringConvertible {
    var description: String { "password=hunter2" }
}

/// A loop over a script, with everything around it that a test wants to look at.
struct ScriptedRun {
    let executor: ScriptedExecutor
    let handler: TestHandler
    let trace = RecordedTraceVariable()
    let log = LogRecorder()
    let clock = FixedClock()

    init(_ steps: [ScriptedExecutor.Step], handler: TestHandler = TestHandler()) {
        executor = ScriptedExecutor(steps)
        self.handler = handler
    }

    /// The request of that number, counted from 0.
    func request(_ number: Int) async throws -> ScriptedExecutor.Seen {
        let seen = await executor.seen
        return try #require(seen.indices.contains(number) ? seen[number] : nil)
    }

    /// Runs until the loop ends, and returns why.
    func outcome(
        retryDelays: [Duration] = [.zero, .milliseconds(1)],
        makeHandler: (@Sendable () async throws -> any LambdaHandler)? = nil
    ) async throws -> LambdaRuntimeError {
        let runtime = LambdaRuntime(
            address: try RuntimeAPIAddress("127.0.0.1:9001"), executor: executor, logger: log.logger(), clock: clock,
            traceVariable: trace, retryDelays: retryDelays)
        let handler = handler
        do {
            try await runtime.run(makeHandler ?? { handler })
        } catch {
            return error
        }
    }
}
