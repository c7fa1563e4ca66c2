import TestKit

/// What a function makes of a server that lies: the table of docs/hostile-servers.md, and what the tests expect.
struct HostileCase: Sendable {
    /// What the function answers.
    enum Answer: Sendable {
        /// The invocation succeeds, with so many files transferred and left.
        case done(_ transferred: Int, left: [String: Int] = [:])
        /// The invocation succeeds, and says that not everything was listed.
        case cutShort
        /// The invocation fails.
        case failed
        /// One or the other: it depends on how far it came.
        case either
    }

    var scenario: String
    var answer: Answer
    /// The keys in the bucket afterwards, in order.
    var keys: [String] = []
    /// What the log says, as it stands there.
    var log: String
    /// What comes of it, for people.
    var outcome: String
    /// How long the invocation may take. Where it takes all of it, the table says so.
    var seconds = 20.0
    /// The same, as it is played: sanitizers make everything slower.
    var timeoutSeconds: Double { Sanitizer.isOn ? 4 * seconds : seconds }
    var isEndedByTheDeadline = false

    /// A server of which a pull gets nothing: the connection is closed and the invocation fails.
    static func refused(_ scenario: String, _ log: String) -> Self {
        Self(
            scenario: scenario, answer: .failed, log: log, outcome: "the connection is closed, the invocation fails")
    }

    /// A server that holds a function up until the deadline ends it.
    static func endless(
        _ scenario: String, _ answer: Answer, keys: [String] = [], log: String, _ outcome: String, seconds: Double = 3
    ) -> Self {
        Self(
            scenario: scenario, answer: answer, keys: keys, log: log, outcome: outcome, seconds: seconds,
            isEndedByTheDeadline: true)
    }

    /// The rows of pull that are played: all of them when the long tests are wanted.
    static var played: [Self] { pull.filter { TestLength.isLong || !long.contains($0.scenario) } }
    private static let long: Set = ["million-links", "long-names-held", "drip-content"]

    // MARK: pull

    private static let good = "in/good"
    private static let cutOff = "it did not finish in the"
    private static let unanswered = "s what else the directory holds"

    static let pull = names + directories + packets + sizes + drips

