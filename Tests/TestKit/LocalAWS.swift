public import Foundation

/// S3, SQS and Secrets Manager on one loopback port, with signatures and checksums checked. `local/aws.py` says how it
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
        public var queues: [String] = []
        /// Secrets by name.
        public var secrets: [String: String] = [:]

        /// Nothing at all.
        public init() {}
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
        arguments += options.queues.flatMap { ["--queue", $0] }
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

    /// Where it logs.
    public var log: URL { standIn.log }

    /// Ends it, and returns when it is gone.
    public func stop() { standIn.stop() }
}
