/// What a function does with one event. `LambdaRuntime` calls it once per invocation and never twice at a time.
public protocol LambdaHandler: Sendable {
    /// Handles one event and returns the response, a JSON document.
    ///
    /// The event is handed over as it came: it may be empty and need be neither UTF-8 nor JSON. A handler that cannot
    /// read it throws a `LambdaReportableError` of its own. Work begun here must be over when this returns: Lambda
    /// freezes the process between invocations, and the loop then changes the environment (see `TraceVariable`).
    /// - Throws: anything. A `LambdaReportableError` is reported in its own words; of any other error Lambda gets no
    ///   more than the name of its Swift type, since its text may hold what nobody should read.
    func handle(_ event: [UInt8], context: InvocationContext) async throws -> [UInt8]
}

/// An error that says by itself how it is reported to Lambda and, through Lambda, to whoever invoked the function.
public protocol LambdaReportableError: Error {
    /// A stable word for the kind of failure that callers, alarms and retry rules can match: at least two ASCII
    /// letters, the first a capital, such as `ConnectionLost`. The body's `errorType` is this word; the header
    /// `Lambda-Runtime-Function-Error-Type`, which asks for `Category.Reason`, gets `Function.` before it, unless
    /// the word already begins with `Function.` or `Runtime.`.
    var errorType: String { get }

    /// What failed, on what, what the other side answered and whether trying again can help; without secrets.
    var errorMessage: String { get }
}
