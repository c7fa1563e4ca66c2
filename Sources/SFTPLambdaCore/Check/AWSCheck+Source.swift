import AWS
import Transfers

extension AWSCheck {
    /// Looks at an object that is to be pushed.
    func checkSource(_ object: ObjectAddress, _ list: inout CheckList) async {
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
}
