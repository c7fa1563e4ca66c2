import HTTP
import Logging

/// The four calls of the Lambda Runtime API, version 2018-06-01, and what each status means to the loop.
struct RuntimeAPIClient: Sendable {
    /// What the Runtime API made of a result.
    enum Verdict: Sendable, Hashable {
        /// It was taken.
        case accepted
        /// The response is larger than Lambda passes on (413).
        case tooLarge
        /// The invocation is over, has timed out or was answered before (400, 403, 410): nothing is left to do for it.
        case over
    }

    private struct Answer {
        var status: Int
        var headers: HTTPHeaders
        /// Nil when it was larger than the caller's limit.
        var body: [UInt8]?
    }

    private let base: String
    private let executor: any HTTPExecutor
    private let logger: Logger
    private let retryDelays: [Duration]

    /// Neither the Developer Guide nor the OpenAPI document asks for a `User-Agent`; AWS's implementation reads it to
    /// know which runtime is at work, and all of AWS's own runtimes send one.
    private static let userAgent = "sftp-lambda"
    /// The longest answer to a post that is kept: a status, or an error type and message.
    private static let maximumAnswerBytes = 64 * 1024
    /// What of an answer gets into a message.
    private static let quotedAnswerBytes = 300

    init(address: RuntimeAPIAddress, executor: any HTTPExecutor, logger: Logger, retryDelays: [Duration]) {
        base = "http://\(address)/2018-06-01/runtime"
        self.executor = executor
        self.logger = logger
        self.retryDelays = retryDelays
    }

    /// Waits for the next invocation, however long it takes: between two of them the process may be frozen for
    /// minutes, so there is no time limit.
    ///
    /// Asking again is harmless: until an invocation is answered, `next` gives the same one. That is why a broken
    /// connection (one that did not survive the freeze, say) and a 403 (seen now and then after one) are tried again.
    /// - Throws: `LambdaRuntimeError`; the process should exit.
    func next(clock: any RuntimeClock) async throws(LambdaRuntimeError) -> Invocation {
        let request = HTTPRequest(
            .get, "\(base)/invocation/next", headers: ["User-Agent": Self.userAgent], limits: .longPoll)
        let answer = try await exchange(request, "next", logger, upTo: Invocation.maximumEventBytes) { status in
            status == 200 || status == 500
        }
        guard answer.status == 200 else { throw refusal("next", answer) }
        return try Invocation(headers: answer.headers, event: answer.body, clock: clock, logger: logger)
    }

    /// Answers an invocation.
    /// - Throws: `LambdaRuntimeError`; the process should exit.
    func respond(_ response: [UInt8], to key: InvocationKey) async throws(LambdaRuntimeError) -> Verdict {
        var request = post("invocation/\(key.pathSegment)/response", response)
        request.headers["Lambda-Runtime-Invocation-Id"] = key.invocationID
        let logger = key.naming(logger)
        return try verdict("response", try await exchange(request, "response", logger), logger)
    }

    /// Reports that an invocation failed.
    /// - Throws: `LambdaRuntimeError`; the process should exit.
    func report(_ report: ErrorReport, for key: InvocationKey) async throws(LambdaRuntimeError) -> Verdict {
        var request = post("invocation/\(key.pathSegment)/error", report.body)
        request.headers["Lambda-Runtime-Invocation-Id"] = key.invocationID
        request.headers["Lambda-Runtime-Function-Error-Type"] = report.headerValue
        let logger = key.naming(logger)
        return try verdict("error", try await exchange(request, "error", logger), logger)
    }

    /// Reports that the function could not be initialized.
    /// - Throws: `LambdaRuntimeError` when Lambda did not take it.
    func reportInitialization(_ report: ErrorReport) async throws(LambdaRuntimeError) {
        var request = post("init/error", report.body)
        request.headers["Lambda-Runtime-Function-Error-Type"] = report.headerValue
        let answer = try await exchange(request, "init/error", logger)
        guard answer.status == 202 else { throw refusal("init/error", answer) }
    }

    private func post(_ path: String, _ body: [UInt8]) -> HTTPRequest {
        HTTPRequest(
            .post, "\(base)/\(path)",
            headers: ["User-Agent": Self.userAgent, "Content-Type": "application/json"], body: .bytes(body))
    }

    private func verdict(
        _ operation: String, _ answer: Answer, _ logger: Logger
    ) throws(LambdaRuntimeError) -> Verdict {
        switch answer.status {
        case 200..<300: return .accepted
        case 413: return .tooLarge
        case 400..<500:
            logger.warning(
                "the Runtime API refused a result",
                metadata: ["operation": .string(operation), "answer": .string(quote(answer))])
            return .over
        // 500 is "Container error. Non-recoverable state. Runtime should exit promptly." Of anything else nothing is
        // known, least of all that the result arrived: the exit makes Lambda report the invocation as failed.
        default: throw refusal(operation, answer)
        }
    }

    private func refusal(_ operation: String, _ answer: Answer) -> LambdaRuntimeError {
        LambdaRuntimeError(.refused, "the Runtime API answered \(operation) with \(quote(answer))")
    }

    /// Sends a request until there is an answer to keep, or the tries are used up. Posts may be repeated as well:
    /// a result that did arrive the first time is refused the second time, which is `Verdict.over`.
    private func exchange(
        _ request: HTTPRequest, _ operation: String, _ logger: Logger, upTo maximumBytes: Int = maximumAnswerBytes,
        isFinal: (Int) -> Bool = { _ in true }
    ) async throws(LambdaRuntimeError) -> Answer {
        var failures = 0
        while true {
            let failure: LambdaRuntimeError
            do throws(HTTPError) {
                let answer = try await once(request, upTo: maximumBytes)
                if isFinal(answer.status) { return answer }
                failure = refusal(operation, answer)
            } catch {
                failure = LambdaRuntimeError(
                    error.kind == .cancelled ? .cancelled : .unreachable, "the Runtime API's \(operation): \(error)")
                guard error.isTransient else { throw failure }
            }
            guard failures < retryDelays.count else { throw failure }
            logger.warning("a call of the Runtime API failed and is repeated", metadata: ["reason": "\(failure)"])
            do {
                try await Task.sleep(for: retryDelays[failures])
            } catch {
                throw LambdaRuntimeError(.cancelled, "cancelled while waiting to repeat \(operation)")
            }
            failures += 1
        }
    }

    private func once(_ request: HTTPRequest, upTo maximumBytes: Int) async throws(HTTPError) -> Answer {
        let response = try await executor.execute(request)
        do {
            let body = try await response.body.collect(upTo: maximumBytes)
            return Answer(status: response.status, headers: response.headers, body: body)
        } catch  where error.kind == .bodyTooLarge {
            return Answer(status: response.status, headers: response.headers, body: nil)
        }
    }

    /// The status, and the beginning of what the Runtime API said, which is its own text.
    private func quote(_ answer: Answer) -> String {
        let text = String(decoding: (answer.body ?? []).prefix(Self.quotedAnswerBytes), as: UTF8.self)
        return text.isEmpty ? "\(answer.status)" : "\(answer.status): \(text)"
    }
}
