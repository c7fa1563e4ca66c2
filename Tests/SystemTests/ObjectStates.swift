/// Where one object, its messages on the retry queue and its file on the server can stand together, and what each thing
/// that happens makes of it. docs/states.md shows the same table; ObjectStatesTests walks through all of it.
struct ObjectState: Hashable, Sendable {
    enum Object: String, Sendable {
        case none
        /// Without a mark for this server.
        case unsynced
        /// With one.
        case synced
    }

    /// Which versions messages on the queue name.
    enum Queue: String, Sendable {
        case nothing = "–"
        case current
        /// A version that is no longer the current one, also when there is no object any more.
        case earlier
        case both
    }

    enum Server: String, Sendable {
        case nothing = "–"
        case current
        /// A version that is no longer the current one, also when there is no object any more.
        case earlier
    }

    var object: Object
    var queue: Queue
    var server: Server

    /// What can happen.
    enum Transition: String, CaseIterable, Sendable {
        case put
        case overwrite
        case delete
        case pushWorks = "push works"
        case latePush = "late push"
        case pushFails = "push fails"
        case pushSkips = "push skips"
        case retryWorks = "retry works"
        case retryFails = "retry fails"
        case retrySkips = "retry skips"

        var meaning: String {
            switch self {
            case .put: "the first version is stored, or the first after a deletion"
            case .overwrite: "another version is stored"
            case .delete: "the object is deleted; the partner keeps what he has"
            case .pushWorks: "`push` gets the event of the current version and sends it"
            case .latePush:
                "`push` gets the event of an earlier version, once more or late, and sends the current one again; an "
                    + "unsynced object is sent on every event alike"
            case .pushFails: "`push` gets the event of the current version and cannot reach the server"
            case .pushSkips:
                "`push` gets the event of the last version and finds nothing to do; the server is not even asked"
            case .retryWorks: "`pushRetry` runs and sends the object"
            case .retryFails: "`pushRetry` runs and cannot reach the server"
            case .retrySkips: "`pushRetry` runs and finds nothing to do but to remove the messages"
            }
        }
    }

    /// A state, by its number, and the number of the state that each transition leads to. What is not named does not
    /// happen there.
    struct Row: Sendable {
        var number: Int
        var state: ObjectState
        var next: [Transition: Int]

        init(_ number: Int, _ object: Object, _ queue: Queue, _ server: Server, _ next: [Transition: Int]) {
            self.number = number
            state = ObjectState(object: object, queue: queue, server: server)
            self.next = next
        }
    }

