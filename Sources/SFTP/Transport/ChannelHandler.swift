/// The user of a channel: the SFTP layer, seen from the transport. The transport's I/O thread calls it, and nobody
/// else does, so that the state behind it that belongs to the wire needs no lock.
protocol ChannelHandler: AnyObject, Sendable {
    /// Appends what is to be sent to `output`, in order, as long as `output` holds less than `limitBytes`.
    /// Bytes once appended are sent unchanged. Called before each write; appending nothing is fine.
    func fillOutput(_ output: inout [UInt8], limitBytes: Int)

    /// Says that bytes were taken on their way. A server that takes what it is sent is not silent, even where it needs
    /// long for a request; how much it can take without an answer is bounded by the windows.
    func sent()

    /// Takes bytes that arrived, in order. The pointer is good during the call only.
    /// - Throws: when the bytes break the protocol; the transport then closes the connection with that error.
    func receive(_ bytes: UnsafeRawBufferPointer) throws(SFTPError)

    /// The time by which something has to arrive or the connection counts as dead; nil while nothing is awaited.
    var deadline: ContinuousClock.Instant? { get }

    /// The deadline passed. The answer closes the connection.
    func deadlinePassed() -> SFTPError

    /// The connection is gone; no further call follows. Called exactly once, whatever the reason.
    func ended(_ error: SFTPError)
}

/// A channel with the SFTP subsystem started at its other end, seen from the SFTP layer.
protocol Channel: AnyObject, Sendable {
    /// Says that `fillOutput` has something to append. Any thread; cheap when called often.
    func wake()

    /// Ends the connection in an orderly way where the server still answers, within a short limit, and returns when
    /// the I/O thread is gone and every descriptor is closed. Harmless when called again.
    func close() async

    /// What was agreed with the server while connecting, for logs; nil where there is no SSH below.
    var sessionInfo: SSHSessionInfo? { get }
}

extension Channel {
    /// No SSH below, as in tests.
    var sessionInfo: SSHSessionInfo? { nil }
}

/// Opens a channel: connects, shakes hands, checks the host key, logs in, starts the SFTP subsystem, and from then
/// on drives `handler`. `SSHTransport` is the real one; tests have scripted ones.
protocol ChannelOpener: Sendable {
    /// - Throws: `SFTPError` naming the step that failed. `handler` has then been called at most for `fillOutput`: what
    ///   it has to say first goes along with the request for the subsystem, which saves a round trip.
    func open(handler: any ChannelHandler) async throws(SFTPError) -> any Channel
}
