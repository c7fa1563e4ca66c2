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
    private static let secretType = "SecretUnavailable"
    private static let howToReach =
        "In a VPC without internet access, Secrets Manager is reached through an interface endpoint or a NAT gateway;"
        + " check that there is one, and that the security groups let port 443 pass"

    /// The secret that SFTP_SECRET_ID names cannot be read: why, and what to check.
    init(secretError error: AWSError) {
        let advice =
            switch error.kind {
            case .network, .unavailable, .throttled: Self.howToReach
            case .denied:
                "Check that the function's role allows secretsmanager:GetSecretValue on the secret, and kms:Decrypt on its"
                    + " key if that is one of your own"
            case .notFound: "Check its name and its region; an ARN names both"
            default: ""
            }
        let message = "the secret of SFTP_SECRET_ID: \(error)"
        self.init(type: Self.secretType, cause: .aws, message: advice.isEmpty ? message : "\(message). \(advice)")
    }

    /// Somebody else's read of the secret takes longer than this caller has time.
    static let secretIsLate = FunctionFailure(
        type: secretType, cause: .aws,
        message: "the secret of SFTP_SECRET_ID: Secrets Manager has not answered in time. \(howToReach)")
}
