/// Requests that were put on the wire together, in their order, and whose replies are fetched one by one in any order.
///
/// Requests of one flight are sent in their order with nothing between them that would wait for an answer; a server
/// that works them off in order, as nearly all do, needs one round trip for all. The next request is sent whatever the
/// answer to the one before turns out to be.
///
/// Letting go of a flight gives up what was not fetched: requests already submitted are still sent, their replies are
/// still matched, and a handle that comes for nobody is closed.
public final class SFTPFlight: Sendable {
    /// How many replies there are to fetch.
    public let count: Int

    private let connection: SFTPConnection
    private let id: FlightID

    init(_ flight: Flight, on connection: SFTPConnection) {
        count = flight.items.count
        self.connection = connection
        id = connection.submit(flight)
    }

    deinit { connection.abandon(id) }

    /// What came of the item, counted from 0. Each can be fetched once, by one task.
    ///
    /// - Throws: what the server refused, `.status`; what ended the connection; `.cancelled` when the task is cancelled
    ///   while it waits or when the request was never sent because the range before it in the flight failed.
    public func reply(_ item: Int) async throws(SFTPError) -> SFTPReply {
        precondition(0..<count ~= item, "the flight has no such item")
        return try await connection.outcome(of: id, item)
    }

    /// The reply of a request that is answered by attributes: `lstat`, `stat`, `fstat`. Throws as `reply`.
    public func attributes(_ item: Int) async throws(SFTPError) -> SFTPAttributes {
        guard case .attributes(let attributes) = try await reply(item) else { throw Self.wrongKind }
        return attributes
    }

    /// The reply of a request that opens something: `open`, `opendir`. Throws as `reply`.
    public func handle(_ item: Int) async throws(SFTPError) -> SFTPHandle {
        guard case .handle(let handle) = try await reply(item) else { throw Self.wrongKind }
        return handle
    }

    /// The reply of a request that is answered by names: `readdir`, `realpath`, `readlink`. Throws as `reply`.
    public func names(_ item: Int) async throws(SFTPError) -> [SFTPName] {
        guard case .names(let names) = try await reply(item) else { throw Self.wrongKind }
        return names
    }

    /// The reply of the one range of the flight, `SFTPClient.submitRead`. Throws as `reply`.
    public func content(_ item: Int) async throws(SFTPError) -> SFTPContent {
        guard case .content(let content) = try await reply(item) else { throw Self.wrongKind }
        return content
    }

    /// The engine gives no reply of another kind than its request has, so this is a caller that asks for the wrong one.
    private static let wrongKind = SFTPError(.operation, .protocolViolation, "a reply of another kind was asked for")
}
