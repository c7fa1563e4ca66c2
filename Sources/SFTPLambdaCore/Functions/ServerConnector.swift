import Logging
import SFTP

/// Opens connections to the partner's server, with the login that the settings and the secret give.
struct ServerConnector: Sendable {
    private let settings: ConnectionSettings
    private let logins: LoginSource
    private let network: LambdaNetwork?
    private let clock = SystemClock()

    /// - Parameter network: what to say of the way to the server; nil where this does not run in Lambda.
    init(_ settings: ConnectionSettings, secrets: any SecretSource, network: LambdaNetwork? = nil) {
        self.settings = settings
        logins = LoginSource(settings, secrets: secrets)
        self.network = network
    }

    /// Connects, works, and closes the connection; at the end of the run's time already if the work still runs. What
    /// is under way then, such as moves, is not cut off at the deadline itself (`WorkWindow`).
    /// - Throws: `FunctionFailure` without a connection, or what `LoginSource.login` throws.
    func connected<Value: Sendable>(
        _ run: FunctionRun, _ work: (SFTPClient, _ origin: String) async -> Value
    ) async throws -> Value {
        let (client, origin): (SFTPClient, String)
        do {
            (client, origin) = try await connect(
                deadlineUptimeSeconds: run.window.deadlineUptimeSeconds, logger: run.logger)
        } catch let error as SFTPError {
            throw FunctionFailure(error)
        }
        let opened = OpenedClients()
        _ = opened.add(client)
        return await opened.closing(atUptimeSeconds: run.window.closingUptimeSeconds) { await work(client, origin) }
    }

    /// Connects and logs in. When the server refuses the login or shows another host key, and the login comes from a
    /// secret that has changed since it was read, this is tried once more.
    /// - Parameter deadlineUptimeSeconds: when the caller must be done, on the monotonic clock. What cannot be had
    ///   shortly before it, or within SFTP_SSH_READY_TIMEOUT_SECONDS each for the secret and the connection, ends with
    ///   an error that says why.
    /// - Parameter awaitsVersion: see `SFTPClientOptions.awaitsVersion`.
    /// - Parameter observation: sees how the connection is made; then the server is also asked for its methods, and no
    ///   password is sent where no host key is expected.
    /// - Returns: the client, and who this is at the server, as `synced-from` has it: host:port:user (rule P8).
    /// - Throws: `SFTPError`, or what `LoginSource.login` throws.
    func connect(
        awaitsVersion: Bool = true, deadlineUptimeSeconds: Double, logger: Logger, observation: SSHObservation? = nil
    ) async throws -> (client: SFTPClient, origin: String) {
        let options = SFTPClientOptions(awaitsVersion: awaitsVersion)
        let deadline = deadlineUptimeSeconds - Self.marginSeconds
        let login = try await login(deadline)
        do throws(SFTPError) {
            return (try await connect(login, options, deadline, logger, observation), origin(login))
        } catch {
            guard Self.mayBeRotated(error), settings.secretID != nil else { throw error }
            await logins.invalidate()
            let fresh = try await self.login(deadline)
            guard fresh != login else { throw error }
            logger.notice("the secret has changed since it was read; connecting with its new content")
            return (try await connect(fresh, options, deadline, logger, observation), origin(fresh))
        }
    }

    /// Who this is at the server, without connecting: host:port:user (rule P8).
    /// - Throws: what `LoginSource.login` throws.
    func origin(deadlineUptimeSeconds: Double) async throws -> String {
        origin(try await login(deadlineUptimeSeconds - Self.marginSeconds))
    }

    /// Whether the server has to show a host key that is known.
    /// - Throws: what `LoginSource.login` throws, or `SFTPError` for keys that cannot be read.
    func expectsHostKey(deadlineUptimeSeconds: Double) async throws -> Bool {
        let login = try await login(deadlineUptimeSeconds - Self.marginSeconds)
        return !(try HostKeyPolicy(parsing: login.hostKey ?? "")).isUnset
    }

    private func login(_ deadline: Double) async throws -> Login {
        try await logins.login(deadlineUptimeSeconds: clock.uptimeSeconds + timeoutSeconds(deadline))
    }

    private func timeoutSeconds(_ deadline: Double) -> Double {
        min(Double(settings.readyTimeoutSeconds), max(deadline - clock.uptimeSeconds, Self.leastTimeoutSeconds))
    }

    private func origin(_ login: Login) -> String { "\(settings.host):\(settings.port):\(login.user)" }

    private static func mayBeRotated(_ error: SFTPError) -> Bool {
        error.reason == .authenticationRejected || error.reason == .hostKeyMismatch
            // A key of a kind that the server cannot be given a sound signature of.
            || error.step == .authentication && error.reason == .unsupported
    }

    private func connect(
        _ login: Login, _ options: SFTPClientOptions, _ deadline: Double, _ logger: Logger,
        _ observation: SSHObservation?
    ) async throws(SFTPError) -> SFTPClient {
        do throws(SFTPError) {
            return try await open(login, options, deadline, logger, observation)
        } catch {
            throw explained(error, login)
        }
    }

    private func open(
        _ login: Login, _ options: SFTPClientOptions, _ deadline: Double, _ logger: Logger,
        _ observation: SSHObservation?
    ) async throws(SFTPError) -> SFTPClient {
        let timeoutSeconds = timeoutSeconds(deadline)
        var configuration = SSHConfiguration(
            host: settings.host.text, port: UInt16(settings.port), user: login.user,
            credentials: SSHCredentials(
                privateKey: login.privateKey?.revealed, passphrase: login.passphrase?.revealed,
                password: login.password?.revealed),
            hostKeys: try HostKeyPolicy(parsing: login.hostKey ?? ""),
            connectTimeoutSeconds: min(timeoutSeconds, Self.connectTimeoutSeconds),
            readyTimeoutSeconds: timeoutSeconds, legacyAlgorithms: settings.legacyAlgorithms)
        configuration.proxy = login.proxy
        configuration.keepaliveSeconds = settings.keepaliveSeconds.map(Double.init)
        configuration.maximumBytesPerSecond = settings.maximumBytesPerSecond
        configuration.observation = observation
        configuration.asksForMethods = observation != nil
        configuration.withholdsPassword = observation != nil
        return try await SFTPClient.connect(configuration, options: options, logger: logger)
    }

    // MARK: What only this knows of a failure

    private func explained(_ error: SFTPError, _ login: Login) -> SFTPError {
        var explained = error
        // Behind a proxy, the way out is the proxy's.
        if error.step == .connect, error.reason == .timeout, login.proxy == nil, let network {
            explained.advise(network.advice(port: "\(settings.port)"))
        }
        let concernsLogin =
            [.authentication, .hostKey].contains(error.step)
            && [.invalidConfiguration, .authenticationRejected, .hostKeyMismatch].contains(error.reason)
        let concernsProxy = [.resolve, .connect].contains(error.step) && login.proxy != nil
        if concernsLogin || concernsProxy, let secretID = settings.secretID {
            let names = login.partsOfSecret(besides: settings.login)
            if !names.isEmpty {
                explained.advise(
                    "The secret \(secretID) holds \(names.joined(separator: ", ")): what it holds goes before the variables"
                )
            }
        }
        return explained
    }

    /// A server that can be reached answers within this; SFTP_SSH_READY_TIMEOUT_SECONDS may be shorter.
    private static let connectTimeoutSeconds = 10.0
    /// The reason is told so long before the caller's own watch would cut it off.
    private static let marginSeconds = 0.25
    /// No time-out is shorter, even when the deadline has passed.
    private static let leastTimeoutSeconds = 0.1
}
