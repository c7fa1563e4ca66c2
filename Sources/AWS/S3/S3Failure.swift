import HTTP

extension ServiceFailure {
    /// The largest error answer that is read.
    static let maximumBodyBytes = 65536

    /// Reads the answer to a request that S3 refused. A body that is missing, cut off or no XML leaves the status.
    static func readS3(_ response: HTTPResponse) async -> ServiceFailure {
        var failure = ServiceFailure(response)
        // The body only adds to what the status says: without it the status still is an answer.
        let body: [UInt8]
        do throws(HTTPError) { body = try await response.body.collect(upTo: maximumBodyBytes) } catch {
            failure.message = "the reason was lost on the way: \(error)"
            return failure
        }
        // HEAD has none, and a few other answers.
        guard !body.isEmpty else { return failure }
        do throws(XMLError) {
            let root = try XMLElement.parse(body)
            if root.name == "Error" { failure.add(root) }
        } catch {
            // Such as the page of a proxy.
            failure.message = "the body of the answer says no reason: it is no XML"
        }
        return failure
    }

    /// What status and headers say.
    init(_ response: HTTPResponse) {
        status = response.status
        region = response.headers["x-amz-bucket-region"]
        requestID = (response.headers["x-amz-request-id"] ?? response.headers["x-amzn-RequestId"]).map(Self.bounded)
        hostID = response.headers["x-amz-id-2"].map(Self.bounded)
        serverEpochSeconds = response.headers["Date"].flatMap { Timestamps.parseHTTPDate($0) }
    }

    /// Adds what an `<Error>` element says (Amazon S3 API Reference, "Error responses"). Only harmless elements are
    /// looked at: others hold key ids and signatures.
    mutating func add(_ error: XMLElement) {
        code = error.value("Code").flatMap { $0.isEmpty ? nil : Self.bounded($0) }
        message = error.value("Message").map(Self.bounded)
        requestID = error.value("RequestId").map(Self.bounded) ?? requestID
        hostID = error.value("HostId").map(Self.bounded) ?? hostID
        region = region ?? error.value("Region") ?? error.value("Endpoint").flatMap(Self.regionOfEndpoint)
    }

    static func bounded(_ text: String) -> String {
        printable(String(decoding: text.utf8.prefix(maximumMessageBytes), as: UTF8.self))
    }

    /// The region in a host name such as `bucket.s3.eu-west-1.amazonaws.com` or `bucket.s3-eu-west-1.amazonaws.com`.
    static func regionOfEndpoint(_ endpoint: String) -> String? {
        let labels = endpoint.utf8.split(separator: UInt8(ascii: ".")).map { String(decoding: $0, as: UTF8.self) }
        guard let end = labels.firstIndex(of: "amazonaws"), end > 0 else { return nil }
        let last = labels[end - 1]
        if last.utf8.starts(with: "s3-".utf8) { return String(last.dropFirst(3)) }
        return end > 1 && labels[end - 2] == "s3" ? last : nil
    }
}
