import JSON
import Logging

/// `{"action":"check"}`, and nothing besides: asks a function whether it can work, instead of working.
enum CheckEvent {
    /// Longer events are other events, and are not read twice.
    private static let maximumBytes = 64

    /// Whether an event is one.
    static func isOne(_ event: [UInt8]) -> Bool {
        // What is no JSON is the business of who reads the other events.
        guard event.count <= maximumBytes, let value = try? JSONValue(parsing: event) else { return false }
        // An event that names an object too is one of an object: it must not be lost for a word in it.
        guard case .object(let members) = value.content, members.count == 1 else { return false }
        return value["action"]?.text == "check"
    }
}

extension CheckReport {
    /// The report as the answer of an invocation. What does not work is in it, and no failure of the invocation.
    func answer(_ logger: Logger) -> [UInt8] {
        let failed = steps.filter { $0.outcome == .fails }.map { Logger.MetadataValue.string($0.name) }
        logger.log(
            level: failed.isEmpty ? .info : .error, "check finished",
            metadata: ["isUsable": .stringConvertible(failed.isEmpty), "failed": .array(failed)])
        return jsonBytes
    }
}
