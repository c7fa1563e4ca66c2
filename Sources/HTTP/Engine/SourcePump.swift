import Synchronization

/// Asks the source of a streamed request body for its pieces and hands them to the I/O thread, at most one ahead.
///
/// The last piece is held back until the source has said that nothing follows: so a body that is too long fails the
/// request before the server has a whole one.
final class SourcePump: Sendable {
    /// A source may give so many empty pieces in a row before it counts as failed.
    static let maximumEmptyPieces = 1_000

    private struct State {
        /// The transfer has begun: before that the source is not asked.
        var isOpen = false
        /// Nobody takes pieces any more.
        var isClosed = false
        /// The piece that waits for the I/O thread.
        var ahead: [UInt8]?
        var failure: HTTPError?
        /// The I/O thread found nothing and has paused.
        var isAwaited = false
        var spaceWaiter: CheckedContinuation<Void, Never>?
        var task: Task<Void, Never>?
    }

    private let lengthBytes: UInt64
    private let source: any HTTPBodySource
    private let label: String
    private let state = Mutex(State())

    init(lengthBytes: UInt64, source: any HTTPBodySource, label: String) {
        self.lengthBytes = lengthBytes
        self.source = source
        self.label = label
    }

    /// Begins to pump.
    /// - Parameter wake: called when the I/O thread waits for a piece and there is one, or a failure.
    func start(wake: @escaping @Sendable () -> Void) {
        let task = Task { await self.run(wake: wake) }
        let isClosed = state.withLock { state in
            state.task = task
            return state.isClosed
        }
        if isClosed { task.cancel() }
    }

    /// Returns when the source is no longer being asked.
    func finished() async {
        let task = state.withLock { $0.task }
        await task?.value
    }

    /// Whether nobody takes pieces any more.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    // MARK: The I/O thread's side

    /// What the I/O thread finds.
    enum Supply: Sendable {
        case piece([UInt8])
        case failure(HTTPError)
        /// Nothing yet: `wake` is called when there is.
        case nothing
    }

    /// Lets the source be asked.
    func open() { resume { $0.isOpen = true } }

    /// Takes the next piece.
    func take() -> Supply {
        var supply = Supply.nothing
        resume { state in
            if let piece = state.ahead {
                state.ahead = nil
                supply = .piece(piece)
            } else if let failure = state.failure {
                supply = .failure(failure)
            } else {
                state.isAwaited = true
            }
        }
        return supply
    }

    /// Ends the pump: the source is told through cancellation if it is being asked.
    func close() {
        let task = state.withLock { $0.task }
        resume { ($0.isClosed, $0.ahead) = (true, nil) }
        task?.cancel()
    }

    private func resume(_ change: (inout State) -> Void) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            change(&state)
            guard Self.hasSpace(state) else { return nil }
            defer { state.spaceWaiter = nil }
            return state.spaceWaiter
        }
        waiter?.resume()
    }

    private static func hasSpace(_ state: State) -> Bool { state.isClosed || state.isOpen && state.ahead == nil }

    // MARK: The source's side

    private func run(wake: @Sendable () -> Void) async {
        do throws(HTTPError) {
            var givenBytes: UInt64 = 0
            while givenBytes < lengthBytes {
                guard await space() else { return }
                guard let piece = try await nextPiece() else {
                    throw HTTPError(.bodySource, "\(label): the body ended after \(givenBytes) of \(lengthBytes) bytes")
                }
                givenBytes += UInt64(piece.count)
                if givenBytes >= lengthBytes { try await confirmEnd(givenBytes) }
                put({ $0.ahead = piece }, wake: wake)
            }
        } catch {
            put({ $0.failure = error }, wake: wake)
        }
    }

    /// Checks that a body of so many bytes is the whole.
    func confirmEnd(_ givenBytes: UInt64) async throws(HTTPError) {
        if givenBytes == lengthBytes, try await nextPiece() == nil { return }
        throw HTTPError(.bodySource, "\(label): the source gave more than the \(lengthBytes) bytes of the body")
    }

    private func nextPiece() async throws(HTTPError) -> [UInt8]? {
        for _ in 0..<Self.maximumEmptyPieces {
            do {
                guard let piece = try await source.next() else { return nil }
                if !piece.isEmpty { return piece }
            } catch {
                throw HTTPError(.bodySource, "\(label): the source of the body failed: \(error)")
            }
        }
        throw HTTPError(.bodySource, "\(label): the source gave \(Self.maximumEmptyPieces) empty pieces in a row")
    }

    private func put(_ change: (inout State) -> Void, wake: @Sendable () -> Void) {
        let isAwaited = state.withLock { state in
            defer { state.isAwaited = false }
            if !state.isClosed { change(&state) }
            return state.isAwaited
        }
        if isAwaited { wake() }
    }

    /// Waits until a piece may be put; false when none is wanted any more.
    private func space() async -> Bool {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let hasSpace = state.withLock { state in
                let hasSpace = Self.hasSpace(state)
                if !hasSpace { state.spaceWaiter = continuation }
                return hasSpace
            }
            if hasSpace { continuation.resume() }
        }
        return !isClosed
    }
}
