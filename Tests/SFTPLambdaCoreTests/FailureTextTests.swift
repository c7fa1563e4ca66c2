import AWS
import HTTP
import SFTP
import TestKit
import Testing

@testable import SFTPLambdaCore
@testable import Transfers

/// Failures name the setting or the permission, what was seen and what to do.
@Suite struct FailureTextTests {
    /// Whoever gives no credentials knows best what helps.
    @Test func adviceOfWhoGivesCredentialsTakesThePlaceOfTheGeneralOne() {
        var error = AWSError(.noCredentials, operation: "PutObject", subject: "b/k", message: "no role")
        #expect(StoreFailure(error).message.contains("AWS_PROFILE"))
        error.advice = "check AWS_ROLE_ARN"
        #expect(StoreFailure(error).message == "PutObject b/k: (no role): check AWS_ROLE_ARN")
    }

    // MARK: What has to be allowed

    private static func denied(_ operation: String, _ subject: String, _ message: String = "Access Denied") -> AWSError
    {
        var error = AWSError(
            .denied, operation: operation, subject: subject, status: 403, code: "AccessDenied", message: message)
        error.region = "eu-central-1"
        return error
    }

    @Test(arguments: [
        ("PutObject", "b/in/k", "allow s3:PutObject on arn:aws:s3:::b/in/k,"),
        ("UploadPart", "b/k", "allow s3:PutObject on arn:aws:s3:::b/k,"),
        ("AbortMultipartUpload", "b/k", "allow s3:AbortMultipartUpload on arn:aws:s3:::b/k,"),
        ("ListParts", "b/k", "allow s3:ListMultipartUploadParts on arn:aws:s3:::b/k,"),
        ("ListObjectsV2", "b/", "allow s3:ListBucket on arn:aws:s3:::b,"),
        ("HeadObject", "b/k", "allow s3:GetObject on arn:aws:s3:::b/k, and s3:ListBucket on arn:aws:s3:::b,"),
        ("DeleteObject", "b/k", "allow s3:DeleteObject on arn:aws:s3:::b/k,"),
        (
            "SendMessageBatch", "acme",
            "allow sqs:SendMessage on the queue acme (arn:aws:sqs:eu-central-1:ACCOUNT:acme),"
        ),
        ("GetQueueUrl", "acme", "allow sqs:GetQueueUrl on the queue acme"),
        (
            "GetSecretValue", "acme/login",
            "allow secretsmanager:GetSecretValue on "
                + "arn:aws:secretsmanager:eu-central-1:ACCOUNT:secret:acme/login-??????,"
        ),
        (
            "GetSecretValue", "arn:aws:secretsmanager:us-west-2:1:secret:x-abcdef",
            "allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:us-west-2:1:secret:x-abcdef,"
        ),
    ]) func aDenialNamesActionAndResource(_ operation: String, _ subject: String, _ words: String) {
        let text = Self.denied(operation, subject).explained
        #expect(text.contains(words), "\(text)")
    }

