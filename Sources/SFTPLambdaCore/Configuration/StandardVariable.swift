/// A variable that is no setting of ours but that the programs honour, as the AWS SDKs and other tools do. Here for the
/// documentation; who uses it reads it.
struct StandardVariable: Sendable, Hashable {
    let name: String
    let summary: String

    /// All that are honoured, in the order of the documentation.
    static let all = [
        StandardVariable(
            name: "AWS_REGION, AWS_DEFAULT_REGION",
            summary: "The region; the first that is set. Lambda sets AWS_REGION."),
        StandardVariable(
            name: "AWS_ENDPOINT_URL",
            summary: "Where all AWS requests go instead of AWS: for tests and compatible stores."),
        StandardVariable(
            name: "AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_SQS, AWS_ENDPOINT_URL_SECRETS_MANAGER, "
                + "AWS_ENDPOINT_URL_STS",
            summary: "The same for one service; goes before AWS_ENDPOINT_URL."),
        StandardVariable(
            name: "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
            summary: "Credentials. Lambda sets them from the function's role."),
        StandardVariable(
            name: "AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            summary: "Where a container on ECS or EKS gets its credentials, with "
                + "AWS_CONTAINER_AUTHORIZATION_TOKEN or AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE."),
        StandardVariable(
            name: "AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, AWS_ROLE_SESSION_NAME",
            summary: "The token and the role of a service account of Kubernetes: what EKS sets for an IAM role of a "
                + "service account. The name of the session is `sftp-lambda` if not set."),
        StandardVariable(
            name: "AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE",
            summary: "Credentials and region from the shared files, outside AWS."),
        StandardVariable(
            name: "AWS_CA_BUNDLE, SSL_CERT_FILE", summary: "Certificates to trust instead of the system's."),
        StandardVariable(
            name: "HTTPS_PROXY, NO_PROXY", summary: "A proxy for requests to AWS, and the hosts that go without it."),
        StandardVariable(
            name: "AWS_LAMBDA_LOG_FORMAT",
            summary: "`JSON` or `Text`. Not set: JSON on Lambda, text elsewhere. Metrics are JSON lines in both."),
        StandardVariable(
            name: "AWS_LAMBDA_LOG_LEVEL",
            summary:
                "`TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`: what is less urgent is not logged. Not set: `INFO`."
        ),
    ]
}
