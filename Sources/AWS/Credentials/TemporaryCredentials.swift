import HTTP
import TextForms

/// A service that gives credentials for a time: what it is asked, and what its answers say.
protocol CredentialsService: Sendable {
    /// The service, as errors name it.
    var name: String { get }
    /// What to ask, made anew for every fetch: what it is made of, such as the file of a token, changes meanwhile.
    func question() throws(CredentialsError) -> CredentialsQuestion
    /// Reads the body of an answer with status 200.
    func credentials(in body: [UInt8]) throws(CredentialsError) -> AWSCredentials
    /// Reads any other answer.
    func refusal(status: Int, body: [UInt8]) -> CredentialsRefusal
}

/// A request for credentials.
struct CredentialsQuestion: Sendable {
    var request: HTTPRequest
    /// What proves who asks, and is shown to nobody else.
    var token: String?
}

/// Why a service gives none.
struct CredentialsRefusal: Sendable {
    var error: CredentialsError
    /// Whether the same question may be answered in another way soon.
    var isTransient: Bool
}

/// Credentials of a service. They are kept, and fetched again five minutes before they end; callers at the same time share
/// one fetch. When a fetch fails, credentials that still hold are used on.
actor TemporaryCredentials: CredentialsProvider {
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

    private let service: any CredentialsService
    private let http: any HTTPExecutor
    private let clock: AWSClock

    private var current: AWSCredentials?
    private var nextRefreshEpochSeconds: Int64 = 0
    nonisolated let fetching: SharedWork<AWSCredentials, CredentialsError>

    init(of service: any CredentialsService, http: any HTTPExecutor, clock: AWSClock) {
        self.service = service
        self.http = http
        self.clock = clock
        fetching = SharedWork(clock: clock)
    }

    /// The service's credentials.
    func credentials(deadlineUptimeSeconds: Double?) async throws(CredentialsError) -> AWSCredentials {
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
    func credentials(
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
        case .cancelled: throw cancelled
        case .late: throw CredentialsError("\(service.name) has not answered before the request's deadline")
        }
    }

    private var cancelled: CredentialsError {
        CredentialsError("waiting for credentials of \(service.name) was cancelled", isCancelled: true)
    }

    private func fetch(_ deadline: Double?) async -> Result<AWSCredentials, CredentialsError> {
        var question: CredentialsQuestion
        do throws(CredentialsError) { question = try service.question() } catch { return .failure(error) }
        var last = CredentialsError("\(service.name) was not asked: the request's deadline has passed")
        for attempt in 1...Self.maximumAttempts {
            if attempt > 1 {
                let pause = clock.random() * 0.2 * Double(attempt)
                do { try await clock.sleep(pause) } catch { return .failure(cancelled) }
            }
            let leftSeconds = (deadline ?? .infinity) - clock.uptimeSeconds()
            guard leftSeconds > ServiceClient.minimumAttemptSeconds else { break }
            question.request.limits.totalTimeoutSeconds = min(Self.attemptSeconds, leftSeconds)
            do throws(HTTPError) {
                let response = try await http.execute(question.request)
                let body = try await response.body.collect(upTo: Self.maximumResponseBytes)
                if response.status == 200 { return read(body) }
                let refusal = service.refusal(status: response.status, body: body)
                last = withheld(refusal.error, question.token, response.status)
                if !refusal.isTransient { break }
            } catch {
                last = CredentialsError(
                    "\(service.name) cannot be asked: \(error)", isCancelled: error.kind == .cancelled)
                if !error.isTransient { break }
            }
        }
        return .failure(last)
    }

    private func read(_ body: [UInt8]) -> Result<AWSCredentials, CredentialsError> {
        do throws(CredentialsError) { return .success(try service.credentials(in: body)) } catch {
            return .failure(error)
        }
    }

    /// Whoever answers may repeat what was said to it, and what is shown of that may be cut off in the midst.
    private func withheld(_ error: CredentialsError, _ token: String?, _ status: Int) -> CredentialsError {
        guard let token, IdentityToken.shows(error.message, pieceOf: token) else { return error }
        return CredentialsError("\(service.name) answered \(status), in words that repeat the token")
    }
}
