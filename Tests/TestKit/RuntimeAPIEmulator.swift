public import Foundation
public import HTTP

/// `local/runtime_api.py`: Lambda as a function sees it, and the Invoke API as a caller sees it.
///
/// Without a `Function` the test itself plays the function, at `address`.
public final class RuntimeAPIEmulator: Sendable {
    /// A function that the emulator starts, for the first invocation and again after it has ended.
    public struct Function: Sendable {
        /// The unpacked zip. Its `bootstrap` is started.
        public var taskRoot: String
        /// A program to start instead of the `bootstrap`.
        public var program: String?
        /// A folder to chroot into first; `taskRoot` is then inside it. Needs root.
        public var root: String?
        /// What AWS_LAMBDA_FUNCTION_MEMORY_SIZE says. It is not enforced.
        public var memorySizeMegabytes: Int
        /// Variables besides those that Lambda sets: settings and credentials.
        public var environment: [String: String]

        /// Describes a function.
        public init(
            taskRoot: String, program: String? = nil, root: String? = nil, memorySizeMegabytes: Int = 128,
            environment: [String: String] = [:]
        ) {
            self.taskRoot = taskRoot
            self.program = program
            self.root = root
            self.memorySizeMegabytes = memorySizeMegabytes
            self.environment = environment
        }
    }

    /// What Lambda says of one invocation besides the event.
    public struct Options: Sendable {
        /// How long the function may take, counted from when it fetches the invocation.
        public var timeoutSeconds: Double
        /// JSON text.
        public var clientContext: String?
        /// JSON text.
        public var cognitoIdentity: String?
        /// For functions with tenant isolation.
        public var tenantID: String?
        /// The tracing header; nil lets the emulator make one, as Lambda does.
        public var traceID: String?
        /// Nil lets the emulator make one.
        public var requestID: String?

        /// Describes an invocation.
        public init(
            timeoutSeconds: Double = 30, clientContext: String? = nil, cognitoIdentity: String? = nil,
            tenantID: String? = nil, traceID: String? = nil, requestID: String? = nil
        ) {
            self.timeoutSeconds = timeoutSeconds
            self.clientContext = clientContext
            self.cognitoIdentity = cognitoIdentity
            self.tenantID = tenantID
            self.traceID = traceID
            self.requestID = requestID
        }
    }

    /// What became of an invocation.
    public struct Outcome: Sendable {
        /// The response, or the error's JSON.
        public var payload: [UInt8]
        /// `Unhandled` when the invocation failed.
        public var functionError: String?
        /// The end of what the function logged, when the emulator started it.
        public var log: String
        /// The invocation's request id.
        public var requestID: String

        /// The payload as text.
        public var text: String { String(decoding: payload, as: UTF8.self) }
    }

    /// An operation of the Runtime API.
    public enum Operation: String, Sendable {
        /// `invocation/next`
        case next
        /// `invocation/{id}/response`
        case response
        /// `invocation/{id}/error`
        case error
        /// `init/error`
        case initError = "init/error"
    }

    /// What goes wrong with the next request for an operation.
    public enum Fault: Sendable {
        /// It is answered with this status. On `response` and `error` the invocation ends there.
        case status(Int)
        /// The connection is dropped before the request is looked at.
        case drop
        /// The request is done, then the connection is dropped instead of an answer.
        case dropAfter
        /// The answer to `next` breaks off within its body.
        case cut
        /// The answer to `next` lacks headers, or has others.
        case headers(omitted: [String] = [], set: [String: String] = [:])
    }

    /// A request that the Runtime API has seen.
    public struct SeenRequest: Sendable, Decodable {
        /// The method.
        public var method: String
        /// The path without its query.
        public var path: String
        /// The headers, their names in lower case.
        public var headers: [String: String]
        /// The first 4 KiB of the body.
        public var body: String
        /// The size of the body.
        public var bodyBytes: Int
        /// The status of the answer; nil while there is none.
        public var status: Int?
    }

    /// For AWS_LAMBDA_RUNTIME_API.
    public let address: String

    private let standIn: StandIn
    /// Where the caller's side listens: `local/runtime_api_emulator/control.py`.
    public let control: String

