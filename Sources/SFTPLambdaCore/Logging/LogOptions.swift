public import Logging

/// How the program logs, as Lambda's own variables say (AWS Lambda Developer Guide, "Configuring advanced logging
/// controls").
public struct LogOptions: Sendable, Hashable {
    /// The form of a line.
    public enum Format: String, Sendable {
        /// One JSON object a line.
        case json = "JSON"
        /// Text for people.
        case text = "Text"
    }

    /// The variable that says which lines are logged.
    package static let levelName = "AWS_LAMBDA_LOG_LEVEL"

    /// The form of a line.
    public var format: Format
    /// Less urgent events are not logged.
    public var level: Logger.Level
    /// Whether embedded metrics are written: where something reads them.
    public var writesMetrics: Bool
    /// What could not be understood, one sentence each.
    public var warnings: [String]

    /// Makes options.
    public init(
        format: Format = .json, level: Logger.Level = .info, writesMetrics: Bool = true, warnings: [String] = []
    ) {
        self.format = format
        self.level = level
        self.writesMetrics = writesMetrics
        self.warnings = warnings
    }

    /// Reads AWS_LAMBDA_LOG_FORMAT and AWS_LAMBDA_LOG_LEVEL. Without the first, lines are JSON on Lambda (where
    /// AWS_LAMBDA_RUNTIME_API is set) and text elsewhere. A value that is not known counts as not set: logs must not be
    /// the reason why a function does not start.
    public init(environment: [String: String]) {
        let isOnLambda = environment["AWS_LAMBDA_RUNTIME_API"]?.isEmpty == false
        self.init(format: isOnLambda ? .json : .text)
        let formatName = "AWS_LAMBDA_LOG_FORMAT"
        switch environment[formatName]?.lowercased() {
        case "json": format = .json
        case "text": format = .text
        case nil, "": break
        default: warnings.append("\(formatName) is neither JSON nor Text; \(format.rawValue) is used")
        }
        if let text = environment[Self.levelName], !text.isEmpty {
            if let level = Logger.Level(lambdaName: text) {
                self.level = level
            } else {
                warnings.append("\(Self.levelName) is none of TRACE, DEBUG, INFO, WARN, ERROR and FATAL; INFO is used")
            }
        }
        writesMetrics = isOnLambda || format == .json
    }
}

extension Logger.Level {
    /// The level in Lambda's words.
    var lambdaName: String {
        switch self {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info, .notice: "INFO"
        case .warning: "WARN"
        case .error: "ERROR"
        case .critical: "FATAL"
        }
    }

    /// The level of one of Lambda's words, in any case.
    init?(lambdaName: String) {
        switch lambdaName.uppercased() {
        case "TRACE": self = .trace
        case "DEBUG": self = .debug
        case "INFO": self = .info
        case "WARN", "WARNING": self = .warning
        case "ERROR": self = .error
        case "FATAL", "CRITICAL": self = .critical
        default: return nil
        }
    }
}
