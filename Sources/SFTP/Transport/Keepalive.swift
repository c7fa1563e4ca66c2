/// When a silent connection is asked whether it is still there (SFTP_KEEPALIVE_SECONDS). Pure: it is told what has come
/// and what time it is.
///
/// The question keeps firewalls and servers from taking the connection for forgotten, and an answer that does not come
/// says that it is gone. One that carries bytes is never asked.
struct Keepalive: Sendable {
    /// What is to be done.
    enum Step: Equatable {
        /// Nothing before that time, if nothing comes.
        case wait(until: ContinuousClock.Instant)
        /// The question, and whether an answer is asked for.
        case ask(wantsAnswer: Bool)
        /// Nothing: all these questions went unanswered.
        case giveUp
    }

    /// How long nothing may come before the first question, and between two.
    let interval: Duration
    private var receivedBytes = -1
    private var lastHeard: ContinuousClock.Instant
    private var unanswered = 0
    private var asked = 0

    /// So many questions in a row may stay without an answer, as many as with OpenSSH (ssh_config(5), ServerAliveCountMax).
    static let maximumUnanswered = 3
    /// libssh2 keeps every answer until the session ends. Behind so many, which are hours of silence, none is asked for any
    /// more, and so the server is no longer given up for not answering.
    static let maximumAnswers = 2_000

    init(interval: Duration, at now: ContinuousClock.Instant) {
        self.interval = interval
        lastHeard = now
    }

    /// For a time in which nothing moves.
    /// - Parameter receivedBytes: what has come over the connection since its beginning.
    mutating func step(receivedBytes: Int, at now: ContinuousClock.Instant) -> Step {
        if receivedBytes != self.receivedBytes {
            self.receivedBytes = receivedBytes
            lastHeard = now
            unanswered = 0
        }
        let due = lastHeard + interval * (unanswered + 1)
        guard now >= due else { return .wait(until: due) }
        let wantsAnswer = asked < Self.maximumAnswers
        guard unanswered < Self.maximumUnanswered else {
            guard !wantsAnswer else { return .giveUp }
            lastHeard = now
            unanswered = 0
            return .ask(wantsAnswer: false)
        }
        unanswered += 1
        asked += 1
        return .ask(wantsAnswer: wantsAnswer)
    }
}
