/// Keys that requests are signed with. Printing, describing and mirroring them shows no secret.
public struct AWSCredentials: Sendable, Hashable {
    /// The access key id: names the key, and is no secret.
    public var accessKeyID: String
    /// The secret.
    public var secretAccessKey: String
    /// The session token of temporary credentials.
    public var sessionToken: String?
    /// When they end, in seconds since 1970; nil when they do not or nobody says.
    public var expirationEpochSeconds: Int64?

    /// Makes credentials.
    public init(
        accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expirationEpochSeconds: Int64? = nil
    ) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expirationEpochSeconds = expirationEpochSeconds
    }
}

extension AWSCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The access key id alone.
    public var description: String { "AWSCredentials(\(accessKeyID))" }

    /// The access key id alone.
    public var debugDescription: String { description }

    /// A mirror that shows the access key id alone.
    public var customMirror: Mirror { Mirror(self, children: ["accessKeyID": accessKeyID]) }
}
