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
        let client = S3Client(services.aws)
        let info = await list.attempt(wording) {
            let info = try await client.headObject(S3ReadRequest(address), deadlineUptimeSeconds: deadline)
            return (info, "\(info.sizeBytes) bytes")
        }
        guard let info else { return list.skip("mark s3://\(object)", because: "it cannot be looked at") }
        await tryMark(address, info, client, &list)
    }

    /// An ETag that no object has: those of S3 are hexadecimal.
    private static let noETag = "\"sftp-lambda-check\""

    /// Tries to mark an object, on the condition that it has an ETag which no object has, both as the source and as the
    /// target of the copy. S3 asks first whether the caller may (403), then whether the condition holds (412): so it tells,
    /// and nothing is copied (Amazon S3 API Reference, CopyObject: `x-amz-copy-source-if-match`, `If-Match`). What the copy
    /// states is what the object has already: even a store that knows no conditions would change nothing of it.
    private func tryMark(
        _ address: S3Address, _ info: S3ObjectInfo, _ client: S3Client, _ list: inout CheckList
    ) async {
        let place = "\(address.bucket)/\(address.key)"
        let name = "mark s3://\(printable(place.utf8))"
        let request = S3CopyRequest(
            source: address, ifSourceMatches: Self.noETag, destination: address,
            conditions: S3WriteConditions(ifMatch: Self.noETag), replacesMetadata: true,
            attributes: info.attributes.restated(info.attributes.metadata, epochSeconds: AWSClock.system.epochSeconds())
        )
        let wording = CheckList.Wording(
            name: name, meaning: "what is sent has no mark: it goes to the retry queue until it can be marked",
            advice: "allow s3:GetObject and s3:PutObject on \(place) (for tags s3:GetObjectTagging and "
                + "s3:PutObjectTagging, for object lock s3:PutObjectRetention and s3:PutObjectLegalHold)", cause: .aws)
        await list.attempt(wording) {
            do throws(AWSError) {
                _ = try await client.copyObject(request, deadlineUptimeSeconds: deadline)
            } catch {
                guard error.kind == .preconditionFailed else { throw error }
                return ((), "permitted; tried on a condition that never holds, so nothing was changed")
            }
            throw Mistaken(finding: "the store took a copy whose condition does not hold")
        }
    }

    /// The store answered as none of the rules allows.
    private struct Mistaken: RemediedError {
        let finding: String
        let remedy =
            "use a store that keeps to x-amz-copy-source-if-match and If-Match: else a mark could bring back an older object"
    }
}
