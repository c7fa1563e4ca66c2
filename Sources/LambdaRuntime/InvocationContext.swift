public import Logging

/// What Lambda says of one invocation (AWS Lambda Developer Guide, "Using the Lambda runtime API for custom
/// runtimes", Next invocation, response headers).
public struct InvocationContext: Sendable {
    /// The request id, as it stands in Lambda's own log lines.
    public var requestID: String
    /// When Lambda ends the invocation, whatever the function is doing.
    public var deadline: InvocationDeadline
    /// The ARN of the function, version or alias that was invoked.
    public var invokedFunctionARN: String
    /// The AWS X-Ray tracing header. The environment variable `_X_AMZN_TRACE_ID` holds the same value.
    public var traceID: String?
    /// What an AWS Mobile SDK client, or the Invoke API's `X-Amz-Client-Context`, said of itself: JSON text.
    public var clientContext: String?
    /// The Amazon Cognito identity that invoked the function: JSON text.
    public var cognitoIdentity: String?
    /// The tenant, for a function with tenant isolation.
    public var tenantID: String?
    /// A logger whose every line carries `requestId` and, where Lambda gave a trace, its id as `traceId`.
    public var logger: Logger

    /// Makes a context.
    public init(
        requestID: String, deadline: InvocationDeadline, invokedFunctionARN: String, traceID: String? = nil,
        clientContext: String? = nil, cognitoIdentity: String? = nil, tenantID: String? = nil, logger: Logger
    ) {
        self.requestID = requestID
        self.deadline = deadline
        self.invokedFunctionARN = invokedFunctionARN
        self.traceID = traceID
        self.clientContext = clientContext
        self.cognitoIdentity = cognitoIdentity
        self.tenantID = tenantID
        self.logger = logger
    }
}

/// A point in time after which Lambda ends the invocation.
///
/// Lambda gives it as a time of day. It is carried over to the monotonic clock once, at receipt, so that a step of the
/// time of day during the invocation neither shortens nor lengthens what is left.
public struct InvocationDeadline: Sendable {
    /// Milliseconds since 1970-01-01 00:00:00 UTC, as Lambda gave it.
    public let epochMilliseconds: Int64
    /// The same moment on the `uptimeSeconds` of the clock that was given.
    public let uptimeSeconds: Double

    private let clock: any RuntimeClock

    /// Makes a deadline from the time of day, which is compared with the clock's now.
    public init(epochMilliseconds: Int64, clock: any RuntimeClock = SystemRuntimeClock()) {
        self.epochMilliseconds = epochMilliseconds
        self.clock = clock
        // In floating point: the difference of two 64-bit integers could overflow.
        let aheadSeconds = (Double(epochMilliseconds) - Double(clock.epochMilliseconds)) / 1000
        uptimeSeconds = clock.uptimeSeconds + aheadSeconds
    }

    /// The seconds that are left; never less than zero.
    public var remainingSeconds: Double { max(0, uptimeSeconds - clock.uptimeSeconds) }
}
