/// Of what kind a failure is: a small fixed set of words, which logs, answers and metrics share. Operators build alarms on
/// them: they stay.
public enum FailureClass: String, Sendable, CaseIterable {
    /// The connection to the partner's server could not be opened, or was lost.
    case connection
    /// The partner's server refused something.
    case server
    /// The store refused something, or could not be reached.
    case store
    /// It can never work as it is: only a change of the file or object, its name, the settings or the server helps.
    case refused
    /// It stands on the server and could not be marked (rule U8).
    case unmarked
    /// The time was up.
    case deadline
    /// A setting or the login cannot be used; nothing was tried.
    case settings
    /// The retry queue refused something, or could not be reached.
    case queue
    /// An event could not be understood.
    case event

    /// What it means and what to do: for the page, in plain Markdown on one line.
    public var meaning: String {
        switch self {
        case .connection:
            "There was no connection to the partner's server, or it was lost. The next run tries again; the message says "
                + "why, as below."
        case .server:
            "The partner's server refused something, such as a directory or a file. The message has its answer: ask the "
                + "partner, or correct SFTP_SOURCE_DIR or SFTP_TARGET_DIR."
        case .store: "S3 refused something. The message has its answer, and what to allow or to correct, as below."
        case .refused:
            "It can never work as it is. Change what the message names: the object, its key, a setting, or a right at the "
                + "server. The message of the queue ends in the dead-letter queue."
        case .unmarked:
            "The file is at the partner, and its object could not be marked. pushRetry marks it; if that stays, see "
                + "what the message says of permissions."
        case .deadline:
            "The time of the invocation was up. The next one goes on. If it stays, give more time or memory."
        case .settings:
            "A setting or the login cannot be used; nothing was tried. Correct it: what was queued is then sent."
        case .queue:
            "The retry queue cannot be used. The message has the answer of SQS, and what to allow or to correct, as below."
        case .event:
            "An event could not be understood. `errorClass` has one of the words below in its place, which say closer what "
                + "is wrong."
        }
    }
}
