import AWS
import Transfers

/// The content of an object on its way from S3. Pieces come as fast as they are asked for. When the transfer breaks, the
/// rest is asked for by its range, of the same version; every byte passes once, and the SHA-256 is that of all of them.
actor S3ObjectContent: ObjectContent {
    /// How often in a row the rest is asked for without so much as `progressBytes` having come meanwhile.
    private static let maximumResumes = 5
    /// What counts as progress. Less would let a line that breaks after each packet go on for ever.
    private static let progressBytes: UInt64 = 64 << 10

    private let client: S3Client
    private let address: S3Address
    private let etag: String
    private let sizeBytes: UInt64
    private let deadlineUptimeSeconds: Double?
    private let pauses: Pauses
    /// What S3 says the SHA-256 is, in hexadecimal; nil when it does not know.
    private let expectedSHA256: String?

    private var body: S3ObjectBody
    private let hasher = SHA256Hasher()
    private var positionBytes: UInt64 = 0
    private var resumes = 0
    private var resumedAtBytes: UInt64 = 0
    private(set) var sha256: String?

    /// Returns when the head of the answer is here.
    init(
        client: S3Client, address: S3Address, etag: String, sizeBytes: UInt64, deadlineUptimeSeconds: Double?,
        pauses: Pauses
    ) async throws(StoreFailure) {
        self.client = client
        self.address = address
        self.etag = etag
        self.sizeBytes = sizeBytes
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.pauses = pauses
        do throws(AWSError) {
            // Hashed here, across all transfers.
            let (info, body) = try await client.getObject(
                S3ReadRequest(address, ifMatch: etag), verifiesContent: false,
                deadlineUptimeSeconds: deadlineUptimeSeconds)
            self.body = body
            expectedSHA256 = info.contentSHA256
        } catch {
            throw Self.failure(error)
        }
    }

    func next() async throws(StoreFailure) -> [UInt8]? {
        while sha256 == nil {
            do throws(AWSError) {
                if let piece = try await body.next() {
                    guard !piece.isEmpty else { continue }
                    hasher.update(piece)
                    positionBytes += UInt64(piece.count)
                    return piece
                }
                if positionBytes < sizeBytes { throw broken("the answer ended early") }
            } catch {
                // If all bytes have come, only the end of the answer was lost.
                if positionBytes < sizeBytes {
                    try await resume(after: error)
                    continue
                }
            }
            try finish()
        }
        return nil
    }

    private func finish() throws(StoreFailure) {
        guard positionBytes == sizeBytes else {
            throw StoreFailure(broken("\(positionBytes) bytes came of an object of \(sizeBytes)"))
        }
        let digest = SHA256Hasher.hexadecimal(hasher.finalize())
        if let expectedSHA256, digest != expectedSHA256 {
            var error = broken("the bytes that came do not have the SHA-256 that S3 has")
            error.kind = .corrupted
            throw StoreFailure(error)
        }
        sha256 = digest
    }

    /// Asks for the rest, or throws what broke the transfer.
    private func resume(after error: AWSError) async throws(StoreFailure) {
        guard error.isTransient else { throw StoreFailure(error) }
        if positionBytes - resumedAtBytes >= Self.progressBytes { resumes = 0 }
        guard resumes < Self.maximumResumes else { throw StoreFailure(error) }
        resumes += 1
        resumedAtBytes = positionBytes
        guard await pauses.wait(afterAttempt: resumes) else {
            throw Task.isCancelled
                ? StoreFailure(.cancelled, "\(error), and cancelled before it could go on") : StoreFailure(error)
        }
        do throws(AWSError) {
            let rest = S3ReadRequest(address, ifMatch: etag, range: S3ByteRange(first: positionBytes))
            let (info, body) = try await client.getObject(
                rest, verifiesContent: false, deadlineUptimeSeconds: deadlineUptimeSeconds)
            guard info.sizeBytes == sizeBytes - positionBytes else {
                throw broken("\(info.sizeBytes) bytes were to come where \(sizeBytes - positionBytes) were missing")
            }
            self.body = body
        } catch {
            throw Self.failure(error)
        }
    }

    private func broken(_ message: String) -> AWSError {
        AWSError(
            .malformedAnswer, operation: "GetObject", subject: "\(address.bucket)/\(address.key)", message: message,
            attempts: 1)
    }

    private static func failure(_ error: AWSError) -> StoreFailure {
        StoreFailure(error, permissions: "s3:GetObject on the object and, for one under a KMS key, kms:Decrypt")
    }
}
