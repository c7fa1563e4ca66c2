import Logging
import Transfers

/// The fields that log lines of all functions share. Saved queries name them: they stay.
enum LogField {
    /// What every line of an invocation carries; `traceId` only where Lambda gives a trace.
    static let ofInvocation = [flow, requestID, "traceId"]
    static let flow = "flow"
    static let requestID = "requestId"

    /// The name of the flow: SFTP_FLOW_NAME, or else the name of the Lambda function without that of the program at its
    /// end. Nil when neither is set. Read before the settings are, so that their faults are logged under it too.
    static func flowName(_ environment: [String: String], of function: LambdaFunction) -> String? {
        if let name = environment[Settings.flowName.declaration.name]?.trimmingWhiteSpace(), !name.isEmpty {
            return name
        }
        guard let name = environment["AWS_LAMBDA_FUNCTION_NAME"], !name.isEmpty else { return nil }
        let end = "-" + function.rawValue
        let flow = name.hasSuffix(end) ? name.dropLast(end.count) : name[...]
        return flow.isEmpty ? name : String(flow)
    }
}

/// The receipt of one file, by the same names whichever way it went.
struct ReceiptFields {
    var bucket: String
    var key: ObjectKey
    var path: RemotePath
    var sizeBytes: UInt64
    var sha256: String?
    var etag: String
    var versionID: String?
    var attempt: Int
    var durationMilliseconds: Int64

    /// As fields of a log line. `sha256` is missing for a directory, `versionId` for a bucket without versions.
    var metadata: Logger.Metadata {
        var fields: Logger.Metadata = [
            "bucket": .string(bucket), "key": "\(key)", "path": "\(path)", "bytes": .stringConvertible(sizeBytes),
            "etag": .string(etag), "attempt": .stringConvertible(attempt),
            "durationMilliseconds": .stringConvertible(durationMilliseconds),
        ]
        if let sha256 { fields["sha256"] = .string(sha256) }
        if let versionID { fields["versionId"] = .string(versionID) }
        return fields
    }
}

extension Logger.MetadataValue {
    /// How many there were of each word.
    static func counts(_ counts: [String: Int]) -> Self { .dictionary(counts.mapValues { .stringConvertible($0) }) }
}
