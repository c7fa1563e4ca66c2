/// Sends HTTP/1.1 requests over http and https with libcurl. Any number of tasks may use one client; connections are
/// reused, and all I/O is done by one thread that is made when the first request comes.
///
/// Certificates are always verified. Redirects are never followed: 301 and 307 are answers like any other. Nothing is
/// added to a request but `Host`, `Content-Length` and the proxy's own fields.
///
/// A request on a reused connection that turns out dead before a byte of the answer is sent again on a fresh one; a
/// streamed body only when none of it has been taken yet.
///
/// The last reference to a client may be dropped at any time: transfers under way go on, and the thread ends with
/// them. `shutdown()` ends them at once.
public final class HTTPClient: HTTPExecutor, Sendable {
    private let thread: IOThread

    /// Makes a client. It has no thread and opens nothing before its first request.
    public init(_ configuration: HTTPClientConfiguration) { thread = IOThread(configuration) }

    deinit { thread.retire() }

    /// Sends a request and returns when the head of the response is here. Any status is a response, not an error.
    ///
    /// Cancelling the task ends the transfer. A source of the request body is not being asked any more when this
    /// throws, or when it returns a status from 300 up; so it can be used for another attempt.
    /// - Throws: `HTTPError` when there is no response.
    public func execute(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        let plan = try RequestPlan(request)
        guard case .stream(let lengthBytes, let source) = plan.body else {
            return try await send(Exchange(plan, pump: nil))
        }
        let pump = SourcePump(lengthBytes: lengthBytes, source: source, label: plan.label)
        guard lengthBytes > 0 else {
            try await pump.confirmEnd(0)
            return try await send(Exchange(plan, pump: nil))
        }
        let exchange = Exchange(plan, pump: pump)
        pump.start { [thread] in thread.post(.resumeSending(exchange)) }
        do throws(HTTPError) {
            let response = try await send(exchange)
            if pump.isClosed { await pump.finished() }
            return response
        } catch {
            pump.close()
            await pump.finished()
            throw error
        }
    }

    /// Ends all transfers with `.closed` and returns when the thread has let go of every handle and connection. Later
    /// requests fail with `.closed`.
    public func shutdown() async { await thread.close() }

    private func send(_ exchange: Exchange) async throws(HTTPError) -> HTTPResponse {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                exchange.awaitHead(continuation)
                do throws(HTTPError) {
                    try thread.start(exchange)
                } catch {
                    exchange.finish(.failure(error))
                }
            }
        } onCancel: {
            if exchange.cancel() { thread.post(.cancel(exchange)) }
        }
        let body = ResponseBodyReader(exchange, thread)
        let head = try result.get()
        return HTTPResponse(status: head.status, headers: head.headers, body: HTTPResponseBody(body))
    }
}

/// The reader's end of a response body. When it goes, so does the transfer.
private final class ResponseBodyReader: HTTPResponseBodySource {
    private let exchange: Exchange
    private let thread: IOThread

    init(_ exchange: Exchange, _ thread: IOThread) {
        self.exchange = exchange
        self.thread = thread
    }

    deinit { giveUp() }

    func next() async throws(HTTPError) -> [UInt8]? {
        if Task.isCancelled { giveUp() }
        if let result = result(of: exchange.take()) { return try result.get() }
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let supply = exchange.take(orTell: continuation)
                if let result = self.result(of: supply) { continuation.resume(returning: result) }
            }
        } onCancel: {
            giveUp()
        }
        return try result.get()
    }

    private func result(of supply: Exchange.Supply) -> Result<[UInt8]?, HTTPError>? {
        switch supply {
        case .piece(let piece, let wasPaused):
            if wasPaused { thread.post(.resumeReceiving(exchange)) }
            return .success(piece)
        case .end(let result): return result
        case .nothing: return nil
        }
    }

    private func giveUp() {
        if exchange.cancel() { thread.post(.cancel(exchange)) }
    }
}
