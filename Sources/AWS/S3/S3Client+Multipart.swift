import HTTP
import TextForms

extension S3Client {
    /// The most parts of an upload.
    public static let maximumParts = 10_000
    /// The least bytes of every part but the last.
    public static let minimumPartBytes: UInt64 = 5 << 20

    /// Begins a multipart upload. When the answer is lost, the retry begins a second one and the first stays behind:
    /// the bucket's lifecycle rule, or `listMultipartUploads` and `abortMultipartUpload`, must end such uploads.
    public func createMultipartUpload(
        _ address: S3Address, attributes: S3ObjectAttributes = .init(), tagging: String? = nil,
        deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3Upload {
        let operation = "CreateMultipartUpload"
        let metadata = try checked(operation, address) { () throws(AWSRejection) in try attributes.metadataFields() }
        let own = S3ObjectAttributes.fields([
            ("x-amz-checksum-algorithm", "SHA256"), ("x-amz-checksum-type", "COMPOSITE"), ("x-amz-tagging", tagging),
        ])
        let call = try objectCall(
            operation, .post, address, query: [("uploads", nil)], headers: metadata + attributes.storageFields() + own)
        return try await runXML(call, root: "InitiateMultipartUploadResult", deadlineUptimeSeconds) { result, _ in
            guard let uploadID = result.value("UploadId"), !uploadID.isEmpty else {
                return .malformed("the answer has no UploadId")
            }
            return .success(S3Upload(address: address, uploadID: uploadID))
        }
    }

    /// Stores a part. S3 refuses it unless what arrives has the SHA-256 that was computed here.
    public func uploadPart(
        _ upload: S3Upload, number: Int, content: S3PartContent, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3Part {
        let operation = "UploadPart"
        var call = try objectCall(operation, .put, upload.address, query: try part(operation, upload, number))
        let checksum: @Sendable () async -> String?
        switch content {
        case .buffered(let pieces):
            let digest = SHA256Hasher.digest(pieces: pieces)
            let text = Base64.encode(digest)
            call.payloadHash = Text.hexadecimal(digest)
            call.headers["x-amz-checksum-sha256"] = text
            call.body = { .buffered(pieces) }
            checksum = { text }
        case .stream(let lengthBytes, let source):
            guard
                endpoint.customURL != nil
                    || endpoint.url(region: "", bucket: "", key: "", query: []).hasPrefix("https:")
            else {
                throw rejection(operation, call.subject, AWSRejection("an unsigned stream would go without TLS"))
            }
            let current = CurrentSource()
            call.payloadHash = TrailerChecksumSource.payloadHash
            call.headers["Content-Encoding"] = "aws-chunked"
            call.headers["x-amz-decoded-content-length"] = "\(lengthBytes)"
            call.headers["x-amz-trailer"] = TrailerChecksumSource.trailerName
            call.body = {
                let coded = TrailerChecksumSource(try await source(), lengthBytes: lengthBytes)
                await current.set(coded)
                let codedLength = TrailerChecksumSource.codedLength(lengthBytes: lengthBytes)
                return .stream(lengthBytes: codedLength, source: coded)
            }
            checksum = { await current.source?.digest.map(Base64.encode) }
        }
        let answer = try await run(call, deadlineUptimeSeconds) { headers in
            AttemptOutcome.success((etag: headers["ETag"], stored: headers["x-amz-checksum-sha256"]))
        }
        let sent = await checksum()
        if let stored = answer.stored, stored != sent {
            throw AWSError(
                .corrupted, operation: operation, subject: call.subject,
                message: "S3 stored part \(number) with another SHA-256 than what was sent", attempts: 1)
        }
        guard let etag = answer.etag, let sent else {
            throw AWSError(
                .malformedAnswer, operation: operation, subject: call.subject,
                message: "the answer for part \(number) has no ETag, or came before the part was sent", attempts: 1)
        }
        return S3Part(number: number, etag: etag, checksumSHA256: sent)
    }

    /// Stores a part by copying from another object.
    public func uploadPartCopy(
        _ upload: S3Upload, number: Int, from request: S3PartCopyRequest, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3Part {
        let operation = "UploadPartCopy"
        let range = request.range.map { "bytes=\($0.lowerBound)-\($0.upperBound)" }
        var call = try objectCall(
            operation, .put, upload.address, query: try part(operation, upload, number),
            headers: S3ObjectAttributes.fields([
                ("x-amz-copy-source", request.source.copySource(versionID: request.sourceVersionID)),
                ("x-amz-copy-source-if-match", request.ifSourceMatches), ("x-amz-copy-source-range", range),
            ]))
        call.stallSeconds = Self.slowAnswerStallSeconds
        return try await runXML(call, root: "CopyPartResult", deadlineUptimeSeconds) { result, _ in
            guard let etag = result.value("ETag") else { return .malformed("the answer has no ETag") }
            return .success(S3Part(number: number, etag: etag, checksumSHA256: result.value("ChecksumSHA256")))
        }
    }

    /// Gives an upload up and frees its parts. That it is gone already is no error. Parts that were being sent meanwhile
    /// may survive: abort again when they have ended.
    public func abortMultipartUpload(
        _ upload: S3Upload, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) {
        let call = try objectCall(
            "AbortMultipartUpload", .delete, upload.address, query: [("uploadId", upload.uploadID)])
        do throws(AWSError) { try await run(call, deadlineUptimeSeconds) { _ in .success(()) } } catch {
            if error.code != "NoSuchUpload" { throw error }
        }
    }

    /// One page of an upload's parts, at most 1,000.
    public func listParts(
        _ upload: S3Upload, after marker: Int? = nil, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3Page<S3Part, Int> {
        var query: [(String, String?)] = [("uploadId", upload.uploadID)]
        if let marker { query.append(("part-number-marker", "\(marker)")) }
        let call = try objectCall("ListParts", .get, upload.address, query: query)
        return try await runXML(call, root: "ListPartsResult", deadlineUptimeSeconds) { result, _ in
            Self.parts(in: result, after: marker)
        }
    }

    /// Reads a page of parts that begins behind a number.
    static func parts(in result: XMLElement, after marker: Int?) -> AttemptOutcome<S3Page<S3Part, Int>> {
        var parts: [S3Part] = []
        for part in result.all("Part") {
            guard let number = part.value("PartNumber").flatMap({ Int($0) }), let etag = part.value("ETag") else {
                return .malformed("a part has no number or no ETag")
            }
            let size = part.value("Size").flatMap { UInt64($0) }
            parts.append(
                S3Part(number: number, etag: etag, checksumSHA256: part.value("ChecksumSHA256"), sizeBytes: size))
        }
        guard result.value("IsTruncated") == "true" else { return .success(S3Page(items: parts, next: nil)) }
        let next = result.value("NextPartNumberMarker").flatMap { Int($0) } ?? parts.last?.number
        guard let next, next > marker ?? 0 else { return .malformed("the next page begins where this one began") }
        return .success(S3Page(items: parts, next: next))
    }

    /// One page of the uploads that have begun in a bucket, at most 1,000.
    public func listMultipartUploads(
        bucket: String, prefix: String = "", after marker: S3UploadMarker? = nil, deadlineUptimeSeconds: Double? = nil
    ) async throws(AWSError) -> S3Page<S3Upload, S3UploadMarker> {
        // Keys may hold characters that XML cannot.
        var query: [(String, String?)] = [("uploads", nil), ("encoding-type", "url")]
        if !prefix.isEmpty { query.append(("prefix", prefix)) }
        if let marker { query += [("key-marker", marker.key), ("upload-id-marker", marker.uploadID)] }
        let call = try call("ListMultipartUploads", .get, S3Address(bucket: bucket, key: ""), query: query)
        return try await runXML(call, root: "ListMultipartUploadsResult", deadlineUptimeSeconds) { result, _ in
            Self.uploads(in: result, bucket: bucket, after: marker)
        }
    }

    /// Reads a page of uploads that begins behind a marker.
    static func uploads(
        in result: XMLElement, bucket: String, after marker: S3UploadMarker?
    ) -> AttemptOutcome<S3Page<S3Upload, S3UploadMarker>> {
        let decoded = result.keyDecoding
        var uploads: [S3Upload] = []
        for upload in result.all("Upload") {
            guard let key = upload.value("Key"), let uploadID = upload.value("UploadId") else {
                return .malformed("an upload has no key or no id")
            }
            uploads.append(
                S3Upload(
                    address: S3Address(bucket: bucket, key: decoded(key)), uploadID: uploadID,
                    initiatedEpochSeconds: upload.value("Initiated").flatMap { Timestamps.parseISO8601($0) }))
        }
        guard result.value("IsTruncated") == "true" else { return .success(S3Page(items: uploads, next: nil)) }
        guard let key = result.value("NextKeyMarker"), let uploadID = result.value("NextUploadIdMarker") else {
            return .malformed("a page that is not the last does not say where the next begins")
        }
        let next = S3UploadMarker(key: decoded(key), uploadID: uploadID)
        guard next != marker else { return .malformed("the next page begins where this one began") }
        return .success(S3Page(items: uploads, next: next))
    }

    private func part(
        _ operation: String, _ upload: S3Upload, _ number: Int
    ) throws(AWSError) -> [(String, String?)] {
        try checked(operation, upload.address) { () throws(AWSRejection) in
            guard (1...Self.maximumParts).contains(number) else { throw AWSRejection("\(number) is not a part number") }
        }
        return [("partNumber", "\(number)"), ("uploadId", upload.uploadID)]
    }
}

/// The stream of the attempt that is under way.
private actor CurrentSource {
    private(set) var source: TrailerChecksumSource?

    func set(_ source: TrailerChecksumSource) { self.source = source }
}
