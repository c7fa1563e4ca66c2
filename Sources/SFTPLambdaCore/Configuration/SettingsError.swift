public import LambdaRuntime

/// Why a text is not a value of a setting: a phrase that follows the setting's name, such as `is not a whole number`.
/// It never holds a secret, nor text that could be one by mistake.
struct SettingProblem: Error, Hashable {
    var text: String

    init(_ text: String) { self.text = text }
}

/// One thing that is wrong with the settings.
public struct SettingFault: Sendable, Hashable, CustomStringConvertible {
    /// The environment variable.
    public var name: String
    /// What is wrong with it.
    public var problem: String
    /// What it should be.
    public var expected: String
    /// A line that would be right.
    public var example: String

    /// Name, problem, what is expected and an example, on one line.
    public var description: String { "\(name) \(problem). Expected: \(expected). Example: \(example)" }
}

extension SettingFault {
    init(_ declaration: SettingDeclaration, _ problem: String) {
        self.init(
            name: declaration.name, problem: problem, expected: declaration.expected,
            example: "\(declaration.name)=\(declaration.example)")
    }
}

/// The settings cannot be used. Holds every fault that was found, so that one deployment mends them all. Trying again
/// without changing a setting, or the secret, cannot help.
public struct SettingsError: LambdaReportableError, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong, in the order of the declarations; never empty.
    public let faults: [SettingFault]

    /// Makes an error of at least one fault.
    public init(_ faults: [SettingFault]) {
        precondition(!faults.isEmpty, "an error without a fault")
        self.faults = faults
    }

    /// What is wrong, on one line.
    var finding: String { faults.map { "\($0.name) \($0.problem)" }.joined(separator: "; ") }

    /// What would be right, on one line.
    var remedy: String {
        faults.map { "\($0.name): \($0.expected), such as \($0.example)" }.joined(separator: "; ")
    }

    /// The stable word under which Lambda reports it.
    public var errorType: String { FailureType.invalidSettings.rawValue }

    /// Every fault on a line of its own. Holds no secret.
    public var errorMessage: String {
        let head = faults.count == 1 ? "1 setting cannot be used:" : "\(faults.count) settings cannot be used:"
        return ([head] + faults.map { "- \($0)" }).joined(separator: "\n")
    }

    /// The error message.
    public var description: String { errorMessage }
}

/// A variable that looks like a setting and is none, most likely a misspelt one.
public struct SettingWarning: Sendable, Hashable, CustomStringConvertible {
    /// The variable's name, as it is set.
    public var name: String
    /// The setting whose name is the nearest.
    public var nearest: String

    /// Both names, in words.
    public var description: String {
        "\(name) is not a setting of this program and is ignored; the nearest name is \(nearest)"
    }
}
