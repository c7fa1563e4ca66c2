import HTTP

/// Amazon S3 over REST (Amazon S3 API Reference, version 2006-03-01).
///
/// Every operation may be called at once from many tasks, retries what can pass by itself, and throws `AWSError`. The
/// deadline of each is a point on the `uptimeSeconds` of the configuration's clock: what is not done by then ends.
public struct S3Client: Sendable {
    let service: ServiceClient
    let endpoint: S3Endpoint

    /// Makes a client. The endpoint is AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL of the configuration's environment, else
    /// that of the region.
    public init(_ configuration: AWSConfiguration, addressing: S3Addressing = .automatic) {
        service = ServiceClient(configuration)
        endpoint = S3Endpoint(customURL: configuration.endpoint("AWS_ENDPOINT_URL_S3"), addressing: addressing)
    }

    /// The largest answer in XML that is read: a page of 1,000 parts has about 250 KiB.
    static let maximumAnswerBytes = 4 << 20
    /// S3 may think so long about completing or copying a large object before it sends a byte.
    static let slowAnswerStallSeconds = 300

    /// A call on an object or, with an empty key, on a bucket.
    func call(
        _ operation: String, _ method: HTTPMethod, _ address: S3Address, query: [(String, String?)] = [],
        headers: [HTTPHeaders.Field] = []
    ) throws(AWSError) -> ServiceCall {
        let subject = "\(address.bucket)/\(address.key)"
        guard S3Endpoint.isBucketName(address.bucket) else {
            throw rejection(operation, subject, AWSRejection("'\(printable(address.bucket))' is not a bucket name"))
        }
        guard address.key.utf8.count <= S3Address.maximumKeyBytes else {
            throw rejection(operation, subject, AWSRejection("the key has more than 1,024 bytes"))
        }
        let endpoint = endpoint
        return ServiceCall(
            operation: operation, subject: subject, service: "s3", pathRule: .s3, method: method,
            url: { endpoint.url(region: $0, bucket: address.bucket, key: address.key, query: query) },
            headers: HTTPHeaders(headers), payloadHash: ServiceCall.emptyPayloadHash, body: { .empty },
            regionKey: address.bucket)
    }

    /// A call on an object, which must have a key: without one it would be a call on the bucket.
    func objectCall(
        _ operation: String, _ method: HTTPMethod, _ address: S3Address, query: [(String, String?)] = [],
        headers: [HTTPHeaders.Field] = []
    ) throws(AWSError) -> ServiceCall {
        guard !address.key.isEmpty else {
            throw rejection(operation, "\(address.bucket)/", AWSRejection("the key is empty"))
        }
        return try call(operation, method, address, query: query, headers: headers)
    }

    /// Runs a call whose good answer is in its headers.
    func run<Value: Sendable>(
        _ call: ServiceCall, _ deadline: Double?,
        _ read: @escaping @Sendable (HTTPHeaders) -> AttemptOutcome<Value>
    ) async throws(AWSError) -> Value {
        try await service.run(call, deadlineUptimeSeconds: deadline) { response, _ in
            guard (200..<300).contains(response.status) else { return .refused(await ServiceFailure.readS3(response)) }
            do throws(HTTPError) {
                // Reading to the end frees the connection for the next request.
                _ = try await response.body.collect(upTo: Self.maximumAnswerBytes)
            } catch {
                return .lost(error)
            }
            return read(response.headers)
        }
    }

    /// Runs a call whose good answer is XML. The answer can be an error although its status is 200: S3 sends the status
    /// and white space while it still works.
    func runXML<Value: Sendable>(
        _ call: ServiceCall, root: String, _ deadline: Double?,
        _ read: @escaping @Sendable (XMLElement, HTTPHeaders) -> AttemptOutcome<Value>
    ) async throws(AWSError) -> Value {
        try await service.run(call, deadlineUptimeSeconds: deadline) { response, _ in
            guard (200..<300).contains(response.status) else { return .refused(await ServiceFailure.readS3(response)) }
            let body: [UInt8]
            do throws(HTTPError) { body = try await response.body.collect(upTo: Self.maximumAnswerBytes) } catch {
                return error.kind == .bodyTooLarge ? .malformed(error.message) : .lost(error)
            }
            do throws(XMLError) {
                let element = try XMLElement.parse(body)
                if element.name == "Error" {
                    var failure = ServiceFailure(response)
                    failure.add(element)
                    return .refused(failure)
                }
                guard element.name == root else { return .malformed("the answer is not a \(root)") }
                return read(element, response.headers)
            } catch {
                return .malformed("the answer is no XML: \(error)")
            }
        }
    }

    func rejection(_ operation: String, _ subject: String, _ rejection: AWSRejection) -> AWSError {
        AWSError(.rejected, operation: operation, subject: subject, message: rejection.message)
    }

    /// Runs what may refuse a request before it is sent.
    func checked<Value>(
        _ operation: String, _ address: S3Address, _ body: () throws(AWSRejection) -> Value
    ) throws(AWSError) -> Value {
        do throws(AWSRejection) { return try body() } catch {
            throw rejection(operation, "\(address.bucket)/\(address.key)", error)
        }
    }
}
