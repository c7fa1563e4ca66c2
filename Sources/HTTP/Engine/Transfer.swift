internal import CLibCurl

/// One request on its way: an easy handle and what its callbacks need. Not Sendable: it is made, used and destroyed on
/// the I/O thread, and only `exchange` is shared with others.
///
/// libcurl's callbacks get an unretained pointer to it. That is sound because `TransferLoop.transfers` holds it from
/// before `curl_multi_add_handle` until after `curl_multi_remove_handle`, and libcurl calls back only between the two.
final class Transfer {
    let exchange: Exchange
    let easy: EasyHandle
    let limitBytes: Int

    private var upload: (any Upload)?
    private var head = ResponseHead()

    /// Whether the head of the final response has been handed out.
    private(set) var hasHead = false
    /// Whether the connection has stood, so that the request could be sent.
    private(set) var isConnected = false
    /// Why a callback has ended the transfer, where that was us and not libcurl.
    private(set) var failure: HTTPError?
    /// Which directions libcurl has been told to pause.
    private(set) var isReceivePaused = false
    private var isSendPaused = false
    private var hasReleasedUpload = false
    /// Whether a byte of a response has come.
    private var hasHeard = false
    private var isSecondAttempt = false
    /// Bytes have come for a reader that may be waiting.
    var hasNews = false
    /// Bytes that have moved in either direction since the last look of the stall detection.
    var movedBytes = 0
    /// When the transfer was last seen fast enough, or had a reason to be slow.
    var aliveUptimeSeconds: Double

    init(_ exchange: Exchange, bufferBytes: Int, uptimeSeconds: Double) throws(HTTPError) {
        self.exchange = exchange
        limitBytes = bufferBytes
        aliveUptimeSeconds = uptimeSeconds
        easy = try EasyHandle()
        switch exchange.plan.body {
        case .empty: break
        case .buffered(let pieces): upload = BufferedUpload(pieces)
        case .stream: upload = exchange.pump.map(StreamedUpload.init)
        }
        try setCallbacks()
    }

