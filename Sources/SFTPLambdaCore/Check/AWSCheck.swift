import AWS
import Transfers

/// Tries by calls that change nothing that anybody sees what a function may do in AWS.
struct AWSCheck {
    let services: FunctionServices
    let run: FunctionRun

    /// Calls that come without an answer for longer than this are given up: a check tells soon.
    private static let callSeconds = 20.0
    private let clock = SystemClock()

    private var deadline: Double {
        min(clock.uptimeSeconds + Self.callSeconds, run.window.deadlineUptimeSeconds)
    }

    /// Finds the credentials. Without them nothing else in AWS is worth trying.
    func credentials(_ list: inout CheckList) async -> Bool {
        let wording = CheckList.Wording(
            name: "AWS credentials", meaning: "neither S3 nor SQS nor a secret can be used",
            advice: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run it with a task role",
            cause: .aws)
        return await list.attempt(wording) {
            let found = try await services.aws.credentials.credentials(deadlineUptimeSeconds: deadline)
            return (true, "access key \(found.accessKeyID), region \(services.aws.region)")
        } ?? false
    }

    /// Reads the secret that SFTP_SECRET_ID names.
    func secret(_ connector: ServerConnector, id: String, _ list: inout CheckList) async {
        let wording = CheckList.Wording(
            name: "read the secret", meaning: "there is nothing to log in with",
            advice: "see that SFTP_SECRET_ID is right, and allow secretsmanager:GetSecretValue on it", cause: .aws)
        await list.attempt(wording) {
            do {
                return ((), "\(id), for \(try await connector.origin(deadlineUptimeSeconds: deadline))")
            } catch let failure as FunctionFailure {
                throw Told(description: failure.errorMessage)
            }
        }
    }

    // MARK: pull

    /// Begins an object in the bucket and gives it up: it never becomes visible.
    func target(_ bucket: String, prefix: String, _ list: inout CheckList) async {
        let client = S3Client(services.aws)
        let number = String(UInt64.random(in: 0 ... .max), radix: 16)
        let address = S3Address(bucket: bucket, key: "\(prefix)\(Self.folder)check-\(number)")
        let store = CheckList.Wording(
            name: "store in the bucket", meaning: "nothing can be pulled",
            advice: "see that SFTP_TARGET_S3_BUCKET is right and in this account's reach, and allow s3:PutObject and "
                + "s3:AbortMultipartUpload on \(bucket)/\(prefix)*", cause: .aws)
        await list.attempt(store) {
            let upload = try await client.createMultipartUpload(address, deadlineUptimeSeconds: deadline)
            try await client.abortMultipartUpload(upload, deadlineUptimeSeconds: deadline)
            return ((), "s3://\(bucket)/\(prefix): an upload begun and given up")
        }
        let notes = CheckList.Wording(
            name: "list checkpoints", meaning: "a large file has to come in one run, and begins anew where it does not",
            advice: "allow s3:ListBucket on \(bucket), and s3:ListMultipartUploadParts on its objects", isNeeded: false)
        await list.attempt(notes) {
            let page = try await client.listObjects(
                bucket: bucket, prefix: prefix + Self.folder, deadlineUptimeSeconds: deadline)
            return ((), "\(page.items.count) there")
        }
        let look = CheckList.Wording(
            name: "look at an object", meaning: "files whose object is gone stay in .done whatever the retention",
            advice: "allow s3:GetObject on \(bucket)/\(prefix)*, and s3:ListBucket on \(bucket)", isNeeded: false)
        await list.attempt(look) {
            do throws(AWSError) {
                _ = try await client.headObject(S3ReadRequest(address), deadlineUptimeSeconds: deadline)
                return ((), "")
            } catch {
                guard error.kind == .notFound else { throw error }
                return ((), "one that is not there is told as missing")
            }
        }
    }

    /// The folder of our own objects.
    private static let folder = ".sftp-lambda/"

    // MARK: push

    /// Looks at an object that is to be pushed.
    func source(_ object: ObjectAddress, _ list: inout CheckList) async {
        let wording = CheckList.Wording(
            name: "look at s3://\(object)", meaning: "it cannot be pushed",
            advice: "see that bucket and key are right, and allow s3:GetObject on it (and s3:ListBucket on the bucket, "
                + "without which a missing object looks like one that is denied)", cause: .aws)
        let address = S3Address(bucket: object.bucket, key: object.key.text)
        await list.attempt(wording) {
            let info = try await S3Client(services.aws).headObject(
                S3ReadRequest(address), deadlineUptimeSeconds: deadline)
            return ((), "\(info.sizeBytes) bytes")
        }
    }

    /// Finds the retry queue and asks for its attributes. Nothing is sent or received.
    func queue(_ reference: QueueReference, for function: LambdaFunction, _ list: inout CheckList) async {
        let receiving = ", sqs:ReceiveMessage, sqs:ChangeMessageVisibility and sqs:DeleteMessage"
        let wording = CheckList.Wording(
            name: "retry queue",
            meaning: function == .push ? "what fails is kept by nobody but Lambda" : "nothing can be pushed again",
            advice: "see that SFTP_RETRY_QUEUE_NAME is right, and allow sqs:GetQueueUrl, sqs:GetQueueAttributes, "
                + "sqs:SendMessage\(function == .push ? "" : receiving) on it", cause: .aws)
        await list.attempt(wording) {
            let client = SQSClient(services.aws)
            let queue = try await reference.queue(client, deadlineUptimeSeconds: deadline)
            let attributes = try await client.attributes(
                of: queue, names: ["ApproximateNumberOfMessages", "RedrivePolicy"], deadlineUptimeSeconds: deadline)
            let count = attributes["ApproximateNumberOfMessages"] ?? "?"
            let redrive = attributes["RedrivePolicy"] == nil ? "no dead-letter queue" : "with a dead-letter queue"
            return ((), "\(queue.name): about \(count) messages, \(redrive); sending is not tried")
        }
    }

    /// A failure in the words that are told.
    private struct Told: Error, CustomStringConvertible {
        let description: String
    }
}
