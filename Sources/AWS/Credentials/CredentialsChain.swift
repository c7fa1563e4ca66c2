public import HTTP

/// The first source of credentials that is set up, in the order of the AWS SDKs: environment, web identity, shared files,
/// container endpoint. (What the SDKs have besides are sources that ask people, and the roles of EC2 instances.)
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
        let webIdentity = WebIdentityCredentials(environment: environment, files: files)
        let container = ContainerCredentials(environment: environment, files: files)
        self.init([
            EnvironmentCredentials(environment: environment),
            TemporaryCredentials(of: webIdentity, http: http, clock: clock),
            ProfileCredentials(environment: environment, files: files),
            TemporaryCredentials(of: container, http: http, clock: clock),
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
