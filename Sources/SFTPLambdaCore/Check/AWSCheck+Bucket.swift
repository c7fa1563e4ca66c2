import AWS

extension AWSCheck {
    /// Begins an object in the bucket and gives it up: it never becomes visible.
    /// - Parameter needsLooks: whether each run looks at the objects of all files.
    func checkTarget(_ bucket: String, prefix: String, needsLooks: Bool, _ list: inout CheckList) async {
        let client = S3Client(services.aws)
        let number = String(UInt64.random(in: 0 ... .max), radix: 16)
        let address = S3Address(bucket: bucket, key: "\(prefix)\(Self.folder)check-\(number)")
        let store = CheckList.Wording(
            name: "store in the bucket", meaning: "nothing can be pulled",
            advice: "see that SFTP_TARGET_S3_BUCKET is right and in this account's reach, and allow s3:PutObject and "
                + "s3:AbortMultipartUpload on \(bucket)/\(prefix)*", cause: .aws)
        let upload = await list.attempt(store) {
            let upload = try await client.createMultipartUpload(address, deadlineUptimeSeconds: deadline)
            return (upload, "s3://\(bucket)/\(prefix): an upload is begun")
        }
        if let upload { await endTargetUpload(upload, client, bucket, prefix, &list) }
        let notes = CheckList.Wording(
            name: "list checkpoints", meaning: "a large file has to come in one run, and begins anew where it does not",
            advice: "allow s3:ListBucket on \(bucket), and s3:ListMultipartUploadParts on its objects", isNeeded: false)
        await list.attempt(notes) {
            let page = try await client.listObjects(
                bucket: bucket, prefix: prefix + Self.folder, deadlineUptimeSeconds: deadline)
            return ((), "\(page.items.count) there")
        }
        let look = CheckList.Wording(
            name: "look at an object",
            meaning:
                "files whose object is gone stay in .done whatever the retention, and with SFTP_AFTER_PULL=keep no file is pulled",
            advice: "allow s3:GetObject on \(bucket)/\(prefix)*, and s3:ListBucket on \(bucket)", isNeeded: needsLooks,
            cause: .aws)
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

    /// In a task of its own, which is not cut off with the check: what was begun costs money until it is given up.
    private func endTargetUpload(
        _ upload: S3Upload, _ client: S3Client, _ bucket: String, _ prefix: String, _ list: inout CheckList
    ) async {
        let wording = CheckList.Wording(
            name: "give an upload up",
            meaning:
                "what failed transfers have stored of large files is kept, and paid for; this check has left the upload "
                + "\(upload.uploadID) of \(upload.address.key)",
            advice: "allow s3:AbortMultipartUpload on \(bucket)/\(prefix)*, and let a lifecycle rule end such uploads",
            cause: .aws)
        await list.attempt(wording) {
            try await Task { try await client.abortMultipartUpload(upload, deadlineUptimeSeconds: deadline) }.value
            return ((), "nothing is left behind")
        }
    }

    /// The folder of our own objects.
    private static let folder = ".sftp-lambda/"
}
