public import Foundation

/// A second S3 that checks signatures: SeaweedFS. `local/seaweedfs.py` says how it is made. Starting takes five seconds.
public final class LocalSeaweedFS: Sendable {
    /// Its URL.
    public let endpoint: String
    /// Its name and version.
    public let version: String
    /// The environment of a program that works with it.
    public let environment: [String: String]

    private let standIn: StandIn

    /// Starts it with these buckets.
    public init(buckets: [String] = [], versionedBuckets: [String] = [], workFolder: URL) throws {
        let arguments =
            buckets.flatMap { ["--bucket", $0] } + versionedBuckets.flatMap { ["--versioned-bucket", $0] }
        standIn = try StandIn("seaweedfs.py", arguments, workFolder: workFolder)
        let ready = standIn.ready
        endpoint = ready["endpoint"] ?? ""
        version = ready["version"] ?? ""
        environment = [
            "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": ready["region"] ?? "",
            "AWS_ACCESS_KEY_ID": ready["accessKeyID"] ?? "", "AWS_SECRET_ACCESS_KEY": ready["secretAccessKey"] ?? "",
        ]
    }

    /// Ends it, and returns when it is gone.
    public func stop() { standIn.stop() }
}
