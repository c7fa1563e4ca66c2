/// Where secrets are kept.
public protocol SecretSource: Sendable {
    /// The text of a secret's current version.
    /// - Throws: an error that says which secret and why, and whether trying again can help.
    func secretText(id: String) async throws -> String
}

/// The login, from the settings and from the secret that they name. What the secret holds goes before the plain
/// variable of the same meaning: whoever rotates the secret must not be overruled by an old variable.
///
/// The secret is read once by a process, and once more after `invalidate()`. Callers that come while it is being read
/// share that read. A read that fails is not remembered.
public actor LoginSource {
    private let connection: ConnectionSettings
    private let secrets: any SecretSource
    private var reading: (task: Task<Login, any Error>, number: Int)?
    private var readingsBegun = 0

    /// Makes a source. `secrets` is asked only when the settings name a secret.
    public init(_ connection: ConnectionSettings, secrets: any SecretSource) {
        self.connection = connection
        self.secrets = secrets
    }

    /// The login.
    /// - Throws: `SettingsError` when the secret cannot be used or the login is not whole, or what `SecretSource` throws.
    public func login() async throws -> Login {
        guard let secretID = connection.secretID else { return try connection.login.whole() }
        if let reading { return try await reading.task.value }
        readingsBegun += 1
        let number = readingsBegun
        let task = Task { [secrets, plain = connection.login] in
            let document = try SecretDocument(try await secrets.secretText(id: secretID))
            return try document.login.filled(from: plain).whole()
        }
        reading = (task, number)
        do {
            return try await task.value
        } catch {
            // By now another one may be under way, after an invalidation.
            if reading?.number == number { reading = nil }
            throw error
        }
    }

    /// Forgets the secret, so that the next call reads it again. For use after the server refused the login or showed
    /// a host key that is not expected: the secret may have been rotated since.
    public func invalidate() { reading = nil }
}
