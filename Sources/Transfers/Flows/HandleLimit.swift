/// A server's answer to an attempt to open something while other handles were open: it may bear no more of them, or what
/// was to be opened may be broken.
struct HandleRefusal: Sendable {
    /// What the server said.
    let failure: RemoteFailure
    /// How many other handles were open; at least 1.
    let others: Int
    /// `HandleLimit.learned` at that time.
    let learned: Int
    /// How often it has been refused like this.
    let count: Int

    /// What is said of it when it never was tried alone: then nobody knows which of the two it was.
    var untriedAlone: RemoteFailure {
        let handles = others == 1 ? "1 other open handle" : "\(others) other open handles"
        return RemoteFailure(
            failure.reason, "\(failure.message) (refused beside \(handles), and not tried alone in this run)")
    }
}

/// How many handles a server bears that does not say so, as far as it has shown.
///
/// A refusal says nothing by itself. Until what was refused has been tried again, no more handles are open than were
/// then; when it opens after all, this is the limit from then on. It rises again: by one after some successes at the
/// limit, then by two, by four and so on, until the next refusal, after which it takes twice as many successes. So one
/// refusal that only came to pass costs little, and a limit that is real costs few refusals.
struct HandleLimit {
    /// No more than these are to be open; `Int.max` while nothing else is known.
    private(set) var learned = Int.max
    /// The most that were open at once since `learned` was lowered.
    private(set) var borne = 0
    private var suspected = Int.max
    /// How many were refused, and wait to be tried again.
    private var suspects = 0
    private var successes = 0
    private var successesToRise = HandleLimit.firstSuccessesToRise
    private var step = 1

    /// So many handles have to be opened at the limit before it rises.
    private static let firstSuccessesToRise = 16
    /// The same, after many refusals.
    private static let maximumSuccessesToRise = 4096

    /// No more than these are to be open now: `learned`, or less until those that were refused have been tried again.
    var now: Int { min(learned, suspected) }

    /// Something waits to be tried again; `triedAgain` is called when it has been.
    mutating func suspect(_ refusal: HandleRefusal) {
        suspects += 1
        suspected = min(suspected, refusal.others)
    }

    /// What `suspect` told of has been tried again, or never will be.
    mutating func triedAgain() {
        suspects -= 1
        if suspects == 0 { suspected = .max }
    }

    /// Something has been opened.
    /// - Parameters:
    ///   - openCount: how many handles are open now.
    ///   - isAtLimit: whether no more could be, by `learned`.
    ///   - refusal: how it was refused before.
    /// - Returns: whether `learned` was lowered.
    mutating func opened(openCount: Int, isAtLimit: Bool, after refusal: HandleRefusal?) -> Bool {
        borne = max(borne, openCount)
        suspected = max(suspected, openCount)
        let shown = max(refusal?.others ?? 0, openCount)
        // A refusal under another limit than this one has had its effect, or is out of date.
        if let refusal, refusal.learned == learned, shown < learned {
            lower(to: shown)
            return true
        }
        guard learned < .max else { return false }
        learned = max(learned, openCount)
        if isAtLimit { succeeded() }
        return false
    }

    private mutating func lower(to limit: Int) {
        if learned < .max { successesToRise = min(2 * successesToRise, Self.maximumSuccessesToRise) }
        learned = limit
        borne = min(borne, limit)
        successes = 0
        step = 1
    }

    private mutating func succeeded() {
        successes += 1
        guard successes >= successesToRise else { return }
        learned += step
        // No plan opens as many as this allows after some rises.
        step = min(2 * step, 1024)
        successes = 0
    }
}
