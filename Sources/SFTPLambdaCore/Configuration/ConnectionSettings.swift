public import SFTP

/// Where the server is and how to log in, as far as the environment says it. `LoginSource` adds what the secret holds.
public struct ConnectionSettings: Sendable, Hashable {
    /// The server.
    public var host: ServerHost
    /// Its port, 1 to 65535.
    public var port: Int
    /// What the plain variables say of the login.
    public var login: PartialLogin
    /// The secret that holds the login, or a part of it.
    public var secretID: String?
    /// From the look-up of the name until SFTP answers.
    public var readyTimeoutSeconds: Int
    /// Weak algorithms that may be used.
    public var legacyAlgorithms: [LegacyAlgorithm]
    /// After how many seconds of silence the server is asked whether it is there; nil: never.
    public var keepaliveSeconds: Int?
    /// How many files may be in flight at once.
    public var maximumFilesInFlight: Int
    /// How many bytes a second may pass each way; nil: whatever the line carries.
    public var maximumBytesPerSecond: Int?

    /// Reads the settings of the connection; nil when one of them is missing or faulty, which the reader then knows.
    init?(reading reader: inout SettingsReader) {
        let host = reader.read(Settings.host)
        let port = reader.read(Settings.port)
        let secretID = reader.read(Settings.secretID)
        let login = PartialLogin(
            user: reader.read(Settings.user), privateKey: reader.read(Settings.privateKey),
            passphrase: reader.read(Settings.privateKeyPassphrase), password: reader.read(Settings.password),
            hostKey: reader.read(Settings.hostKey), proxy: reader.read(Settings.proxy))
        let readyTimeoutSeconds = reader.read(Settings.readyTimeoutSeconds)
        let legacyAlgorithms = reader.read(Settings.legacyAlgorithms)
        let keepaliveSeconds = reader.read(Settings.keepaliveSeconds)
        let maximumFilesInFlight = reader.read(Settings.maximumFilesInFlight)
        let maximumBytesPerSecond = reader.read(Settings.maximumBytesPerSecond)
        // Whoever makes the logger has read it: here it is only checked.
        _ = reader.read(Settings.flowName)
        Self.checkLogin(login, secretID, &reader)
        guard let host, let port, let readyTimeoutSeconds, let legacyAlgorithms, let maximumFilesInFlight else {
            return nil
        }
        self.host = host
        self.port = port
        self.login = login
        self.secretID = secretID
        self.readyTimeoutSeconds = readyTimeoutSeconds
        self.legacyAlgorithms = legacyAlgorithms
        self.keepaliveSeconds = keepaliveSeconds ?? nil
        self.maximumFilesInFlight = maximumFilesInFlight
        self.maximumBytesPerSecond = maximumBytesPerSecond ?? nil
    }

    /// Without a secret, the plain variables must be a whole login. What is set but faulty has its fault already.
    private static func checkLogin(_ login: PartialLogin, _ secretID: String?, _ reader: inout SettingsReader) {
        guard secretID == nil, !reader.isSet(Settings.secretID.declaration) else { return }
        if login.user == nil && !reader.isSet(Settings.user.declaration) {
            reader.record(Settings.user.declaration, "is not set, and neither is SFTP_SECRET_ID")
        }
        let isKeyMissing = login.privateKey == nil && !reader.isSet(Settings.privateKey.declaration)
        if isKeyMissing && login.password == nil {
            reader.record(
                Settings.privateKey.declaration,
                "is not set, and neither is SFTP_PASSWORD or SFTP_SECRET_ID: there is nothing to log in with")
        }
    }
}
