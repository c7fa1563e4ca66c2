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
        var json = #"{"errorMessage":"#
        Self.appendQuoted(cutMessage, to: &json)
        json += #","errorType":"#
        Self.appendQuoted(errorType, to: &json)
        json += #","stackTrace":[]}"#
        return Array(json.utf8)
    }

    private var cutMessage: String {
        guard errorMessage.utf8.count > Self.maximumMessageBytes else { return errorMessage }
        var kept = String.UnicodeScalarView()
        var keptBytes = 0
        for scalar in errorMessage.unicodeScalars {
            keptBytes += UTF8.width(scalar)
            guard keptBytes <= Self.maximumMessageBytes else { break }
            kept.append(scalar)
        }
        return String(kept) + "…"
    }

    private static func isWord(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, text.utf8.count >= 2 else { return false }
        let capitals = UInt8(ascii: "A")...UInt8(ascii: "Z")
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        return capitals.contains(first) && text.utf8.allSatisfy { capitals.contains($0) || letters.contains($0) }
    }

    /// Appends a JSON string (RFC 8259, section 7). Three fields do not need an encoder that can throw.
    private static func appendQuoted(_ text: String, to json: inout String) {
        let hexadecimal = Array("0123456789abcdef".unicodeScalars)
        json.unicodeScalars.append("\"")
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": json += "\\\""
            case "\\": json += "\\\\"
            case "\n": json += "\\n"
            case "\r": json += "\\r"
            case "\t": json += "\\t"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                json += "\\u00"
                json.unicodeScalars.append(hexadecimal[Int(scalar.value >> 4)])
                json.unicodeScalars.append(hexadecimal[Int(scalar.value & 15)])
            default: json.unicodeScalars.append(scalar)
            }
        }
        json.unicodeScalars.append("\"")
    }
}
