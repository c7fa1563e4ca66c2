import AWS

/// AWS Secrets Manager as the source of the secret that SFTP_SECRET_ID names.
struct SecretsManagerSource: SecretSource {
    let client: SecretsManagerClient

    func secretText(id: String, deadlineUptimeSeconds: Double) async throws -> String {
        do throws(AWSError) {
            return try await client.getSecretValue(id, deadlineUptimeSeconds: deadlineUptimeSeconds).secretString
        } catch {
            if error.kind == .cancelled { throw CancellationError() }
            throw FunctionFailure(secretError: error)
        }
    }
}

extension FunctionFailure {
    /// The secret that SFTP_SECRET_ID names cannot be read: why, and what to check.
    init(secretError error: AWSError) {
        let cannotBeReached =
            switch error.kind {
            case .network, .unavailable, .throttled: true
            default: false
            }
        let other = cannotBeReached ? AWSProblem.unreachable.remedy(AWSCase(error)) : ""
        self.init(
            type: .secretUnavailable, cause: .aws, message: "the secret of SFTP_SECRET_ID: \(error)",
            remedy: error.remedy.isEmpty ? other : error.remedy)
    }

    /// Somebody else's read of the secret takes longer than this caller has time.
    static var secretIsLate: FunctionFailure {
        let none = AWSCase(permission: "", region: "", rightRegion: "")
        return FunctionFailure(
            type: .secretUnavailable, cause: .aws,
            message: "the secret of SFTP_SECRET_ID: Secrets Manager has not answered in time",
            remedy: AWSProblem.unreachable.remedy(none))
    }
}
