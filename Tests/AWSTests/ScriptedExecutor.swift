import AWS
import HTTP
import Synchronization

/// Answers requests from a script and keeps what was asked.
final class ScriptedExecutor: HTTPExecutor {
    struct Seen: Sendable {
        var request: HTTPRequest
        var body: [UInt8]
    }

    typealias Answer = @Sendable (HTTPRequest) async throws(HTTPError) -> HTTPResponse

    private struct State {
        var answers: [Answer]
        var seen: [Seen] = []
    }

    private let state: Mutex<State>

    init(_ answers: [Answer]) { state = Mutex(State(answers: answers)) }

    var seen: [Seen] { state.withLock(\.seen) }

    func execute(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        var body: [UInt8] = []
        switch request.body {
        case .empty: break
        case .buffered(let pieces): body = pieces.flatMap(\.self)
        case .stream(_, let source):
            do {
                while let piece = try await source.next() { body += piece }
            } catch let error as HTTPError {
                throw error
            } catch {
                throw HTTPError(.bodySource, "\(error)")
            }
        }
        let seen = Seen(request: request, body: body)
        let answer = state.withLock { state in
            state.seen.append(seen)
            return state.answers.isEmpty ? nil : state.answers.removeFirst()
        }
        guard let answer else { throw HTTPError(.closed, "the script has ended") }
        return try await answer(request)
    }

    static func status(_ status: Int, headers: HTTPHeaders = [:], _ body: String = "") -> Answer {
        { _ throws(HTTPError) in
            HTTPResponse(status: status, headers: headers, body: HTTPResponseBody(bytes: Array(body.utf8)))
        }
    }

    static func error(_ status: Int, _ code: String, headers: HTTPHeaders = [:], _ more: String = "") -> Answer {
        Self.status(
            status, headers: headers,
            "<?xml version=\"1.0\"?>\n<Error><Code>\(code)</Code><Message>m</Message>\(more)<RequestId>R1</RequestId></Error>"
        )
    }

    static func failure(_ kind: HTTPError.Kind) -> Answer {
        { _ throws(HTTPError) in throw HTTPError(kind, "scripted") }
    }

    static let stored = status(200, headers: ["ETag": "\"e\""])
}

/// A clock that moves only when somebody sleeps.
final class ManualClock: Sendable {
    private struct State {
        var epochSeconds: Double
        var uptimeSeconds: Double = 1000
        var sleeps: [Double] = []
    }

    private let state: Mutex<State>

    init(epochSeconds: Double = 1_700_000_000) { state = Mutex(State(epochSeconds: epochSeconds)) }

    var sleeps: [Double] { state.withLock(\.sleeps) }

    func advance(_ seconds: Double) {
        state.withLock {
            $0.epochSeconds += seconds
            $0.uptimeSeconds += seconds
        }
    }

    func clock(random: Double = 0.5) -> AWSClock {
        AWSClock(
            epochSeconds: { self.state.withLock(\.epochSeconds) },
            uptimeSeconds: { self.state.withLock(\.uptimeSeconds) },
            sleep: { seconds in
                try Task.checkCancellation()
                self.state.withLock { $0.sleeps.append(seconds) }
                self.advance(seconds)
            },
            random: { random })
    }
}

func configuration(
    _ http: ScriptedExecutor, credentials: (any CredentialsProvider)? = nil, region: String = "eu-central-1",
    environment: [String: String] = [:], retry: RetryPolicy = .standard, clock: AWSClock = ManualClock().clock()
) -> AWSConfiguration {
    let fixed = StaticCredentials(AWSCredentials(accessKeyID: "AKID", secretAccessKey: "the-secret"))
    return AWSConfiguration(
        http: http, credentials: credentials ?? fixed, region: region, environment: environment, retry: retry,
        clock: clock)
}

/// The error that the body throws.
func failure(_ body: () async throws(AWSError) -> Void) async -> AWSError? {
    do throws(AWSError) { try await body() } catch { return error }
    return nil
}
