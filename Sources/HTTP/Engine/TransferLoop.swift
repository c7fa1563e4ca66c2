internal import CLibCurl

/// All transfers of a client: libcurl's multi interface, driven by one thread. Not Sendable: it is made, used and
/// destroyed on the I/O thread, and so is every curl handle.
final class TransferLoop {
    /// How often transfers with a stall limit are looked at.
    private static let checkIntervalSeconds = 1.0
    /// How long the thread sleeps when nothing is due; a wakeup ends it early.
    private static let idleMilliseconds: Int32 = 3_600_000

    /// Transfers to the same host, and requests that wait for one of them to end.
    private struct Host {
        var activeCount = 0
        var waiting: [Exchange] = []
    }

    let multi: UnsafeMutableRawPointer
    private let share: UnsafeMutableRawPointer
    private let options: TransferOptions
    private let configuration: HTTPClientConfiguration

    private var transfers: [ObjectIdentifier: Transfer] = [:]
    private var hosts: [RequestURL: Host] = [:]
    private var waitingCount = 0
    private var nextCheckUptimeSeconds = Double.infinity

    init(_ configuration: HTTPClientConfiguration) throws(HTTPError) {
        guard Self.globalInitialisation == CURLE_OK, let share = curl_share_init() else {
            throw HTTPError(.other, "libcurl could not be initialised")
        }
        guard let multi = curl_multi_init() else {
            curl_share_cleanup(share)
            throw HTTPError(.other, "libcurl has no memory for its multi handle")
        }
        self.configuration = configuration
        self.multi = multi
        self.share = share
        options = TransferOptions(configuration: configuration, share: share)
        // TLS sessions, so that a second connection to a host needs no full handshake. Only this thread uses the
        // share, so it has no lock functions. A libcurl without TLS refuses, which does no harm.
        _ = shim_share_set_long(share, CURLSHOPT_SHARE, Int(CURL_LOCK_DATA_SSL_SESSION.rawValue))
        _ = shim_multi_set_long(multi, CURLMOPT_MAXCONNECTS, configuration.maximumIdleConnections)
        _ = shim_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
    }

    /// Initialises libcurl, once per process. Swift makes it safe from several threads, and libcurl 7.84 or newer from
    /// others that use libcurl on their own.
    private static let globalInitialisation = curl_global_init(Int(CURL_GLOBAL_SSL))

    deinit {
        precondition(transfers.isEmpty, "the loop ends its transfers before it goes")
        curl_multi_cleanup(multi)
        curl_share_cleanup(share)
    }

    /// Whether nothing is under way.
    var isIdle: Bool { transfers.isEmpty && waitingCount == 0 }

    // MARK: Commands

    /// Sends the request, or puts it in line behind others to the same host.
    func start(_ exchange: Exchange) {
        guard !exchange.isCancelled else { return cancel(exchange) }
        let destination = exchange.plan.destination
        if hosts[destination, default: Host()].activeCount < configuration.maximumConnectionsPerHost {
            begin(exchange)
        } else if waitingCount < configuration.maximumWaitingRequests {
            hosts[destination, default: Host()].waiting.append(exchange)
            waitingCount += 1
            scheduleCheck(at: exchange.deadlineUptimeSeconds)
        } else {
            let message = "\(exchange.plan.label): \(waitingCount) requests wait already"
            exchange.finish(.failure(HTTPError(.other, message)))
        }
    }

    /// Ends what the caller has given up.
    func cancel(_ exchange: Exchange) {
        end(exchange, HTTPError(.cancelled, "\(exchange.plan.label): cancelled"))
    }

    /// The reader of a body has taken what was there.
    func resumeReceiving(_ exchange: Exchange) { transfers[ObjectIdentifier(exchange)]?.resumeReceiving() }

    /// The source of a body has something.
    func resumeSending(_ exchange: Exchange) { transfers[ObjectIdentifier(exchange)]?.resumeSending() }

    /// Ends everything.
    func endAll(_ error: (RequestPlan) -> HTTPError) {
        let waiting = hosts.values.flatMap(\.waiting)
        (hosts, waitingCount) = ([:], 0)
        for exchange in waiting + transfers.values.map(\.exchange) { end(exchange, error(exchange.plan)) }
    }

    private func end(_ exchange: Exchange, _ error: HTTPError) {
        if let transfer = transfers[ObjectIdentifier(exchange)] {
            finish(transfer, .failure(error))
            return
        }
        let destination = exchange.plan.destination
        if let position = hosts[destination]?.waiting.firstIndex(where: { $0 === exchange }) {
            hosts[destination]?.waiting.remove(at: position)
            waitingCount -= 1
        }
        exchange.finish(.failure(error))
    }

    // MARK: One round

    /// Moves what can be moved.
    func perform() {
        var runningCount: Int32 = 0
        let code = curl_multi_perform(multi, &runningCount)
        guard code == CURLM_OK else {
            let reason = String(cString: curl_multi_strerror(code))
            endAll { HTTPError(.other, "\($0.label): \(reason)") }
            return
        }
        var remaining: Int32 = 0
        while let message = curl_multi_info_read(multi, &remaining)?.pointee {
            guard message.msg == CURLMSG_DONE, let transfer = transfer(of: message.easy_handle) else { continue }
            if transfer.prepareSecondAttempt(after: message.data.result) {
                curl_multi_remove_handle(multi, transfer.easy.raw)
                add(transfer)
            } else {
                finish(transfer, transfer.result(message.data.result))
            }
        }
        // Only now: libcurl takes no more orders for a transfer that it has ended.
        for transfer in transfers.values {
            if transfer.hasNews {
                transfer.hasNews = false
                if transfer.exchange.wakeReader() { transfer.resumeReceiving() }
            }
            transfer.releaseUploadAfterError()
            // What failed while it was being resumed, where libcurl reports no end.
            if let failure = transfer.failure { finish(transfer, .failure(failure)) }
        }
    }

