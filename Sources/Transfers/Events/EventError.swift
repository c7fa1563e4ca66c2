import JSON

/// Why an event, or one record of it, cannot be understood. Trying again cannot help unless somebody changes the event
/// or the program; so it is kept on the retry queue, for its redrive policy to set it aside.
public struct EventError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Reason: String, Sendable, CaseIterable {
        /// It is not JSON, or too large or too deep to be read.
        case notJSON
        /// It is JSON of no shape that is known.
        case unknownShape
        /// It is wrapped in more wrappers than are opened.
        case wrappedTooDeep
        /// An S3 record of another major version than 2.
        case unsupportedVersion
        /// A field is missing, or not of its type.
        case invalidField
        /// The object's key cannot be one.
        case invalidKey

        /// What it means and what to do: for the page, in plain Markdown on one line.
        public var meaning: String {
            switch self {
            case .notJSON: "The event is no JSON, or too large or too deep to be read. Correct who sends it."
            case .unknownShape:
                "The event is JSON of no shape that is known. The message lists its fields; [command-line.md](command-line.md) "
                    + "and `examples/` have those that are."
            case .wrappedTooDeep: "The event is wrapped in more envelopes (SNS, SQS, EventBridge) than are opened."
            case .unsupportedVersion: "The event is of another major version of S3's notifications than 2."
            case .invalidField: "A field of the event is missing, or not of its type. The message names it."
            case .invalidKey: "The key in the event cannot be one: it is empty, too long, or wrongly encoded."
            }
        }
    }

    /// What is wrong.
    public var reason: Reason
    /// What was expected and what was found: names of fields and kinds of values, never a value.
    public var message: String

    init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// The message.
    public var description: String { message }
}

extension EventError {
    /// The names of an object's members, for people: those of an unknown event are all that is told of it.
    static func names(_ value: JSONValue) -> String {
        guard case .object(let members) = value.content else { return value.kind }
        guard !members.isEmpty else { return "an object without members" }
        let shown = members.prefix(maximumNames).map { printable($0.name.utf8.prefix(maximumNameBytes)) }
        let more = members.count - shown.count
        return "an object with " + shown.joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
    }

    private static let maximumNames = 16
    private static let maximumNameBytes = 40
}
