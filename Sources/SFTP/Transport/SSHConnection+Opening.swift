import CLibSSH2
import Logging
import TextForms

/// The way from a connected socket to a channel with SFTP at its other end, step by step.
extension SSHConnection {
    /// Shakes hands, checks the host key, logs in and starts the SFTP subsystem.
    /// - Returns: the channel, which belongs to the session.
    func open(_ handler: any ChannelHandler) throws(SFTPError) -> OpaquePointer {
        let authentication = SSHAuthentication(self)
        session.preferSignatures(allowingSHA1: configuration.legacyAlgorithms.contains(.rsaSHA1))
        if !configuration.usesLibraryAsItComes {
            session.logInEagerly(awaitingService: authentication.needsAlgorithmsOfServer)
        }
        let observation = configuration.observation
        observation?.begin(.handshake)
        try shakeHands()
        observation?.begin(.hostKey)
        try checkHostKey()
        observation?.begin(.authentication)
        try authentication.logIn()
        observation?.begin(.sftpStart)
        return try startSFTP(handler)
    }

    // MARK: Handshake

    /// Identification lines before the server's own (RFC 4253, section 4.2) may not be longer than this together.
    private static let preambleLimitBytes = 65_536

    private func shakeHands() throws(SFTPError) {
        // No blank and no minus sign may stand in the software's name (RFC 4253, section 4.2).
        _ = libssh2_session_banner_set(session.handle, "SSH-2.0-sftp_lambda")
        let offer = AlgorithmOffer(configuration, takesWholePackets: session.givesWholePacketsToGCM)
        try prefer(offer)

        let result = try drive(.handshake) {
            if session.serverIdentification?.hasPrefix("SSH-") != true, wire.receivedBytes > Self.preambleLimitBytes {
                return LIBSSH2_ERROR_BANNER_RECV
            }
            return libssh2_session_handshake(session.handle, descriptor)
        }
        guard result == 0 else { throw handshakeFailure(offer) }
        info.serverIdentification = session.serverIdentification ?? ""
        info.keyExchange = session.agreed(LIBSSH2_METHOD_KEX)
        info.hostKeyAlgorithm = session.agreed(LIBSSH2_METHOD_HOSTKEY)
        info.cipherToServer = session.agreed(LIBSSH2_METHOD_CRYPT_CS)
        info.cipherFromServer = session.agreed(LIBSSH2_METHOD_CRYPT_SC)
        info.macToServer = session.agreed(LIBSSH2_METHOD_MAC_CS)
        info.macFromServer = session.agreed(LIBSSH2_METHOD_MAC_SC)
    }

    /// Tells libssh2 to offer this and nothing else; what it does not have is left out by it.
    private func prefer(_ offer: AlgorithmOffer) throws(SFTPError) {
        for (method, names) in [
            (LIBSSH2_METHOD_KEX, offer.keyExchange), (LIBSSH2_METHOD_HOSTKEY, offer.hostKey),
            (LIBSSH2_METHOD_CRYPT_CS, offer.cipherToServer), (LIBSSH2_METHOD_CRYPT_SC, offer.cipherFromServer),
            (LIBSSH2_METHOD_MAC_CS, offer.macToServer), (LIBSSH2_METHOD_MAC_SC, offer.macFromServer),
        ] where !session.prefer(method, names) {
            throw SFTPError(
                .handshake, .invalidConfiguration,
                "libssh2 \(SSHSession.libraryVersion) has none of \(names.joined(separator: ","))")
        }
    }

    /// What OpenSSH says in place of its identification when it takes no connection now: it is an SSH server all the same,
    /// and a later try may be taken (sshd_config(5), MaxStartups and PerSourcePenalties).
    private static let refusals: [(words: String, problem: ServerProblem)] = [
        ("Exceeded MaxStartups", .tooManyLogins), ("Not allowed at this time", .addressKeptOut),
    ]

    /// How much of the first words of what is no SSH server is shown.
    private static let shownOpeningBytes = 96

