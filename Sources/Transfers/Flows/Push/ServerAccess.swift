/// The one connection of an invocation to the partner's server: opened when first asked for, and again when it was lost.
///
/// Who asks while it is being opened shares the attempt. That it cannot be opened is remembered: what waits behind it
/// does not try again one after the other, each to the end of its time limit.
actor ServerAccess {
    private let connect: @Sendable () async throws(RemoteFailure) -> any RemoteDestination
    private var opening: Task<Result<any RemoteDestination, RemoteFailure>, Never>?
    private var number = 0

    /// How often an invocation connects: a server that hangs up again and again gets no further tries.
    static let maximumConnections = 3

    init(connect: @escaping @Sendable () async throws(RemoteFailure) -> any RemoteDestination) {
        self.connect = connect
    }

    /// A connection, and its number. Cancelling one who waits ends the attempt; the next who asks begins another.
    func destination() async throws(RemoteFailure) -> (any RemoteDestination, number: Int) {
        let attempt = opening ?? begin()
        let mine = number
        let result = await withTaskCancellationHandler {
            await attempt.value
        } onCancel: {
            attempt.cancel()
        }
        if case .failure(let failure) = result {
            if failure.reason == .cancelled { lost(mine) } else { isGivenUp = true }
        }
        return (try result.get(), mine)
    }

    private func begin() -> Task<Result<any RemoteDestination, RemoteFailure>, Never> {
        number += 1
        let attempt = Task { [connect] in
            do throws(RemoteFailure) {
                return Result<any RemoteDestination, RemoteFailure>.success(try await connect())
            } catch {
                return .failure(error)
            }
        }
        opening = attempt
        return attempt
    }

    /// Whether there is no connection, and there will be none.
    private(set) var isGivenUp = false

    /// Notes that the connection of this number is lost. Whoever asks next gets a new one.
    func lost(_ number: Int) {
        guard number == self.number else { return }
        if number < Self.maximumConnections { opening = nil } else { isGivenUp = true }
    }
}