    /// Ends what has taken too long.
    func checkLimits(uptimeSeconds now: Double) {
        guard now >= nextCheckUptimeSeconds else { return }
        nextCheckUptimeSeconds = .infinity
        for exchange in hosts.values.flatMap(\.waiting) + transfers.values.map(\.exchange) {
            if let error = excess(exchange, now) {
                end(exchange, error)
            } else {
                scheduleCheck(at: exchange.deadlineUptimeSeconds)
                if transfers[ObjectIdentifier(exchange)] != nil, exchange.plan.limits.stallSeconds > 0 {
                    scheduleCheck(at: now + Self.checkIntervalSeconds)
                }
            }
        }
    }

    /// How long the thread may sleep.
    func sleepMilliseconds(uptimeSeconds now: Double) -> Int32 {
        let milliseconds = ((nextCheckUptimeSeconds - now) * 1_000).rounded(.up)
        return milliseconds < Double(Self.idleMilliseconds) ? Int32(max(0, milliseconds)) : Self.idleMilliseconds
    }

    /// Sleeps until a socket is ready, a wakeup comes, one of libcurl's timers is due, or so long.
    func sleep(milliseconds: Int32) {
        let code = curl_multi_poll(multi, nil, 0, milliseconds, nil)
        if code != CURLM_OK {
            let reason = String(cString: curl_multi_strerror(code))
            endAll { HTTPError(.other, "\($0.label): \(reason)") }
        }
    }

    private func scheduleCheck(at uptimeSeconds: Double?) {
        if let uptimeSeconds { nextCheckUptimeSeconds = min(nextCheckUptimeSeconds, uptimeSeconds) }
    }

    /// What limit it has gone over.
    private func excess(_ exchange: Exchange, _ now: Double) -> HTTPError? {
        let limits = exchange.plan.limits
        if let deadline = exchange.deadlineUptimeSeconds, now >= deadline {
            let seconds = limits.totalTimeoutSeconds ?? 0
            return HTTPError(.totalTimeout, "\(exchange.plan.label): not finished after \(seconds) s")
        }
        guard limits.stallSeconds > 0, let transfer = transfers[ObjectIdentifier(exchange)] else { return nil }
        // Until the connection stands its own timeout counts; a transfer that waits for our own reader or source is
        // not the server's fault.
        if !transfer.isConnected || transfer.isReceivePaused || transfer.waitsForSource
            || transfer.movedBytes >= max(1, limits.stallBytesPerSecond)
        {
            transfer.movedBytes = 0
            transfer.aliveUptimeSeconds = now
            return nil
        }
        transfer.movedBytes = 0
        guard now - transfer.aliveUptimeSeconds >= Double(limits.stallSeconds) else { return nil }
        return HTTPError(
            .stalled,
            "\(exchange.plan.label): slower than \(limits.stallBytesPerSecond) bytes/s for \(limits.stallSeconds) s")
    }

    // MARK: Begin and end of a transfer

    private func begin(_ exchange: Exchange) {
        guard !exchange.isCancelled else { return cancel(exchange) }
        let now = IOThread.uptimeSeconds()
        do throws(HTTPError) {
            let transfer = try Transfer(
                exchange, bufferBytes: configuration.responseBufferBytes, uptimeSeconds: now)
            try options.apply(exchange.plan, to: transfer.easy)
            transfers[ObjectIdentifier(exchange)] = transfer
            hosts[exchange.plan.destination, default: Host()].activeCount += 1
            add(transfer)
        } catch {
            exchange.finish(.failure(HTTPError(error.kind, "\(exchange.plan.label): \(error.message)")))
            return
        }
        exchange.pump?.open()
        scheduleCheck(at: exchange.deadlineUptimeSeconds)
        if exchange.plan.limits.stallSeconds > 0 { scheduleCheck(at: now + Self.checkIntervalSeconds) }
    }

    private func add(_ transfer: Transfer) {
        let code = curl_multi_add_handle(multi, transfer.easy.raw)
        guard code != CURLM_OK else { return }
        let message = "\(transfer.exchange.plan.label): \(String(cString: curl_multi_strerror(code)))"
        finish(transfer, .failure(HTTPError(.other, message)))
    }

    private func finish(_ transfer: Transfer, _ result: Result<Void, HTTPError>) {
        // Closes the connection unless the response has been read to its end.
        curl_multi_remove_handle(multi, transfer.easy.raw)
        transfers[ObjectIdentifier(transfer.exchange)] = nil
        transfer.exchange.finish(result)
        let destination = transfer.exchange.plan.destination
        hosts[destination]?.activeCount -= 1
        beginWaiting(to: destination)
    }

    private func beginWaiting(to destination: RequestURL) {
        while let host = hosts[destination], host.activeCount < configuration.maximumConnectionsPerHost {
            guard !host.waiting.isEmpty, let next = hosts[destination]?.waiting.removeFirst() else {
                if host.activeCount == 0 { hosts[destination] = nil }
                return
            }
            waitingCount -= 1
            begin(next)
        }
    }

    private func transfer(of easy: UnsafeMutableRawPointer) -> Transfer? {
        var context: UnsafeMutableRawPointer?
        guard shim_easy_get_pointer(easy, CURLINFO_PRIVATE, &context) == CURLE_OK else { return nil }
        return context.map(Transfer.from)
    }
}