    private func setCallbacks() throws(HTTPError) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        try easy.set(CURLOPT_PRIVATE, context)
        try easy.set(CURLOPT_WRITEDATA, context)
        try easy.set(CURLOPT_HEADERDATA, context)
        try easy.set(CURLOPT_READDATA, context)
        try easy.set(CURLOPT_SEEKDATA, context)
        try easy.set(CURLOPT_PREREQDATA, context)
        try easy.set(CURLOPT_WRITEFUNCTION) { buffer, size, count, context in
            guard let context else { return 0 }
            return Transfer.from(context).receive(UnsafeRawBufferPointer(start: buffer, count: size * count))
        }
        try easy.set(CURLOPT_HEADERFUNCTION) { buffer, size, count, context in
            guard let context else { return 0 }
            return Transfer.from(context).receiveHead(UnsafeRawBufferPointer(start: buffer, count: size * count))
        }
        try easy.set(CURLOPT_READFUNCTION) { buffer, size, count, context in
            guard let context else { return Int(CURL_READFUNC_ABORT) }
            return Transfer.from(context).send(UnsafeMutableRawBufferPointer(start: buffer, count: size * count))
        }
        try easy.setSeek { context, offset, origin in
            guard let context, origin == 0, offset >= 0 else { return CURL_SEEKFUNC_CANTSEEK }
            return Transfer.from(context).seek(to: UInt64(offset))
        }
        try easy.setBeforeRequest { context, _, _, _, _ in
            guard let context else { return CURL_PREREQFUNC_ABORT }
            Transfer.from(context).connected()
            return CURL_PREREQFUNC_OK
        }
    }

    /// The transfer of a callback's context.
    static func from(_ context: UnsafeMutableRawPointer) -> Transfer {
        Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    }

    // MARK: Callbacks

    private func connected() {
        isConnected = true
        movedBytes += 1
    }

    private func receiveHead(_ line: UnsafeRawBufferPointer) -> Int {
        movedBytes += line.count
        hasHeard = true
        // Trailers of a chunked body come through here as well; nobody needs them.
        guard !hasHead else { return line.count }
        switch head.take(line) {
        case .incomplete: break
        case .complete:
            hasHead = true
            // On an error libcurl stops to send: the source need not be asked on.
            if head.status >= 300 { exchange.pump?.close() }
            exchange.headArrived(head)
        case .malformed(let reason):
            failure = HTTPError(.malformedResponse, "\(exchange.plan.label): \(reason)")
            return 0
        }
        return line.count
    }

    private func receive(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard exchange.bodyArrived(bytes, limitBytes: limitBytes) else {
            isReceivePaused = true
            return Int(CURL_WRITEFUNC_PAUSE)
        }
        hasNews = true
        movedBytes += bytes.count
        return bytes.count
    }

    private func send(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch upload?.read(into: buffer) ?? .bytes(0) {
        case .bytes(let count):
            movedBytes += count
            return count
        case .nothingYet:
            isSendPaused = true
            return Int(CURL_READFUNC_PAUSE)
        case .failure(let error):
            failure = error
            return Int(CURL_READFUNC_ABORT)
        }
    }

    private func seek(to offsetBytes: UInt64) -> Int32 {
        upload?.seek(to: offsetBytes) ?? (offsetBytes == 0) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_CANTSEEK
    }

    // MARK: Pauses

    /// The reader has taken what was there.
    func resumeReceiving() {
        guard isReceivePaused else { return }
        isReceivePaused = false
        applyPauses()
    }

    /// The source of the body has a piece, or the body is no longer wanted.
    func resumeSending() {
        guard isSendPaused else { return }
        isSendPaused = false
        applyPauses()
    }

    /// Whether it rests because the source of its body has nothing yet.
    var waitsForSource: Bool { isSendPaused && exchange.pump?.isClosed == false }

    /// Lets a resting upload go, once, when the response has ended it: libcurl itself stops to send on an error, but
    /// takes the transfer for unfinished while the upload rests.
    func releaseUploadAfterError() {
        guard hasHead, !hasReleasedUpload, exchange.pump?.isClosed == true else { return }
        hasReleasedUpload = true
        resumeSending()
    }

    /// Tells libcurl which directions rest. It may call back from within, which can pause again.
    private func applyPauses() {
        let mask = (isReceivePaused ? CURLPAUSE_RECV : 0) | (isSendPaused ? CURLPAUSE_SEND : 0)
        let code = curl_easy_pause(easy.raw, mask)
        if code != CURLE_OK, failure == nil { failure = error(code) }
    }

    // MARK: The end

    /// Makes the transfer ready to be sent once more, if it broke on a reused connection before a byte of the answer:
    /// the server had closed it in the meantime. libcurl does so itself when it notices while it reads, but not when it
    /// notices while it sends. False when there is no second attempt.
    func prepareSecondAttempt(after code: CURLcode) -> Bool {
        guard code == CURLE_SEND_ERROR, failure == nil, !hasHeard, !isSecondAttempt, easy.wasOnReusedConnection,
            seek(to: 0) == CURL_SEEKFUNC_OK
        else { return false }
        do throws(HTTPError) {
            try easy.set(CURLOPT_FRESH_CONNECT, 1)
        } catch {
            return false
        }
        (isSecondAttempt, isConnected) = (true, false)
        return true
    }

    /// The error for libcurl's result.
    func error(_ code: CURLcode) -> HTTPError {
        CurlFailure.error(code, detail: easy.detail, label: exchange.plan.label, wasConnected: isConnected)
    }

    /// The outcome when libcurl has ended with `code`.
    func result(_ code: CURLcode) -> Result<Void, HTTPError> {
        if let failure { return .failure(failure) }
        guard code == CURLE_OK else { return .failure(error(code)) }
        guard hasHead else {
            return .failure(HTTPError(.malformedResponse, "\(exchange.plan.label): the response has no head"))
        }
        return .success(())
    }
}
