/// The constants of LIBSSH2's measurements: more of any of them was slower or no faster.
struct EngineConstants: Sendable {
    /// How many requests may be unanswered. OpenSSH, asyncssh and ProFTPD take 2,000 without an error.
    var outstandingRequests = 2_000
    /// How many bytes may be asked for and not have come, over all files: fills 50 MiB/s at a round trip of 80 ms.
    var readWindowBytes = 4 << 20
    /// How many bytes may be written and not be confirmed, over all files: OpenSSH's channel window.
    var writeWindowBytes = 64 * PacketLimit.safeTransferBytes
    /// The most that one READ asks for and one WRITE holds, if the server takes as much.
    var transferBytes = PacketLimit.transferBytes
    /// How long nothing may come while something is outstanding.
    var operationTimeout: Duration = .seconds(30)
    /// When VERSION must be there, however much of it has come; nil sets no end.
    var startDeadline: ContinuousClock.Instant?

    /// Where the rate is limited, so much time passes until what is under way has arrived: a request that comes next waits
    /// for that long, and what is left at a deadline has to be closed.
    private static let limitedWindowSeconds = 0.5

    /// Fits what is under way at once to a line that carries only so much.
    mutating func fit(maximumBytesPerSecond: Int) {
        let safeBytes = PacketLimit.safeTransferBytes
        let windowBytes = max(2 * safeBytes, Int(Double(maximumBytesPerSecond) * Self.limitedWindowSeconds))
        readWindowBytes = min(readWindowBytes, windowBytes)
        writeWindowBytes = min(writeWindowBytes, windowBytes)
        transferBytes = min(transferBytes, max(safeBytes, windowBytes / 4))
    }
}

/// The state of one SFTP connection: which requests wait, which are on the wire, and who waits for what. Pure: it
/// appends to buffers and is told what arrived and what time it is.
///
/// Requests of one flight go out in their order. Those of different flights are served first come, first served within
/// a lane; a flight whose next request needs room in a window lets flights of other lanes pass.
struct RequestEngine: Sendable {
    /// How far the connection is.
    enum Phase: Sendable {
        /// VERSION has not come. READ and WRITE wait for it, because the server's limits come behind it.
        case starting
        case open(SFTPServerInfo)
        case ended(SFTPError)
    }

    /// Somebody to be told, outside the lock.
    enum Resumption: Sendable {
        case reply(ReplyContinuation, ReplyOutcome)
        case start(StartContinuation, Result<SFTPServerInfo, SFTPError>)

        func resume() {
            switch self {
            case .reply(let continuation, let outcome): continuation.resume(returning: outcome)
            case .start(let continuation, let outcome): continuation.resume(returning: outcome)
            }
        }
    }

    typealias StartContinuation = CheckedContinuation<Result<SFTPServerInfo, SFTPError>, Never>

    let constants: EngineConstants
    var phase = Phase.starting
    var hasSentInitialize = false
    /// The server's limits once they are known.
    var limits = SFTPLimits(packetBytes: 0, readBytes: 0, writeBytes: 0, openHandles: 0)
    /// How much one READ asks for.
    var readBytes = PacketLimit.safeTransferBytes
    /// How much one WRITE holds.
    var writeBytes = PacketLimit.safeTransferBytes

    var flights: [FlightID: Flight] = [:]
    var table = RequestTable()
    /// The flights that have something to send, by what their next request waits for. Each flight stands in one of
    /// them at most, and has a task or a closed file behind it: that bounds their length.
    var controlQueue = FIFO<FlightID>()
    var readQueue = FIFO<FlightID>()
    var writeQueue = FIFO<FlightID>()
    var readWindow: ByteWindow
    var writeWindow: ByteWindow
    /// When something last arrived or left, or the first request went out after a time with none outstanding.
    var lastProgress: ContinuousClock.Instant
    private var lastFlight: FlightID = 0
    private var startWaiter: StartContinuation?
    private var resumptions: [Resumption] = []

