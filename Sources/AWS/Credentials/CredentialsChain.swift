public import HTTP

/// The first source of credentials that is set up, in the order of the AWS SDKs: environment, shared files, container
/// endpoint. (The sources that the SDKs have besides need services that no Lambda function is given.)
///
/// The source that answered first is kept; a source that is set up but fails is an error, not a reason to go on with
/// other credentials than the user meant.
public actor CredentialsChain: CredentialsProvider {
    private let sources: [any CredentialsProvider]
    private var chosen: (any CredentialsProvider)?

    /// Makes a chain over given sources.
    public init(_ sources: [any CredentialsProvider]) { self.sources = sources }

    /// Makes the standard chain.
    public init(
        environment: [String: String], http: any HTTPExecutor, clock: AWSClock = .system,
        files: FileReader = .system
    ) {
        self.init([
            EnvironmentCredentials(environment: environment),
            ProfileCredentials(environment: environment, files: files),
            ContainerCredentials(environment: environment, http: http, clock: clock, files: files),
        ])
    }

    /// The credentials of the first source that is set up.
    public func credentials(deadlineUptimeSeconds: Double?) async throws(CredentialsError) -> AWSCredentials {
        if let chosen { return try await chosen.credentials(deadlineUptimeSeconds: deadlineUptimeSeconds) }
        var tried: [String] = []
        for source in sources {
            do throws(CredentialsError) {
                let found = try await source.credentials(deadlineUptimeSeconds: deadlineUptimeSeconds)
                chosen = source
                return found
            } catch {
                if error.isConfigured || error.isCancelled { throw error }
                tried.append(error.message)
            }
        }
        throw CredentialsError("no AWS credentials: " + tried.joined(separator: "; "), isConfigured: false)
    }

    /// Fresh credentials of the source that gave the expired ones.
    public func credentials(
        insteadOf expired: AWSCredentials, deadlineUptimeSeconds: Double?
    ) async throws(CredentialsError) -> AWSCredentials {
        guard let chosen else { return try await credentials(deadlineUptimeSeconds: deadlineUptimeSeconds) }
        return try await chosen.credentials(insteadOf: expired, deadlineUptimeSeconds: deadlineUptimeSeconds)
    }
}
