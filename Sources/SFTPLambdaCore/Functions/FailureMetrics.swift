import Transfers

extension EmbeddedMetrics {
    /// Adds a metric for each class of failures that there were. A metric costs money in the hours in which it is sent: a
    /// run without failures sends none of these.
    mutating func addFailures(_ failedByClass: [String: Int]) {
        for failureClass in FailureClass.allCases {
            if let count = failedByClass[failureClass.rawValue], count > 0 { add(failureClass.metricName, count) }
        }
    }
}

extension FailureClass {
    /// The metric that counts its failures.
    var metricName: String {
        switch self {
        case .connection: "ConnectionFailures"
        case .server: "ServerFailures"
        case .store: "StoreFailures"
        case .refused: "RefusedFailures"
        case .unmarked: "UnmarkedFailures"
        case .deadline: "DeadlineFailures"
        case .settings: "SettingsFailures"
        case .queue: "QueueFailures"
        case .event: "EventFailures"
        }
    }

    /// That of an error which kept a run from trying anything; nil for what is no failure.
    init?(ofRun error: any Error) {
        switch error {
        case is CancellationError: return nil
        case let failure as FunctionFailure where failure.cause == .server: self = .connection
        // A setting, or the login: its secret, or what it holds.
        default: self = .settings
        }
    }
}
