/// The end of a file as it was seen right behind a range.
public struct SFTPVerifiedContent: Hashable, Sendable {
    /// The bytes in order, in the pieces they came in; fewer than asked for when the file ends before.
    public var pieces: [[UInt8]]
    /// Whether the file had no byte behind the range.
    public var endsThere: Bool
    /// What the server said of the file after all of it was read, or why it did not.
    public var attributes: Result<SFTPAttributes, SFTPError>

    /// How many bytes there are.
    public var countBytes: Int { pieces.reduce(0) { $0 + $1.count } }
}

/// Whole ranges of files. All throw as `SFTPClient` says.
extension SFTPClient {
    /// Reads a range, pipelined as `submitRead` says. Fewer bytes than asked for mean the end of the file.
    public func read(
        _ handle: SFTPHandle, from offset: UInt64, countBytes: Int, counter: SFTPByteCounter? = nil
    ) async throws(SFTPError) -> [[UInt8]] {
        try Self.checkCancellation(.read(handle, offset: offset, countBytes: countBytes))
        return try await submitRead(handle, from: offset, countBytes: countBytes, counter: counter).content(0).pieces
    }

    /// Reads a range and, in the same flight, what stands behind it and the file's attributes. When parts of the range
    /// had to be asked for again, a second flight looks again, so that the look is always the last thing.
    public func readVerifyingEnd(
        _ handle: SFTPHandle, from offset: UInt64, countBytes: Int, counter: SFTPByteCounter? = nil
    ) async throws(SFTPError) -> SFTPVerifiedContent {
        try Self.checkCancellation(.read(handle, offset: offset, countBytes: countBytes))
        let (end, overflow) = offset.addingReportingOverflow(UInt64(max(0, countBytes)))
        let look: [SFTPRequest] = [.read(handle, offset: overflow ? .max : end, countBytes: 1), .fstat(handle)]
        var flight = submitRead(handle, from: offset, countBytes: countBytes, then: look, counter: counter)
        let content = try await flight.content(0)
        var item = 1
        if content.wasCompletedLater {
            flight = submit(look)
            item = 0
        }
        let endsThere = try await Self.isEnd(flight, item)
        let attributes: Result<SFTPAttributes, SFTPError>
        do {
            attributes = .success(try await flight.attributes(item + 1))
        } catch {
            // A server may refuse FSTAT and still have given every byte. The rest ends the read.
            guard case .status = error.reason else { throw error }
            attributes = .failure(error)
        }
        return SFTPVerifiedContent(pieces: content.pieces, endsThere: endsThere, attributes: attributes)
    }

    /// Whether a READ found nothing.
    private static func isEnd(_ flight: SFTPFlight, _ item: Int) async throws(SFTPError) -> Bool {
        do {
            guard case .data(let bytes) = try await flight.reply(item) else { return false }
            // Some servers send no data where others send EOF.
            return bytes.isEmpty
        } catch  where error.reason == .status(.endOfFile) {
            return true
        }
    }

    /// Writes the pieces one behind the other, pipelined as `submitWrite` says. Returns when the server has taken all
    /// of it; throws the first failure after every WRITE that was sent has been answered, so that what follows never
    /// overtakes one. Cancelling the task ends the wait at once, while WRITEs may still be on their way: then close the
    /// handle before anything else.
    public func write(_ handle: SFTPHandle, at offset: UInt64, _ pieces: [[UInt8]]) async throws(SFTPError) {
        try Self.checkCancellation(.write(handle, offset: offset, []))
        _ = try await submitWrite(handle, at: offset, pieces).reply(0)
    }
}
