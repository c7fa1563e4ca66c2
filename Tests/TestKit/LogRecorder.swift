public import Logging
import Synchronization

/// Keeps what is logged, whatever its level.
public final class LogRecorder: Sendable {
    /// What was logged once.
    public struct Line: Sendable, CustomStringConvertible {
        /// How bad it is.
        public var level: Logger.Level
        /// What happened.
        public var message: String
        /// To what.
        public var metadata: Logger.Metadata

        /// All of it.
        public var description: String { "\(level) \(message) \(metadata)" }
    }

    private let recorded = Mutex<[Line]>([])

    /// Makes an empty recorder.
    public init() {}

    /// What was logged, in order.
    public var lines: [Line] { recorded.withLock { $0 } }
    /// The lines as text.
    public var text: String { lines.map(\.description).joined(separator: "\n") }

    /// What was logged at this level.
    public func lines(_ level: Logger.Level) -> [Line] { lines.filter { $0.level == level } }

    /// A logger whose lines are kept.
    public func logger() -> Logger { Logger(label: "test") { _ in Handler(recorder: self) } }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            let line = Line(level: event.level, message: "\(event.message)", metadata: all)
            recorder.recorded.withLock { $0.append(line) }
        }
    }
}
