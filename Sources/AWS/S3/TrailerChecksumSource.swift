import HTTP
import TextForms

/// A stream in the `aws-chunked` coding with its SHA-256 as a trailer (Amazon S3 API Reference, "Signature calculations
/// for the Authorization Header: Including trailing headers", unsigned payload).
///
/// The length of every chunk is known before it begins, so pieces go through as they are and nothing is gathered.
actor TrailerChecksumSource: HTTPBodySource {
    /// S3 wants at least 8 KiB in every chunk but the last; the SDKs send 1 MiB.
    static let chunkBytes: UInt64 = 1 << 20
    static let trailerName = "x-amz-checksum-sha256"
    /// The word that stands for the payload hash.
    static let payloadHash = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    private enum Step { case data, trailer, end }

    private let source: any HTTPBodySource
    private let hasher = SHA256Hasher()
    private var leftBytes: UInt64
    private var leftInChunkBytes: UInt64 = 0
    private var hasOpenChunk = false
    private var pending: ArraySlice<UInt8> = []
    private var step = Step.data
    private(set) var digest: [UInt8]?

    init(_ source: any HTTPBodySource, lengthBytes: UInt64) {
        self.source = source
        leftBytes = lengthBytes
    }

    /// The length of the coded form of so many bytes.
    static func codedLength(lengthBytes: UInt64) -> UInt64 {
        let whole = lengthBytes / chunkBytes
        let rest = lengthBytes % chunkBytes
        func framed(_ size: UInt64) -> UInt64 { UInt64(String(size, radix: 16).utf8.count) + 2 + size + 2 }
        let chunks = whole * framed(chunkBytes) + (rest > 0 ? framed(rest) : 0)
        // "0\r\n", the trailer's name, a colon, 44 digits of base 64, "\r\n\r\n".
        return chunks + 3 + UInt64(trailerName.utf8.count) + 1 + 44 + 4
    }

    func next() async throws -> [UInt8]? {
        switch step {
        case .data:
            if let piece = try await nextData() { return piece }
            step = .trailer
            return try await next()
        case .trailer:
            while let more = try await source.next() {
                guard more.isEmpty else { throw HTTPError(.bodySource, "the source of the part gave too much") }
            }
            step = .end
            let digest = hasher.finalize()
            self.digest = digest
            return Array("0\r\n\(Self.trailerName):\(Base64.encode(digest))\r\n\r\n".utf8)
        case .end: return nil
        }
    }

    private func nextData() async throws -> [UInt8]? {
        if leftInChunkBytes == 0 {
            let frameEnd = hasOpenChunk ? "\r\n" : ""
            hasOpenChunk = leftBytes > 0
            leftInChunkBytes = min(leftBytes, Self.chunkBytes)
            if leftBytes > 0 { return Array("\(frameEnd)\(String(leftInChunkBytes, radix: 16))\r\n".utf8) }
            return frameEnd.isEmpty ? nil : Array(frameEnd.utf8)
        }
        while pending.isEmpty {
            guard let more = try await source.next() else {
                throw HTTPError(.bodySource, "the source of the part ended \(leftBytes) bytes early")
            }
            pending = more[...]
        }
        let piece = pending.prefix(Int(min(leftInChunkBytes, UInt64(pending.count))))
        pending = pending.dropFirst(piece.count)
        guard leftBytes > UInt64(piece.count) || pending.isEmpty else {
            throw HTTPError(.bodySource, "the source of the part gave too much")
        }
        leftBytes -= UInt64(piece.count)
        leftInChunkBytes -= UInt64(piece.count)
        hasher.update(piece)
        return Array(piece)
    }
}
