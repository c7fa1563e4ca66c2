import HTTP

extension S3ObjectAttributes {
    /// The fields that state the content headers and the user metadata.
    func metadataFields() throws(AWSRejection) -> [HTTPHeaders.Field] {
        let named = [
            ("Content-Type", contentType), ("Cache-Control", cacheControl), ("Content-Disposition", contentDisposition),
            ("Content-Encoding", contentEncoding), ("Content-Language", contentLanguage), ("Expires", expires),
        ]
        return Self.fields(named) + (try UserMetadata.fields(metadata))
    }

    /// The fields that state how the object is kept.
    func storageFields() -> [HTTPHeaders.Field] {
        Self.fields([
            ("x-amz-storage-class", storageClass),
            ("x-amz-server-side-encryption", encryption?.algorithm),
            ("x-amz-server-side-encryption-aws-kms-key-id", encryption?.kmsKeyID),
            (
                "x-amz-server-side-encryption-bucket-key-enabled",
                encryption?.usesBucketKey.map { $0 ? "true" : "false" }
            ),
            ("x-amz-website-redirect-location", websiteRedirectLocation),
            ("x-amz-object-lock-mode", lock.mode),
            ("x-amz-object-lock-retain-until-date", lock.retainUntil),
            ("x-amz-object-lock-legal-hold", lock.legalHold),
        ])
    }

    /// What the headers of HEAD and GET say.
    init(_ headers: HTTPHeaders) {
        self.init(metadata: UserMetadata.read(headers))
        contentType = headers["Content-Type"]
        cacheControl = headers["Cache-Control"]
        contentDisposition = headers["Content-Disposition"]
        contentEncoding = Self.withoutTransferCoding(headers["Content-Encoding"])
        contentLanguage = headers["Content-Language"]
        expires = headers["Expires"]
        storageClass = headers["x-amz-storage-class"]
        if let algorithm = headers["x-amz-server-side-encryption"] {
            encryption = S3Encryption(
                algorithm: algorithm, kmsKeyID: headers["x-amz-server-side-encryption-aws-kms-key-id"],
                usesBucketKey: headers["x-amz-server-side-encryption-bucket-key-enabled"].map { $0 == "true" })
        }
        websiteRedirectLocation = headers["x-amz-website-redirect-location"]
        lock = S3ObjectLock(
            mode: headers["x-amz-object-lock-mode"], retainUntil: headers["x-amz-object-lock-retain-until-date"],
            legalHold: headers["x-amz-object-lock-legal-hold"])
    }

    static func fields(_ named: [(String, String?)]) -> [HTTPHeaders.Field] {
        named.compactMap { name, value in value.map { HTTPHeaders.Field(name: name, value: $0) } }
    }

    /// `aws-chunked` describes how an upload travelled; stores that keep it mislead every reader.
    private static func withoutTransferCoding(_ value: String?) -> String? {
        guard let value else { return nil }
        let codings = value.utf8.split(separator: UInt8(ascii: ","))
            .map { Text.trimmed(String(decoding: $0, as: UTF8.self)) }
            .filter { Text.lowercasedASCII($0) != "aws-chunked" && !$0.isEmpty }
        return codings.isEmpty ? nil : codings.joined(separator: ", ")
    }
}

extension S3ObjectInfo {
    /// What the headers of HEAD and GET say; nil without an ETag.
    init?(_ headers: HTTPHeaders) {
        guard let etag = headers["ETag"] else { return nil }
        self.etag = etag
        sizeBytes = headers["Content-Length"].flatMap { UInt64($0) } ?? 0
        lastModifiedEpochSeconds = headers["Last-Modified"].flatMap { Timestamps.parseHTTPDate($0) }
        serverEpochSeconds = headers["Date"].flatMap { Timestamps.parseHTTPDate($0) }
        versionID = headers["x-amz-version-id"]
        checksumSHA256 = headers["x-amz-checksum-sha256"]
        tagCount = headers["x-amz-tagging-count"].flatMap { Int($0) }
        missingMetadataCount = headers["x-amz-missing-meta"].flatMap { Int($0) } ?? 0
        restore = headers["x-amz-restore"]
        attributes = S3ObjectAttributes(headers)
    }
}

extension S3WriteConditions {
    var fields: [HTTPHeaders.Field] {
        S3ObjectAttributes.fields([("If-Match", ifMatch), ("If-None-Match", ifAbsent ? "*" : nil)])
    }
}

extension S3Address {
    /// The value of `x-amz-copy-source`.
    func copySource(versionID: String?) -> String {
        let path = "/\(Text.percentEncoded(bucket.utf8))/\(Text.percentEncoded(key.utf8, keeping: [UInt8(ascii: "/")]))"
        return path + (versionID.map { "?versionId=\(Text.percentEncoded($0.utf8))" } ?? "")
    }
}
