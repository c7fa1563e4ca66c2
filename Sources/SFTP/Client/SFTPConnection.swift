import Synchronization

/// One SFTP connection: the engine and the parser behind their locks, between the tasks that ask and the transport's
/// I/O thread.
///
/// The engine's lock is held for one packet or one filling of the output at a time; nobody is resumed under it.
final class SFTPConnection: ChannelHandler {
    private struct State {
        var engine: RequestEngine
        /// Kept until the end only: the channel holds this connection as its handler.
        var channel: (any Channel)?
    }

    private let state: Mutex<State>
    /// Only the I/O thread comes here, so that this lock is never waited for.
    private let parser = Mutex(PacketParser())
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameter now: the clock that deadlines are counted on.
    init(constants: EngineConstants, now: @escaping @Sendable () -> ContinuousClock.Instant) {
        state = Mutex(State(engine: RequestEngine(constants: constants, now: now()), channel: nil))
        self.now = now
    }

    // MARK: From the tasks

    /// Names the channel that is woken when there is something to send.
    func attach(_ channel: any Channel) {
        state.withLock {
            if case .ended = $0.engine.phase { return }
            $0.channel = channel
        }
    }

    /// Takes requests in and wakes the I/O thread.
    func submit(_ flight: Flight) -> FlightID {
        let (id, channel) = state.withLock { ($0.engine.submit(flight), $0.channel) }
        channel?.wake()
        return id
    }

    /// What came of an item of a flight, once: see `RequestEngine.wait`.
    func outcome(of id: FlightID, _ item: Int) async throws(SFTPError) -> SFTPReply {
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known = state.withLock { $0.engine.wait(id, item, continuation) }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            update { $0.cancel(id, item) }
        }
        return try outcome.get()
    }

    /// Nobody will ask for anything of this flight any more.
    func abandon(_ id: FlightID) { update { $0.abandon(id) } }

    /// Waits for the server's VERSION.
    func started() async throws(SFTPError) -> SFTPServerInfo {
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known = state.withLock { $0.engine.waitForStart(continuation) }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            end(SFTPError(.sftpStart, .cancelled, "cancelled while it waited for the server's VERSION"))
        }
        return try outcome.get()
    }

    /// What the server said of itself with its VERSION; nil before, and after the end.
    var server: SFTPServerInfo? { state.withLock { $0.engine.server } }

    /// What the server says of its limits; all 0 until it does.
    var limits: SFTPLimits { state.withLock { $0.engine.limits } }

    /// What is under way: all 0 when nobody wants anything and every answer has come.
    var load: [Int] {
        state.withLock {
            let engine = $0.engine
            return [
                engine.flights.count, engine.table.count, engine.readWindow.usedBytes, engine.writeWindow.usedBytes,
                engine.controlQueue.count + engine.readQueue.count + engine.writeQueue.count,
            ]
        }
    }

    /// Fails everything, now and later, with this error, unless the connection ended before.
    func end(_ error: SFTPError) {
        let resumptions = state.withLock { state in
            state.engine.end(error)
            state.channel = nil
            return state.engine.takeResumptions()
        }
        for resumption in resumptions { resumption.resume() }
    }

    /// Changes the engine; then resumes whom that concerns, and wakes the I/O thread in case there is more to send.
    private func update(_ change: (inout RequestEngine) -> Void) {
        let (resumptions, channel) = state.withLock { state in
            change(&state.engine)
            return (state.engine.takeResumptions(), state.engine.hasWork ? state.channel : nil)
        }
        for resumption in resumptions { resumption.resume() }
        channel?.wake()
    }

    // MARK: From the I/O thread

    func fillOutput(_ output: inout [UInt8], limitBytes: Int) {
        let now = now()
        state.withLock { $0.engine.fill(&output, limitBytes: limitBytes, now: now) }
    }

    func sent() {
        let now = now()
        state.withLock { $0.engine.lastProgress = now }
    }

    func receive(_ bytes: UnsafeRawBufferPointer) throws(SFTPError) {
        let now = now()
        state.withLock { $0.engine.lastProgress = now }
        do {
            try parser.withLock { (parser) throws(SFTPError) in
                try parser.consume(bytes) { (packet) throws(SFTPError) in try receive(packet) }
            }
        } catch {
            let error = atStart(error)
            end(error)
            throw error
        }
    }

    private func receive(_ packet: ServerPacket) throws(SFTPError) {
        let resumptions = try state.withLock { (state) throws(SFTPError) in
            try state.engine.receive(packet)
            return state.engine.takeResumptions()
        }
        for resumption in resumptions { resumption.resume() }
    }

    var deadline: ContinuousClock.Instant? { state.withLock { $0.engine.deadline } }

    func deadlinePassed() -> SFTPError {
        let now = now()
        let error = state.withLock { $0.engine.silence(now: now) }
        end(error)
        return error
    }

    func ended(_ error: SFTPError) { end(atStart(error)) }

    /// An error before VERSION belongs to the step of starting.
    private func atStart(_ error: SFTPError) -> SFTPError {
        guard case .starting = state.withLock({ $0.engine.phase }), error.step == .operation else { return error }
        guard error.reason == .connectionLost else { return SFTPError(.sftpStart, error.reason, error.message) }
        return SFTPError(.sftpEnded, seen: error.message)
    }
}
