import JSON

/// A failure as the Runtime API takes it: the body of `invocation/{id}/error` and `init/error`, and the header that
/// classifies it (AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes", Invocation error).
struct ErrorReport: Sendable, Hashable, LambdaReportableError {
    let errorType: String
    let errorMessage: String

    /// The longest message that is sent, in bytes of UTF-8. Lambda takes an error body of the response's size (6 MB),
    /// but a CloudWatch log event holds 256 KB, and nobody reads more than the first lines.
    static let maximumMessageBytes = 32 * 1024

    init(type errorType: String, message errorMessage: String) {
        self.errorType = errorType
        self.errorMessage = errorMessage
    }

    /// Describes any error. What is not a `LambdaReportableError` is named by its type alone: its text could hold
    /// anything, and the report leaves the account's log for the caller.
    init(_ error: any Error) {
        if let error = error as? any LambdaReportableError {
            self.init(type: error.errorType, message: error.errorMessage)
        } else {
            let type = String(reflecting: Swift.type(of: error))
            self.init(type: "Unhandled", message: "the function failed with an unexpected error of type \(type)")
        }
    }

    /// The value of `Lambda-Runtime-Function-Error-Type`: `Category.Reason`. AWS's own implementation of the Runtime
    /// API knows the categories `Function` and `Runtime` with a reason of letters, and replaces anything else by
    /// `Runtime.Unknown`; a word that cannot be sent is therefore replaced here, by the category that is true.
    var headerValue: String {
        for category in ["Function.", "Runtime."] where errorType.hasPrefix(category) {
            if Self.isWord(errorType.dropFirst(category.count)) { return errorType }
        }
        return Self.isWord(errorType[...]) ? "Function.\(errorType)" : "Function.Unknown"
    }

    /// `{"errorMessage":…,"errorType":…,"stackTrace":[]}`. The trace is empty: a stripped release program has none.
    var body: [UInt8] {
        var text = JSONText(maximumStringBytes: Self.maximumMessageBytes)
        text.object {
            $0.member("errorMessage", errorMessage)
            $0.member("errorType", errorType)
            $0.member("stackTrace", [String]())
        }
        return text.bytes
    }

    private static func isWord(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, text.utf8.count >= 2 else { return false }
        let capitals = UInt8(ascii: "A")...UInt8(ascii: "Z")
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        return capitals.contains(first) && text.utf8.allSatisfy { capitals.contains($0) || letters.contains($0) }
    }
}