    private func handshakeFailure(_ offer: AlgorithmOffer) -> SFTPError {
        // A proxy may say our login to it back in the server's place.
        let isLoginSaid = configuration.proxy?.isRepeated(in: wire.opening) == true
        let said =
            isLoginSaid
            ? ProxyServer.repeatedLogin
            : ServerText.printable(wire.opening.prefix(Self.shownOpeningBytes).prefix { $0 != 0x0A && $0 != 0x0D })
        let identification = isLoginSaid ? nil : session.serverIdentification
        let place = ServerPlace(configuration)
        if let refusal = Self.refusals.first(where: { said.hasPrefix($0.words) }) {
            return SFTPError(refusal.problem, place, seen: "it says \"\(said)\"")
        }
        if !said.isEmpty, !said.hasPrefix("SSH-"), identification?.hasPrefix("SSH-") != true {
            return SFTPError(.noSSHServer, place, seen: "it says \"\(said)\"")
        }
        // Before all else: which side then ends the connection, and how, is a matter of who is faster.
        if let theirs = AlgorithmOffer(openingOfServer: wire.opening),
            let refusal = AlgorithmRefusal(ours: offer, server: theirs)
        {
            return SFTPError(
                .weakAlgorithms, place, seen: identification ?? said,
                remedy: refusal.advice(ours: offer, enabled: configuration.legacyAlgorithms))
        }
        let (code, text) = session.lastError
        let isLost = [LIBSSH2_ERROR_SOCKET_DISCONNECT, LIBSSH2_ERROR_SOCKET_RECV, LIBSSH2_ERROR_BANNER_RECV]
            .contains(code)
        if wire.isEnded, isLost || wire.farewell != nil {
            let farewell = isLoginSaid ? ProxyServer.repeatedLogin : wire.farewell
            let heard = farewell.map { "it says \"\($0)\"" } ?? "without a reason"
            return SFTPError(.closedAtOnce, place, seen: wire.receivedBytes == 0 ? "before it said a word" : heard)
        }
        let what =
            [LIBSSH2_ERROR_KEX_FAILURE, LIBSSH2_ERROR_METHOD_NONE].contains(code)
            ? "the server and libssh2 \(SSHSession.libraryVersion) do not agree, or the server broke the exchange"
            : "the server does not follow the protocol"
        return SFTPError(
            .exchangeFailed, place, seen: "\(identification ?? said): \(text), \(code); \(what)")
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
            // Who observes is told what was shown, and says it.
            guard configuration.observation == nil else { return }
            return logger.warning(
                "the server's host key is not checked: anybody could stand in its place. Set SFTP_HOST_KEY",
                metadata: ["setting": "SFTP_HOST_KEY=\(key.line)", "fingerprint": "\(info.hostKeyFingerprint)"])
        }
        switch policy.verdict(on: key, sha256: digest) {
        case .accepted: return
        case .revoked: throw SFTPError(.hostKeyRevoked, ServerPlace(configuration), seen: shown)
        case .unknown:
            throw SFTPError(
                .hostKeyChanged, ServerPlace(configuration),
                seen: "shown: \(shown); expected: \(policy.expectedFingerprints.joined(separator: " or "))",
                remedy: ServerProblem.hostKeyChanged.remedy.replacingAll(
                    ServerProblem.keyShown, with: "SFTP_HOST_KEY='\(key.line)'") + adviceOnRSA(policy))
        }
    }

    /// A server of old proves an RSA key with SHA-1 alone, and then shows another key of its own.
    private func adviceOnRSA(_ policy: HostKeyPolicy) -> String {
        let legacy = configuration.legacyAlgorithms
        guard policy.expectsRSA, !legacy.contains(.rsaSHA1),
            let theirs = AlgorithmOffer(openingOfServer: wire.opening),
            theirs.hostKey.contains(PublicKey.rsaType), !theirs.hostKey.contains(where: { $0.hasPrefix("rsa-sha2-") })
        else { return "" }
        return ". Or the server has the expected RSA key too, and can prove it only with SHA-1, which is not safe and "
            + "not used by default: to use it nevertheless, set \(LegacyAlgorithm.setting(legacy, with: [.rsaSHA1]))"
    }

    // MARK: Channel

    /// Large enough to keep a fast line busy at a long round trip (LIBSSH2 asks for more at three quarters of it).
    private static let receiveWindowBytes: UInt32 = 16 * 1_048_576
    /// The largest packet of every implementation (RFC 4253, section 6.1); chacha20-poly1305 fails with larger ones.
    private static let packetBytes: UInt32 = 32_768

    private func startSFTP(_ handler: any ChannelHandler) throws(SFTPError) -> OpaquePointer {
        var channel: OpaquePointer?
        let opened = try drive(.sftpStart) {
            channel = libssh2_channel_open_ex(
                session.handle, "session", 7, Self.receiveWindowBytes, Self.packetBytes, nil, 0)
            return channel == nil ? session.lastError.code : 0
        }
        guard opened == 0, let channel else {
            throw startFailure(.channelRefused)
        }
        var isAsked = false
        let started = try drive(.sftpStart) {
            let result = libssh2_channel_process_startup(channel, "subsystem", 9, "sftp", 4)
            guard result == LIBSSH2_ERROR_EAGAIN, !isAsked else { return result }
            isAsked = true
            // What the handler says first follows at once, as it does from OpenSSH's sftp: no server is surprised.
            return writeFirst(from: handler, to: channel) ? result : session.lastError.code
        }
        guard started == 0 else { throw startFailure(.sftpRefused) }
        // Nobody reads what the server writes on its error stream; unread it would fill the window.
        let ignored = try drive(.sftpStart) {
            libssh2_channel_handle_extended_data2(channel, LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE)
        }
        guard ignored == 0 else { throw failure(.sftpStart, "starting SFTP") }
        return channel
    }

    private func writeFirst(from handler: any ChannelHandler, to channel: OpaquePointer) -> Bool {
        do throws(SFTPError) {
            _ = try write(from: handler, to: channel, .sftpStart)
            return true
        } catch {
            // libssh2 keeps its last error, and from that the caller makes the one with the right words.
            return false
        }
    }

    private func startFailure(_ problem: ServerProblem) -> SFTPError {
        if wire.isEnded || wire.farewell != nil { return failure(.sftpStart, "starting SFTP") }
        let (code, text) = session.lastError
        return SFTPError(problem, ServerPlace(configuration), seen: "\(text), \(code)")
    }
}
