import SFTP
import Synchronization
import Transfers

/// A file of the partner's that is being written, from its beginning to its end.
final class SFTPFileWriter: RemoteFileWriter {
    /// How much is gathered before it is sent. Each batch is confirmed as a whole.
    static let batchBytes = 512 << 10
    /// How many batches may be unconfirmed. With one more than the client's window of 2 MiB holds, there is always
    /// something to send; more would only wait in memory.
    static let maximumBatches = 5
    /// Pieces are copied together up to this size. Larger ones are sent as they are.
    private static let gatheredPieceBytes = 32 << 10

    private let client: SFTPClient
    private let quirks: SFTPQuirks
    private let path: RemotePath
    private let permissions: UInt32?
    private let state: Mutex<State>

    private struct State {
        /// Nil once CLOSE is on its way.
        var handle: SFTPHandle?
        /// Not sent. Never empty once there was anything, so that the last WRITE is still to come when the file ends.
        var gathered: [[UInt8]] = []
        var gatheredBytes = 0
        /// Sent, the oldest first.
        var batches: [(flight: SFTPFlight, countBytes: Int)] = []
        /// Where the gathered bytes belong.
        var offset: UInt64 = 0
        var confirmedBytes: UInt64 = 0
        var failure: RemoteFailure?
    }

    /// - Parameters:
    ///   - permissions: what the file has in the end; nil leaves them as they are.
    ///   - offsetBytes: where to go on; what stands before that is taken for confirmed.
    init(
        client: SFTPClient, quirks: SFTPQuirks, path: RemotePath, handle: SFTPHandle, permissions: UInt32? = nil,
        from offsetBytes: UInt64 = 0
    ) {
        self.permissions = permissions
        self.client = client
        self.quirks = quirks
        self.path = path
        state = Mutex(State(handle: handle, offset: offsetBytes, confirmedBytes: offsetBytes))
    }

    var confirmedBytes: UInt64 { state.withLock { $0.confirmedBytes } }

    func write(_ bytes: [UInt8]) async throws(RemoteFailure) {
        try check("WRITE")
        if bytes.isEmpty { return }
        if state.withLock({ $0.gatheredBytes >= Self.batchBytes }) { try await sendBatch() }
        state.withLock { state in
            if let last = state.gathered.indices.last,
                state.gathered[last].count + bytes.count <= Self.gatheredPieceBytes
            {
                state.gathered[last] += bytes
            } else {
                state.gathered.append(bytes)
            }
            state.gatheredBytes += bytes.count
        }
    }

    /// Sends what is gathered once there is room for it.
    private func sendBatch() async throws(RemoteFailure) {
        while let oldest = state.withLock({ $0.batches.count >= Self.maximumBatches ? $0.batches.first : nil }) {
            do {
                _ = try await oldest.flight.reply(0)
            } catch {
                throw fail(RemoteFailure(error))
            }
            state.withLock { state in
                state.confirmedBytes += UInt64(oldest.countBytes)
                _ = state.batches.removeFirst()
            }
        }
        state.withLock { state in
            guard let handle = state.handle else { return }
            let flight = client.submitWrite(handle, at: state.offset, state.gathered)
            state.batches.append((flight, state.gatheredBytes))
            state.offset += UInt64(state.gatheredBytes)
            state.gathered = []
            state.gatheredBytes = 0
        }
    }

    private func check(_ operation: String) throws(RemoteFailure) {
        let (isOpen, failure) = state.withLock { ($0.handle != nil, $0.failure) }
        if let failure { throw failure }
        if !isOpen { throw RemoteFailure(.failed, "\(operation) of \(path): it is closed") }
        if Task.isCancelled { throw RemoteFailure(.cancelled, "\(operation) of \(path): cancelled before it was sent") }
    }

    /// The first failure counts: what comes after it is due to it.
    private func fail(_ failure: RemoteFailure) -> RemoteFailure {
        state.withLock { state in
            state.failure = state.failure ?? failure
            return state.failure ?? failure
        }
    }

    // MARK: The end

    func finish(modified: UnixTime?) async throws(RemoteFailure) {
        do throws(RemoteFailure) {
            try check("CLOSE")
            try await flyHome(modified)
        } catch {
            await close()
            throw fail(error)
        }
    }