    /// Starts the emulator.
    public init(workFolder: URL, function: Function? = nil) throws {
        var arguments: [String] = []
        if let function {
            arguments += ["--task-root", function.taskRoot, "--memory-size", "\(function.memorySizeMegabytes)"]
            if let program = function.program {
                // In the shell's quoting.
                arguments += ["--command", "'" + program.replacingOccurrences(of: "'", with: "'\\''") + "'"]
            }
            if let root = function.root { arguments += ["--root", root] }
            for (name, value) in function.environment { arguments += ["--environment", "\(name)=\(value)"] }
        }
        standIn = try StandIn("runtime_api.py", arguments + ["--timeout-seconds", "30"], workFolder: workFolder)
        guard let address = standIn.ready["address"], let control = standIn.ready["control"] else {
            throw PlainHTTP.Failure(description: "the ready line lacks an address: \(standIn.ready)")
        }
        self.address = address
        self.control = control.replacingOccurrences(of: "http://", with: "")
    }

    /// Invokes the function and waits for the result. The event need not be JSON, though Lambda would refuse it.
    public func invoke(_ event: [UInt8], _ options: Options = Options()) async throws -> Outcome {
        var headers: HTTPHeaders = [
            "X-Amz-Log-Type": "Tail", "X-Local-Raw-Event": "true",
            "X-Local-Timeout-Seconds": "\(options.timeoutSeconds)",
        ]
        headers["X-Amz-Client-Context"] = options.clientContext.map { Data($0.utf8).base64EncodedString() }
        headers["X-Local-Cognito-Identity"] = options.cognitoIdentity
        headers["X-Amz-Tenant-Id"] = options.tenantID
        headers["X-Amzn-Trace-Id"] = options.traceID
        headers["X-Local-Request-Id"] = options.requestID
        let answer = try await invokeAPI(headers: headers, body: event)
        guard answer.status == 200 else {
            throw PlainHTTP.Failure(description: "invoke answered \(answer.status): \(answer.text)")
        }
        let log = answer.headers["X-Amz-Log-Result"].flatMap { Data(base64Encoded: $0) } ?? Data()
        return Outcome(
            payload: answer.body, functionError: answer.headers["X-Amz-Function-Error"],
            log: String(decoding: log, as: UTF8.self), requestID: answer.headers["x-amzn-RequestId"] ?? "")
    }

    /// Calls the Invoke API as it is.
    public func invokeAPI(
        function: String = "function", headers: HTTPHeaders = [:], body: [UInt8]
    ) async throws -> PlainHTTP.Answer {
        try await PlainHTTP.send(
            "POST", control, "/2015-03-31/functions/\(function)/invocations", headers: headers, body: body)
    }

    /// Invokes the function `count` times, one after the other, and returns how many succeeded.
    public func invoke(_ event: [UInt8], times count: Int) async throws -> Int {
        let answer = try await PlainHTTP.send("POST", control, "/batch?count=\(count)", body: event)
        return try JSONDecoder().decode([String: Int].self, from: Data(answer.body))["succeeded"] ?? 0
    }

    /// Makes the next `count` requests for the operation go wrong.
    public func arm(_ fault: Fault, on operation: Operation, count: Int = 1) async throws {
        var description: [String: Any] = ["target": operation.rawValue, "count": count]
        switch fault {
        case .status(let status):
            description["kind"] = "status"
            description["status"] = status
        case .drop: description["kind"] = "drop"
        case .dropAfter: description["kind"] = "dropAfter"
        case .cut: description["kind"] = "cut"
        case .headers(let omitted, let set):
            description["kind"] = "headers"
            description["omit"] = omitted
            description["set"] = set
        }
        let body = try JSONSerialization.data(withJSONObject: description)
        let answer = try await PlainHTTP.send("POST", control, "/faults", body: Array(body))
        guard answer.status == 200 else { throw PlainHTTP.Failure(description: "faults answered \(answer.status)") }
    }

    /// The last requests to the Runtime API, the newest last.
    public func requests() async throws -> [SeenRequest] {
        let answer = try await PlainHTTP.send("GET", control, "/requests")
        return try JSONDecoder().decode([SeenRequest].self, from: Data(answer.body))
    }

    /// How often the function was started, and its process id while it runs.
    public func functionState() async throws -> (starts: Int, processID: Int32?) {
        struct State: Decodable {
            var starts: Int
            var pid: Int32?
        }
        let answer = try await PlainHTTP.send("GET", control, "/state")
        let state = try JSONDecoder().decode(State.self, from: Data(answer.body))
        return (state.starts, state.pid)
    }

    /// Everything that the running function has logged.
    public func functionLog() async throws -> String {
        try await PlainHTTP.send("GET", control, "/log").text
    }

    /// Ends the execution environment, as Lambda does between invocations; the next one starts anew.
    public func reset() async throws {
        _ = try await PlainHTTP.send("POST", control, "/reset")
    }

    /// Ends the emulator and the function.
    public func stop() { standIn.stop() }
}
