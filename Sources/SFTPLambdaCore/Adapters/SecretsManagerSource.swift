import AWS

/// AWS Secrets Manager as the source of the secret that SFTP_SECRET_ID names.
struct SecretsManagerSource: SecretSource {
    let client: SecretsManagerClient

    func secretText(id: String) async throws -> String {
        do {
            return try await client.getSecretValue(id).secretString
        } catch {
            throw FunctionFailure(type: "SecretUnavailable", message: "the secret of SFTP_SECRET_ID: \(error)")
        }
    }
}
