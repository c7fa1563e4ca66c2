/// The number of a flight within its connection.
typealias FlightID = UInt64
/// What came of one request.
typealias ReplyOutcome = Result<SFTPReply, SFTPError>
/// A task that waits for what comes of one request.
typealias ReplyContinuation = CheckedContinuation<ReplyOutcome, Never>

/// What a request waits for before it may be sent.
enum Lane: Int, Sendable, CaseIterable {
    /// Nothing but the limit on outstanding requests.
    case control
    /// Room in the window of bytes being read.
    case read
    /// Room in the window of bytes being written.
    case write
}

/// Requests that go out in order and together, as seen by the engine: perhaps a whole range, then single requests.
///
/// Each item of a flight is one thing that somebody waits for. With a range, item 0 is the range and item n the nth
/// single request; without, item n is the request n, counted from 0.
struct Flight: Sendable {
    /// How far one item is.
    enum Item: Sendable {
        /// Neither answered nor waited for.
        case open
        /// Not answered; this task waits.
        case awaited(ReplyContinuation)
        /// Answered; nobody has fetched it yet.
        case answered(ReplyOutcome)
        /// Fetched, or not wanted any more.
        case done
    }

    /// A request to be sent now.
    enum Outgoing {
        case request(SFTPRequest)
        case write(SFTPHandle, offset: UInt64, data: [ArraySlice<UInt8>])
    }

    var read: ReadOperation?
    var write: WriteOperation?
    let requests: [SFTPRequest]
    var items: [Item]
    /// The next of `requests` to send.
    private(set) var nextRequest = 0
    /// How many of its requests are on the wire.
    var outstanding = 0
    /// Whether it stands in a queue of the engine.
    var isQueued = false
    /// After its range failed or was given up: of what is not sent only handles are still closed.
    private var sendsOnlyCloses = false

    init(read: ReadOperation? = nil, write: WriteOperation? = nil, requests: [SFTPRequest]) {
        self.read = read
        self.write = write
        self.requests = requests
        let rangeCount = read == nil && write == nil ? 0 : 1
        items = [Item](repeating: .open, count: rangeCount + requests.count)
    }

    private var hasRange: Bool { read != nil || write != nil }

    /// Whether item 0 is a range whose last reply has come, and nobody has been told.
    var hasFinishedRange: Bool {
        guard hasRange, read?.isFinished ?? true, write?.isFinished ?? true else { return false }
        switch items[0] {
        case .open, .awaited: return true
        case .answered, .done: return false
        }
    }

    /// What the next request of this flight has to wait for; nil when all are sent.
    var nextLane: Lane? {
        if read?.hasMore == true { return .read }
        if write?.hasMore == true { return .write }
        return nextRequest < requests.count ? requests[nextRequest].lane : nil
    }

    /// Whether somebody may still come for something.
    var hasUnfetchedItems: Bool {
        items.contains {
            if case .done = $0 { return false }
            return true
        }
    }

    /// How much of its lane's window the next request takes.
    func nextCountBytes(readBytes: Int, writeBytes: Int) -> Int {
        if let read, read.hasMore { return read.nextCountBytes(atMost: readBytes) }
        if let write, write.hasMore { return write.nextCountBytes(atMost: writeBytes) }
        return nextRequest < requests.count ? requests[nextRequest].windowBytes : 0
    }

    /// Takes the next request out, to be sent now; nil when all are sent.
    mutating func takeNext(_ id: FlightID, readBytes: Int, writeBytes: Int) -> (Outgoing, OutstandingRequest)? {
        if read?.hasMore == true, let handle = read?.handle, let chunk = read?.takeChunk(atMost: readBytes) {
            let record = OutstandingRequest(
                flight: id, item: 0, isPartOfRange: true, expected: .data, lane: .read, offset: chunk.offset,
                countBytes: chunk.countBytes, shortAnswerBytes: chunk.shortAnswerBytes)
            return (.request(.read(handle, offset: chunk.offset, countBytes: chunk.countBytes)), record)
        }
        if write?.hasMore == true, let handle = write?.handle, let chunk = write?.takeChunk(atMost: writeBytes) {
            let record = OutstandingRequest(
                flight: id, item: 0, isPartOfRange: true, expected: .status, lane: .write, offset: chunk.offset,
                countBytes: chunk.countBytes)
            return (.write(handle, offset: chunk.offset, data: chunk.data), record)
        }
        guard nextRequest < requests.count else { return nil }
        let request = requests[nextRequest]
        let record = OutstandingRequest(
            flight: id, item: nextRequest + (hasRange ? 1 : 0), expected: request.expectedReply, lane: request.lane,
            offset: request.offset, countBytes: request.windowBytes)
        nextRequest += 1
        skipUnlessClose()
        return (.request(request), record)
    }

    /// Nothing of it will be sent.
    mutating func refuse() {
        read?.stop()
        write?.stop()
        nextRequest = requests.count
    }

    /// From now on only handles are closed. Returns the items of the requests that will never be sent.
    mutating func dropUnsent() -> [Int] {
        read?.stop()
        write?.stop()
        guard hasRange, !sendsOnlyCloses else { return [] }
        sendsOnlyCloses = true
        let dropped = (nextRequest..<requests.count).filter { !requests[$0].isClose }.map { $0 + 1 }
        skipUnlessClose()
        return dropped
    }

    private mutating func skipUnlessClose() {
        guard sendsOnlyCloses else { return }
        while nextRequest < requests.count, !requests[nextRequest].isClose { nextRequest += 1 }
    }

    /// The operation behind an item, for errors. `offset` is that of the one READ or WRITE that is meant.
    func describe(item: Int, offset: UInt64? = nil) -> String {
        let index = item - (hasRange ? 1 : 0)
        if index >= 0 { return requests[index].description }
        if let read {
            return SFTPRequest.read(read.handle, offset: offset ?? read.start, countBytes: 0).description
        }
        guard let write else { return "" }
        return SFTPRequest.write(write.handle, offset: offset ?? write.start, []).description
    }

    /// The path behind an item.
    func path(item: Int) -> [UInt8] {
        let index = item - (hasRange ? 1 : 0)
        return index >= 0 ? requests[index].path : (read?.handle ?? write?.handle)?.path ?? []
    }
}

extension SFTPRequest {
    /// What it waits for before it may be sent.
    var lane: Lane {
        switch self {
        case .read: .read
        case .write: .write
        default: .control
        }
    }

    /// How much of its lane's window it takes.
    var windowBytes: Int {
        switch self {
        case .read(_, _, let countBytes): Self.askedBytes(countBytes)
        case .write(_, _, let data): data.count
        default: 0
        }
    }

    var isClose: Bool {
        if case .close = self { return true }
        return false
    }

    fileprivate var offset: UInt64 {
        switch self {
        case .read(_, let offset, _), .write(_, let offset, _): offset
        default: 0
        }
    }
}
