public import HTTP
import Synchronization

/// What every client of an AWS service needs.
public struct AWSConfiguration: Sendable {
    /// What sends the requests.
    public var http: any HTTPExecutor
    /// Where the credentials come from.
    public var credentials: any CredentialsProvider
    /// The region that is worked in.
    public var region: String
    /// AWS_ENDPOINT_URL and its like are read from here.
    public var environment: [String: String]
    /// How often and how long a call is tried.
    public var retry: RetryPolicy
    /// Time and chance.
    public var clock: AWSClock

    /// Makes a configuration.
    public init(
        http: any HTTPExecutor, credentials: any CredentialsProvider, region: String,
        environment: [String: String] = [:], retry: RetryPolicy = .standard, clock: AWSClock = .system
    ) {
        self.http = http
        self.credentials = credentials
        self.region = region
        self.environment = environment
        self.retry = retry
        self.clock = clock
    }

    /// The endpoint that the environment names for a service, without a slash at its end: the variable of the service,
    /// else AWS_ENDPOINT_URL; nil when neither is set.
    public func endpoint(_ serviceVariable: String) -> String? { Self.endpoint(serviceVariable, environment) }

    static func endpoint(_ serviceVariable: String, _ environment: [String: String]) -> String? {
        guard var url = environment.nonEmpty(serviceVariable) ?? environment.nonEmpty("AWS_ENDPOINT_URL") else {
            return nil
        }
        while url.utf8.last == UInt8(ascii: "/") { url.removeLast() }
        return url
    }
}

/// One call, before it is addressed to a region and signed.
struct ServiceCall: Sendable {
    /// The operation, as errors name it.
    var operation: String
    /// What it is done on, as errors name it.
    var subject: String
    /// The signing name of the service.
    var service: String
    var pathRule: CanonicalPathRule
    var method: HTTPMethod
    /// The URL in a region.
    var url: @Sendable (_ region: String) -> String
    var headers: HTTPHeaders
    /// The SHA-256 of the body in hexadecimal, or a word of S3 in its place.
    var payloadHash: String
    /// The body, asked for once for each attempt.
    var body: @Sendable () async throws -> HTTPRequestBody
    /// Under which name the region is remembered when the service names another; nil when it never does.
    var regionKey: String?
    /// The only region the call can go to, when it is not the configuration's.
    var fixedRegion: String?
    /// How long a response may be silent. S3 thinks for minutes about completing or copying large objects.
    var stallSeconds = HTTPLimits.standard.stallSeconds

    static let emptyPayloadHash = Text.hexadecimal(SHA256Hasher.digest([]))
}

/// What one attempt came to.
enum AttemptOutcome<Value: Sendable>: Sendable {
    case success(Value)
    /// The service said no.
    case refused(ServiceFailure)
    /// No answer, or only part of one.
    case lost(HTTPError)
    /// An answer that the protocol does not know; trying again can help.
    case malformed(String)
    /// What arrived is not what was sent; the message says what.
    case corrupted(String)
}

/// Signs, sends and retries calls. Shared by the clients of one configuration.
final class ServiceClient: Sendable {
    private struct Learned {
        /// Seconds to add to this machine's clock.
        var clockOffsetSeconds: Double = 0
        /// Regions that the service named, by `ServiceCall.regionKey`.
        var regions: [String: String] = [:]
    }

    static let maximumRememberedRegions = 256
    /// An attempt that has no more time than this before its deadline is not begun.
    static let minimumAttemptSeconds: Double = 0.05

    let configuration: AWSConfiguration
    private let signer = SigV4Signer()
    private let learned = Mutex(Learned())

    init(_ configuration: AWSConfiguration) { self.configuration = configuration }

