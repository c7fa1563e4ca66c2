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
    var info = SSHSessionInfo()

    private let descriptor: Int32
    private var takenBytesBefore = -1
    private var lapsAfterEnd = 0

    /// Identification lines before the server's own (RFC 4253, section 4.2) may not be longer than this together.
    private static let preambleLimitBytes = 65_536
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
        let addresses = try connector.resolve(until: connectDeadline)
        readyDeadline = ContinuousClock.now + .seconds(configuration.readyTimeoutSeconds)
        let (descriptor, address) = try connector.connect(addresses, until: min(connectDeadline, readyDeadline))
        self.descriptor = descriptor
        wire = Wire(descriptor: descriptor)
        do throws(SFTPError) {
            session = try SSHSession(wire: wire)
        } catch {
            _ = close(descriptor)
            throw error
        }
        info.address = address.description
    }

    deinit { _ = close(descriptor) }

    /// Shakes hands, checks the host key, logs in and starts the SFTP subsystem.
    /// - Returns: the channel, which belongs to the session.
    func open() throws(SFTPError) -> OpaquePointer {
        try shakeHands()
        try checkHostKey()
        try SSHAuthentication(self).logIn()
        return try startSFTP()
    }

    // MARK: Handshake

    private func shakeHands() throws(SFTPError) {
        // No blank and no minus sign may stand in the software's name (RFC 4253, section 4.2).
        _ = libssh2_session_banner_set(session.handle, "SSH-2.0-sftp_lambda")
        let hasCiphers =
            session.prefer(LIBSSH2_METHOD_CRYPT_CS, configuration.ciphers)
            && session.prefer(LIBSSH2_METHOD_CRYPT_SC, configuration.ciphers)
        guard hasCiphers else {
            throw SFTPError(
                .handshake, .invalidConfiguration,
                "libssh2 \(SSHSession.libraryVersion) has none of the ciphers \(configuration.ciphers)")
        }
        // A list with nothing that libssh2 knows cannot be: both hold every algorithm of today.
        _ = session.prefer(LIBSSH2_METHOD_HOSTKEY, configuration.hostKeys.algorithmPreference)
        for method in [LIBSSH2_METHOD_MAC_CS, LIBSSH2_METHOD_MAC_SC] { _ = session.prefer(method, Self.macs) }

        let result = try drive(.handshake) {
            if session.serverIdentification?.hasPrefix("SSH-") != true, wire.receivedBytes > Self.preambleLimitBytes {
                return LIBSSH2_ERROR_BANNER_RECV
            }
            return libssh2_session_handshake(session.handle, descriptor)
        }
        guard result == 0 else { throw handshakeFailure() }
        info.serverIdentification = session.serverIdentification ?? ""
        info.keyExchange = session.agreed(LIBSSH2_METHOD_KEX)
        info.hostKeyAlgorithm = session.agreed(LIBSSH2_METHOD_HOSTKEY)
        info.cipherToServer = session.agreed(LIBSSH2_METHOD_CRYPT_CS)
        info.cipherFromServer = session.agreed(LIBSSH2_METHOD_CRYPT_SC)
        info.macToServer = session.agreed(LIBSSH2_METHOD_MAC_CS)
        info.macFromServer = session.agreed(LIBSSH2_METHOD_MAC_SC)
    }

    /// Those with MD5, or with their tags cut short, are left out.
    private static let macs = [
        "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
        "hmac-sha1-etm@openssh.com", "hmac-sha1",
    ]

    private func handshakeFailure() -> SFTPError {
        let said = ServerText.printable(wire.opening.prefix { $0 != 0x0A && $0 != 0x0D })
        let place = "\(configuration.host) port \(configuration.port)"
        if !said.isEmpty, !said.hasPrefix("SSH-"), session.serverIdentification?.hasPrefix("SSH-") != true {
            return SFTPError(
                .handshake, .protocolViolation,
                "what answers at \(place) is no SSH server, it says \"\(said)\": check SFTP_HOST and SFTP_PORT")
        }
        let (code, text) = session.lastError
        let isLost = [LIBSSH2_ERROR_SOCKET_DISCONNECT, LIBSSH2_ERROR_SOCKET_RECV, LIBSSH2_ERROR_BANNER_RECV]
            .contains(code)
        if wire.isEnded, isLost || wire.farewell != nil {
            let heard = wire.farewell.map { "saying \"\($0)\"" } ?? "without a reason"
            return SFTPError(
                .handshake, .connectionLost,
                "the server at \(place) closed the connection \(wire.receivedBytes == 0 ? "before it said a word" : heard): "
                    + "it may have too many connections, or admit only known addresses")
        }
        let advice =
            [LIBSSH2_ERROR_KEX_FAILURE, LIBSSH2_ERROR_METHOD_NONE].contains(code)
            ? "the server and libssh2 \(SSHSession.libraryVersion) have no algorithms in common, or the server broke the exchange"
            : "the server does not follow the protocol"
        return SFTPError(
            .handshake, .protocolViolation,
            "the key exchange with \(place) (\(session.serverIdentification ?? said)) failed: \(text) (\(code)): \(advice)"
        )
    }

    // MARK: Host key

    private func checkHostKey() throws(SFTPError) {
        guard let (key, digest) = session.hostKey else {
            throw SFTPError(.hostKey, .protocolViolation, "the server showed a host key that cannot be read")
        }
        info.hostKey = key.line
        info.hostKeyFingerprint = Digest.fingerprint(sha256: digest)
        let policy = configuration.hostKeys
        let shown = "\(key.type) \(info.hostKeyFingerprint)"
        guard !policy.isUnset else {
            return logger.warning(
                "the server's host key is not checked: anybody could stand in its place. Set SFTP_HOST_KEY",
                metadata: ["setting": "SFTP_HOST_KEY=\(key.line)", "fingerprint": "\(info.hostKeyFingerprint)"])
        }
        switch policy.verdict(on: key, sha256: digest) {
        case .accepted: return
        case .revoked:
            throw SFTPError(
                .hostKey, .hostKeyMismatch,
                "the server at \(configuration.host) shows the host key \(shown), which SFTP_HOST_KEY marks as revoked. "
                    + "No credential was sent")
        case .unknown:
            throw SFTPError(
                .hostKey, .hostKeyMismatch,
                "the server at \(configuration.host) shows the host key \(shown), but SFTP_HOST_KEY expects "
                    + "\(policy.expectedFingerprints.joined(separator: " or ")). No credential was sent. Ask the partner "
                    + "whether the key was changed; if so, set SFTP_HOST_KEY=\(key.line)")
        }
    }

    // MARK: Channel

    /// Large enough to keep a fast line busy at a long round trip (LIBSSH2 asks for more at three quarters of it).
    private static let receiveWindowBytes: UInt32 = 16 * 1_048_576
    /// The largest packet of every implementation (RFC 4253, section 6.1); chacha20-poly1305 fails with larger ones.
    private static let packetBytes: UInt32 = 32_768

    private func startSFTP() throws(SFTPError) -> OpaquePointer {
        var channel: OpaquePointer?
        let opened = try drive(.sftpStart) {
            channel = libssh2_channel_open_ex(
                session.handle, "session", 7, Self.receiveWindowBytes, Self.packetBytes, nil, 0)
            return channel == nil ? session.lastError.code : 0
        }
        guard opened == 0, let channel else {
            throw startFailure(
                "refused to open a channel", "the account may be limited to fewer sessions, or not allowed in")
        }
        let started = try drive(.sftpStart) {
            libssh2_channel_process_startup(channel, "subsystem", 9, "sftp", 4)
        }
        guard started == 0 else {
            throw startFailure("does not start SFTP", "the account may not be allowed SFTP, or the server offers none")
        }
        // Nobody reads what the server writes on its error stream; unread it would fill the window.
        let ignored = try drive(.sftpStart) {
            libssh2_channel_handle_extended_data2(channel, LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE)
        }
        guard ignored == 0 else { throw failure(.sftpStart, "starting SFTP") }
        return channel
    }

    private func startFailure(_ what: String, _ why: String) -> SFTPError {
        if wire.isEnded || wire.farewell != nil { return failure(.sftpStart, "starting SFTP") }
        let (code, text) = session.lastError
        return SFTPError(
            .sftpStart, .unsupported,
            "the server at \(configuration.host) let \(configuration.user) in but \(what) (\(text), \(code)): \(why)")
    }

    // MARK: Driving libssh2

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
        let place = "\(configuration.host) port \(configuration.port)"
        let seen = wire.receivedBytes == 0 ? "it accepted the connection but never said a word" : "it stopped answering"
        return SFTPError(
            step, .timeout,
            "the server at \(place) was not ready within \(configuration.readyTimeoutSeconds) s: \(seen): "
                + "check SFTP_HOST and SFTP_PORT, or allow more with SFTP_SSH_READY_TIMEOUT_SECONDS")
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
