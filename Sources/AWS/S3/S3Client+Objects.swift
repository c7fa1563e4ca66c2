import HTTP
import TextForms

extension S3Client {
    /// Stores an object in one request. S3 refuses it unless what arrives has the SHA-256 that was computed here, which
    /// is both the signed payload hash and the object's checksum.
    public func putObject(
        _ request: S3PutRequest, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3StoredObject {
        let operation = "PutObject"
        let digest = SHA256Hasher.digest(pieces: request.content)
        let checksum = Base64.encode(digest)
        let metadata = try checked(operation, request.address) { () throws(AWSRejection) in
            try request.attributes.metadataFields()
        }
        let tagging = S3ObjectAttributes.fields([("x-amz-tagging", request.tagging)])
        var call = try objectCall(
            operation, .put, request.address,
            headers: metadata + request.attributes.storageFields() + tagging + request.conditions.fields
                + [.init(name: "x-amz-checksum-sha256", value: checksum)])
        call.payloadHash = Text.hexadecimal(digest)
        call.body = { .buffered(request.content) }
        let sha256 = call.payloadHash
        return try await run(call, deadlineUptimeSeconds) { headers in
            guard let etag = headers["ETag"] else { return .malformed("the answer has no ETag") }
            if let stored = headers["x-amz-checksum-sha256"], stored != checksum {
                return .corrupted("S3 stored something with another SHA-256 than what was sent")
            }
            return .success(S3StoredObject(etag: etag, versionID: headers["x-amz-version-id"], sha256: sha256))
        }
    }

    /// Begins to read an object and returns when its head is here. The body must be read to its end or let go of.
    /// - Parameter verifiesContent: false for a caller who hashes the content himself, and compares.
    public func getObject(
        _ request: S3ReadRequest, verifiesContent: Bool = true, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> (info: S3ObjectInfo, body: S3ObjectBody) {
        let call = try objectCall(
            "GetObject", .get, request.address, query: Self.version(request.versionID),
            headers: S3ObjectAttributes.fields([
                ("If-Match", request.ifMatch), ("Range", request.range?.headerValue),
                ("x-amz-checksum-mode", "ENABLED"),
            ]))
        let isWhole = request.range == nil
        return try await service.run(call, deadlineUptimeSeconds: deadlineUptimeSeconds) { response, _ in
            guard (200..<300).contains(response.status) else { return .refused(await ServiceFailure.readS3(response)) }
            guard isWhole || response.status == 206 else {
                return .malformed("the whole object came for a range of it")
            }
            guard let info = S3ObjectInfo(response.headers) else { return .malformed("the answer has no ETag") }
            let expected = isWhole && verifiesContent ? info.contentSHA256 : nil
            let body = S3ObjectBody(response.body, address: request.address, expectedSHA256: expected)
            return .success((info, body))
        }
    }

    /// What S3 knows of an object. `range` is ignored.
    /// - Throws: `.notFound`; `.denied` for a missing key when the credentials lack ListBucket.
    public func headObject(
        _ request: S3ReadRequest, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3ObjectInfo {
        let call = try objectCall(
            "HeadObject", .head, request.address, query: Self.version(request.versionID),
            headers: S3ObjectAttributes.fields([("If-Match", request.ifMatch), ("x-amz-checksum-mode", "ENABLED")]))
        return try await run(call, deadlineUptimeSeconds) { headers in
            S3ObjectInfo(headers).map { .success($0) } ?? .malformed("the answer has no ETag")
        }
    }

    /// Copies an object within S3.
    public func copyObject(
        _ request: S3CopyRequest, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3StoredObject {
        let operation = "CopyObject"
        var headers = S3ObjectAttributes.fields([
            ("x-amz-copy-source", request.source.copySource(versionID: request.sourceVersionID)),
            ("x-amz-copy-source-if-match", request.ifSourceMatches),
            ("x-amz-metadata-directive", request.replacesMetadata ? "REPLACE" : "COPY"),
            ("x-amz-tagging-directive", request.tagging == nil ? nil : "REPLACE"), ("x-amz-tagging", request.tagging),
        ])
        if request.replacesMetadata {
            headers += try checked(operation, request.destination) { () throws(AWSRejection) in
                try request.attributes.metadataFields()
            }
        }
        headers += request.attributes.storageFields() + request.conditions.fields
        var call = try objectCall(operation, .put, request.destination, headers: headers)
        call.stallSeconds = Self.slowAnswerStallSeconds
        return try await runXML(call, root: "CopyObjectResult", deadlineUptimeSeconds) { result, headers in
            guard let etag = result.value("ETag") else { return .malformed("the answer has no ETag") }
            return .success(S3StoredObject(etag: etag, versionID: headers["x-amz-version-id"], sha256: nil))
        }
    }

    /// The tags of an object, at most ten; empty when it has none.
    public func getObjectTagging(
        _ address: S3Address, versionID: String? = nil, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> [S3Tag] {
        let call = try objectCall(
            "GetObjectTagging", .get, address, query: [("tagging", nil)] + Self.version(versionID))
        return try await runXML(call, root: "Tagging", deadlineUptimeSeconds) { result, _ in
            var tags: [S3Tag] = []
            for tag in result.all("TagSet").flatMap({ $0.all("Tag") }) {
                // The text as it stands: white space around it belongs to it.
                guard let key = tag.all("Key").first?.text, let value = tag.all("Value").first?.text else {
                    return .malformed("a tag has no key or no value")
                }
                tags.append(S3Tag(key: key, value: value))
            }
            return .success(tags)
        }
    }

    /// Deletes an object, or one version of it. That it is not there is no error.
    /// - Returns: the version of the delete marker, or the version that was deleted, on a versioned bucket.
    @discardableResult
    public func deleteObject(
        _ address: S3Address, versionID: String? = nil, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> String? {
        let call = try objectCall("DeleteObject", .delete, address, query: Self.version(versionID))
        return try await run(call, deadlineUptimeSeconds) { .success($0["x-amz-version-id"]) }
    }

    private static func version(_ versionID: String?) -> [(String, String?)] {
        versionID.map { [("versionId", $0)] } ?? []
    }
}