    /// Runs a call to its end.
    /// - Parameters:
    ///   - deadlineUptimeSeconds: the point on the clock's `uptimeSeconds` at which it must have ended.
    ///   - judge: turns a response into an outcome, reading as much of its body as it wants. The second argument is
    ///     whether an earlier attempt may have succeeded.
    func run<Value: Sendable>(
        _ call: ServiceCall, deadlineUptimeSeconds: Double?,
        judge: @Sendable (HTTPResponse, Bool) async -> AttemptOutcome<Value>
    ) async throws(AWSError) -> Value {
        var state = CallState(configuration: configuration, deadlineUptimeSeconds: deadlineUptimeSeconds)
        while true {
            state.attempts += 1
            let sent = try await attempt(call, &state, judge)
            let verdict: Verdict
            switch sent.outcome {
            case .success(let value): return value
            case .refused(let failure):
                verdict = failure.verdict(usedRegion: sent.region, signedEpochSeconds: sent.signedEpochSeconds)
            case .lost(let error):
                verdict = error.isTransient ? .retry(.network(error)) : .fail(Self.kind(error))
            case .malformed: verdict = .retry(.malformedAnswer)
            case .corrupted: verdict = .fail(.corrupted)
            }
            try await act(on: verdict, sent, call, &state)
        }
    }

    /// The region a call with that key would go to now.
    func region(for key: String?) -> String {
        guard let key else { return configuration.region }
        return learned.withLock { $0.regions[key] } ?? configuration.region
    }

    private struct CallState {
        var attempts = 0
        var mayHaveSucceeded = false
        var hasRefreshed = false
        var hasCorrectedClock = false
        var hasChangedRegion = false
        var credentials: AWSCredentials?
        /// Time by which the last attempt must have begun.
        let endUptimeSeconds: Double
        let deadlineUptimeSeconds: Double?

        init(configuration: AWSConfiguration, deadlineUptimeSeconds: Double?) {
            let own = configuration.clock.uptimeSeconds() + configuration.retry.maximumSeconds
            // Later the next attempt would only say that the deadline has passed, and not why the last one failed.
            endUptimeSeconds = min(own, (deadlineUptimeSeconds ?? .infinity) - ServiceClient.minimumAttemptSeconds)
            self.deadlineUptimeSeconds = deadlineUptimeSeconds
        }
    }

    private struct Sent<Value: Sendable> {
        var outcome: AttemptOutcome<Value>
        var region: String
        var signedEpochSeconds: Double
    }

    private func attempt<Value: Sendable>(
        _ call: ServiceCall, _ state: inout CallState,
        _ judge: @Sendable (HTTPResponse, Bool) async -> AttemptOutcome<Value>
    ) async throws(AWSError) -> Sent<Value> {
        let credentials = try await credentials(call, &state)
        let region = call.fixedRegion ?? region(for: call.regionKey)
        var limits = HTTPLimits(stallSeconds: call.stallSeconds)
        if let deadline = state.deadlineUptimeSeconds {
            let left = deadline - configuration.clock.uptimeSeconds()
            guard left > Self.minimumAttemptSeconds else {
                throw error(
                    call, state, .network(HTTPError(.totalTimeout, "the deadline has passed")),
                    "the deadline has passed")
            }
            limits.totalTimeoutSeconds = left
        }
        let body: HTTPRequestBody
        do { body = try await call.body() } catch {
            let failure = HTTPError(.bodySource, "the source of the body cannot be read: \(error)")
            throw self.error(call, state, error is CancellationError ? .cancelled : .network(failure), failure.message)
        }
        let now = configuration.clock.epochSeconds() + learned.withLock(\.clockOffsetSeconds)
        let request = HTTPRequest(call.method, call.url(region), headers: call.headers, body: body, limits: limits)
        let signed = signer.sign(
            request, scope: SigningScope(region: region, service: call.service, epochSeconds: Int64(now)),
            credentials: credentials, payloadHash: call.payloadHash, pathRule: call.pathRule)
        let outcome: AttemptOutcome<Value>
        do throws(HTTPError) {
            outcome = await judge(try await configuration.http.execute(signed), state.mayHaveSucceeded)
        } catch {
            outcome = .lost(error)
        }
        return Sent(outcome: outcome, region: region, signedEpochSeconds: now)
    }

    private func credentials(_ call: ServiceCall, _ state: inout CallState) async throws(AWSError) -> AWSCredentials {
        do throws(CredentialsError) {
            let credentials = try await configuration.credentials.credentials(
                deadlineUptimeSeconds: state.deadlineUptimeSeconds)
            state.credentials = credentials
            return credentials
        } catch {
            var failed = self.error(call, state, error.isCancelled ? .cancelled : .noCredentials, error.message)
            failed.advice = error.advice
            throw failed
        }
    }

