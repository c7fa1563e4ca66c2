import CLibSSH2
import Glibc
import Logging

/// One connection, from the first look-up to the last byte: everything that happens on its I/O thread.
///
/// It is made, used and let go of on that thread alone. With it go the socket and the session, on every path.
final class SSHConnection {
    let configuration: SSHConfiguration
    let control: ConnectionControl
    let logger: Logger
    let session: SSHSession
    let wire: Wire
    /// By then the SFTP subsystem has to be started.
    let readyDeadline: ContinuousClock.Instant
    var info = SSHSessionInfo() { didSet { configuration.observation?.note(info) } }

    let descriptor: Int32
    /// What the handler has said and libssh2 has not taken yet.
    private var output = ByteQueue()
    private var takenBytesBefore = -1
    private var lapsAfterEnd = 0

    /// How long the goodbye may take.
    private static let goodbyeSeconds = 1.0
    /// libssh2 learns of the end of the connection by asking for more bytes, at the latest in so many calls.
    private static let lapLimitAfterEnd = 32

    /// Connects the socket and makes the session.
    init(_ configuration: SSHConfiguration, control: ConnectionControl, logger: Logger) throws(SFTPError) {
        self.configuration = configuration
        self.control = control
        self.logger = logger
        let connector = SocketConnector(configuration: configuration, control: control)
        let connectDeadline = ContinuousClock.now + .seconds(configuration.connectTimeoutSeconds)
        configuration.observation?.begin(.resolve)
        let addresses = try connector.resolve(until: connectDeadline)
        configuration.observation?.note(addresses: addresses)
        configuration.observation?.begin(.connect)
        readyDeadline = ContinuousClock.now + .seconds(configuration.readyTimeoutSeconds)
        let (descriptor, address) = try connector.connect(addresses, until: min(connectDeadline, readyDeadline))
        self.descriptor = descriptor
        wire = Wire(descriptor: descriptor, maximumBytesPerSecond: configuration.maximumBytesPerSecond)
        do throws(SFTPError) {
            session = try SSHSession(wire: wire)
        } catch {
            _ = close(descriptor)
            throw error
        }
        info.address = configuration.proxy == nil ? address.description : "\(address) (a proxy)"
    }

    deinit { _ = close(descriptor) }

    // MARK: Driving libssh2

    /// Requests are taken until this much waits for libssh2: one large WRITE, or hundreds of other requests.
    private static let outputLimitBytes = 128 * 1_024
    /// No request is taken while this much waits: what libssh2 takes at once. So whole packets go out, and what has to
    /// move to the front of the queue before it is filled again is little.
    private static let outputLowBytes = 32 * 1_024

    /// Takes what the handler has to send, and gives it to libssh2 until that refuses or enough waits for the socket.
    /// - Returns: whether libssh2 took anything.
    func write(
        from handler: any ChannelHandler, to channel: OpaquePointer, _ step: SFTPError.Step
    ) throws(SFTPError) -> Bool {
        var hasMoved = false
        while wire.outgoingBytes < wire.outgoingTargetBytes {
            if output.count < Self.outputLowBytes {
                handler.fillOutput(&output.storage, limitBytes: output.consumedBytes + Self.outputLimitBytes)
            }
            guard !output.isEmpty else { break }
            let count = output.withPending { pending in
                // A call that had to wait is repeated with the same bytes at the same place of the stream: the queue
                // only ever grows behind them.
                libssh2_channel_write_ex(
                    channel, 0, pending.assumingMemoryBound(to: CChar.self).baseAddress, pending.count)
            }
            if count == Int(LIBSSH2_ERROR_EAGAIN) || count == 0 { break }
            guard count > 0 else { throw failure(step, "sending to the server") }
            output.consume(count)
            hasMoved = true
        }
        return hasMoved
    }

    /// Repeats a call of libssh2 until it says something else than that it has to wait.
    func drive(_ step: SFTPError.Step, _ call: () -> Int32) throws(SFTPError) -> Int32 {
        while true {
            let result = call()
            let hasSent = wire.flush()
            guard result == LIBSSH2_ERROR_EAGAIN else { return result }
            try control.check(step)
            guard ContinuousClock.now < readyDeadline else { throw readyTimeout(step) }
            let hasFetched = wire.fetch()
            try waitForProgress(hasMoved: hasSent || hasFetched, until: readyDeadline, step)
        }
    }

    /// Sleeps when neither side has moved.
    func waitForProgress(
        hasMoved: Bool, until deadline: ContinuousClock.Instant?, _ step: SFTPError.Step
    ) throws(SFTPError) {
        if wire.isOverrun { throw failure(step, "answering the server") }
        if wire.isEnded, !wire.hasIncoming {
            lapsAfterEnd += 1
            if lapsAfterEnd > Self.lapLimitAfterEnd { throw failure(step, "waiting for the server") }
            return
        }
        let hasTaken = wire.takenBytes != takenBytesBefore
        takenBytesBefore = wire.takenBytes
        if hasMoved || (hasTaken && wire.hasIncoming) { return }
        wire.wait(control.wakeUp, until: deadline)
    }

    private func readyTimeout(_ step: SFTPError.Step) -> SFTPError {
        let seen = wire.receivedBytes == 0 ? "it accepted the connection but never said a word" : "it stopped answering"
        return SFTPError(
            .neverReady, ServerPlace(configuration), step: step, seen: "\(configuration.readyTimeoutSeconds) s; \(seen)"
        )
    }

    /// The error for a libssh2 call that failed, in the words of who knows best: the server, the system, libssh2.
    func failure(_ step: SFTPError.Step, _ doing: String) -> SFTPError {
        let (code, text) = session.lastError
        if wire.isOverrun {
            return SFTPError(
                step, .protocolViolation, "while \(doing): the server asks more than it takes answers for")
        }
        if let farewell = wire.farewell {
            return SFTPError(
                step, .connectionLost, "while \(doing) the server ended the connection, saying \"\(farewell)\"")
        }
        if let cause = wire.brokenBy {
            return SFTPError(step, .connectionLost, "while \(doing) the connection broke: \(cause)")
        }
        if wire.isEnded {
            return SFTPError(step, .connectionLost, "while \(doing) the server closed the connection without a reason")
        }
        return SFTPError(step, .protocolViolation, "while \(doing) libssh2 failed: \(text) (\(code))")
    }

    /// Tells the server that we leave, as far as it listens.
    func sayGoodbye() {
        let deadline = ContinuousClock.now + .seconds(Self.goodbyeSeconds)
        var result: Int32 = LIBSSH2_ERROR_EAGAIN
        while result == LIBSSH2_ERROR_EAGAIN || wire.outgoingBytes > 0 {
            if result == LIBSSH2_ERROR_EAGAIN {
                result = libssh2_session_disconnect_ex(
                    session.handle, SSH_DISCONNECT_BY_APPLICATION, "done", "")
            }
            let hasMoved = wire.flush()
            guard !wire.isEnded, !wire.isOverrun, ContinuousClock.now < deadline else { return }
            if !hasMoved, !wire.fetch() { wire.wait(control.wakeUp, until: deadline) }
        }
    }
}
