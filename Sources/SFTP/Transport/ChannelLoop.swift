import CLibSSH2

/// Moves bytes between the channel and its handler until the connection ends.
///
/// The order of a lap: take requests, write until libssh2 refuses or the wire is full enough, send, fetch, read until
/// libssh2 has no more. The thread sleeps only after a lap in which nothing moved.
struct ChannelLoop {
    /// One read takes at most this much, so that a reader's window is kept open in good time.
    private static let readBytes = 128 * 1_024

    private let connection: SSHConnection
    private let channel: OpaquePointer
    private let handler: any ChannelHandler
    private let wire: Wire
    private var keepalive: Keepalive?

    init(_ connection: SSHConnection, channel: OpaquePointer, handler: any ChannelHandler) {
        self.connection = connection
        self.channel = channel
        self.handler = handler
        wire = connection.wire
        keepalive = connection.configuration.keepaliveSeconds.map {
            Keepalive(interval: .seconds($0), at: .now)
        }
    }

    /// Returns why the connection is over.
    mutating func run() -> SFTPError {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.readBytes, alignment: 16)
        defer { buffer.deallocate() }
        do throws(SFTPError) {
            while true {
                if connection.control.isCloseRequested {
                    return SFTPError(.operation, .cancelled, "the connection was closed by this side")
                }
                var hasMoved = try connection.write(from: handler, to: channel, .operation)
                if hasMoved { handler.sent() }
                if wire.flush() { hasMoved = true }
                if wire.fetch() { hasMoved = true }
                let givenBytes = wire.givenBytes
                if try read(into: buffer) { hasMoved = true }
                // Reading sends too: window adjustments, and the packets of a key exchange.
                if wire.givenBytes != givenBytes, wire.flush() { hasMoved = true }
                let deadline = handler.deadline
                if let deadline, ContinuousClock.now >= deadline { return handler.deadlinePassed() }
                let end = hasMoved ? deadline : try silenceEnds(atLatest: deadline)
                try connection.waitForProgress(hasMoved: hasMoved, until: end, .operation)
            }
        } catch {
            return error
        }
    }

    /// Asks a silent server whether it is still there, when it is time.
    /// - Returns: until when to wait for something to move.
    /// - Throws: when it has answered none of these questions.
    private mutating func silenceEnds(
        atLatest deadline: ContinuousClock.Instant?
    ) throws(SFTPError) -> ContinuousClock.Instant? {
        guard var keepalive else { return deadline }
        let now = ContinuousClock.now
        let step = keepalive.step(receivedBytes: wire.receivedBytes, at: now)
        self.keepalive = keepalive
        switch step {
        case .wait(let end): return min(deadline ?? end, end)
        case .ask(let wantsAnswer):
            guard connection.session.askWhetherThere(wantsAnswer: wantsAnswer) else {
                throw connection.failure(.operation, "asking whether the server is still there")
            }
            // What was asked is sent in the next lap.
            return now
        case .giveUp:
            let seconds = keepalive.interval * (Keepalive.maximumUnanswered + 1) / .seconds(1)
            throw SFTPError(
                .operation, .connectionLost,
                "the server was silent for \(Int(seconds)) s and did not answer when it was asked "
                    + "\(Keepalive.maximumUnanswered) times whether it is still there: it is gone, or a firewall between "
                    + "has forgotten the connection. For a server that answers no such question, set "
                    + "SFTP_KEEPALIVE_SECONDS=0")
        }
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer) throws(SFTPError) -> Bool {
        var hasMoved = false
        while true {
            let count = libssh2_channel_read_ex(
                channel, 0, buffer.assumingMemoryBound(to: CChar.self).baseAddress, buffer.count)
            if count > 0 {
                hasMoved = true
                try handler.receive(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                continue
            }
            if count == Int(LIBSSH2_ERROR_EAGAIN) { return hasMoved }
            // Nothing is the end only where libssh2 says so.
            if count == 0, libssh2_channel_eof(channel) == 0 { return hasMoved }
            guard count == 0 else { throw connection.failure(.operation, "receiving from the server") }
            // 0 is also what libssh2 says while the server has not told it yet.
            let status = libssh2_channel_get_exit_status(channel)
            throw SFTPError(
                .operation, .connectionLost,
                "the server ended the SFTP session" + (status == 0 ? "" : " with exit status \(status)"))
        }
    }
}
