/// The functions of this project, by the names of their programs.
public enum LambdaFunction: String, CaseIterable, Hashable, Sendable {
    /// From the partner's server to S3.
    case pull
    /// From S3 to the partner's server.
    case push
    /// What push could not do, again.
    case pushRetry
}
