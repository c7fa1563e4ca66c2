import Logging
import SFTP

/// Opens connections to the partner's server, with the login that the settings and the secret give.
struct ServerConnector: Sendable {
    private let settings: ConnectionSettings
    private let logins: LoginSource

    init(_ settings: ConnectionSettings, secrets: any SecretSource) {
        self.settings = settings
        logins = LoginSource(settings, secrets: secrets)
    }

    /// Connects and logs in. When the server refuses the login or shows another host key, and the login comes from a
    /// secret that has changed since it was read, this is tried once more.
    /// - Returns: the client, and who this is at the server, as `synced-from` has it: host:port:user (rule P8).
    /// - Throws: `SFTPError`, or what `LoginSource.login` throws.
    func connect(logger: Logger) async throws -> (client: SFTPClient, origin: String) {
        let login = try await logins.login()
        do {
            return (try await connect(login, logger), origin(login))
        } catch let error as SFTPError where Self.mayBeRotated(error) && settings.secretID != nil {
            await logins.invalidate()
            let fresh = try await logins.login()
            guard fresh != login else { throw error }
            logger.notice("the secret has changed since it was read; connecting with its new content")
            return (try await connect(fresh, logger), origin(fresh))
        }
    }

    private func origin(_ login: Login) -> String { "\(settings.host):\(settings.port):\(login.user)" }

    private static func mayBeRotated(_ error: SFTPError) -> Bool {
        error.reason == .authenticationRejected || error.reason == .hostKeyMismatch
    }

    private func connect(_ login: Login, _ logger: Logger) async throws -> SFTPClient {
        let configuration = SSHConfiguration(
            host: settings.host.text, port: UInt16(settings.port), user: login.user,
            credentials: SSHCredentials(
                privateKey: login.privateKey?.revealed, passphrase: login.passphrase?.revealed,
                password: login.password?.revealed),
            hostKeys: try HostKeyPolicy(parsing: login.hostKey ?? ""),
            connectTimeoutSeconds: Double(min(settings.readyTimeoutSeconds, Self.connectTimeoutSeconds)),
            readyTimeoutSeconds: Double(settings.readyTimeoutSeconds))
        return try await SFTPClient.connect(configuration, logger: logger)
    }

    /// A server that can be reached answers within this; SFTP_SSH_READY_TIMEOUT_SECONDS may be shorter.
    private static let connectTimeoutSeconds = 10
}
