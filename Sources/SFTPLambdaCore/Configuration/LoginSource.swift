import AWS

/// Where secrets are kept.
public protocol SecretSource: Sendable {
    /// The text of a secret's current version.
    /// - Parameter deadlineUptimeSeconds: the point on the monotonic clock by which this has returned or thrown.
    /// - Throws: an error that says which secret and why, and whether trying again can help.
    func secretText(id: String, deadlineUptimeSeconds: Double) async throws -> String
}

/// The login, from the settings and from the secret that they name. What the secret holds goes before the plain
/// variable of the same meaning: whoever rotates the secret must not be overruled by an old variable.
///
/// The secret is read once by a process, and once more after `invalidate()`. Callers that come while it is being read
/// share that read; one that is cancelled, or whose time is up, leaves it to the others. A read that fails is not
/// remembered.
public actor LoginSource {
    private let connection: ConnectionSettings
    private let secrets: any SecretSource
    private let reading = SharedWork<Login, any Error>(clock: .system)
    private var known: Login?
    private var invalidations = 0

    /// Makes a source. `secrets` is asked only when the settings name a secret.
    public init(_ connection: ConnectionSettings, secrets: any SecretSource) {
        self.connection = connection
        self.secrets = secrets
    }

    /// The login.
    /// - Parameter deadlineUptimeSeconds: the point on the monotonic clock by which this has returned or thrown.
    /// - Throws: `SettingsError` when the secret cannot be used or the login is not whole; `CancellationError`; or what
    ///   `SecretSource` throws.
    public func login(deadlineUptimeSeconds: Double) async throws -> Login {
        guard let secretID = connection.secretID else { return try connection.login.whole() }
        if let known { return known }
        let invalidationsBefore = invalidations
        let answer = await reading.answer(deadlineUptimeSeconds: deadlineUptimeSeconds) {
            [secrets, plain = connection.login] in
            do {
                let text = try await secrets.secretText(id: secretID, deadlineUptimeSeconds: deadlineUptimeSeconds)
                let login = try SecretDocument(text).login.filled(from: plain).whole()
                // While the read still counts as under way: who comes now finds either it or what it gave.
                await self.keep(login, readAfter: invalidationsBefore)
                return .success(login)
            } catch {
                return .failure(error)
            }
        }
        switch answer {
        case .done(let result): return try result.get()
        case .cancelled: throw CancellationError()
        case .late: throw FunctionFailure.secretIsLate
        }
    }

    private func keep(_ login: Login, readAfter invalidationsBefore: Int) {
        if invalidations == invalidationsBefore { known = login }
    }

    /// Forgets the secret, so that the next call reads it again. For use after the server refused the login or showed
    /// a host key that is not expected: the secret may have been rotated since.
    public func invalidate() {
        invalidations += 1
        known = nil
        reading.forget()
    }
}
