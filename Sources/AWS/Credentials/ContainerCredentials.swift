public import HTTP
import JSON

/// Credentials from the endpoint that ECS and EKS give a container (AWS SDKs and Tools Reference Guide, "Container
/// credential provider"). They are kept, and fetched again five minutes before they end; callers at the same time share
/// one fetch. When a fetch fails, credentials that still hold are used on.
public actor ContainerCredentials: CredentialsProvider {
    /// How long before their end credentials are fetched again.
    static let refreshWindowSeconds: Int64 = 300
    /// How long after a failed fetch the next one waits while the old credentials hold.
    static let refreshPauseSeconds: Int64 = 30
    /// How often one fetch is tried.
    static let maximumAttempts = 3
    static let maximumResponseBytes = 65536

    /// How long a fetch may take while the old credentials hold: nobody has to wait for it then.
    static let patienceSeconds: Double = 5
    /// How long one attempt may take.
    static let attemptSeconds: Double = 10

    private let environment: [String: String]
    private let http: any HTTPExecutor
    private let clock: AWSClock
    private let files: FileReader

    private var current: AWSCredentials?
    private var nextRefreshEpochSeconds: Int64 = 0
    nonisolated let fetching: SharedWork<AWSCredentials, CredentialsError>

    /// Makes a provider.
    public init(
        environment: [String: String], http: any HTTPExecutor, clock: AWSClock = .system, files: FileReader = .system
    ) {
        self.environment = environment
        self.http = http
        self.clock = clock
        self.files = files
        fetching = SharedWork(clock: clock)
    }

    /// The container's credentials.
    public func credentials(deadlineUptimeSeconds: Double?) async throws(CredentialsError) -> AWSCredentials {
        let now = Int64(clock.epochSeconds())
        guard let current else { return try await refresh(deadlineUptimeSeconds) }
        guard let end = current.expirationEpochSeconds, end - now <= Self.refreshWindowSeconds else { return current }
        if end > now && now < nextRefreshEpochSeconds { return current }
        var deadline = deadlineUptimeSeconds
        if end > now { deadline = min(deadline ?? .infinity, clock.uptimeSeconds() + Self.patienceSeconds) }
        do throws(CredentialsError) { return try await refresh(deadline) } catch {
            if error.isCancelled { throw error }
            nextRefreshEpochSeconds = Int64(clock.epochSeconds()) + Self.refreshPauseSeconds
            if end > Int64(clock.epochSeconds()) { return current }
            throw error
        }
    }

    /// Newly fetched credentials, or what another caller has fetched meanwhile.
    public func credentials(
        insteadOf expired: AWSCredentials, deadlineUptimeSeconds: Double?
    ) async throws(CredentialsError) -> AWSCredentials {
        if let current, current != expired { return current }
        return try await refresh(deadlineUptimeSeconds)
    }

    /// One fetch for all who ask while it runs.
    private func refresh(_ deadline: Double?) async throws(CredentialsError) -> AWSCredentials {
        switch await fetching.answer(deadlineUptimeSeconds: deadline, { await self.fetch(deadline) }) {
        case .done(.success(let fresh)):
            current = fresh
            return fresh
        case .done(.failure(let error)): throw error
        case .cancelled: throw CredentialsError("waiting for container credentials was cancelled", isCancelled: true)
        case .late:
            throw CredentialsError("the container credentials endpoint has not answered before the request's deadline")
        }
    }

    private func fetch(_ deadline: Double?) async -> Result<AWSCredentials, CredentialsError> {
        var request: HTTPRequest
        do throws(CredentialsError) { request = try self.request() } catch { return .failure(error) }
        var last = CredentialsError(
            "the container credentials endpoint was not asked: the request's deadline has passed")
        for attempt in 1...Self.maximumAttempts {
            if attempt > 1 {
                let pause = clock.random() * 0.2 * Double(attempt)
                do { try await clock.sleep(pause) } catch {
                    return .failure(
                        CredentialsError("waiting for container credentials was cancelled", isCancelled: true))
                }
            }
            let leftSeconds = (deadline ?? .infinity) - clock.uptimeSeconds()
            guard leftSeconds > ServiceClient.minimumAttemptSeconds else { break }
            request.limits.totalTimeoutSeconds = min(Self.attemptSeconds, leftSeconds)
            do throws(HTTPError) {
                let response = try await http.execute(request)
                let body = try await response.body.collect(upTo: Self.maximumResponseBytes)
                if response.status == 200 { return Self.parse(body) }
                last = CredentialsError("the container credentials endpoint answered \(response.status)")
                if response.status < 500 && response.status != 429 { break }
            } catch {
                last = CredentialsError(
                    "the container credentials endpoint cannot be asked: \(error)",
                    isCancelled: error.kind == .cancelled)
                if !error.isTransient { break }
            }
        }
        return .failure(last)
    }

    private func request() throws(CredentialsError) -> HTTPRequest {
        let url: String
        if let relative = environment.nonEmpty("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            guard relative.utf8.first == UInt8(ascii: "/") else {
                throw CredentialsError("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with a slash")
            }
            url = "http://169.254.170.2\(relative)"
        } else if let full = environment.nonEmpty("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            guard Self.isAllowed(full) else {
                throw CredentialsError(
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that gets no token: it must be https, this machine,"
                        + " 169.254.170.2, 169.254.170.23 or fd00:ec2::23")
            }
            url = full
        } else {
            throw CredentialsError("AWS_CONTAINER_CREDENTIALS_FULL_URI is not set", isConfigured: false)
        }
        var headers: HTTPHeaders = ["Accept": "application/json"]
        headers["Authorization"] = try token()
        let limits = HTTPLimits(connectTimeoutSeconds: 2, stallSeconds: 5)
        return HTTPRequest(.get, url, headers: headers, limits: limits)
    }

    /// The token, read anew each time: EKS replaces its file while the container runs.
    private func token() throws(CredentialsError) -> String? {
        var token = environment.nonEmpty("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        if let path = environment.nonEmpty("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            let content: [UInt8]?
            do throws(FileReadError) { content = try files.read(path) } catch {
                throw CredentialsError("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: \(error)")
            }
            guard let content else {
                throw CredentialsError("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: no file at \(path)")
            }
            token = Text.trimmed(String(decoding: content, as: UTF8.self))
        }
        guard let token else { return nil }
        guard token.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
            throw CredentialsError("the container authorization token holds a line break or other control character")
        }
        return token
    }

    /// The rule of the SDKs: over plain HTTP the token goes only to this machine and to the addresses of ECS and EKS.
    static func isAllowed(_ url: String) -> Bool {
        let parts = URLParts(url)
        let host = Text.lowercasedASCII(parts.host)
        if parts.authority.utf8.contains(UInt8(ascii: "@")) || host.isEmpty { return false }
        switch Text.lowercasedASCII(parts.scheme) {
        case "https": return true
        case "http":
            if ["localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(host) { return true }
            let octets = host.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
                .map { UInt8(String(decoding: $0, as: UTF8.self)) }
            return octets.count == 4 && octets.allSatisfy { $0 != nil } && octets[0] == 127
        default: return false
        }
    }

    private struct Answer: JSONReadable {
        var accessKeyID: String
        var secretAccessKey: String
        var token: String?
        var expiration: String?

        init(json: JSONValue) throws(JSONFieldFault) {
            accessKeyID = try json.required("AccessKeyId")
            secretAccessKey = try json.required("SecretAccessKey")
            token = try json.optional("Token")
            expiration = try json.optional("Expiration")
        }
    }

    private static func parse(_ body: [UInt8]) -> Result<AWSCredentials, CredentialsError> {
        let answer: Answer
        do { answer = try Answer(parsing: body) } catch {
            return .failure(
                CredentialsError(
                    "the container credentials endpoint answered with something else than keys: \(error)"))
        }
        var end: Int64?
        if let expiration = answer.expiration {
            end = Timestamps.parseISO8601(expiration)
            if end == nil {
                return .failure(CredentialsError("the container credentials have an Expiration that is no time"))
            }
        }
        return .success(
            AWSCredentials(
                accessKeyID: answer.accessKeyID, secretAccessKey: answer.secretAccessKey, sessionToken: answer.token,
                expirationEpochSeconds: end))
    }
}
