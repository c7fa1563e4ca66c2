/// What breaks between a function and the partner's server.
extension FaultCase {
    private static let cutSFTP = "whatever was under way fails or is queued"

    private static func ssh(
        _ function: String, _ fault: String, _ plan: String, _ change: (inout Self) -> Void = { _ in }
    ) -> Self {
        with(Self(function: function, fault: fault, plan: FaultPlan(ssh: plan)), change)
    }

    private static let functions = ["pull", "push", "pushRetry"]
    private static func data(_ function: String) -> String { function == "pull" ? "down" : "up" }

    /// The server's data go down and ours up, and what answers them is small: a piece as large as the first word of a key
    /// exchange is one, once the login is over.
    static func atAChangeOfKeys(_ kind: String, _ function: String) -> String {
        let (direction, afterBytes) = function == "pull" ? ("up", 2800) : ("down", 3600)
        return
            #"{"kind": "\#(kind)", "direction": "\#(direction)", "afterBytes": \#(afterBytes), "leastPiece": 700, "times": 9}"#
    }

    static let network: [Self] =
        functions.flatMap { function in
            [
                ssh(function, "nobody listens", #"{"kind": "refuse"}"#),
                ssh(
                    function, "RST in the middle of the data",
                    #"{"kind": "reset", "direction": "\#(data(function))", "afterBytes": 100000, "times": 9}"#
                ) { $0.result = .depends(cutSFTP) },
                ssh(
                    function, "RST while the keys are exchanged",
                    #"{"kind": "reset", "direction": "up", "afterBytes": 100, "times": 9}"#),
                ssh(
                    function, "FIN from the server while it logs in",
                    #"{"kind": "halfClose", "direction": "down", "afterBytes": 2000, "times": 9}"#),
                ssh(
                    function, "FIN from the server in the middle of the data",
                    #"{"kind": "halfClose", "direction": "down", "afterBytes": 3600, "times": 9}"#
                ) { $0.result = .depends(cutSFTP) },
                ssh(
                    function, "FIN to the server in the middle of the data",
                    #"{"kind": "halfClose", "direction": "up", "afterBytes": \#(function == "pull" ? 2800 : 100000), "times": 9}"#
                ) {
                    $0.result = .depends(cutSFTP)
                    $0.seconds = 5
                },
                ssh(
                    function, "silence from the first byte on",
                    #"{"kind": "blackHole", "direction": "down", "afterBytes": 0, "times": 9}"#),
                ssh(
                    function, "silence in the middle of the data",
                    #"{"kind": "blackHole", "direction": "\#(data(function))", "afterBytes": 100000, "times": 9}"#
                ) {
                    $0.result = .depends("the deadline ends it: " + cutSFTP)
                    $0.seconds = 5
                },
                ssh(
                    function, "one byte a second while it logs in",
                    #"{"kind": "drip", "direction": "down", "afterBytes": 500, "times": 9}"#),
                ssh(
                    function, "one byte a second in the middle of the data",
                    #"{"kind": "drip", "direction": "\#(data(function))", "afterBytes": 100000, "times": 9}"#
                ) {
                    $0.result = .depends("the deadline ends it: " + cutSFTP)
                    $0.seconds = 5
                },
                ssh(
                    function, "the server is started anew in the middle of the data",
                    #"{"kind": "restart", "direction": "\#(data(function))", "afterBytes": 100000}"#
                ) { $0.result = .depends(cutSFTP) },
                ssh(
                    function, "as many log in as MaxStartups allows", #"{"kind": "occupy", "count": 2}"#),
                with(
                    Self(
                        function: function, fault: "the keys are changed every 64 KiB",
                        plan: FaultPlan(isRekeying: true))
                ) { $0.strikes = false },
            ]
                + [70_000, 140_000, 210_000].flatMap { bytes in
                    ["reset", "blackHole"].map { kind in
                        with(
                            ssh(
                                function,
                                (kind == "reset" ? "RST" : "silence")
                                    + " after \(bytes) bytes, while keys are changed every 64 KiB",
                                #"{"kind": "\#(kind)", "direction": "\#(data(function))", "afterBytes": \#(bytes), "times": 9}"#
                            )
                        ) {
                            $0.plan.isRekeying = true
                            $0.result = .depends(kind == "reset" ? cutSFTP : "the deadline ends it: " + cutSFTP)
                            $0.seconds = kind == "reset" ? usualSeconds : 5
                        }
                    }
                }
        }

    static let changesOfKeys: [Self] = functions.flatMap { function in
        let cut = ssh(function, "RST in the midst of a change of keys", atAChangeOfKeys("reset", function)) {
            $0.plan.isRekeying = true
            $0.result = .depends(cutSFTP)
        }
        let silent = ssh(function, "silence in the midst of a change of keys", atAChangeOfKeys("blackHole", function)) {
            $0.plan.isRekeying = true
            $0.result = .depends("the deadline ends it: " + cutSFTP)
            $0.seconds = 5
        }
        return [cut, silent]
    }

    // MARK: The SFTP server

    private static let statuses = ["": 0, "NO_SUCH_FILE": 2, "PERMISSION_DENIED": 3, "FAILURE": 4]

    private static func sftp(
        _ function: String, _ request: String, _ status: String, after: Bool = false, path: String? = nil,
        times: Int = 99, _ change: (inout Self) -> Void = { _ in }
    ) -> Self {
        let moment = after ? "after" : "before"
        let rule =
            #"{"request": "\#(request)", "path": "\#(path ?? part(request))", "times": \#(times), "moment": "\#(moment)", "#
            + #""status": \#(statuses[status] ?? 4)}"#
        let what = "\(request.uppercased()) is \(after ? "done, and " : "")answered with \(status)"
        return with(Self(function: function, fault: what, plan: FaultPlan(sftp: [rule])), change)
    }

    private static let pullRequests = [
        "opendir", "readdir", "open", "fstat", "read", "close", "mkdir", "rename", "lstat", "setstat",
    ]
    private static let pushRequests = ["open", "write", "fsetstat", "fsync", "fstat", "close", "rename", "mkdir"]

    static let sftpRows: [Self] =
        pullRequests.map { sftp("pull", $0, "PERMISSION_DENIED") }
        + pullRequests.map { sftp("pull", $0, "FAILURE") }
        + pullRequests.map { sftp("pull", $0, "FAILURE", after: true) }
        + pushRequests.map { sftp("push", $0, "PERMISSION_DENIED") }
        + pushRequests.map { sftp("push", $0, "FAILURE") }
        + pushRequests.map { sftp("push", $0, "FAILURE", after: true) }
        + pushRequests.map { sftp("pushRetry", $0, "PERMISSION_DENIED") }
        + pushRequests.map { sftp("pushRetry", $0, "FAILURE") }
        + ends + disks + changes

    /// A part of the path of what the rule is for. A directory is missing only for the new file.
    private static func part(_ request: String) -> String {
        switch request {
        case "opendir", "readdir": "two"
        case "mkdir": "new"
        default: "two/"
        }
    }

    /// The session ends at a request: before it is done, or before its answer.
    private static let ends =
        pullRequests.flatMap { request in
            ["before", "after"].map { end("pull", request, $0) }
        }
        + ["push", "pushRetry"].flatMap { function in
            pushRequests.flatMap { request in ["before", "after"].map { end(function, request, $0) } }
        }

    private static func end(_ function: String, _ request: String, _ moment: String) -> Self {
        let rule =
            #"{"request": "\#(request)", "path": "\#(part(request))", "times": 9, "moment": "\#(moment)", "end": true}"#
        return with(
            Self(
                function: function,
                fault: "the session ends \(moment == "before" ? "before" : "after") \(request.uppercased())",
                plan: FaultPlan(sftp: [rule]))
        ) {
            $0.result = .depends(cutSFTP)
        }
    }

    /// How much of a file gets through depends on the size of the WRITEs, and that on when the server tells its limits.
    private static let evenWrites = #""tellsLimits": false"#

    private static let disks = ["push", "pushRetry"].flatMap { function in
        [
            with(
                Self(
                    function: function, fault: "the disk is full (64 KiB, a tmpfs)",
                    plan: FaultPlan(disk: #""smallDisk": {"path": "incoming", "bytes": 65536}, \#(evenWrites)"#))
            ) {
                $0.strikes = false
                // Several are written at once, and which of them fills the disk is chance.
                $0.result = .depends("what finds room is delivered, and the rest is queued")
            },
            with(
                Self(
                    function: function, fault: "no file may be larger than 100,000 bytes (RLIMIT_FSIZE)",
                    plan: FaultPlan(disk: #""fileSizeLimit": 100000, \#(evenWrites)"#))
            ) { $0.strikes = false },
            sftp(function, "write", "FAILURE", times: 1) {
                $0.plan.sftp = [#"{"request": "write", "path": "two/", "skip": 5, "status": 4}"#]
                $0.plan.disk = evenWrites
                $0.fault = "the sixth WRITE of a file is over the quota (FAILURE)"
            },
        ]
    }

    // MARK: The partner at the same time

    private static let moments = [
        ("between the listing and OPEN", "open", "before"), ("right after OPEN", "open", "after"),
        ("before the first READ", "read", "before"), ("after the first READ", "read", "after"),
        ("before CLOSE", "close", "before"), ("before RENAME", "rename", "before"), ("after RENAME", "rename", "after"),
    ]
    private static let acts: [(String, String, Change)] = [
        ("vanishes", "remove", .removed), ("grows", "append", .appended), ("shrinks", "truncate", .halved),
        ("is replaced", "replace", .replaced),
    ]

    private static let changes =
        moments.flatMap { moment in
            acts.map { act in
                with(
                    Self(
                        function: "pull", fault: "the file \(act.0) \(moment.0)",
                        plan: FaultPlan(sftp: [
                            #"{"request": "\#(moment.1)", "path": "two/second", "moment": "\#(moment.2)", "#
                                + #""do": "\#(act.1)", "on": "outgoing/two/second"}"#
                        ]))
                ) {
                    // Behind the rename there is no file that could do more than come anew.
                    $0.change = moment == moments[6] && act.2 != .replaced && act.2 != .appended ? .none : act.2
                }
            }
        }
        + [
            ("the temporary file vanishes before RENAME", "rename", "before", "remove"),
            ("somebody appends to the temporary file before FSTAT", "fstat", "before", "append"),
            ("somebody cuts the temporary file before FSTAT", "fstat", "before", "truncate"),
        ].map { fault, request, moment, act in
            Self(
                function: "push", fault: fault,
                plan: FaultPlan(sftp: [
                    #"{"request": "\#(request)", "path": "two/", "moment": "\#(moment)", "do": "\#(act)"}"#
                ]))
        }
}
