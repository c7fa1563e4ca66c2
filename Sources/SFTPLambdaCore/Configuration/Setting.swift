/// One environment variable, declared once: reading, faults, warnings about unknown names, `docs/settings.md` and the
/// help text all come from here. All declarations stand in `Settings`.
public struct Setting<Value: Sendable>: Sendable {
    /// All about it that does not depend on its type.
    public let declaration: SettingDeclaration
    /// What holds when the variable is not set.
    let fallback: Value?
    /// Text to value. The text has no white space around it (unless it is a secret) and is not empty.
    let parse: @Sendable (String) throws(SettingProblem) -> Value
}

/// What is declared of a setting, apart from the type of its value.
public struct SettingDeclaration: Sendable, Hashable {
    /// The environment variable.
    public let name: String
    /// The functions that read it.
    public let functions: Set<LambdaFunction>
    /// When it must be set.
    public let requirement: SettingRequirement
    /// What it may hold, in a few words that follow "Expected: ".
    public let expected: String
    /// A value that is right, for fault texts and documentation. For a secret, one that is nobody's.
    public let example: String
    /// Whether its value must never be shown.
    public let isSecret: Bool
    /// What it does, for the person who sets it: plain Markdown on one line.
    public let summary: String
}

/// When a setting must be set.
public enum SettingRequirement: Sendable, Hashable {
    /// Always, for the functions that read it.
    case required
    /// Under a condition, given in words.
    case conditional(String)
    /// Never. Without it, this holds.
    case defaulted(String)
}

extension Setting {
    /// Declares a setting that must be set, always or as `condition` says in words. Where there is a condition, who
    /// reads the setting checks it.
    static func required(
        _ name: String, _ functions: Set<LambdaFunction>, unless condition: String? = nil, expected: String,
        example: String, isSecret: Bool = false, summary: String,
        parse: @escaping @Sendable (String) throws(SettingProblem) -> Value
    ) -> Setting {
        let requirement = condition.map { SettingRequirement.conditional("required unless \($0)") } ?? .required
        return Setting(
            declaration: SettingDeclaration(
                name: name, functions: functions, requirement: requirement, expected: expected, example: example,
                isSecret: isSecret, summary: summary),
            fallback: nil, parse: parse)
    }

    /// Declares a setting that need not be set. `fallbackText` says in the documentation what holds then.
    static func optional(
        _ name: String, _ functions: Set<LambdaFunction>, fallback: Value? = nil, fallbackText: String,
        expected: String, example: String, isSecret: Bool = false, summary: String,
        parse: @escaping @Sendable (String) throws(SettingProblem) -> Value
    ) -> Setting {
        Setting(
            declaration: SettingDeclaration(
                name: name, functions: functions, requirement: .defaulted(fallbackText), expected: expected,
                example: example, isSecret: isSecret, summary: summary),
            fallback: fallback, parse: parse)
    }
}
