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
    private let hasher: SHA256Hasher
    private var positionBytes: UInt64
    private var resumes = 0
    private var resumedAtBytes: UInt64
    /// Where the digest stood at the last multiples of `markBytes`.
    private var marks: [SHA256State] = []
    let startBytes: UInt64
    /// Counts the bytes for whoever watches.
    private var passage: (any ContentPassage)?

    /// How far apart are the places from which another attempt can go on, and how many of them are remembered: more than
    /// what can be between here and the server's last answer.
    private static let markBytes: UInt64 = 1 << 20
    private static let maximumMarks = 16
    private(set) var sha256: String?

    /// Returns when the head of the answer is here.
    /// - Parameters:
    ///   - info: what HEAD said of this version.
    ///   - position: where to begin; one that is none of this object's is the beginning.
    init(
        client: S3Client, address: S3Address, info: S3ObjectInfo, from position: ContentPosition?,
        deadlineUptimeSeconds: Double?, pauses: Pauses
    ) async throws(StoreFailure) {
        let (etag, sizeBytes) = (info.etag, info.sizeBytes)
        let state = position.flatMap { position in
            SHA256State(text: position.digest).flatMap {
                $0.countBytes == position.offsetBytes && (1..<max(1, sizeBytes)).contains($0.countBytes) ? $0 : nil
            }
        }
        hasher = state.map { SHA256Hasher(resuming: $0) } ?? SHA256Hasher()
        let start = state?.countBytes ?? 0
        startBytes = start
        positionBytes = start
        resumedAtBytes = start
        // Where nothing comes, what was there is still known.
        marks = state.map { [$0] } ?? []

        self.client = client
        self.address = address
        self.etag = etag
        self.sizeBytes = sizeBytes
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.pauses = pauses
        do throws(AWSError) {
            // Hashed here, across all transfers.
            let range = state.map { S3ByteRange(first: $0.countBytes) }
            let (answer, body) = try await client.getObject(
                S3ReadRequest(address, ifMatch: etag, range: range), verifiesContent: false,
                deadlineUptimeSeconds: deadlineUptimeSeconds)
            self.body = body
            // Of a range S3 does not tell it.
            expectedSHA256 = range == nil ? answer.contentSHA256 : info.contentSHA256
        } catch {
            throw Self.failure(error)
        }
    }

    /// Has the bytes counted that come from now on.
    func count(on passage: any ContentPassage) { self.passage = passage }

    func next() async throws(StoreFailure) -> [UInt8]? {
        while sha256 == nil {
            do throws(AWSError) {
                if let piece = try await body.next() {
                    guard !piece.isEmpty else { continue }
                    add(piece)
                    passage?.passed(piece.count)
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

    private func add(_ piece: [UInt8]) {
        var rest = piece[...]
        while !rest.isEmpty {
            let part = rest.prefix(Int(Self.markBytes - positionBytes % Self.markBytes))
            hasher.update(part)
            positionBytes += UInt64(part.count)
            rest = rest.dropFirst(part.count)
            guard positionBytes % Self.markBytes == 0 else { continue }
            if marks.count >= Self.maximumMarks { marks.removeFirst() }
            marks.append(hasher.state)
        }
    }

    func position(upTo limitBytes: UInt64) -> ContentPosition? {
        marks.last { $0.countBytes <= limitBytes }.map {
            ContentPosition(offsetBytes: $0.countBytes, digest: $0.text)
        }
    }

    private func finish() throws(StoreFailure) {
        guard positionBytes == sizeBytes else {
            throw StoreFailure(broken("\(positionBytes) bytes came of an object of \(sizeBytes)"))
        }
        let digest = SHA256Hasher.hexadecimal(hasher.finalize())
        if let expectedSHA256, digest != expectedSHA256 {
            // Nobody goes on with what has been written of them.
            marks = []
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
        StoreFailure(ofSource: error)
    }
}
