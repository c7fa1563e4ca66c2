/// The settings as people read them, made from the declarations.
public enum SettingsDocument {
    /// `docs/settings.md`.
    public static var markdown: String {
        var lines = [
            "# Settings",
            "",
            "All settings are environment variables of the function. White space around a value is dropped (not around a",
            "secret), and an empty variable counts as not set. All faults are reported together, before anything is done; a",
            "variable that begins with `SFTP_` and is no setting gets a warning with the nearest name.",
            "",
        ]
        lines += table
        lines += [
            "", "Besides these, the variables that AWS tools know are honoured:", "", "| variable | what it does |",
            "|---|---|",
        ]
        for variable in StandardVariable.all {
            let names = variable.name.split { $0 == "," || $0 == " " }.map { "`\($0)`" }.joined(separator: ", ")
            lines.append(row(names, variable.summary))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The table of our own settings, which the README shows too.
    static var table: [String] {
        ["| variable | used by | default | what it does |", "|---|---|---|---|"]
            + Settings.declarations.map { setting in
                let secrecy = setting.isSecret ? " Never shown anywhere." : ""
                return row("`\(setting.name)`", functions(setting), requirement(setting), setting.summary + secrecy)
            }
    }

    /// The settings of one function, for `--help` on a command line.
    public static func help(for function: LambdaFunction) -> String {
        var lines = ["Settings of \(function.rawValue) (environment variables):"]
        for setting in Settings.declarations where setting.functions.contains(function) {
            lines += [
                "", "  \(setting.name)", "      \(setting.summary.filter { $0 != "`" })",
                "      Expected: \(setting.expected). Example: \(setting.name)=\(setting.example)",
                "      Default: \(commandLineRequirement(setting, function).filter { $0 != "`" && $0 != "*" })",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The variables that AWS tools know, for `--help`.
    public static var standardVariablesHelp: String {
        let lines = StandardVariable.all.flatMap { ["", "  \($0.name)", "      \($0.summary.filter { $0 != "`" })"] }
        return (["", "Besides these, the variables that AWS tools know are honoured:"] + lines).joined(separator: "\n")
            + "\n"
    }

    private static func row(_ cells: String...) -> String {
        "| " + cells.map { $0.split(separator: "|").joined(separator: "\\|") }.joined(separator: " | ") + " |"
    }

    private static func functions(_ setting: SettingDeclaration) -> String {
        if setting.functions.count == LambdaFunction.allCases.count { return "all" }
        return LambdaFunction.allCases.filter(setting.functions.contains).map(\.rawValue).joined(separator: ", ")
    }

    /// What holds on a command line. There push alone can do without the queue: the result tells what failed.
    private static func commandLineRequirement(_ setting: SettingDeclaration, _ function: LambdaFunction) -> String {
        let isQueue = setting.name == Settings.retryQueue.declaration.name
        guard function == .push, isQueue else { return requirement(setting) }
        return "none: what fails is told, and put on no queue (required of the Lambda function)"
    }

    private static func requirement(_ setting: SettingDeclaration) -> String {
        switch setting.requirement {
        case .required: "**required**"
        case .conditional(let text): text
        case .defaulted(let text): text
        }
    }
}
