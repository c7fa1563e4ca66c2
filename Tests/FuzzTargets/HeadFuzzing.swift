import Logging

@testable import AWS
@testable import HTTP
@testable import LambdaRuntime

/// The head of an answer: what S3 says of an object in it, and the Runtime API of an invocation.
enum HeadFuzzing {
    static func head(_ bytes: [UInt8]) throws {
        guard let headers = try headers(bytes) else { return }
        try object(headers)
        try AnswerFuzzing.check(ServiceFailure(HTTPResponse(status: 400, headers: headers, body: .init(bytes: []))))
        try invocation(headers)
    }

    /// As libcurl hands them over, line by line.
    private static func headers(_ bytes: [UInt8]) throws -> HTTPHeaders? {
        var head = ResponseHead()
        let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) + [0x0A] }
        for line in lines + [[0x0D, 0x0A]] {
            switch line.withUnsafeBytes({ head.take($0) }) {
            case .incomplete: continue
            case .malformed(let reason):
                try must(isOfOneLine(reason), "the reason is not of one line: \(reason)")
                return nil
            case .complete:
                // A byte of ISO-8859-1 has two in UTF-8.
                let size = head.headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
                try must(size <= 2 * ResponseHead.maximumBytes, "\(size) bytes")
                try must(head.status >= 200, "it ends with status \(head.status)")
                return head.headers
            }
        }
        return nil
    }

    /// Metadata is read again from the fields that are made of it, and none of those can end its line.
    private static func object(_ headers: HTTPHeaders) throws {
        guard let info = S3ObjectInfo(headers) else { return }
        let metadata = info.attributes.metadata
        // More than S3 takes, or names that are none of headers.
        guard let fields = try? UserMetadata.fields(metadata) else { return }
        for field in fields {
            let isPlain = field.value.utf8.allSatisfy { (0x20..<0x7F).contains($0) }
            try must(isPlain && isOfOneLine(field.name), "\(field.name): \(field.value)")
        }
        let again = UserMetadata.read(HTTPHeaders(fields))
        try must(again == metadata, "\(metadata) becomes \(again)")
    }

    private struct Clock: RuntimeClock {
        let epochMilliseconds: Int64 = 1_772_360_130_123
        let uptimeSeconds = 100.0
    }

    private static let logger = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }

    private static func invocation(_ headers: HTTPHeaders) throws {
        let invocation: Invocation
        do throws(LambdaRuntimeError) {
            invocation = try Invocation(headers: headers, event: [], clock: Clock(), logger: logger)
        } catch {
            try must(isOfOneLine("\(error)"), "the error is not of one line: \(error)")
            return
        }
        switch invocation {
        case .unreadable(let report, let key):
            try must(isOfOneLine(report.errorMessage), "the error is not of one line: \(report)")
            try check(key)
        case .event(_, let context, let key):
            let leftSeconds = context.deadline.remainingSeconds
            try must(leftSeconds >= 0 && leftSeconds.isFinite, "\(leftSeconds) seconds are left")
            try check(key)
        }
    }

    /// The id is one segment of a path, wherever it leads to, and that of the trace can stand in a log.
    private static func check(_ key: InvocationKey) throws {
        let segment = key.pathSegment
        let isSafe = segment.utf8.allSatisfy { byte in
            switch UnicodeScalar(byte) {
            case "A"..."Z", "a"..."z", "0"..."9", "-", "_", "~", "%": true
            default: false
            }
        }
        try must(isSafe && (1...768).contains(segment.utf8.count), "the id becomes \(segment)")
        try must(Text.percentDecoded(segment.utf8).elementsEqual(key.requestID.utf8), "\(segment) is another id")
        if let trace = key.traceID {
            try must(trace.utf8.count <= TraceHeader.maximumIDBytes && isOfOneLine(trace), "a trace \(trace)")
        }
    }
}
