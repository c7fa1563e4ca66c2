/// Gives the credentials that requests are signed with. May be called at once from many tasks.
public protocol CredentialsProvider: Sendable {
    /// Credentials that are valid now, as far as the provider knows.
    /// - Parameter deadlineUptimeSeconds: the point on the `uptimeSeconds` of the clock at which the request that needs
    ///   them must have ended: by then this has returned or thrown.
    func credentials(deadlineUptimeSeconds: Double?) async throws(CredentialsError) -> AWSCredentials

    /// Credentials in place of ones that AWS has called expired. A provider that has no others returns the same.
    func credentials(
        insteadOf expired: AWSCredentials, deadlineUptimeSeconds: Double?
    ) async throws(CredentialsError) -> AWSCredentials
}

extension CredentialsProvider {
    /// Credentials that are valid now, however long they take.
    public func credentials() async throws(CredentialsError) -> AWSCredentials {
        try await credentials(deadlineUptimeSeconds: nil)
    }
}

/// Why there are no credentials: what was tried, and what was missing. Holds no secret.
public struct CredentialsError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was tried, and what was missing.
    public var message: String
    /// What to do, where that is known better than for any source.
    public var advice: String?
    /// Whether the source is set up, so that failing is worth an error, or is simply not in use.
    public var isConfigured: Bool
    /// Whether the task was cancelled.
    public var isCancelled: Bool

    /// Makes an error.
    public init(
        _ message: String, advice: String? = nil, isConfigured: Bool = true, isCancelled: Bool = false
    ) {
        self.message = message
        self.advice = advice
        self.isConfigured = isConfigured
        self.isCancelled = isCancelled
    }

    /// The message, and the advice if there is one.
    public var description: String { advice.map { "\(message): \($0)" } ?? message }
}

/// Credentials that never change, such as those of a test.
public struct StaticCredentials: CredentialsProvider {
    private let fixed: AWSCredentials

    /// Makes a provider.
    public init(_ credentials: AWSCredentials) { fixed = credentials }

    /// The credentials.
    public func credentials(deadlineUptimeSeconds: Double?) async throws(CredentialsError) -> AWSCredentials { fixed }

    /// The same credentials.
    public func credentials(
        insteadOf expired: AWSCredentials, deadlineUptimeSeconds: Double?
    ) async throws(CredentialsError) -> AWSCredentials {
        fixed
    }
}

/// Credentials from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN: what Lambda gives a function. They
/// last as long as the process: Lambda ends it before they expire.
public struct EnvironmentCredentials: CredentialsProvider {
    private let environment: [String: String]

    /// Makes a provider that reads the given environment.
    public init(environment: [String: String]) { self.environment = environment }

    /// The credentials.
    public func credentials(deadlineUptimeSeconds: Double?) async throws(CredentialsError) -> AWSCredentials {
        let keyID = environment.nonEmpty("AWS_ACCESS_KEY_ID")
        let secret = environment.nonEmpty("AWS_SECRET_ACCESS_KEY")
        switch (keyID, secret) {
        case (.some(let keyID), .some(let secret)):
            return AWSCredentials(
                accessKeyID: keyID, secretAccessKey: secret, sessionToken: environment.nonEmpty("AWS_SESSION_TOKEN"))
        case (.none, .none):
            throw CredentialsError("AWS_ACCESS_KEY_ID is not set", isConfigured: false)
        case (.some, .none):
            throw CredentialsError("AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not")
        case (.none, .some):
            throw CredentialsError("AWS_SECRET_ACCESS_KEY is set but AWS_ACCESS_KEY_ID is not")
        }
    }

    /// The same credentials.
    public func credentials(
        insteadOf expired: AWSCredentials, deadlineUptimeSeconds: Double?
    ) async throws(CredentialsError) -> AWSCredentials {
        try await credentials()
    }
}

extension [String: String] {
    /// The value without white space around it; nil when it is not set or empty, which all SDKs treat alike.
    func nonEmpty(_ name: String) -> String? {
        guard let value = self[name] else { return nil }
        let trimmed = Text.trimmed(value)
        return trimmed.isEmpty ? nil : trimmed
    }
}
