/// A range of a file being read by many READs, whose answers may be short and come in any order.
struct ReadOperation: Sendable {
    /// A READ to send.
    struct Chunk {
        var offset: UInt64
        var countBytes: Int
        /// How long the answer was whose rest this is; 0 for the first READ of a place.
        var shortAnswerBytes = 0
    }

    let handle: SFTPHandle
    let start: UInt64
    private let end: UInt64
    private var next: UInt64
    /// What short answers left over.
    private var remainders: [Chunk] = []
    private var parts: [(offset: UInt64, bytes: [UInt8])] = []
    /// The lowest offset at which the server found the end.
    private var endOfFile: UInt64 = .max
    private var outstanding = 0
    private var wasCompletedLater = false
    private(set) var failure: SFTPError?
    private var isStopped = false
    /// Hears of the bytes of each answer; nil where nobody wants to.
    private let counter: SFTPByteCounter?

    init(_ handle: SFTPHandle, from offset: UInt64, countBytes: Int, counter: SFTPByteCounter? = nil) {
        self.handle = handle
        self.counter = counter
        start = offset
        next = offset
        let (sum, overflow) = offset.addingReportingOverflow(UInt64(max(0, countBytes)))
        end = overflow ? .max : sum
    }

    /// Whether a READ is to be sent.
    var hasMore: Bool {
        guard !isStopped && failure == nil else { return false }
        return !remainders.isEmpty || next < min(end, endOfFile)
    }

    /// Whether the next READ is for the rest of a short answer.
    var hasRemainder: Bool { !remainders.isEmpty }

    /// Whether everything that was sent has been answered, and nothing more will be.
    var isFinished: Bool { outstanding == 0 && !hasMore }

    /// The size of the next READ.
    func nextCountBytes(atMost most: Int) -> Int {
        if let rest = remainders.last { return min(rest.countBytes, most) }
        return Int(min(UInt64(most), end - next))
    }

    /// The next READ, to be sent now.
    mutating func takeChunk(atMost most: Int) -> Chunk {
        outstanding += 1
        let count = nextCountBytes(atMost: most)
        guard var rest = remainders.popLast() else {
            defer { next += UInt64(count) }
            return Chunk(offset: next, countBytes: count)
        }
        if rest.countBytes > count {
            var left = rest
            left.offset += UInt64(count)
            left.countBytes -= count
            remainders.append(left)
        }
        rest.countBytes = count
        return rest
    }

    /// Takes the answer to one READ.
    mutating func absorb(_ outcome: ReplyOutcome, of request: OutstandingRequest) {
        outstanding -= 1
        switch outcome {
        case .success(.data(let bytes)) where !bytes.isEmpty:
            parts.append((request.offset, bytes))
            counter?(bytes.count)
            guard bytes.count < request.countBytes else { return }
            let rest = Chunk(
                offset: request.offset + UInt64(bytes.count), countBytes: request.countBytes - bytes.count,
                shortAnswerBytes: bytes.count)
            if rest.offset < endOfFile { remainders.append(rest) }
            wasCompletedLater = true
        case .failure(let error) where error.reason != .status(.endOfFile):
            failure = failure ?? error
        default:
            // EOF, or no data, which some servers send in its place.
            let end = request.offset
            endOfFile = min(endOfFile, end)
            remainders.removeAll { $0.offset >= end }
        }
    }

    /// Nobody wants it any more: no further READ is sent.
    mutating func stop() { isStopped = true }

    /// What was read: the bytes from the start on as far as they are without a gap.
    mutating func takeOutcome() -> ReplyOutcome {
        if let failure { return .failure(failure) }
        var parts = self.parts
        self.parts = []
        parts.sort { $0.offset < $1.offset }
        var pieces: [[UInt8]] = []
        pieces.reserveCapacity(parts.count)
        var position = start
        for part in parts {
            guard part.offset == position else { break }
            pieces.append(part.bytes)
            position += UInt64(part.bytes.count)
        }
        return .success(.content(SFTPContent(pieces: pieces, wasCompletedLater: wasCompletedLater)))
    }
}

/// Bytes being written to a range of a file by many WRITEs.
struct WriteOperation: Sendable {
    let handle: SFTPHandle
    let start: UInt64
    private var next: UInt64
    private var pieces: [[UInt8]]
    private var pieceIndex = 0
    private var pieceOffset = 0
    private var remainingBytes: Int
    private var outstanding = 0
    private(set) var failure: SFTPError?
    private var isStopped = false

    init(_ handle: SFTPHandle, at offset: UInt64, _ pieces: [[UInt8]]) {
        self.handle = handle
        self.pieces = pieces
        start = offset
        next = offset
        remainingBytes = pieces.reduce(0) { $0 + $1.count }
    }

    /// Whether a WRITE is to be sent. None is after one that failed.
    var hasMore: Bool { !isStopped && failure == nil && remainingBytes > 0 }

    /// Whether everything that was sent has been answered, and nothing more will be.
    var isFinished: Bool { outstanding == 0 && !hasMore }

    /// The size of the next WRITE.
    func nextCountBytes(atMost most: Int) -> Int { min(most, remainingBytes) }

    /// The next WRITE, to be sent now: where to, and the data, which may come from several pieces.
    mutating func takeChunk(atMost most: Int) -> (offset: UInt64, data: [ArraySlice<UInt8>], countBytes: Int) {
        let offset = next
        let count = nextCountBytes(atMost: most)
        var data: [ArraySlice<UInt8>] = []
        var missing = count
        while missing > 0 {
            let available = min(missing, pieces[pieceIndex].count - pieceOffset)
            if available > 0 { data.append(pieces[pieceIndex][pieceOffset..<(pieceOffset + available)]) }
            missing -= available
            pieceOffset += available
            guard pieceOffset == pieces[pieceIndex].count else { continue }
            pieces[pieceIndex] = []
            pieceIndex += 1
            pieceOffset = 0
        }
        outstanding += 1
        remainingBytes -= count
        next += UInt64(count)
        return (offset, data, count)
    }

    /// Takes the answer to one WRITE.
    mutating func absorb(_ outcome: ReplyOutcome) {
        outstanding -= 1
        if case .failure(let error) = outcome { failure = failure ?? error }
    }

    /// Nobody wants it any more: no further WRITE is sent.
    mutating func stop() { isStopped = true }

    /// Whether all was written.
    var outcome: ReplyOutcome { failure.map { .failure($0) } ?? .success(.ok) }
}
