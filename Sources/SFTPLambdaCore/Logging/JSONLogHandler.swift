public import Logging

/// A log handler that writes one JSON object a line (or one line of text, see `LogOptions`): `timestamp` (RFC 3339, UTC,
/// milliseconds), `level` in Lambda's words, `message`, `logger` (the label) and the metadata as fields beside them.
///
/// Messages are constant texts; what varies goes into metadata. Numbers and booleans given with `.stringConvertible` stay
/// such. An error logged with the event becomes `error`, in its own words.
public struct JSONLogHandler: LogHandler {
    /// Less urgent events are not logged.
    public var logLevel: Logger.Level
    /// Goes with every event; an event's own metadata goes before it.
    public var metadata: Logger.Metadata = [:]
    /// Asked for metadata at every event.
    public var metadataProvider: Logger.MetadataProvider?

    private let label: String
    private let output: LogOutput

    init(label: String, output: LogOutput, metadataProvider: Logger.MetadataProvider? = nil) {
        self.label = label
        self.output = output
        self.metadataProvider = metadataProvider
        logLevel = output.options.level
    }

    /// The metadata of that name.
    public subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes an event.
    public func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        if let error = event.error, all["error"] == nil { all["error"] = "\(error)" }
        output.write(level: event.level, message: event.message.description, label: label, metadata: all)
    }
}