    /// The last WRITEs, the new time and permissions, fsync, the look and CLOSE in one flight. Its requests stand behind a WRITE, which
    /// waits for those of all earlier batches to be sent: so CLOSE is the last that the server sees of the file.
    private func flyHome(_ modified: UnixTime?) async throws(RemoteFailure) {
        let setsTime = modified != nil && !quirks.contains(.settingTimes)
        let permissions = quirks.contains(.settingPermissions) ? nil : permissions
        let syncs = client.supports(.fsync) && !quirks.contains(.syncing)
        let looks = !quirks.contains(.attributesOfOpenFiles)
        let sent: (batches: [SFTPFlight], last: SFTPFlight, sizeBytes: UInt64)? = state.withLock { state in
            guard let handle = state.handle else { return nil }
            var requests: [SFTPRequest] = []
            if let modified, setsTime { requests.append(.fsetstat(handle, SFTPAttributes(modified: modified))) }
            // Once more, although OPEN has named them: there the server's umask counts.
            if let permissions { requests.append(.fsetstat(handle, SFTPAttributes(permissions: permissions))) }
            if syncs { requests.append(.fsync(handle)) }
            if looks { requests.append(.fstat(handle)) }
            let last = client.submitWrite(handle, at: state.offset, state.gathered, then: requests + [.close(handle)])
            let sizeBytes = state.offset + UInt64(state.gatheredBytes)
            let batches = state.batches.map(\.flight)
            state = State(handle: nil, confirmedBytes: state.confirmedBytes)
            return (batches, last, sizeBytes)
        }
        guard let (batches, last, sizeBytes) = sent else { return }
        var failure: RemoteFailure?
        for batch in batches + [last] {
            do {
                _ = try await batch.reply(0)
            } catch {
                guard case .status = error.reason else { throw RemoteFailure(error) }
                failure = failure ?? RemoteFailure(error)
            }
        }
        if let failure {
            // Whoever removes the file now finds it closed. What else CLOSE says is due to the same fault.
            _ = try? await last.reply(last.count - 1)
            throw failure
        }
        var item = 1
        if setsTime { try await tolerate(.settingTimes, of: last, &item) { _ in true } }
        if permissions != nil { try await tolerate(.settingPermissions, of: last, &item) { _ in true } }
        // A disk that is full, or broken, may show only here: that is a plain failure.
        if syncs { try await tolerate(.syncing, of: last, &item) { $0 != .failure } }
        let seen = looks ? try await look(last, &item) : nil
        do { _ = try await last.reply(item) } catch { throw RemoteFailure(error) }
        try await verify(sizeBytes, seen)
    }

    /// Fetches the answer to what can be left out where the server refuses it.
    private func tolerate(
        _ quirk: SFTPQuirk, of flight: SFTPFlight, _ item: inout Int, _ isRefusal: (SFTPStatus) -> Bool
    ) async throws(RemoteFailure) {
        defer { item += 1 }
        do {
            _ = try await flight.reply(item)
        } catch {
            guard case .status(let status) = error.reason, isRefusal(status) else { throw RemoteFailure(error) }
            quirks.note(quirk, because: error.message)
        }
    }

    /// The size of the open file after the last WRITE; nil when the server does not tell.
    private func look(_ flight: SFTPFlight, _ item: inout Int) async throws(RemoteFailure) -> UInt64? {
        defer { item += 1 }
        do {
            if let size = try await flight.attributes(item).sizeBytes { return size }
            quirks.note(.attributesOfOpenFiles, because: "FSTAT of \(path): the answer holds no size")
        } catch {
            guard case .status = error.reason else { throw RemoteFailure(error) }
            quirks.note(.attributesOfOpenFiles, because: error.message)
        }
        return nil
    }

    /// - Throws: `.changed` when the file is of another size.
    private func verify(_ sizeBytes: UInt64, _ seen: UInt64?) async throws(RemoteFailure) {
        if seen == sizeBytes { return }
        let lookedUp = try await lookUp()
        if lookedUp == sizeBytes {
            // Some servers answer FSTAT before they have worked off the WRITEs that came in front of it.
            if let seen {
                quirks.note(.attributesOfOpenFiles, because: "FSTAT of \(path): \(seen) bytes of \(sizeBytes)")
            }
            return
        }
        guard let size = lookedUp ?? seen else { return }
        throw RemoteFailure(.changed, "WRITE of \(path): \(sizeBytes) bytes were written, and it has \(size)")
    }

    /// The size of the closed file; nil when the server does not tell.
    private func lookUp() async throws(RemoteFailure) -> UInt64? {
        if quirks.contains(.attributesOfPaths) { return nil }
        do {
            let attributes = try await client.lstat(path.bytes)
            // A file that is written in place may be one behind a link, whose own size says nothing.
            if attributes.kind == .symbolicLink { return nil }
            if attributes.sizeBytes == nil {
                quirks.note(.attributesOfPaths, because: "LSTAT \(path): the answer holds no size")
            }
            return attributes.sizeBytes
        } catch {
            guard case .status(let status) = error.reason else { throw RemoteFailure(error) }
            // The partner has taken it already: then he has had it whole.
            if status != .noSuchFile { quirks.note(.attributesOfPaths, because: error.message) }
            return nil
        }
    }

    func close() async {
        let handle = state.withLock { state in
            // WRITEs that wait for the window would be sent behind CLOSE, perhaps into another file that has got the
            // same handle: letting go of their flights takes them back.
            state.batches = []
            state.gathered = []
            defer { state.handle = nil }
            return state.handle
        }
        if let handle { client.closeWithoutWaiting(handle) }
    }
}
