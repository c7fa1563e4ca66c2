public import Logging

/// Opens SFTP channels over SSH: one TCP connection, one session, one channel and one thread each.
///
/// libssh2 does the cryptography and the protocol; this type decides whom to trust, what to send and how long to wait.
public struct SSHTransport: ChannelOpener {
    private let configuration: SSHConfiguration
    private let logger: Logger

    /// Makes an opener; it connects only when it is asked to.
    /// - Parameter logger: hears of an unchecked host key, and at debug level of what was agreed.
    public init(_ configuration: SSHConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Connects, checks the host key, logs in and starts the SFTP subsystem. Cancelling the task ends the attempt.
    func open(handler: any ChannelHandler) async throws(SFTPError) -> any Channel {
        // A key that cannot be used is found before the server is bothered.
        _ = try configuration.credentials.usableKey()
        guard let wakeUp = WakeUp() else {
            throw SFTPError(.connect, .unreachable, "this process has no descriptor left for a connection")
        }
        let control = ConnectionControl(wakeUp: wakeUp)
        let (configuration, logger) = (configuration, logger)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { opener in
                control.await(opener)
                let isStarted = DetachedThread.start {
                    Self.run(configuration, control: control, handler: handler, logger: logger)
                }
                guard !isStarted else { return }
                control.opened(
                    .failure(SFTPError(.connect, .unreachable, "this process has no thread left for a connection")))
                control.finished()
            }
        } onCancel: {
            control.requestClose()
        }
        switch result {
        case .success(let info): return SSHChannel(control: control, info: info)
        case .failure(let error):
            await control.waitUntilFinished()
            throw error
        }
    }

    /// The life of the I/O thread.
    private static func run(
        _ configuration: SSHConfiguration, control: ConnectionControl, handler: any ChannelHandler, logger: Logger
    ) {
        defer { control.finished() }
        let end: SFTPError
        do throws(SFTPError) {
            let connection = try SSHConnection(configuration, control: control, logger: logger)
            let channel: OpaquePointer
            do throws(SFTPError) {
                channel = try connection.open(handler)
            } catch {
                connection.sayGoodbye()
                throw error
            }
            log(connection.info, logger)
            control.opened(.success(connection.info))
            var loop = ChannelLoop(connection, channel: channel, handler: handler)
            end = loop.run()
            if end.reason == .cancelled { connection.sayGoodbye() }
        } catch {
            return control.opened(.failure(error))
        }
        handler.ended(end)
    }

    private static func log(_ info: SSHSessionInfo, _ logger: Logger) {
        logger.debug(
            "connected",
            metadata: [
                "address": "\(info.address)", "server": "\(info.serverIdentification)",
                "keyExchange": "\(info.keyExchange)", "cipherToServer": "\(info.cipherToServer)",
                "cipherFromServer": "\(info.cipherFromServer)", "hostKey": "\(info.hostKeyFingerprint)",
                "authentication": "\(info.authentication)",
            ])
    }
}

/// The SFTP channel of one connection.
final class SSHChannel: Channel {
    /// What was agreed with the server.
    let sessionInfo: SSHSessionInfo?
    private let control: ConnectionControl

    init(control: ConnectionControl, info: SSHSessionInfo) {
        self.control = control
        sessionInfo = info
    }

    func wake() { control.wakeUp.wake() }

    func close() async {
        control.requestClose()
        await control.waitUntilFinished()
    }

    /// Whoever lets go of a channel without closing it ends the connection all the same, only without waiting.
    deinit { control.requestClose() }
}
