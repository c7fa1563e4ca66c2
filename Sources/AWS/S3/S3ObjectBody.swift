import HTTP

/// The content of an object on its way. One caller at a time.
///
/// When S3 told the SHA-256 of the whole object, it is compared at the end.
public actor S3ObjectBody {
    private let body: HTTPResponseBody
    private let address: S3Address
    private let expectedSHA256: String?
    private let hasher: SHA256Hasher?
    private var hasEnded = false

    init(_ body: HTTPResponseBody, address: S3Address, expectedSHA256: String?) {
        self.body = body
        self.address = address
        self.expectedSHA256 = expectedSHA256
        hasher = expectedSHA256 == nil ? nil : SHA256Hasher()
    }

    /// The next piece, or nil at the end.
    /// - Throws: `.network` when the transfer breaks: ask for the rest by a range and the ETag. `.corrupted` when the
    ///   bytes are not those that were stored.
    public func next() async throws(AWSError) -> [UInt8]? {
        if hasEnded { return nil }
        let piece: [UInt8]?
        do throws(HTTPError) { piece = try await body.next() } catch {
            throw failure(error.kind == .cancelled ? .cancelled : .network(error), error.description)
        }
        if let piece {
            hasher?.update(piece)
            return piece
        }
        hasEnded = true
        if let hasher, Text.hexadecimal(hasher.finalize()) != expectedSHA256 {
            throw failure(.corrupted, "the bytes that arrived do not have the SHA-256 that S3 has")
        }
        return nil
    }

    /// The whole content.
    /// - Throws: as `next`; `.rejected` when it has more than `maximumBytes`.
    public func collect(upTo maximumBytes: Int) async throws(AWSError) -> [UInt8] {
        var whole: [UInt8] = []
        while let piece = try await next() {
            guard piece.count <= maximumBytes - whole.count else {
                throw failure(.rejected, "the object is larger than \(maximumBytes) bytes")
            }
            whole += piece
        }
        return whole
    }

    private func failure(_ kind: AWSError.Kind, _ message: String) -> AWSError {
        AWSError(
            kind, operation: "GetObject", subject: "\(address.bucket)/\(address.key)", message: message, attempts: 1)
    }
}
