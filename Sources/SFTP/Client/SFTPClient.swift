public import Logging

/// What a client is told besides where to connect.
public struct SFTPClientOptions: Hashable, Sendable {
    /// How long the server may send nothing at all while it owes an answer. Then the connection is closed.
    public var operationTimeoutSeconds: Int
    /// Whether connecting waits for the server's VERSION. If it does not, the first requests go out right behind INIT,
    /// one round trip earlier; a server that does not speak version 3 of SFTP is then told by their replies.
    public var awaitsVersion: Bool

    /// Makes options.
    public init(operationTimeoutSeconds: Int = 30, awaitsVersion: Bool = true) {
        self.operationTimeoutSeconds = operationTimeoutSeconds
        self.awaitsVersion = awaitsVersion
    }
}

/// Hears how many bytes an answer has brought. It is called on the connection's own thread, which waits for it and holds
/// its lock: it must return at once and ask nothing of the client.
public typealias SFTPByteCounter = @Sendable (Int) -> Void

/// A connection to an SFTP server (version 3, draft-ietf-secsh-filexfer-02), for any number of tasks at once: their
/// requests are in flight together on the one connection.
///
/// Every operation throws `SFTPError`: reason `.status` when the server refuses, `.cancelled` when the task is
/// cancelled, at once, while what was sent may still happen; else what ended the connection, and then every later call
/// fails with the same error. Must be closed with `close()`.
public final class SFTPClient: Sendable {
    let connection: SFTPConnection
    private let channel: any Channel

    private init(connection: SFTPConnection, channel: any Channel) {
        self.connection = connection
        self.channel = channel
    }

    /// Connects over SSH, checks the host key, logs in, starts the SFTP subsystem and agrees on version 3, unless the
    /// options say to do so later. The server's limits are asked for without waiting for the answer. Cancelling the task
    /// ends the attempt.
    ///
    /// - Parameter logger: hears of an unchecked host key, and at debug level of what was agreed.
    /// - Throws: `SFTPError` naming the step that failed.
    public static func connect(
        _ configuration: SSHConfiguration, options: SFTPClientOptions = SFTPClientOptions(), logger: Logger
    ) async throws(SFTPError) -> SFTPClient {
        var constants = EngineConstants()
        constants.startDeadline = ContinuousClock.now + .seconds(configuration.readyTimeoutSeconds)
        if let most = configuration.maximumBytesPerSecond { constants.fit(maximumBytesPerSecond: most) }
        return try await connect(
            opener: SSHTransport(configuration, logger: logger), options: options, constants: constants)
    }

    /// The version of the libssh2 that runs, such as `1.11.1`.
    public static var libraryVersion: String { SSHSession.libraryVersion }

    /// What was agreed with the server while connecting, for logs.
    public var sessionInfo: SSHSessionInfo? { channel.sessionInfo }

    /// Opens a channel and agrees on the version. The server's limits are asked for without waiting for the answer.
    static func connect(
        opener: any ChannelOpener, options: SFTPClientOptions = SFTPClientOptions(),
        constants: EngineConstants = EngineConstants(),
        now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
    ) async throws(SFTPError) -> SFTPClient {
        var constants = constants
        constants.operationTimeout = .seconds(options.operationTimeoutSeconds)
        let connection = SFTPConnection(constants: constants, now: now)
        let channel = try await opener.open(handler: connection)
        connection.attach(channel)
        do {
            if options.awaitsVersion { _ = try await connection.started() }
            return SFTPClient(connection: connection, channel: channel)
        } catch {
            await channel.close()
            throw error
        }
    }

    /// Ends the connection: everything that waits fails with `.cancelled`. Returns when it is down, within the short
    /// time that the transport allows; harmless when called again.
    public func close() async {
        connection.end(SFTPError(.operation, .cancelled, "the client was closed"))
        await channel.close()
    }

    /// What the server said of itself; nil before its VERSION, which comes ahead of every reply, and
    /// after the end.
    public var server: SFTPServerInfo? { connection.server }

    /// Whether the server offers the extension, as far as it is known by now.
    public func supports(_ name: SFTPExtension) -> Bool { server?.supports(name) ?? false }

    /// The server's limits as far as they are known by now; all 0 before its answer and when it does not say.
    public var knownLimits: SFTPLimits { connection.limits }

    // MARK: Flights

    /// Puts requests on the wire, in this order and without waiting in between; item n of the flight is the reply to
    /// request n. Never waits and never fails: what goes wrong, the flight's replies say. Cancelling the task does not
    /// hold requests back that are submitted.
    ///
    /// READ and WRITE wait for their window and let requests of other calls pass; those of this call keep their order.
    /// Requests of different calls have no order among them: what must follow, submit together or after the reply. Only
    /// what waits for no window, such as FSTAT, goes out before every READ and WRITE that is submitted after it.
    public func submit(_ requests: [SFTPRequest]) -> SFTPFlight {
        SFTPFlight(Flight(requests: requests), on: connection)
    }

    /// Reads a range and sends `requests` right behind its last READ. Item 0 is the range, `.content`, shorter than
    /// asked for only at the end of the file; item n is the reply to `requests[n - 1]`.
    ///
    /// The range is read by many READs at once, of the size the server allows, at most 4 MiB under way over all files,
    /// first come, first served. Short answers are completed by further READs, which then stand behind `requests`:
    /// `SFTPContent.wasCompletedLater` says so. When a READ fails, or the range is given up, of `requests` not sent
    /// by then only `.close` still is.
    /// - Parameter counter: hears of the bytes while they come.
    public func submitRead(
        _ handle: SFTPHandle, from offset: UInt64, countBytes: Int, then requests: [SFTPRequest] = [],
        counter: SFTPByteCounter? = nil
    ) -> SFTPFlight {
        let range = ReadOperation(handle, from: offset, countBytes: countBytes, counter: counter)
        return SFTPFlight(Flight(read: range, requests: requests), on: connection)
    }

    /// Writes the pieces one behind the other and sends `requests` right behind the last WRITE. Item 0 is the range,
    /// `.ok` or its first failure, known when every WRITE that was sent has been answered; item n is the reply to
    /// `requests[n - 1]`.
    ///
    /// At most 2 MiB are under way over all files, first come, first served. After a WRITE failed none is sent any
    /// more, and of `requests` not sent by then only `.close` still is. But `requests` may be on the wire when a WRITE
    /// turns out to have failed: never put a rename there (rule U4).
    public func submitWrite(
        _ handle: SFTPHandle, at offset: UInt64, _ pieces: [[UInt8]], then requests: [SFTPRequest] = []
    ) -> SFTPFlight {
        SFTPFlight(Flight(write: WriteOperation(handle, at: offset, pieces), requests: requests), on: connection)
    }
}
