import AWS

/// Tries by calls that change nothing that anybody sees what a function may do in AWS.
struct AWSCheck {
    let services: FunctionServices
    let run: FunctionRun

    /// Calls that come without an answer for longer than this are given up: a check tells soon.
    private static let callSeconds = 20.0
    private let clock = SystemClock()

    /// When a call that is made now has to end.
    var deadline: Double {
        min(clock.uptimeSeconds + Self.callSeconds, run.window.deadlineUptimeSeconds)
    }

    /// Finds the credentials. Without them nothing else in AWS is worth trying.
    func credentials(_ list: inout CheckList) async -> Bool {
        let wording = CheckList.Wording(
            name: "AWS credentials", meaning: "neither S3 nor SQS nor a secret can be used",
            advice: "", cause: .aws)
        return await list.attempt(wording) {
            let found = try await services.aws.credentials.credentials(deadlineUptimeSeconds: deadline)
            // As much of it as the AWS CLI shows: who compares two of them needs no more.
            return (true, "access key ending in \(found.accessKeyID.suffix(4)), region \(services.aws.region)")
        } ?? false
    }

    /// Reads the secret that SFTP_SECRET_ID names. Without it nobody can log in.
    func secret(_ connector: ServerConnector, id: String, _ list: inout CheckList) async -> Bool {
        let wording = CheckList.Wording(
            name: "read the secret", meaning: "there is nothing to log in with",
            advice: "see that SFTP_SECRET_ID is right, and allow secretsmanager:GetSecretValue on it", cause: .aws)
        return await list.attempt(wording) {
            (true, "\(id), for \(try await connector.origin(deadlineUptimeSeconds: deadline))")
        } ?? false
    }
}
