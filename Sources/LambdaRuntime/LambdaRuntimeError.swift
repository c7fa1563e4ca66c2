/// Why the loop ended. Each of them means that the process should exit with a status other than zero; Lambda then
/// starts a new one for the next invocation.
public struct LambdaRuntimeError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What ended the loop.
    public enum Kind: String, Sendable {
        /// AWS_LAMBDA_RUNTIME_API is not set: the program was not started by Lambda.
        case addressMissing
        /// AWS_LAMBDA_RUNTIME_API is not a host and port.
        case addressInvalid
        /// The handler could not be made. Lambda has been told, or the log says why it could not be.
        case initializationFailed
        /// The Runtime API could not be reached, or its answers kept breaking off.
        case unreachable
        /// The Runtime API answered with a status for which its documentation demands, or leaves only, the exit.
        case refused
        /// An invocation came without a request id, so that nothing can be answered to it.
        case malformedInvocation
        /// The task was cancelled.
        case cancelled
    }

    /// What ended the loop.
    public var kind: Kind
    /// What was being done, and what was seen.
    public var message: String

    /// Makes an error.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// The kind and the message.
    public var description: String { "\(kind.rawValue): \(message)" }
}
