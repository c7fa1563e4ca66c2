public import Transfers

/// Everything that pull is told by its environment.
public struct PullSettings: Sendable, Hashable {
    /// The server and the login.
    public var connection: ConnectionSettings
    /// The directory whose tree is pulled; empty is the login directory.
    public var sourceDirectory: RemotePath
    /// The bucket that takes the files.
    public var bucket: BucketName
    /// What stands before every key: empty, or ending in a slash.
    public var keyPrefix: String
    /// What becomes of a file once it is stored.
    public var afterPull: AfterPull
    /// The name of the directories for what was pulled.
    public var doneDirectory: RemoteName
    /// Days until a file there is deleted; nil keeps it for ever.
    public var fileRetentionDays: Int?
    /// Younger files stay.
    public var minimumFileAgeSeconds: Int
    /// Files are looked at once more after so many seconds; 0: they are not.
    public var steadySeconds: Int
    /// How the markers are called without which no file is pulled; nil: none is asked for.
    public var readyMarker: ReadyMarker?
    /// Only files that match one of these are pulled; empty: all.
    public var include: [Glob]
    /// Files that match one of these stay.
    public var exclude: [Glob]
    /// Variables that look like settings and are none.
    public var warnings: [SettingWarning]

    /// Reads the settings.
    /// - Throws: `SettingsError` with every fault.
    public init(environment: [String: String]) throws(SettingsError) {
        var reader = SettingsReader(environment, for: .pull)
        try self.init(reading: &reader)
    }

    init(reading reader: inout SettingsReader) throws(SettingsError) {
        let connection = ConnectionSettings(reading: &reader)
        let sourceDirectory = reader.read(Settings.sourceDirectory)
        let bucket = reader.read(Settings.targetBucket)
        let keyPrefix = reader.read(Settings.targetPrefix)
        let afterPull = reader.read(Settings.afterPull)
        let doneDirectory = reader.read(Settings.doneDirectory)
        let fileRetentionDays = reader.read(Settings.fileRetentionDays)
        let minimumFileAgeSeconds = reader.read(Settings.minimumFileAgeSeconds)
        let steadySeconds = reader.read(Settings.steadySeconds)
        let readyMarker = reader.read(Settings.readyMarker)
        let include = reader.read(Settings.include)
        let exclude = reader.read(Settings.exclude)
        if let afterPull, afterPull != .done, fileRetentionDays ?? 0 != 0 {
            reader.record(
                Settings.fileRetentionDays.declaration,
                "is set, and has no meaning with SFTP_AFTER_PULL=\(afterPull.rawValue): remove one of the two")
        }
        guard reader.faults.isEmpty, let connection, let sourceDirectory, let bucket, let keyPrefix, let afterPull,
            let doneDirectory, let fileRetentionDays, let minimumFileAgeSeconds, let steadySeconds, let include,
            let exclude
        else { throw reader.error }
        self.connection = connection
        self.sourceDirectory = sourceDirectory
        self.bucket = bucket
        self.keyPrefix = keyPrefix
        self.afterPull = afterPull
        self.doneDirectory = doneDirectory
        self.fileRetentionDays = fileRetentionDays == 0 ? nil : fileRetentionDays
        self.minimumFileAgeSeconds = minimumFileAgeSeconds
        self.steadySeconds = steadySeconds
        self.readyMarker = readyMarker
        self.include = include
        self.exclude = exclude
        warnings = reader.warnings
    }
}