    /// The first is where everything begins.
    static let table: [Row] = [
        Row(1, .none, .nothing, .nothing, [.put: 5, .pushSkips: 1]),
        Row(2, .none, .nothing, .earlier, [.put: 6, .pushSkips: 2]),
        Row(3, .none, .earlier, .nothing, [.put: 9, .pushSkips: 3, .retryFails: 3, .retrySkips: 1]),
        Row(4, .none, .earlier, .earlier, [.put: 10, .pushSkips: 4, .retryFails: 4, .retrySkips: 2]),
        Row(5, .unsynced, .nothing, .nothing, [.overwrite: 5, .delete: 1, .pushWorks: 13, .pushFails: 7]),
        Row(6, .unsynced, .nothing, .earlier, [.overwrite: 6, .delete: 2, .pushWorks: 13, .pushFails: 8]),
        Row(
            7, .unsynced, .current, .nothing,
            [.overwrite: 9, .delete: 3, .pushWorks: 14, .pushFails: 7, .retryWorks: 13, .retryFails: 7]),
        Row(
            8, .unsynced, .current, .earlier,
            [.overwrite: 10, .delete: 4, .pushWorks: 14, .pushFails: 8, .retryWorks: 13, .retryFails: 8]),
        Row(
            9, .unsynced, .earlier, .nothing,
            [.overwrite: 9, .delete: 3, .pushWorks: 15, .pushFails: 11, .retryWorks: 13, .retryFails: 9]),
        Row(
            10, .unsynced, .earlier, .earlier,
            [.overwrite: 10, .delete: 4, .pushWorks: 15, .pushFails: 12, .retryWorks: 13, .retryFails: 10]),
        Row(
            11, .unsynced, .both, .nothing,
            [.overwrite: 9, .delete: 3, .pushWorks: 16, .pushFails: 11, .retryWorks: 13, .retryFails: 11]),
        Row(
            12, .unsynced, .both, .earlier,
            [.overwrite: 10, .delete: 4, .pushWorks: 16, .pushFails: 12, .retryWorks: 13, .retryFails: 12]),
        Row(13, .synced, .nothing, .current, [.overwrite: 6, .delete: 2, .latePush: 13, .pushSkips: 13]),
        Row(
            14, .synced, .current, .current,
            [.overwrite: 10, .delete: 4, .latePush: 14, .pushSkips: 14, .retryFails: 14, .retrySkips: 13]),
        Row(
            15, .synced, .earlier, .current,
            [.overwrite: 10, .delete: 4, .latePush: 15, .pushSkips: 15, .retryWorks: 13, .retryFails: 15]),
        Row(
            16, .synced, .both, .current,
            [.overwrite: 10, .delete: 4, .latePush: 16, .pushSkips: 16, .retryWorks: 13, .retryFails: 16]),
    ]

    /// The row of a number.
    static func row(_ number: Int) -> Row { table[number - 1] }

    // MARK: The page

    /// docs/states.md
    static var markdown: String {
        let transitions = Transition.allCases
        let head = "| | object | on the queue | on the server | " + transitions.map(\.rawValue).joined(separator: " | ")
        let lines = table.map { row in
            let state = row.state
            let cells = ["**\(row.number)**", state.object.rawValue, state.queue.rawValue, state.server.rawValue]
            return (cells + transitions.map { row.next[$0].map { "\($0)" } ?? "" }).joined(separator: " | ")
        }
        let columns = String(repeating: "---|", count: 4 + transitions.count)
        let meanings = transitions.map { "- **\($0.rawValue)**: \($0.meaning)" }
        return introduction + "\n" + head + " |\n|" + columns + "\n"
            + lines.map { "| \($0) |\n" }.joined() + "\n" + meanings.joined(separator: "\n") + "\n" + conclusion
    }

    private static let introduction = """
        # The states of an object

        One object of the bucket, its messages on the retry queue and its file on the partner's server: every state they
        can be in together, and which state each thing that happens leads to. A blank means that it does not happen
        there. The tests hold this table and walk through all of it, with the real programs between a real OpenSSH server
        and stand-ins for S3 and SQS.

        *unsynced* is an object without a mark for this server, *synced* one with a mark. On the queue are messages that
        name the *current* version, an *earlier* one, or *both*; on the server stands the *current* version or an
        *earlier* one. When the object is deleted, what it was is *earlier*.

        """

    private static let conclusion = """

        The same as a picture, with two states to a box where they differ only in what the partner has of earlier versions.
        What leads back to the same box is left out.

        ![the states, and what leads from one to another](../diagrams/states.png)

        What to read from it:

        - *synced* stands only beside *current* on the server: a mark is true.
        - From every state, a push or a retry that reaches the server ends in a synced state, if there is an object: no
          message is too old to bring the newest version. A message of an earlier version has the object sent once more
          even when it is synced (15, 16), because an older copy may have been written late.
        - A retry that cannot reach the server changes nothing.

        Not in the table: a `push` that is killed leaves the state that it found, or an unsynced object beside its current
        file if it ends between the rename and the mark. Lambda tries the event again, and that goes on from there. An
        object that was delivered and cannot be marked is unsynced beside its current file too, with a message that asks
        for the mark alone ([retry-message.md](retry-message.md)).

        """
}