    init(constants: EngineConstants, now: ContinuousClock.Instant) {
        precondition(constants.outstandingRequests < RequestTable.capacity)
        self.constants = constants
        readWindow = ByteWindow(limitBytes: constants.readWindowBytes)
        writeWindow = ByteWindow(limitBytes: constants.writeWindowBytes)
        lastProgress = now
    }

    /// Those to be told now; each is given out once.
    mutating func takeResumptions() -> [Resumption] {
        if resumptions.isEmpty { return [] }
        defer { resumptions = [] }
        return resumptions
    }

    /// When the connection counts as dead unless something arrives; nil while nothing is awaited.
    var deadline: ContinuousClock.Instant? {
        switch phase {
        case .ended: nil
        case .starting: startDeadline
        case .open: table.count > 0 ? lastProgress + constants.operationTimeout : nil
        }
    }

    private var startDeadline: ContinuousClock.Instant? {
        guard hasSentInitialize else { return nil }
        let silence = lastProgress + constants.operationTimeout
        return constants.startDeadline.map { min($0, silence) } ?? silence
    }

    /// What the server said of itself; nil before VERSION, and after the end.
    var server: SFTPServerInfo? { if case .open(let info) = phase { info } else { nil } }

    private var hasEnded: Bool { if case .ended = phase { true } else { false } }

    /// Whether a request waits to be sent.
    var hasWork: Bool { !controlQueue.isEmpty || !readQueue.isEmpty || !writeQueue.isEmpty }

    // MARK: Flights

    /// Takes requests in. What cannot be sent is answered at once.
    mutating func submit(_ flight: Flight) -> FlightID {
        lastFlight += 1
        let id = lastFlight
        flights[id] = flight
        if case .ended(let error) = phase {
            refuse(id, error)
        } else if let (request, fault) = flight.requests.lazy.compactMap({ r in r.fault.map { (r, $0) } }).first {
            refuse(id, SFTPError(.operation, .unsupported, "\(request) cannot be sent: \(fault)"))
        } else {
            advance(id)
        }
        return id
    }

    /// Notes that a task waits for an item, or gives what came of it when that is known. An item is given out once.
    mutating func wait(_ id: FlightID, _ item: Int, _ continuation: ReplyContinuation) -> ReplyOutcome? {
        switch flights[id]?.items[item] {
        case .open:
            flights[id]?.items[item] = .awaited(continuation)
            return nil
        case .answered(let outcome):
            flights[id]?.items[item] = .done
            removeIfOver(id)
            return outcome
        case .awaited, .done, nil:
            // Mostly a task that was cancelled before it came to wait.
            let what = flights[id].map { "\($0.describe(item: item)): " } ?? ""
            return .failure(SFTPError(.operation, .cancelled, "\(what)cancelled, or the answer was fetched before"))
        }
    }

    /// Ends the wait for an item; its reply is still matched when it comes.
    mutating func cancel(_ id: FlightID, _ item: Int) {
        giveUp(id, item)
        advance(id)
    }

    /// Nobody will ask for anything of this flight any more.
    mutating func abandon(_ id: FlightID) {
        guard let count = flights[id]?.items.count else { return }
        for item in 0..<count { giveUp(id, item) }
        advance(id)
    }

    private mutating func giveUp(_ id: FlightID, _ item: Int) {
        guard let state = flights[id]?.items[item] else { return }
        flights[id]?.items[item] = .done
        switch state {
        case .open: break
        case .awaited(let continuation):
            let what = flights[id]?.describe(item: item) ?? ""
            let error = SFTPError(.operation, .cancelled, "\(what): cancelled while it waited for the answer")
            resumptions.append(.reply(continuation, .failure(error)))
        case .answered(let outcome): closeUnwanted(outcome)
        case .done: return
        }
        if item == 0, flights[id]?.read != nil || flights[id]?.write != nil { dropUnsent(id) }
    }

