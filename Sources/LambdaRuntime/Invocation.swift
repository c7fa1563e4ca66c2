import HTTP
import Logging

/// What an answer to `next` holds, decoded.
enum Invocation: Sendable {
    /// An event to be handled.
    case event([UInt8], InvocationContext, InvocationKey)
    /// An invocation that can be answered but not handled.
    case unreadable(ErrorReport, InvocationKey)

    /// The largest event. Lambda's limits are 6 MB for synchronous and 1 MB for asynchronous invocations ("Lambda
    /// quotas"); the rest is room for the day when they grow a little, without giving memory to a runaway body.
    static let maximumEventBytes = 8 * 1024 * 1024

    /// Decodes a 200 answer. `event` is nil when the body was larger than `maximumEventBytes`.
    /// - Throws: `LambdaRuntimeError` of kind `.malformedInvocation` when the request id is missing or garbled, so
    ///   that no answer is possible.
    init(
        headers: HTTPHeaders, event: [UInt8]?, clock: any RuntimeClock, logger: Logger
    ) throws(LambdaRuntimeError) {
        let key = try InvocationKey(headers)
        do throws(ErrorReport) {
            let context = try Self.context(headers, key, clock: clock, logger: key.naming(logger))
            guard let event else {
                throw ErrorReport(
                    type: "Runtime.EventTooLarge", message: "the event is larger than \(Self.maximumEventBytes) bytes")
            }
            self = .event(event, context, key)
        } catch {
            self = .unreadable(error, key)
        }
    }

    private static func context(
        _ headers: HTTPHeaders, _ key: InvocationKey, clock: any RuntimeClock, logger: Logger
    ) throws(ErrorReport) -> InvocationContext {
        let deadlineText = try required("Lambda-Runtime-Deadline-Ms", in: headers)
        guard let deadline = Int64(deadlineText), deadline > 0 else {
            throw invalid("the header Lambda-Runtime-Deadline-Ms is not a time in milliseconds")
        }
        return InvocationContext(
            requestID: key.requestID, deadline: InvocationDeadline(epochMilliseconds: deadline, clock: clock),
            invokedFunctionARN: try required("Lambda-Runtime-Invoked-Function-Arn", in: headers),
            traceID: optional("Lambda-Runtime-Trace-Id", in: headers),
            clientContext: optional("Lambda-Runtime-Client-Context", in: headers),
            cognitoIdentity: optional("Lambda-Runtime-Cognito-Identity", in: headers),
            tenantID: optional("Lambda-Runtime-Aws-Tenant-Id", in: headers), logger: logger)
    }

    private static func required(_ name: String, in headers: HTTPHeaders) throws(ErrorReport) -> String {
        guard let value = optional(name, in: headers) else { throw invalid("the header \(name) is missing") }
        return value
    }

    private static func optional(_ name: String, in headers: HTTPHeaders) -> String? {
        guard let value = headers[name], !value.isEmpty else { return nil }
        return value
    }

    private static func invalid(_ message: String) -> ErrorReport {
        ErrorReport(type: "Runtime.InvalidInvocation", message: "the invocation cannot be read: \(message)")
    }
}

/// What names one invocation, towards the Runtime API and in the log.
struct InvocationKey: Sendable, Hashable {
    /// The request id. A retry of the same request, or a caller that chooses its own, can bring it a second time.
    let requestID: String
    /// `Lambda-Runtime-Invocation-Id`, which is never used twice. Lambda sends it since mid-2026 and wants it back
    /// with the answer, so that a late answer to a timed-out invocation cannot become that of another one with the same
    /// request id (aws-lambda-rust-runtime, issue 1155). Absent: nothing is sent back.
    let invocationID: String?
    /// The id of the trace that the invocation belongs to, if Lambda says it.
    let traceID: String?

    /// The longest request id. Lambda's are UUIDs of 36 characters.
    static let maximumRequestIDBytes = 256

    init(_ headers: HTTPHeaders) throws(LambdaRuntimeError) {
        guard let id = headers["Lambda-Runtime-Aws-Request-Id"], !id.isEmpty,
            id.utf8.count <= Self.maximumRequestIDBytes
        else {
            throw LambdaRuntimeError(
                .malformedInvocation, "the invocation came without a usable Lambda-Runtime-Aws-Request-Id header")
        }
        requestID = id
        invocationID = headers["Lambda-Runtime-Invocation-Id"].flatMap { $0.isEmpty ? nil : $0 }
        traceID = headers["Lambda-Runtime-Trace-Id"].flatMap { TraceHeader.traceID(of: $0) }
    }

    /// A logger whose every line names the invocation: `requestId` and, where there is one, `traceId`.
    func naming(_ logger: Logger) -> Logger {
        var logger = logger
        logger[metadataKey: "requestId"] = .string(requestID)
        if let traceID { logger[metadataKey: "traceId"] = .string(traceID) }
        return logger
    }

    /// The request id as one segment of a path (RFC 3986, section 2): whatever it holds, it leads nowhere else.
    var pathSegment: String {
        let digits = Array("0123456789ABCDEF".unicodeScalars)
        var segment = String.UnicodeScalarView()
        for byte in requestID.utf8 {
            switch UnicodeScalar(byte) {
            case "A"..."Z", "a"..."z", "0"..."9", "-", "_", "~": segment.append(UnicodeScalar(byte))
            default: segment += ["%", digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(segment)
    }
}
