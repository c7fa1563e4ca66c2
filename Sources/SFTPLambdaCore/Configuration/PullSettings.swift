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
    /// Days until a file in `.done` is deleted; nil keeps it for ever.
    public var fileRetentionDays: Int?
    /// Younger files stay.
    public var minimumFileAgeSeconds: Int
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
        let fileRetentionDays = reader.read(Settings.fileRetentionDays)
        let minimumFileAgeSeconds = reader.read(Settings.minimumFileAgeSeconds)
        let include = reader.read(Settings.include)
        let exclude = reader.read(Settings.exclude)
        guard reader.faults.isEmpty, let connection, let sourceDirectory, let bucket, let keyPrefix,
            let fileRetentionDays, let minimumFileAgeSeconds, let include, let exclude
        else { throw reader.error }
        self.connection = connection
        self.sourceDirectory = sourceDirectory
        self.bucket = bucket
        self.keyPrefix = keyPrefix
        self.fileRetentionDays = fileRetentionDays == 0 ? nil : fileRetentionDays
        self.minimumFileAgeSeconds = minimumFileAgeSeconds
        self.include = include
        self.exclude = exclude
        warnings = reader.warnings
    }
}
