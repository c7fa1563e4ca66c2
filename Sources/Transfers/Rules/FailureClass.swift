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
}
