import TextForms

/// What the operations of AWS need to be allowed (Service Authorization Reference: Amazon S3, Amazon SQS, AWS Secrets
/// Manager).
enum IAMPermission {
    /// The actions and resources of an operation, as the object of `allow`.
    /// - Parameters:
    ///   - operation: as `AWSError` names it.
    ///   - subject: `bucket/key`, a queue's name, or a secret's name or ARN.
    static func needed(for operation: String, on subject: String, region: String) -> String {
        let object = "\(arn(region)):s3:::\(subject)"
        let bucket = "\(arn(region)):s3:::\(subject.prefix { $0 != "/" })"
        return switch operation {
        case "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload": "s3:PutObject on \(object)"
        case "AbortMultipartUpload", "DeleteObject", "GetObject", "GetObjectTagging": "s3:\(operation) on \(object)"
        case "ListParts": "s3:ListMultipartUploadParts on \(object)"
        case "ListObjectsV2": "s3:ListBucket on \(bucket)"
        case "ListMultipartUploads": "s3:ListBucketMultipartUploads on \(bucket)"
        case "HeadObject":
            "s3:GetObject on \(object), and s3:ListBucket on \(bucket), without which S3 denies what is not there as well"
        case "CopyObject", "UploadPartCopy":
            "s3:GetObject and s3:PutObject on \(object) (for tags s3:GetObjectTagging and s3:PutObjectTagging, for object "
                + "lock s3:PutObjectRetention and s3:PutObjectLegalHold)"
        case "GetSecretValue": "secretsmanager:GetSecretValue on \(secret(subject, region))"
        case "SendMessage", "SendMessageBatch": queueAction("SendMessage", subject, region)
        case "DeleteMessage", "DeleteMessageBatch": queueAction("DeleteMessage", subject, region)
        case "ChangeMessageVisibility", "ChangeMessageVisibilityBatch":
            queueAction("ChangeMessageVisibility", subject, region)
        case "GetQueueUrl", "GetQueueAttributes", "ReceiveMessage": queueAction(operation, subject, region)
        default: "\(operation) on \(subject)"
        }
    }

    private static func queueAction(_ action: String, _ queue: String, _ region: String) -> String {
        "sqs:\(action) on the queue \(queue) (\(arn(region)):sqs:\(region):ACCOUNT:\(queue))"
    }

    /// Behind a secret's name its ARN has six characters of chance.
    private static func secret(_ name: String, _ region: String) -> String {
        name.hasPrefix("arn:") ? name : "\(arn(region)):secretsmanager:\(region):ACCOUNT:secret:\(name)-??????"
    }

    /// The beginning of ARNs in the region's partition.
    private static func arn(_ region: String) -> String {
        let partition = region.hasPrefix("cn-") ? "aws-cn" : region.hasPrefix("us-gov-") ? "aws-us-gov" : "aws"
        return "arn:\(partition)"
    }

    /// The action that a message of AWS names as the missing one, such as `s3:PutObject`: "… is not authorized to perform:
    /// s3:PutObject on resource: …". Nil where it names none.
    static func named(in message: String) -> String? {
        guard let place = message.firstPlace(of: "not authorized to perform: ") else { return nil }
        let action = message[place.upperBound...].prefix { $0.isLetter || $0.isNumber || $0 == ":" || $0 == "-" }
        return action.contains(":") && action.utf8.count <= 64 ? String(action) : nil
    }
}
