public import Transfers

/// Everything that push or pushRetry is told by its environment.
public struct PushSettings: Sendable, Hashable {
    /// The server and the login.
    public var connection: ConnectionSettings
    /// The directory that takes the files; empty is the login directory.
    public var targetDirectory: RemotePath
    /// What is cut out of the keys.
    public var strip: KeyPattern?
    /// What files are called; nil: what is left of their keys.
    public var targetName: TargetName?
    /// Where goes what could not be pushed. Nil only where none is set and `needsQueue` was false.
    public var retryQueue: QueueReference?
    /// How long the push of one object may take; nil: as long as the invocation allows.
    public var pushTimeoutSeconds: Int?
    /// The permissions of every file that is written; nil: what the server gives.
    public var fileMode: UInt32?
    /// The permissions of every directory that is made; nil: what the server gives.
    public var directoryMode: UInt32?
    /// Whether a file may be written under its final name when there is no other way.
    public var allowInPlace: Bool
    /// Variables that look like settings and are none.
    public var warnings: [SettingWarning]

    /// Reads the settings of `function`, which is push or pushRetry.
    /// - Parameter needsQueue: whether SFTP_RETRY_QUEUE_NAME has to be set. Who calls push from a command line sees for
    ///   himself what failed.
    /// - Throws: `SettingsError` with every fault.
    public init(
        environment: [String: String], for function: LambdaFunction, needsQueue: Bool = true
    ) throws(SettingsError) {
        var reader = SettingsReader(environment, for: function)
        try self.init(reading: &reader, needsQueue: needsQueue)
    }

    /// Reads the settings that `function` works with: push does without a queue, where somebody else has looked for one.
    /// - Throws: `SettingsError` with every fault.
    init(work function: LambdaFunction, environment: [String: String]) throws(SettingsError) {
        try self.init(environment: environment, for: function, needsQueue: function == .pushRetry)
    }

    /// Reads the one setting that push cannot do without: where to put what it cannot push.
    /// - Throws: `SettingsError` when it is missing or faulty.
    static func retryQueue(
        environment: [String: String], for function: LambdaFunction
    ) throws(SettingsError) -> QueueReference {
        var reader = SettingsReader(environment, for: function)
        guard let queue = reader.read(Settings.retryQueue) else { throw reader.error }
        return queue
    }

    init(reading reader: inout SettingsReader, needsQueue: Bool = true) throws(SettingsError) {
        let connection = ConnectionSettings(reading: &reader)
        let targetDirectory = reader.read(Settings.targetDirectory)
        let strip = reader.read(Settings.sourceStrip)
        let targetName = reader.read(Settings.targetName)
        let hasQueue = needsQueue || reader.isSet(Settings.retryQueue.declaration)
        let retryQueue = hasQueue ? reader.read(Settings.retryQueue) : nil
        let pushTimeoutSeconds = reader.read(Settings.pushTimeoutSeconds)
        let fileMode = reader.read(Settings.fileMode)
        let directoryMode = reader.read(Settings.directoryMode)
        let allowInPlace = reader.read(Settings.allowInPlace)
        guard reader.faults.isEmpty, let connection, let targetDirectory, let pushTimeoutSeconds, let allowInPlace
        else { throw reader.error }
        self.connection = connection
        self.targetDirectory = targetDirectory
        self.strip = strip
        self.targetName = targetName
        self.retryQueue = retryQueue
        self.pushTimeoutSeconds = pushTimeoutSeconds == 0 ? nil : pushTimeoutSeconds
        self.fileMode = fileMode
        self.directoryMode = directoryMode
        self.allowInPlace = allowInPlace
        warnings = reader.warnings
    }
}
