import JSON

/// A message for the retry queue (rule U7): one failed record and why it failed. `docs/retry-message.md` describes it.
public struct RetryMessage: Hashable, Sendable {
    /// The body: an S3 notification with one record, or what could not be understood, as it came.
    public let body: String
    /// The attributes, for people and alarms: what is needed to push is in the body.
    public let attributes: [Attribute]
    /// How long nobody receives it, from 0 to `maximumDelaySeconds`. A queue that delays no single message shows it at
    /// once.
    public let delaySeconds: Int

    /// The longest delay (Amazon SQS API Reference, "SendMessage").
    public static let maximumDelaySeconds = 900

    /// A message attribute.
    public struct Attribute: Hashable, Sendable {
        /// Its data type at SQS.
        public enum DataType: String, Sendable {
            /// Text.
            case string = "String"
            /// A number, as text.
            case number = "Number"
        }

        /// The name.
        public var name: String
        /// The data type.
        public var dataType: DataType
        /// The value; never empty, since SQS refuses that.
        public var value: String
    }

    /// Why a record is on the queue.
    public struct Reason: Hashable, Sendable {
        /// One word for alarms, such as `connectionLost`.
        public var errorClass: String
        /// What was tried and what the other side answered.
        public var errorText: String
        /// When it failed.
        public var time: UnixTime
        /// How often the record has been tried, this time included.
        public var attempt: Int
        /// When it failed for the first time.
        public var firstTime: UnixTime

        /// Makes a reason.
        /// - Parameter firstTime: nil for the first failure.
        public init(
            errorClass: String, errorText: String, time: UnixTime, attempt: Int, firstTime: UnixTime? = nil
        ) {
            self.errorClass = errorClass
            self.errorText = errorText
            self.time = time
            self.attempt = attempt
            self.firstTime = firstTime ?? time
        }
    }

    /// What a message on the queue tells of the time before it was put there. Only told: no rule depends on it, since
    /// messages of others tell nothing, and those that are redriven by hand may not either.
    public struct Past: Hashable, Sendable {
        /// How often what it asks for had been tried.
        public var attempts: Int
        /// Since when it has been waiting; nil where that is not known.
        public var since: UnixTime?

        /// Makes it.
        public init(attempts: Int = 0, since: UnixTime? = nil) {
            self.attempts = attempts
            self.since = since
        }

        /// Reads the attributes of a message. What is no number or no time counts as not said.
        /// - Parameters:
        ///   - text: the attribute of a name; nil when there is none.
        ///   - sent: when the message was put on the queue, for messages that do not say since when they wait.
        public init(attributes text: (String) -> String?, sent: UnixTime?) {
            let said = text(RetryMessage.attemptName).flatMap { Int($0) } ?? 0
            attempts = min(max(said, 0), Self.maximumAttempts)
            since = text(RetryMessage.firstTimeName).flatMap { UnixTime(rfc3339: $0) } ?? sent
        }

        private static let maximumAttempts = 1_000_000
    }

    private static let attemptName = "attempt"
    private static let firstTimeName = "firstTime"

    /// A record that is to be tried again, after a delay that is cut to what a queue can do.
    public init(_ event: ObjectEvent, because reason: Reason, delaySeconds: Int = 0) {
        self.delaySeconds = min(max(0, delaySeconds), Self.maximumDelaySeconds)
        body = event.s3EventJSON
        attributes = Self.attributes(reason)
    }

    /// What could not be understood, kept for the day when it can.
    public init(_ failure: IncomingEvent.Failure, time: UnixTime, attempt: Int) {
        delaySeconds = 0
        body = Self.acceptable(String(decoding: failure.event, as: UTF8.self))
        attributes = Self.attributes(
            Reason(
                errorClass: failure.error.reason.rawValue, errorText: failure.error.message, time: time,
                attempt: attempt))
    }

    /// The longest error text in bytes: a message has room for the error, not for a log.
    public static let maximumErrorTextBytes = 1024

    private static func attributes(_ reason: Reason) -> [Attribute] {
        [
            Attribute(name: "errorClass", dataType: .string, value: shown(reason.errorClass)),
            Attribute(name: "errorText", dataType: .string, value: shown(reason.errorText)),
            Attribute(name: "time", dataType: .string, value: reason.time.rfc3339),
            Attribute(name: attemptName, dataType: .number, value: String(reason.attempt)),
            Attribute(name: firstTimeName, dataType: .string, value: reason.firstTime.rfc3339),
        ]
    }

    private static func shown(_ text: String) -> String {
        var result = ""
        for scalar in printable(text.utf8).unicodeScalars where isAcceptable(scalar) {
            guard result.utf8.count + UTF8.width(scalar) <= maximumErrorTextBytes else { break }
            result.unicodeScalars.append(scalar)
        }
        return result.isEmpty ? "-" : result
    }

    /// Text in the characters that SQS takes. Others stand in JSON only inside of strings, where an escape means the
    /// same.
    private static func acceptable(_ text: String) -> String {
        guard !text.isEmpty else { return " " }
        guard !text.unicodeScalars.allSatisfy(isAcceptable) else { return text }
        return text.unicodeScalars.reduce(into: "") { result, scalar in
            result += isAcceptable(scalar) ? String(scalar) : JSONText.unicodeEscape(scalar)
        }
    }

    /// Amazon SQS API Reference, "SendMessage": the characters of XML 1.0.
    private static func isAcceptable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\t", "\n", "\r", " "..."\u{D7FF}", "\u{E000}"..."\u{FFFD}", "\u{10000}"..."\u{10FFFF}": true
        default: false
        }
    }
}
