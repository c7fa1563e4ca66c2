import HTTP
import TextForms

extension S3Client {
    /// Makes the object of an upload visible. S3 checks every part's SHA-256 once more.
    ///
    /// When the answer was lost and S3 then says that there is no such upload, the object is looked at: if it is made of
    /// these very parts, the upload had been completed.
    public func completeMultipartUpload(
        _ upload: S3Upload, parts: [S3Part], conditions: S3WriteConditions = .init(),
        deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3StoredObject {
        let operation = "CompleteMultipartUpload"
        let parts = parts.sorted { $0.number < $1.number }
        let body = try checked(operation, upload.address) { () throws(AWSRejection) in try Self.body(parts) }
        var call = try objectCall(
            operation, .post, upload.address, query: [("uploadId", upload.uploadID)],
            headers: [.init(name: "Content-Type", value: "application/xml")] + conditions.fields)
        call.payloadHash = Text.hexadecimal(SHA256Hasher.digest(body))
        call.body = { .bytes(body) }
        call.stallSeconds = Self.slowAnswerStallSeconds
        let expected = Self.compositeChecksum(parts)
        do throws(AWSError) {
            return try await runXML(call, root: "CompleteMultipartUploadResult", deadlineUptimeSeconds) {
                result, headers in
                guard let etag = result.value("ETag") else { return .malformed("the answer has no ETag") }
                if let expected, let stored = result.value("ChecksumSHA256"), !Self.isSame(stored, expected) {
                    return .corrupted("S3 made the object of other parts than those that were sent")
                }
                return .success(S3StoredObject(etag: etag, versionID: headers["x-amz-version-id"], sha256: nil))
            }
        } catch {
            guard error.code == "NoSuchUpload", error.earlierAttemptMayHaveSucceeded,
                let made = try await objectMade(
                    of: parts, at: upload.address, deadlineUptimeSeconds: deadlineUptimeSeconds)
            else { throw error }
            return made
        }
    }

    /// The current object, if it is made of these very parts: it has their composite checksum. Nil when it is not, when
    /// there is none, and when S3 does not tell.
    public func objectMade(
        of parts: [S3Part], at address: S3Address, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3StoredObject? {
        guard let expected = Self.compositeChecksum(parts) else { return nil }
        let info: S3ObjectInfo
        do throws(AWSError) {
            info = try await headObject(S3ReadRequest(address), deadlineUptimeSeconds: deadlineUptimeSeconds)
        } catch {
            if error.kind == .notFound { return nil }
            throw error
        }
        guard let stored = info.checksumSHA256, Self.isSame(stored, expected) else { return nil }
        return S3StoredObject(etag: info.etag, versionID: info.versionID, sha256: nil)
    }

    private static func body(_ parts: [S3Part]) throws(AWSRejection) -> [UInt8] {
        guard !parts.isEmpty, parts.count <= maximumParts else { throw AWSRejection("\(parts.count) parts") }
        var body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        var last = 0
        for part in parts {
            guard part.number > last else { throw AWSRejection("part \(part.number) is given twice, or is no number") }
            last = part.number
            body += "<Part><PartNumber>\(part.number)</PartNumber><ETag>\(XMLElement.escaped(part.etag))</ETag>"
            if let checksum = part.checksumSHA256 {
                body += "<ChecksumSHA256>\(XMLElement.escaped(checksum))</ChecksumSHA256>"
            }
            body += "</Part>"
        }
        return Array((body + "</CompleteMultipartUpload>").utf8)
    }

    /// The SHA-256 of the parts' SHA-256s, a dash and their number; nil when a part has none (Amazon S3 User Guide,
    /// "Checking object integrity", composite checksums).
    static func compositeChecksum(_ parts: [S3Part]) -> String? {
        let hasher = SHA256Hasher()
        for part in parts {
            guard let digest = part.checksumSHA256.flatMap({ Base64.decode(padded: $0.utf8) }) else { return nil }
            hasher.update(digest)
        }
        return "\(Base64.encode(hasher.finalize()))-\(parts.count)"
    }

    /// Whether a checksum that S3 told is the expected one; the number of parts may be missing from it.
    private static func isSame(_ stored: String, _ expected: String) -> Bool {
        stored == expected || (!stored.utf8.contains(UInt8(ascii: "-")) && expected.hasPrefix("\(stored)-"))
    }
}
