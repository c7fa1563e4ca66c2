import SFTPLambdaCore

/// The options of the programs, each declared once: reading, faults, `--help` and `docs/command-line.md` come from here.
enum CommandOption: String, CaseIterable, Sendable {
    case dryRun = "dry-run"
    case check
    case event
    case json
    case verbose
    case noProgress = "no-progress"
    case version
    case help

    /// The option as it is written.
    var name: String { "--\(rawValue)" }

    /// The short form, for those that have one.
    var letter: Character? {
        switch self {
        case .dryRun: "n"
        case .verbose: "v"
        case .help: "h"
        case .check, .event, .json, .noProgress, .version: nil
        }
    }

    /// What follows it, in a word; nil for one that stands alone.
    var valueName: String? { self == .event ? "FILE" : nil }

    /// The programs that have it.
    var functions: Set<LambdaFunction> { self == .event ? [.push] : Set(LambdaFunction.allCases) }

    /// What it does, for the person who gives it: plain text on one line.
    var summary: String {
        switch self {
        case .dryRun:
            "Say what would be done, and why the rest is left; change nothing on either side."
        case .check:
            "Find out whether it can work: connect, show the server and its host key, try in a directory of our own what "
                + "is done there, and what AWS permits; clean up, and say what to change."
        case .event:
            "Push what the event in FILE asks for: one that S3, EventBridge, SNS or SQS has sent, or a message of the "
                + "retry queue. - reads standard input."
        case .json: "Write the result as JSON."
        case .verbose: "Log more: every step of the connection, and every file that is left out."
        case .noProgress: "Show no progress on a terminal: the log tells of each file instead."
        case .version: "Say which version this is, and end."
        case .help: "Say how the program is called, with every setting and its default, and end."
        }
    }

    /// The option as lists of options show it: `-n, --dry-run` or `--event FILE`.
    var synopsis: String {
        let short = letter.map { "-\($0), " } ?? ""
        return short + name + (valueName.map { " \($0)" } ?? "")
    }
}
