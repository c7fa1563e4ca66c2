package import AWS
import HTTP
import TextForms
import Transfers

/// What AWS refuses, or cannot be asked, as far as a person has to mend it: what it means and what to do. The errors of the
/// adapters take their words from here, and so does `docs/troubleshooting.md`.
enum AWSProblem: String, CaseIterable, Sendable {
    case accessDenied, keyDenied, bucketMissing, bucketElsewhere, queueMissing, secretMissing
    case credentialsMissing, credentialsExpired, credentialsWrong, clockWrong, unreachable

    /// The problem behind an error; nil for one that nobody can mend, or that is no failure.
    init?(_ error: AWSError) {
        switch error.kind {
        case .denied:
            // An archived object: what helps, who looked knows.
            if Self.archivedCodes.contains(error.code ?? "") { return nil }
            if Self.speaksOfKMS(error) {
                self = .keyDenied
            } else {
                self = Self.credentialCodes.contains(error.code ?? "") ? .credentialsWrong : .accessDenied
            }
        case .notFound:
            switch error.code {
            case "NoSuchBucket": self = .bucketMissing
            case "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue": self = .queueMissing
            case "ResourceNotFoundException" where error.operation == "GetSecretValue": self = .secretMissing
            default: return nil
            }
        case .wrongRegion: self = .bucketElsewhere
        case .noCredentials: self = .credentialsMissing
        case .expiredCredentials: self = .credentialsExpired
        case .clockSkew: self = .clockWrong
        case .network(let failure):
            guard [.resolve, .connect, .connectTimeout].contains(failure.kind) else { return nil }
            self = .unreachable
        case .preconditionFailed, .conflict, .throttled, .unavailable, .cancelled, .rejected, .corrupted,
            .malformedAnswer:
            return nil
        }
    }

    /// Codes that mean the access key and not what it may do (Amazon S3 API Reference, "Error responses"; AWS, "Common
    /// errors").
    private static let credentialCodes: Set<String> = [
        "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException", "UnrecognizedClientException",
        "InvalidClientTokenId", "InvalidToken", "MissingAuthenticationToken", "AuthFailure",
    ]

    /// Codes of archived objects, of GetObject and of CopyObject (Amazon S3 API Reference).
    static let archivedCodes: Set<String> = ["InvalidObjectState", "ObjectNotInActiveTierError"]

    private static func speaksOfKMS(_ error: AWSError) -> Bool {
        if let code = error.code, code.hasPrefix("KMS.") || code == "KmsAccessDenied" { return true }
        return error.message.firstPlace(of: "kms:") != nil || error.message.firstPlace(of: "KMS") != nil
    }

    /// What it means: for the page.
    var meaning: String {
        switch self {
        case .accessDenied:
            "The credentials are known and may not do this. Where AWS says which action it misses, the message has it. "
                + "Without s3:ListBucket, S3 also says this of an object that is not there."
        case .keyDenied:
            "What is stored is encrypted under a KMS key of your own, and the credentials may not use that."
        case .bucketMissing: "No bucket of that name exists, in any account."
        case .bucketElsewhere: "The bucket exists in another region than the one that was asked."
        case .queueMissing:
            "There is no such queue in that region for the account of these credentials. SQS says the same of one that it "
                + "may not show them."
        case .secretMissing: "Secrets Manager has no secret of that name in that region."
        case .credentialsMissing: "Nothing in the environment says with which credentials to call AWS."
        case .credentialsExpired: "Temporary credentials were used for longer than they hold."
        case .credentialsWrong:
            "AWS does not know the access key, or the secret access key is not the one that belongs to it."
        case .clockWrong:
            "AWS refuses requests whose time is more than some minutes off. A wrong clock is corrected for, and that did "
                + "not help. The message has both times."
        case .unreachable: "There is no way to AWS from the network that this runs in."
        }
    }

    /// What to do: the end of the message.
    func remedy(_ case: AWSCase) -> String {
        switch self {
        case .accessDenied:
            "allow \(`case`.permission), in the policy of the function's role or of the user whose access key it is; where a "
                + "policy denies it explicitly (the bucket's, the queue's, the secret's, the organisation's), change that"
        case .keyDenied:
            "allow kms:Decrypt and kms:GenerateDataKey on the KMS key, in the policy of the function's role and in that of "
                + "the key"
        case .bucketMissing:
            "check the bucket's name (of pull: SFTP_TARGET_S3_BUCKET), and that the object's event is not of a bucket that "
                + "was deleted"
        case .bucketElsewhere:
            "the bucket is in \(`case`.rightRegion), and \(`case`.region) was asked: deploy the function there, or on a "
                + "command line set AWS_REGION to it"
        case .queueMissing:
            "check SFTP_RETRY_QUEUE_NAME: a name means a queue in \(`case`.region) of the account of these credentials, an "
                + "ARN or URL names both; and allow sqs:GetQueueUrl"
        case .secretMissing: "check SFTP_SECRET_ID: a name means a secret in \(`case`.region), an ARN names its region"
        case .credentialsMissing:
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; containers of ECS and EKS are given theirs by "
                + "the role of the task or the service account. Those of an EC2 instance's role are not read: "
                + "`aws configure export-credentials` gives them"
        case .credentialsExpired:
            "get fresh ones (`aws sso login`, `aws configure export-credentials`); a function, a task of ECS or a pod of "
                + "EKS is given its own, so try again"
        case .credentialsWrong:
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN, which temporary credentials need and "
                + "others must not have"
        case .clockWrong: "set the clock of this machine, for example by NTP"
        case .unreachable:
            "check the network (and AWS_ENDPOINT_URL, if it is set); in a VPC without internet access, S3 is reached through "
                + "a gateway endpoint, SQS and Secrets Manager through an interface endpoint or a NAT gateway, and the security "
                + "groups have to let port 443 pass"
        }
    }
}

/// What the words of an `AWSProblem` need of one case of it.
struct AWSCase: Sendable {
    /// The actions and the resources that the operation needs, such as `s3:PutObject on arn:aws:s3:::bucket/key`.
    var permission: String
    /// The region that was asked.
    var region: String
    /// The region that AWS named as the right one.
    var rightRegion: String
}

extension AWSCase {
    init(_ error: AWSError) {
        let needed = IAMPermission.needed(
            for: error.operation, on: printable(error.subject.utf8), region: error.region ?? "REGION")
        // What AWS names is closer than what the operation needs in general.
        let named = IAMPermission.named(in: error.message)
        let isKnown = named.map { needed.firstPlace(of: $0) != nil } ?? true
        self.init(
            permission: isKnown ? needed : "\(named ?? "") as AWS names it",
            region: error.region ?? "the region of these settings",
            rightRegion: error.rightRegion ?? "another region, which S3 does not name")
    }
}

extension AWSError {
    /// What to do, where a person can mend it.
    var remedy: String { advice ?? AWSProblem(self)?.remedy(AWSCase(self)) ?? "" }

    /// What happened.
    var finding: String { description }

    /// All of it on one line, with what to do.
    var explained: String {
        let remedy = remedy
        return remedy.isEmpty ? description : "\(description): \(remedy)"
    }
}

extension AWSError: RemediedError {}

extension CredentialsError {
    /// What to do.
    package var remedy: String {
        advice ?? AWSProblem.credentialsMissing.remedy(AWSCase(permission: "", region: "", rightRegion: ""))
    }
}

extension CredentialsError: RemediedError {
    var finding: String { message }
}