    private static let names = [
        Self(
            scenario: "honest", answer: .done(1), keys: [good], log: "file transferred",
            outcome: "the file is transferred"),
        skipped("names-slash", ["unsafeName": 3], #""path":"outgoing/sub/file""#),
        skipped("names-parent", ["unsafeName": 2], #""path":"outgoing/../../.ssh/authorized_keys""#),
        skipped("names-nul", ["unsafeName": 2], #""path":"outgoing/before\\x00after""#),
        skipped("names-64-KiB", ["unsafeName": 40], #""reason":"unsafeName""#),
        skipped("names-over-key", ["unsafeName": 1], #""reason":"unsafeName""#),
        Self(
            scenario: "names-reserved", answer: .done(1, left: ["reservedName": 1, "temporary": 1]), keys: [good],
            log: #""reason":"reservedName""#,
            outcome: "both are left, and the first is named; the good file is transferred"),
        Self(
            scenario: "names-not-UTF-8", answer: .failed, keys: [good],
            log: #""path":"outgoing/\\xff\\xfe","reason":"its name is not UTF-8"#,
            outcome: "each fails and is named; the good file is transferred"),
        Self(
            scenario: "names-control", answer: .done(2),
            keys: [good, "in/x\n{\"level\":\"info\",\"message\":\"forged\"}\n\u{1B}[2Jy"],
            log: #""path":"outgoing/x\\x0a{\"level\":\"info\",\"message\":\"forged\"}\\x0a\\x1b[2Jy""#,
            outcome: "transferred under its name; in the log it is escaped"),
        Self(
            scenario: "names-backslash", answer: .done(3), keys: ["in/..\\up", "in/C:\\up", good],
            log: #""key":"in/..\\up""#, outcome: "transferred: a backslash is a character like any other in a key"),
        Self(
            scenario: "names-twice", answer: .either, keys: [good, "in/twice"], log: #""path":"outgoing/twice""#,
            outcome: "one object; whoever comes too late finds the file changed or gone"),
    ]

    private static func skipped(_ scenario: String, _ left: [String: Int], _ log: String) -> Self {
        Self(
            scenario: scenario, answer: .done(1, left: left), keys: [good], log: log,
            outcome: "each is left and named; the good file is transferred")
    }

    private static let directories = [
        Self(
            scenario: "loop", answer: .failed, keys: [good],
            log: "directories are entered no further than 64 directories deep",
            outcome: "entered 64 times; then it fails and is named; the good file is transferred"),
        Self(
            scenario: "loop-long-name", answer: .failed, keys: [good],
            log: "directories are entered no further than 4096 bytes long",
            outcome: "entered while the path has 4,096 bytes; then it fails and is named"),
        endless(
            "loop-forked", .failed, keys: [good], log: "directories are entered no further than 64 directories deep",
            "the deadline ends it; the good file is transferred"),
        endless(
            "long-names-held", .cutShort, log: "", "no more than 32,768 files wait; the deadline comes first",
            seconds: 30),
        Self(
            scenario: "million-links", answer: .done(0, left: ["symbolicLink": 1_000_000]), log: "pull finished",
            outcome: "every link is left and counted", seconds: 60),
        endless(
            "million-files", .failed, log: "not one part of it",
            "the listing waits for the files; the deadline ends the one under way, which is named"),
        endless(
            "million-directories", .cutShort, log: "directories are left to a later run",
            "8 MiB of them wait, the others are counted; the deadline ends it", seconds: 6),
        endless(
            "endless-listing", .either, keys: ["in/again"], log: #""path":"outgoing/again""#,
            "the file is taken again and again; the deadline ends it"),
        endless(
            "dense-packets", .cutShort, keys: [good], log: "file transferred",
            "one packet of each directory at a time is in memory; the deadline ends it"),
        Self(
            scenario: "empty-names", answer: .done(0), log: "pull finished",
            outcome: "the first such packet is the end of the listing"),
    ]

    private static let packets = [
        refused("count-too-big", "a malformed NAME packet: it counts 4294967295 items in 0 bytes"),
        refused("length-too-big", "a packet of 4294967295 bytes"),
        refused("length-of-257-KiB", "a packet of 263169 bytes"),
        refused("length-zero", "a packet of 0 bytes"),
        refused("name-too-long", "a malformed NAME packet: it ends too early"),
        refused("extended-count", "a malformed NAME packet: it counts 4294967295 items in 0 bytes"),
        refused("bytes-too-many", "a malformed STATUS packet: 100 bytes too many"),
        refused("unknown-type", "a packet of type 250, which no server sends"),
        refused("handle-too-long", "a malformed HANDLE packet: a string of 1024 bytes where 256 are allowed"),
        refused("status-for-handle", "is STATUS OK (0), which does not answer it"),
        refused("data-for-names", "is DATA of 1 bytes, which does not answer it"),
        refused("names-for-data", "is NAME with 1 names, which does not answer it"),
        refused("data-too-long", "is DATA of 261121 bytes, which does not answer it"),
        refused("data-length-lies", "a malformed DATA packet: it ends too early"),
        refused("reply-to-nobody", "which is not outstanding"),
        refused("reply-twice", "which is not outstanding"),
        refused("limits-cut-short", "a malformed limits@openssh.com packet: it ends too early"),
        refused("flood", "which is not outstanding"),
        refused("cut-off", "the server ended the SFTP session"),
        Self(
            scenario: "status-text", answer: .failed, log: "the server answered PERMISSION_DENIED (3)",
            outcome: "the invocation fails; 256 bytes of the text are shown, escaped"),
        Self(
            scenario: "limits-huge", answer: .done(1), keys: [good], log: "file transferred",
            outcome: "no size above our own is used; the file is transferred"),
        Self(
            scenario: "many-extensions", answer: .done(1), keys: [good], log: "file transferred",
            outcome: "those that are not known are passed over; the file is transferred"),
    ]

    private static let sizes = [
        changed("grows-for-ever"), changed("grows-and-says-so"), changed("ends-early"),
        Self(
            scenario: "swapped-behind-the-move", answer: .done(0, left: ["changed": 1]), keys: [good],
            log: #""reason":"changed""#,
            outcome: "the object is what was read, and the file counts as changed: the next run takes it again"),
        Self(
            scenario: "rename-lies", answer: .done(1), keys: [good], log: "file transferred",
            outcome: "the object is whole; the file is where it was, and the next run takes it again"),
        Self(
            scenario: "size-of-2-to-64", answer: .failed, log: "it has 18446744073709551615 bytes",
            outcome: "it fails and is named; nothing of it is read"),
        Self(
            scenario: "no-size", answer: .failed, log: "the server does not say how large it is",
            outcome: "it fails and is named"),
        Self(
            scenario: "no-kind", answer: .done(0, left: ["kindUnknown": 1]), log: #""reason":"kindUnknown""#,
            outcome: "it is left and named"),
        endless(
            "one-byte-a-read", .failed, log: cutOff, "it fails and is named: no run could carry it", seconds: 3),
    ]

    private static func changed(_ scenario: String) -> Self {
        Self(
            scenario: scenario, answer: .done(0, left: ["changed": 1]), log: #""reason":"changed""#,
            outcome: "no more is read than the listing said; it is left as changed, and nothing is stored")
    }

    private static let drips = [
        Self(
            scenario: "drip-version", answer: .failed,
            log: "no whole answer to INIT within the time for connecting and logging in",
            outcome: "SFTP_SSH_READY_TIMEOUT_SECONDS ends it"),
        endless(
            "drip-listing", .failed, log: unanswered,
            "the deadline ends it; the directory fails and is named"),
        endless(
            "silence", .failed, log: unanswered,
            "after 30 seconds the connection is closed; a deadline before that ends it, and the directory is named"),
        endless("drip-content", .failed, log: cutOff, "the deadline ends it; the file fails and is named"),
    ]

    // MARK: push

    static let push = [
        Self(
            scenario: "honest", answer: .done(1), keys: [], log: "object delivered",
            outcome: "the object is delivered"),
        queued("rename-lies", "the file still has its old name: it is not delivered"),
        queued("open-by-name", "is NAME with 1 names, which does not answer it"),
        queued("write-by-data", "is DATA of 1 bytes, which does not answer it"),
        queued("write-twice", "which is not outstanding"),
        queued("write-refused", "the server answered FAILURE (4)"),
        queued("no-such-folder", "the server answered NO_SUCH_FILE (2)"),
        queued("every-name-taken", "something has the name"),
        queued("taken-again", "the name is taken again and again"),
        queued("swallows", "1048576 bytes were written, and it has 524288"),
        queued("limits-cut-short", "a malformed limits@openssh.com packet: it ends too early"),
        queued("drip-version", "no whole answer to INIT within the time for connecting and logging in"),
        dripped("write-silence"), dripped("write-drips"),
    ]

    private static func queued(_ scenario: String, _ log: String) -> Self {
        Self(
            scenario: scenario, answer: .failed, log: log,
            outcome: "nothing stands under the object's name by our doing; the object goes to the retry queue")
    }

    private static func dripped(_ scenario: String) -> Self {
        endless(scenario, .failed, log: "", "the deadline ends it; the object goes to the retry queue")
    }

    // MARK: The page

    static func markdown(_ does: [String: String], proxy: [String: String]) -> String {
        """
        # What is made of a server that lies

        Written by `UPDATE_DOCS=1 swift test --filter HostileServerTests`, which plays every row, but \(long.sorted().joined(separator: ", ")) only among the long tests: `local/hostile_sftp.py`
        behind a real sshd decides on each byte that the server sends, and pull and push run as programs. Of every row is
        checked, besides what it says, that the same process lives on and has had no more than 112 MiB in memory (built for
        debugging; the smallest Lambda function has 128 MB), that it answered before its deadline, that it asked for
        no path outside the source or target directory, that no object came to be outside the prefix, and that
        every line of the log is one JSON object of at most 255 KiB. *Deadline* marks what takes the whole invocation.

        What is not bounded but by the deadline: the number of lines in the log. A listing without an end names each file
        that it takes or leaves.

        ## pull

        \(table(pull, does))

        ## push

        \(table(push, does))

        ## Proxies

        `local/hostile_proxy.py` stands between pull and an honest server, and pull has a user and a password for it. The
        same is checked of each row, and that neither the log nor the answer holds them.

        | scenario | the proxy does | what comes of it | what the log says |
        |---|---|---|---|
        \(HostileProxyCase.all.map { "| \($0.scenario) | \(proxy[$0.scenario] ?? "") | \($0.outcome) | `` \($0.log) `` |" }.joined(separator: "\n"))

        ## Keys on their way out

        A key that is refused is refused for good: the server is not asked for anything.

        | key | what push does | what the log says |
        |---|---|---|
        \(HostileKey.all.map { "| \($0.shown) | \($0.refusal == nil ? "delivers it under that name" : "refuses it") | \($0.refusal ?? "") |" }.joined(separator: "\n"))

        """
    }

    private static func table(_ rows: [Self], _ does: [String: String]) -> String {
        let lines = rows.map { row in
            let log = row.log.isEmpty ? "" : "`` \(row.log) ``"
            let deadline = row.isEndedByTheDeadline ? "*Deadline.* " : ""
            return "| \(row.scenario) | \(does[row.scenario] ?? "") | \(deadline)\(row.outcome) | \(log) |"
        }
        return (["| scenario | the server does | what comes of it | what the log says |", "|---|---|---|---|"] + lines)
            .joined(separator: "\n")
    }
}
