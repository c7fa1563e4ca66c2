import SFTPLambdaCore
import Transfers

/// What one call of a program asks for.
struct Command: Hashable, Sendable {
    /// What is to be done.
    enum Action: Hashable, Sendable {
        /// The function's work.
        case run
        /// Only say what that would be.
        case dryRun
        /// Find out whether that can be done.
        case check
        /// Say which version this is.
        case version
        /// Say how the program is called.
        case help
    }

    /// What push is to push.
    enum Source: Hashable, Sendable {
        /// These objects.
        case objects([ObjectAddress])
        /// What the event in this file asks for; `-` is standard input.
        case event(file: String)
    }

    var action: Action = .run
    var writesJSON = false
    var isVerbose = false
    /// Whether no progress is shown, wherever standard error goes.
    var hidesProgress = false
    /// Of push alone, and only where something is to be pushed.
    var source: Source?

    /// Reads the arguments of a program, its own name left out. Options may stand anywhere before `--`, and what is given
    /// twice counts once.
    /// - Throws: `UsageError` that says what is wrong and what was expected.
    init(_ arguments: some Sequence<String>, of function: LambdaFunction) throws(UsageError) {
        var reader = CommandReader(function)
        for argument in arguments { try reader.read(argument) }
        self = try reader.command()
    }

    fileprivate init() {}
}

/// Why the arguments cannot be used: what is wrong, and what was expected.
struct UsageError: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Reads one argument after the other.
private struct CommandReader {
    private let function: LambdaFunction
    private var given: Set<CommandOption> = []
    private var words: [String] = []
    private var eventFile: String?
    /// The option whose value comes next.
    private var pending: CommandOption?
    private var isBehindOptions = false

    init(_ function: LambdaFunction) { self.function = function }

    mutating func read(_ argument: String) throws(UsageError) {
        if let option = pending {
            guard !argument.hasPrefix("-") || argument == "-" else {
                throw Self.missingValue(of: option, before: argument)
            }
            pending = nil
            return try take(option, value: argument)
        }
        if isBehindOptions || !argument.hasPrefix("-") || argument == "-" { return words.append(argument) }
        if argument == "--" {
            isBehindOptions = true
        } else if argument.hasPrefix("--") {
            try readLong(argument)
        } else {
            for letter in argument.dropFirst() { try readShort(letter) }
        }
    }

    private mutating func readLong(_ argument: String) throws(UsageError) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        guard let option = CommandOption.allCases.first(where: { $0.name == name }) else {
            let names = CommandOption.allCases.filter { $0.functions.contains(function) }.map(\.name)
            throw UsageError(
                "there is no option \(Printed.word(name)); the nearest is \(nearestName(to: name, among: names))")
        }
        try take(option, value: parts.count == 2 ? String(parts[1]) : nil)
    }

    private mutating func readShort(_ letter: Character) throws(UsageError) {
        guard let option = CommandOption.allCases.first(where: { $0.letter == letter }) else {
            throw UsageError("there is no option \(Printed.word("-\(letter)"))")
        }
        try take(option, value: nil)
    }

    private mutating func take(_ option: CommandOption, value: String?) throws(UsageError) {
        guard option.functions.contains(function) else {
            throw UsageError("\(option.name) is no option of \(function.rawValue)")
        }
        guard let valueName = option.valueName else {
            guard value == nil else { throw UsageError("\(option.name) takes no value") }
            given.insert(option)
            return
        }
        guard let value else {
            pending = option
            return
        }
        guard !value.isEmpty else { throw UsageError("\(option.name) needs a \(valueName)") }
        guard eventFile == nil else { throw UsageError("\(option.name) is given twice") }
        eventFile = value
    }

    /// What looks like an option is none of its values: a word was forgotten.
    private static func missingValue(of option: CommandOption, before argument: String) -> UsageError {
        let value = option.valueName ?? "value"
        return UsageError(
            "\(option.name) needs a \(value), and \(Printed.word(argument)) looks like an option; a file of that name is "
                + "given as ./\(Printed.text(argument))")
    }

    func command() throws(UsageError) -> Command {
        var command = Command()
        command.writesJSON = given.contains(.json)
        command.isVerbose = given.contains(.verbose)
        command.hidesProgress = given.contains(.noProgress)
        // Who asks how to call a program need not know how to call it.
        if given.contains(.help) {
            command.action = .help
            return command
        }
        if let pending { throw UsageError("\(pending.name) needs a \(pending.valueName ?? "value")") }
        if given.contains(.version) {
            command.action = .version
            return command
        }
        guard !given.isSuperset(of: [.dryRun, .check]) else {
            throw UsageError("--dry-run and --check exclude each other: give one of them")
        }
        command.action = given.contains(.check) ? .check : given.contains(.dryRun) ? .dryRun : .run
        if function == .push {
            // A check needs no objects, and looks at those that are named.
            guard command.action != .check || eventFile != nil || !words.isEmpty else { return command }
            command.source = try source()
        } else if let word = words.first {
            throw UsageError("\(function.rawValue) takes options only, and \(Printed.word(word)) is none")
        }
        return command
    }

    private func source() throws(UsageError) -> Command.Source {
        if let eventFile {
            guard words.isEmpty else { throw UsageError("--event and objects exclude each other: give one of them") }
            return .event(file: eventFile)
        }
        guard !words.isEmpty else {
            throw UsageError("nothing to push is named. Expected: s3://BUCKET/KEY, or --event FILE")
        }
        var objects: [ObjectAddress] = []
        for word in words { objects.append(try ObjectAddress(url: word)) }
        return .objects(objects)
    }
}

extension ObjectAddress {
    /// Reads `s3://bucket/key`. The key is everything behind the bucket's slash, as it stands: nothing is decoded.
    init(url: String) throws(UsageError) {
        let scheme = "s3://"
        let expected =
            "Expected: s3://BUCKET/KEY, with the key as it stands. Example: s3://acme-outbox/reports/june.csv"
        let parts = url.dropFirst(scheme.count).split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard url.hasPrefix(scheme), parts.count == 2, !parts[0].isEmpty else {
            throw UsageError("\(Printed.word(url)) names no object. \(expected)")
        }
        guard let key = ObjectKey(String(parts[1])) else {
            let limit = "keys have 1 to \(ObjectKey.maximumBytes) bytes"
            throw UsageError("\(Printed.word(url)) has a key of \(parts[1].utf8.count) bytes; \(limit). \(expected)")
        }
        self.init(bucket: String(parts[0]), key: key)
    }
}
