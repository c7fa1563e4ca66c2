public import Foundation

/// S3, SQS, Secrets Manager and STS on one loopback port, with signatures and checksums checked. `local/aws.py` says how it
/// is made.
public final class LocalAWS: Sendable {
    /// What stands there from the start.
    public struct Options: Sendable {
        /// The region of all of it.
        public var region = "eu-central-1"
        /// Buckets.
        public var buckets: [String] = []
        /// Buckets that keep versions.
        public var versionedBuckets: [String] = []
        /// Queues.
        public var queues: [Queue] = []
        /// Secrets by name.
        public var secrets: [String: String] = [:]

        /// Nothing at all.
        public init() {}
    }

    /// A queue.
    public struct Queue: Sendable, ExpressibleByStringLiteral {
        /// Its name.
        public var name: String
        /// How long a received message stays hidden; nil: SQS's 30 s.
        public var visibilityTimeoutSeconds: Int?
        /// The queue that takes what has been received so many times. It is made when there is none of that name.
        public var deadLetters: (name: String, afterReceives: Int)?

        /// Makes a queue.
        public init(
            _ name: String, visibilityTimeoutSeconds: Int? = nil, deadLetters: (name: String, afterReceives: Int)? = nil
        ) {
            self.name = name
            self.visibilityTimeoutSeconds = visibilityTimeoutSeconds
            self.deadLetters = deadLetters
        }

        /// A queue with SQS's own settings.
        public init(stringLiteral name: String) { self.init(name) }

        var argument: String {
            let visibility = visibilityTimeoutSeconds.map { ",visibility=\($0)" } ?? ""
            let dead = deadLetters.map { ",dead-letters=\($0.name):\($0.afterReceives)" } ?? ""
            return name + visibility + dead
        }
    }

    /// The URL of all three services.
    public let endpoint: String
    /// The region of all of it.
    public let region: String
    /// The access key id of the one user.
    public let accessKeyID: String
    /// The user's secret.
    public let secretAccessKey: String

    private let standIn: StandIn

    /// Starts it; takes about two seconds.
    public init(_ options: Options, workFolder: URL) throws {
        var arguments = ["--region", options.region]
        arguments += options.buckets.flatMap { ["--bucket", $0] }
        arguments += options.versionedBuckets.flatMap { ["--versioned-bucket", $0] }
        arguments += options.queues.flatMap { ["--queue", $0.argument] }
        arguments += options.secrets.flatMap { ["--secret", "\($0.key)=\($0.value)"] }
        standIn = try StandIn("aws.py", arguments, workFolder: workFolder)
        endpoint = standIn.ready["endpoint"] ?? ""
        region = standIn.ready["region"] ?? ""
        accessKeyID = standIn.ready["accessKeyID"] ?? ""
        secretAccessKey = standIn.ready["secretAccessKey"] ?? ""
    }

    /// The environment of a program that works with it.
    public var environment: [String: String] {
        [
            "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": region, "AWS_ACCESS_KEY_ID": accessKeyID,
            "AWS_SECRET_ACCESS_KEY": secretAccessKey,
        ]
    }

    /// The account of everything here.
    public static let accountID = "123456789012"

    /// The URL of a queue.
    public func queueURL(_ name: String) -> String { "\(endpoint)/\(Self.accountID)/\(name)" }

    // MARK: Holding back

    /// What of a request is held back.
    public enum Held: String, Sendable {
        /// The request, before anything is done.
        case request = "before"
        /// The answer, when all is done.
        case answer = "after"
    }

    /// Holds back the next CopyObject, or its answer, for a minute at most: until `letGo`.
    public func holdNextCopy(_ held: Held) async throws {
        try await gate("POST", body: #"{"operation": "COPY", "moment": "\#(held.rawValue)"}"#)
    }

    /// Whether something is held back now.
    public func isHolding() async throws -> Bool { try await gate("GET") }

    /// Lets what is held back go on, or ends its connection there.
    public func letGo(dropping: Bool = false) async throws { try await gate("DELETE", dropping ? "?drop=true" : "") }

    @discardableResult
    private func gate(_ method: String, _ query: String = "", body: String = "") async throws -> Bool {
        let address = endpoint.replacingOccurrences(of: "http://", with: "")
        let answer = try await PlainHTTP.send(method, address, "/_gate\(query)", body: Array(body.utf8))
        return try JSONDecoder().decode([String: Bool].self, from: Data(answer.body))["isHolding"] == true
    }

    /// Where it logs.
    public var log: URL { standIn.log }

    /// Ends it, and returns when it is gone.
    public func stop() { standIn.stop() }
}