    /// Of a flight with a range that failed or is not wanted: sends nothing more but CLOSE.
    mutating func dropUnsent(_ id: FlightID) {
        for item in flights[id]?.dropUnsent() ?? [] {
            let what = flights[id]?.describe(item: item) ?? ""
            let error = SFTPError(.operation, .cancelled, "\(what): not sent, because what came before it failed")
            answer(id, item, .failure(error))
        }
    }

    /// Tells the waiting task, or keeps the outcome until it is fetched.
    mutating func answer(_ id: FlightID, _ item: Int, _ outcome: ReplyOutcome) {
        switch flights[id]?.items[item] {
        case .open: flights[id]?.items[item] = .answered(outcome)
        case .awaited(let continuation):
            flights[id]?.items[item] = .done
            resumptions.append(.reply(continuation, outcome))
        case .done, nil: closeUnwanted(outcome)
        case .answered: break
        }
    }

    private mutating func refuse(_ id: FlightID, _ error: SFTPError) {
        flights[id]?.refuse()
        answerAll(id, with: error)
    }

    private mutating func answerAll(_ id: FlightID, with error: SFTPError) {
        for item in 0..<(flights[id]?.items.count ?? 0) { answer(id, item, .failure(error)) }
    }

    /// What was opened for nobody is closed, so that a server with few handles does not run out of them.
    private mutating func closeUnwanted(_ outcome: ReplyOutcome) {
        guard case .success(.handle(let handle)) = outcome, !hasEnded else { return }
        abandon(submit(Flight(requests: [.close(handle)])))
    }

    /// After any change to a flight: ends its range, queues it, or forgets it.
    mutating func advance(_ id: FlightID) {
        if flights[id]?.hasFinishedRange == true {
            if let outcome = flights[id]?.read?.takeOutcome() ?? flights[id]?.write?.outcome { answer(id, 0, outcome) }
        }
        guard !hasEnded, let flight = flights[id], !flight.isQueued, let lane = flight.nextLane else {
            return removeIfOver(id)
        }
        // The rest of a short answer is older than all that waits.
        enqueue(id, lane, first: lane == .read && flight.read?.hasRemainder == true)
    }

    private mutating func removeIfOver(_ id: FlightID) {
        guard let flight = flights[id], !flight.hasUnfetchedItems else { return }
        if hasEnded {
            flights[id] = nil
        } else if flight.outstanding == 0 && flight.nextLane == nil {
            flights[id] = nil
        }
    }

    // MARK: Start and end

    /// Notes that a task waits for VERSION, or gives what came of it when that is known.
    mutating func waitForStart(_ continuation: StartContinuation) -> Result<SFTPServerInfo, SFTPError>? {
        switch phase {
        case .starting:
            startWaiter = continuation
            return nil
        case .open(let info): return .success(info)
        case .ended(let error): return .failure(error)
        }
    }

    /// VERSION came.
    mutating func start(_ info: SFTPServerInfo) {
        phase = .open(info)
        if info.supports(.limits) { abandon(submit(Flight(requests: [.limits]))) }
        guard let waiter = startWaiter else { return }
        startWaiter = nil
        resumptions.append(.start(waiter, .success(info)))
    }

    /// The connection is gone: everything fails, now and later, with this error. Only the first end counts.
    mutating func end(_ error: SFTPError) {
        if hasEnded { return }
        phase = .ended(error)
        table.removeAll()
        controlQueue.removeAll()
        readQueue.removeAll()
        writeQueue.removeAll()
        if let waiter = startWaiter { resumptions.append(.start(waiter, .failure(error))) }
        startWaiter = nil
        for id in flights.keys.sorted() {
            // What was answered before stays until its task fetches it.
            answerAll(id, with: error)
            removeIfOver(id)
        }
    }
}
