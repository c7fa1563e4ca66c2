import Synchronization

extension SFTPClient {
    /// Opens a directory and lists it with several READDIRs in flight. Throws as `SFTPClient` says.
    public func openDirectory(_ path: [UInt8]) async throws(SFTPError) -> SFTPDirectory {
        SFTPDirectory(self, try await opendir(path))
    }
}

/// A directory being listed, by one caller at a time.
///
/// READDIRs are in flight ahead of the caller, more of them the longer the directory turns out to be, and no more until
/// it has taken their batches: at most 8 packets of 256 KiB wait, and none when batches turn out to be large, because
/// 20,000 short names that one packet can hold take six times the memory. Some servers work requests off at the same
/// time and cannot do that for one directory; when a READDIR is refused that had company, the rest is listed one by one,
/// and only a refusal without company counts.
public final class SFTPDirectory: Sendable {
    /// READDIRs in flight before the first batch has come: most directories have one batch.
    private static let firstRequests = 2
    /// READDIRs in flight at most. OpenSSH gives 100 names at a time: that is 800 for each round trip.
    private static let maximumRequests = 8
    /// With batches of more names than this nothing is asked for ahead. OpenSSH sends 100.
    private static let largeBatchNames = 1_000

    private struct State {
        var flights = FIFO<(flight: SFTPFlight, hadCompany: Bool)>()
        var aim = SFTPDirectory.firstRequests
        var sawEnd = false
        var isClosed = false
        var failure: SFTPError?
    }

    private let client: SFTPClient
    private let handle: SFTPHandle
    private let state = Mutex(State())

    init(_ client: SFTPClient, _ handle: SFTPHandle) {
        self.client = client
        self.handle = handle
    }

    deinit { close() }

    /// The next entries in the server's order, `.` and `..` among them, or nil at the end. After it has thrown, it
    /// throws the same again: entries may have been lost.
    public func next() async throws(SFTPError) -> [SFTPName]? {
        // Every turn takes one flight; new ones are sent only until the end is seen, or one by one after a refusal.
        while let (flight, hadCompany) = try nextFlight() {
            do {
                let names = try await flight.names(0)
                if names.isEmpty {
                    // Nobody sends an empty batch before the end; believing so might never end.
                    state.withLock { $0.sawEnd = true }
                    continue
                }
                state.withLock { state in
                    if names.count > Self.largeBatchNames {
                        state.aim = 1
                    } else if state.aim > 1 {
                        state.aim = min(state.aim * 2, Self.maximumRequests)
                    }
                }
                return names
            } catch  where error.reason == .status(.endOfFile) {
                state.withLock { $0.sawEnd = true }
            } catch {
                guard case .status = error.reason, hadCompany else {
                    state.withLock { $0.failure = error }
                    throw error
                }
                state.withLock {
                    $0.aim = 1
                    $0.sawEnd = false
                }
            }
        }
        return nil
    }

    /// Ends the listing, at its end or before, without waiting for the server. Harmless when called again.
    public func close() {
        let wasClosed = state.withLock { state in
            defer {
                state.isClosed = true
                state.flights.removeAll()
            }
            return state.isClosed
        }
        if !wasClosed { client.closeWithoutWaiting(handle) }
    }

    /// The flight whose batch is next, and whether it was sent together with others; nil at the end.
    private func nextFlight() throws(SFTPError) -> (flight: SFTPFlight, hadCompany: Bool)? {
        try state.withLock { (state) throws(SFTPError) in
            if let failure = state.failure { throw failure }
            // One by one means that what was sent in company is answered first.
            if !state.sawEnd && !state.isClosed && (state.aim > 1 || state.flights.isEmpty) {
                let hasCompany = state.aim > 1
                while state.flights.count < state.aim {
                    state.flights.append((client.submit([.readdir(handle)]), hasCompany))
                }
            }
            return state.flights.popFirst()
        }
    }
}