    @Test func partitionsHaveARNsOfTheirOwn() {
        for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")] {
            #expect(
                IAMPermission.needed(for: "PutObject", on: "b/k", region: region)
                    == "s3:PutObject on arn:\(partition):s3:::b/k")
        }
    }

    /// What AWS itself says is missing goes before what the operation needs in general.
    @Test func anActionThatAWSNamesIsTheOneToAllow() {
        let words = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: "
        let other = Self.denied("CreateMultipartUpload", "b/k", words + "s3:PutObjectTagging on resource: \"arn:x\"")
        #expect(other.explained.contains("allow s3:PutObjectTagging as AWS names it,"), "\(other.explained)")
        let same = Self.denied("PutObject", "b/k", words + "s3:PutObject on resource: \"arn:x\"")
        #expect(same.explained.contains("allow s3:PutObject on arn:aws:s3:::b/k,"), "\(same.explained)")
        let key = Self.denied("PutObject", "b/k", words + "kms:GenerateDataKey on resource: arn:aws:kms:x")
        #expect(key.explained.contains("allow kms:Decrypt and kms:GenerateDataKey on the KMS key"), "\(key.explained)")
    }

    @Test func namesOfOthersForgeNothing() {
        let error = Self.denied("PutObject", "b/a\nb", "not authorized to perform: s3:X\n{}")
        #expect(!error.remedy.contains("\n"), "\(error.remedy)")
    }

    @Test func aBucketInAnotherRegionIsToldWithBoth() {
        var error = AWSError(
            .wrongRegion, operation: "PutObject", subject: "b/k", status: 301, code: "PermanentRedirect", message: "m")
        error.region = "eu-central-1"
        error.rightRegion = "ap-south-1"
        #expect(
            error.explained.contains("the bucket is in ap-south-1, and eu-central-1 was asked"), "\(error.explained)")
    }

    @Test func aMissingQueueIsToldWithItsRegion() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in
            .init(400, text: #"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}"#)
        })
        defer { server.stop() }
        let client = HTTPClient(HTTPClientConfiguration(environment: [:]))
        let locator = RetryQueueLocator(
            client: SQSClient(Self.configuration(server.url, client)), reference: try QueueReference("acme"))
        let failure = await #expect(throws: QueueFailure.self) { try await locator.queue(deadlineUptimeSeconds: nil) }
        for words in ["GetQueueUrl acme", "SFTP_RETRY_QUEUE_NAME", "a queue in eu-central-1", "sqs:GetQueueUrl"] {
            #expect(failure?.message.contains(words) == true, "\(words) in \(failure?.message ?? "")")
        }
        await client.shutdown()
    }

    @Test func aMissingSecretIsToldWithItsRegion() async throws {
        let server = try ScriptedHTTPServer(answering: { _ in
            .init(400, text: #"{"__type":"ResourceNotFoundException","Message":"can't find it"}"#)
        })
        defer { server.stop() }
        let client = HTTPClient(HTTPClientConfiguration(environment: [:]))
        let source = SecretsManagerSource(client: SecretsManagerClient(Self.configuration(server.url, client)))
        let failure = await #expect(throws: FunctionFailure.self) {
            try await source.secretText(id: "acme/login", deadlineUptimeSeconds: AWSClock.system.uptimeSeconds() + 60)
        }
        #expect(failure?.errorType == "SecretUnavailable" && failure?.cause == .aws)
        for words in ["acme/login", "check SFTP_SECRET_ID", "a secret in eu-central-1"] {
            #expect(failure?.errorMessage.contains(words) == true, "\(words) in \(failure?.errorMessage ?? "")")
        }
        await client.shutdown()
    }

    private static func configuration(_ url: String, _ client: HTTPClient) -> AWSConfiguration {
        AWSConfiguration(
            http: client, credentials: StaticCredentials(AWSCredentials(accessKeyID: "id", secretAccessKey: "s")),
            region: "eu-central-1", environment: ["AWS_ENDPOINT_URL": url])
    }

    // MARK: What the connector adds

    private static func failure(_ changes: [String: String], _ secret: String) async throws -> SFTPError {
        let connector = ServerConnector(
            try Example.pull(changes, without: ["SFTP_PRIVATE_KEY"]).connection, secrets: FixedSecret(text: secret))
        let error = await #expect(throws: (any Error).self) {
            try await connector.connect(
                deadlineUptimeSeconds: SystemClock().uptimeSeconds + 5, logger: LogRecorder().logger())
        }
        return try #require(error as? SFTPError)
    }

    /// Else who reads it would look for a variable that is not even set.
    @Test func aKeyOfTheSecretIsNotTakenForThatOfTheVariable() async throws {
        let error = try await Self.failure(
            ["SFTP_SECRET_ID": "acme/login"], #"{"PrivateKey": "no key", "Username": "acme"}"#)
        #expect(error.message.contains("SFTP_PRIVATE_KEY holds no private key for SSH"), "\(error.message)")
        #expect(
            error.message.hasSuffix("The secret acme/login holds PrivateKey: what it holds goes before the variables"))
        let failure = FunctionFailure(error)
        #expect(failure.errorType == "InvalidSettings" && failure.cause == .settings)
        #expect(failure.remedy.contains("acme/login") && !failure.finding.contains("acme/login"))
    }

    @Test func aSettingThatCannotBeUsedIsNoFailureOfTheServer() {
        let key = SFTPError(.authentication, .invalidConfiguration, "m")
        #expect(PushFailure(connecting: RemoteFailure(key)).reason == .settings)
        #expect(PushFailure(connecting: RemoteFailure(SFTPError(.connect, .unreachable, "m"))).reason == .connection)
    }

    /// Of what the secret says of the way, too.
    @Test func aProxyOfTheSecretIsNotTakenForThatOfTheVariable() async throws {
        let closed = try ScriptedHTTPServer(answering: { _ in .init(200, text: "") })
        let port = try #require(closed.url.split(separator: ":").last.flatMap { Int($0) })
        closed.stop()
        let error = try await Self.failure(
            ["SFTP_SECRET_ID": "acme/login"],
            #"{"Password": "p", "Username": "acme", "Proxy": "socks5://u:hunter2@127.0.0.1:\#(port)"}"#)
        #expect(error.message.contains("check SFTP_PROXY") && !error.message.contains("hunter2"), "\(error.message)")
        #expect(error.message.contains("The secret acme/login holds"), "\(error.message)")
        #expect(error.message.hasSuffix(", Proxy: what it holds goes before the variables"), "\(error.message)")
    }

    /// `ConnectorAdviceTests` has the message with it.
    @Test func onlyInLambdaTheWayOutOfAVPCIsSpokenOf() {
        let network = LambdaNetwork(environment: ["AWS_LAMBDA_FUNCTION_NAME": "acme"])
        #expect(network?.advice(port: "2222").contains("--function-name acme --query VpcConfig") == true)
        #expect(network?.advice(port: "2222").contains("TCP port 2222") == true)
        #expect(LambdaNetwork(environment: [:]) == nil)
    }
}

/// A secret that is there.
private struct FixedSecret: SecretSource {
    let text: String

    func secretText(id: String, deadlineUptimeSeconds: Double) async throws -> String { text }
}