    /// Prepares the next attempt, or throws.
    private func act<Value: Sendable>(
        on verdict: Verdict, _ sent: Sent<Value>, _ call: ServiceCall, _ state: inout CallState
    ) async throws(AWSError) {
        switch verdict {
        case .retry(let kind):
            let error = error(call, state, kind, sent)
            guard state.attempts < configuration.retry.maximumAttempts else { throw error }
            let delay = configuration.retry.delaySeconds(
                afterAttempt: state.attempts, isThrottled: kind == .throttled, random: configuration.clock.random())
            guard configuration.clock.uptimeSeconds() + delay < state.endUptimeSeconds else { throw error }
            do { try await configuration.clock.sleep(delay) } catch {
                throw self.error(call, state, .cancelled, "cancelled while waiting to try again")
            }
            // Who asks to slow down has done nothing.
            if kind != .throttled { state.mayHaveSucceeded = true }
        case .refreshCredentials:
            let isPlain400 = if case .refused(let failure) = sent.outcome { failure.code == nil } else { false }
            let failed = error(call, state, isPlain400 ? .rejected : .expiredCredentials, sent)
            guard !state.hasRefreshed, let expired = state.credentials else { throw failed }
            state.hasRefreshed = true
            let fresh: AWSCredentials
            do throws(CredentialsError) {
                fresh = try await configuration.credentials.credentials(
                    insteadOf: expired, deadlineUptimeSeconds: state.deadlineUptimeSeconds)
            } catch {
                var failed = failed
                failed.message += "; no fresh credentials: \(error.message)"
                failed.advice = error.advice
                if error.isCancelled { failed.kind = .cancelled }
                throw failed
            }
            guard fresh != expired else { throw failed }
        case .correctClock:
            var error = error(call, state, .clockSkew, sent)
            if case .refused(let failure) = sent.outcome, let server = failure.serverEpochSeconds {
                let own = Int64(configuration.clock.epochSeconds())
                let times = [server, own].map { Timestamps.basicISO8601(epochSeconds: $0) }
                error.message += "; its clock says \(times[0]), this machine's \(times[1])"
            }
            guard !state.hasCorrectedClock, case .refused(let failure) = sent.outcome,
                let server = failure.serverEpochSeconds
            else { throw error }
            state.hasCorrectedClock = true
            let offset = Double(server) - configuration.clock.epochSeconds()
            learned.withLock { $0.clockOffsetSeconds = offset }
        case .changeRegion:
            let error = error(call, state, .wrongRegion, sent)
            guard !state.hasChangedRegion, let key = call.regionKey, case .refused(let failure) = sent.outcome,
                let region = failure.region, AWSRegion.isValid(region)
            else { throw error }
            state.hasChangedRegion = true
            learned.withLock {
                if $0.regions.count >= Self.maximumRememberedRegions { $0.regions.removeAll() }
                $0.regions[key] = region
            }
        case .fail(let kind):
            throw error(call, state, kind, sent)
        }
    }

    private static func kind(_ error: HTTPError) -> AWSError.Kind {
        error.kind == .cancelled ? .cancelled : .network(error)
    }

    private func error(
        _ call: ServiceCall, _ state: CallState, _ kind: AWSError.Kind, _ message: String
    ) -> AWSError {
        AWSError(
            kind, operation: call.operation, subject: call.subject, message: message, attempts: state.attempts,
            earlierAttemptMayHaveSucceeded: state.mayHaveSucceeded)
    }

    private func error<Value: Sendable>(
        _ call: ServiceCall, _ state: CallState, _ kind: AWSError.Kind, _ sent: Sent<Value>
    ) -> AWSError {
        var error = error(call, state, kind, "")
        error.region = sent.region
        switch sent.outcome {
        case .success: preconditionFailure("a success is no error")
        case .lost(let failure): error.message = failure.description
        case .malformed(let message), .corrupted(let message): error.message = message
        case .refused(let failure):
            error.status = failure.status
            error.code = failure.code
            error.message = failure.message ?? "no message"
            error.requestID = failure.requestID
            error.hostID = failure.hostID
            error.rightRegion = failure.region.flatMap { AWSRegion.isValid($0) ? $0 : nil }
        }
        return error
    }
}
