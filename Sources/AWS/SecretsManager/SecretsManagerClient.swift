import JSON

/// AWS Secrets Manager (AWS Secrets Manager API Reference, version 2017-10-17).
public struct SecretsManagerClient: Sendable {
    private let json: JSONServiceClient

    /// Makes a client. The endpoint is AWS_ENDPOINT_URL_SECRETS_MANAGER or AWS_ENDPOINT_URL of the configuration's
    /// environment, else that of the region.
    public init(_ configuration: AWSConfiguration) {
        json = JSONServiceClient(
            service: "secretsmanager", targetPrefix: "secretsmanager", version: "1.1",
            endpointVariable: "AWS_ENDPOINT_URL_SECRETS_MANAGER", hostLabel: "secretsmanager",
            client: ServiceClient(configuration))
    }

    /// A secret's value. Printing and mirroring it shows only its name.
    public struct Value: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
        /// The secret's name.
        public var name: String
        /// The version.
        public var versionID: String?
        /// The text of the secret.
        public var secretString: String

        /// The name.
        public var description: String { "secret \(name)" }

        /// A mirror that shows only the name.
        public var customMirror: Mirror { Mirror(self, children: ["name": name]) }
    }

    private struct Input: JSONWritable {
        var secretID: String

        func write(to text: inout JSONText) { text.object { $0.member("SecretId", secretID) } }
    }

    private struct Output: JSONReadable {
        var name: String?
        var versionID: String?
        var secretString: String?

        init(json: JSONValue) throws(JSONFieldFault) {
            name = try json.optional("Name")
            versionID = try json.optional("VersionId")
            secretString = try json.optional("SecretString")
        }
    }

    /// The current value of a secret.
    /// - Parameters:
    ///   - secretID: a name or an ARN. An ARN's region is asked, whatever the configuration's is.
    /// - Throws: `.rejected` when the secret is binary.
    public func getSecretValue(
        _ secretID: String, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> Value {
        let output = try await json.call(
            "GetSecretValue", subject: secretID, Input(secretID: secretID), as: Output.self,
            region: Self.region(ofARN: secretID), deadlineUptimeSeconds: deadlineUptimeSeconds)
        guard let text = output.secretString else {
            throw AWSError(
                .rejected, operation: "GetSecretValue", subject: secretID, status: 200,
                message: "the secret is binary, not text", attempts: 1)
        }
        return Value(name: output.name ?? secretID, versionID: output.versionID, secretString: text)
    }

    /// The region of `arn:partition:service:region:account:…`; nil when the text is no ARN.
    static func region(ofARN text: String) -> String? {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), maxSplits: 5, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard parts.count == 6, parts[0] == "arn", AWSRegion.isValid(parts[3]) else { return nil }
        return parts[3]
    }
}
