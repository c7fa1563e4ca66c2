/// The one connection of an invocation to the partner's server: opened when first asked for, and again when it was lost.
///
/// Who asks while it is being opened shares the attempt. That it cannot be opened is remembered: what waits behind it
/// does not try again one after the other, each to the end of its time limit.
actor ServerAccess {
    private let connect: @Sendable () async throws(RemoteFailure) -> any RemoteDestination
    private let maximumConnections: Int
    private var state = State.closed
    /// Counts the attempts, and is the number of the last one.
    private var number = 0
    private var waiting: [Int: CheckedContinuation<Answer, Never>] = [:]
    private var nextSeat = 0

    private typealias Answer = Result<any RemoteDestination, RemoteFailure>

    private enum State {
        /// Nobody has asked, or not since it was lost.
        case closed
        case opening(Task<Void, Never>)
        case open(any RemoteDestination)
        /// There is no connection, and there will be none.
        case givenUp(RemoteFailure)
    }

    /// How often an invocation connects: a server that hangs up again and again gets no further tries.
    static let maximumConnections = 3

    init(
        maximumConnections: Int = ServerAccess.maximumConnections,
        connect: @escaping @Sendable () async throws(RemoteFailure) -> any RemoteDestination
    ) {
        self.maximumConnections = maximumConnections
        self.connect = connect
    }

    /// A connection, and its number. Who is cancelled stops waiting at once and takes the attempt from nobody; when the
    /// last one has gone it ends, and the next who asks begins another.
    func destination() async throws(RemoteFailure) -> (any RemoteDestination, number: Int) {
        switch state {
        case .open(let destination): return (destination, number)
        case .givenUp(let failure): throw failure
        case .closed: begin()
        case .opening: break
        }
        let mine = number
        return (try await wait().get(), mine)
    }

    /// Whether there is no connection, and there will be none.
    var isGivenUp: Bool { if case .givenUp = state { true } else { false } }

    /// How many wait for a connection.
    var waitingCount: Int { waiting.count }

    /// Notes that the connection of this number is lost. Whoever asks next gets a new one, while there are any left.
    func lost(_ number: Int) {
        guard number == self.number, case .open = state else { return }
        end("the connection to the server was lost")
    }

    // MARK: Opening

    private func begin() {
        number += 1
        state = .opening(
            Task { [connect, number] in
                let answer: Answer
                do throws(RemoteFailure) {
                    answer = .success(try await connect())
                } catch {
                    answer = .failure(error)
                }
                finish(number, answer)
            })
    }

    private func finish(_ number: Int, _ answer: Answer) {
        guard number == self.number, case .opening = state else { return }
        switch answer {
        case .success(let destination): state = .open(destination)
        case .failure(let failure): state = .givenUp(failure)
        }
        let all = waiting.values
        waiting = [:]
        for continuation in all { continuation.resume(returning: answer) }
    }

    private func wait() async -> Answer {
        let seat = nextSeat
        nextSeat += 1
        return await withTaskCancellationHandler {
            // Nothing else happens on the actor before the seat is taken, so that nobody leaves it earlier.
            await withCheckedContinuation { waiting[seat] = $0 }
        } onCancel: {
            Task { await leave(seat) }
        }
    }

    private func leave(_ seat: Int) {
        guard let continuation = waiting.removeValue(forKey: seat) else { return }
        continuation.resume(returning: .failure(RemoteFailure(.cancelled, "connect: it was cut off")))
        guard waiting.isEmpty, case .opening(let attempt) = state else { return }
        attempt.cancel()
        end("connecting to the server was cut off")
    }

    private func end(_ what: String) {
        guard number >= maximumConnections else {
            state = .closed
            return
        }
        let count = number == 1 ? "once" : "\(number) times"
        state = .givenUp(RemoteFailure(.connectionLost, "\(what), and it is not tried again: that was \(count)"))
    }
}
