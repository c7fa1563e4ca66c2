import Transfers

/// Reads settings for one function and collects every fault, instead of stopping at the first.
struct SettingsReader {
    private let environment: [String: String]
    private let function: LambdaFunction
    private(set) var faults: [SettingFault] = []
    /// The names that were asked for: tests compare them with the declarations.
    private(set) var namesRead: Set<String> = []

    init(_ environment: [String: String], for function: LambdaFunction) {
        self.environment = environment
        self.function = function
    }

    /// The value of a setting, or what holds without it. Nil when there is neither, or when it is faulty; a fault is
    /// then recorded, and so is the lack of a required setting.
    mutating func read<Value>(_ setting: Setting<Value>) -> Value? {
        let declaration = setting.declaration
        precondition(declaration.functions.contains(function), "\(declaration.name) is not declared for \(function)")
        namesRead.insert(declaration.name)
        guard let text = text(of: declaration) else {
            if declaration.requirement == .required { record(declaration, "is not set") }
            return setting.fallback
        }
        do throws(SettingProblem) {
            return try setting.parse(text)
        } catch {
            record(declaration, error.text)
            return nil
        }
    }

    /// Whether the variable holds anything, right or wrong.
    func isSet(_ declaration: SettingDeclaration) -> Bool { text(of: declaration) != nil }

    /// Records what only the settings together show to be wrong.
    mutating func record(_ declaration: SettingDeclaration, _ problem: String) {
        faults.append(SettingFault(declaration, problem))
    }

    /// All that was found to be wrong, in the order of the declarations.
    var error: SettingsError {
        let order = Settings.names
        return SettingsError(faults.sorted { order.firstIndex(of: $0.name) ?? 0 < order.firstIndex(of: $1.name) ?? 0 })
    }

    /// The variables that look like settings of ours and are none, by name.
    var warnings: [SettingWarning] {
        environment.keys
            .filter { $0.uppercased().hasPrefix(Self.prefix) && !Settings.names.contains($0) }
            .sorted().prefix(Self.maximumWarnings)
            .map { SettingWarning(name: printable($0.utf8), nearest: nearestName(to: $0, among: Settings.names)) }
    }

    /// A set of warnings longer than this says nothing that the first ones do not.
    static let maximumWarnings = 20

    private static let prefix = "SFTP_"

    /// An empty variable counts as not set: deployment tools write one where a value is missing. White space around a
    /// value is an accident of pasting, except in secrets, where it may belong to a password.
    private func text(of declaration: SettingDeclaration) -> String? {
        guard let raw = environment[declaration.name] else { return nil }
        let text = declaration.isSecret ? raw : raw.trimmingWhiteSpace()
        return text.isEmpty ? nil : text
    }
}

/// The name with the smallest edit distance (insertions, deletions, replacements); among equals the first in order.
package func nearestName(to name: String, among names: [String]) -> String {
    let wanted = Array(name.uppercased().utf8.prefix(maximumComparedBytes))
    let distances = names.map { (name: $0, distance: editDistance(wanted, Array($0.uppercased().utf8))) }
    return distances.min { $0.distance < $1.distance }?.name ?? ""
}

/// More of a name than this is not compared: it cannot be near to any of ours.
private let maximumComparedBytes = 100

/// The Levenshtein distance, row by row.
private func editDistance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    var row = Array(0...second.count)
    for (i, byte) in first.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, other) in second.enumerated() {
            let replaced = diagonal + (byte == other ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, min(row[j], row[j + 1]) + 1)
        }
    }
    return row[second.count]
}

extension String {
    /// The text without spaces, tabs and line ends around it.
    func trimmingWhiteSpace() -> String {
        let isSpace = { (scalar: Unicode.Scalar) in scalar.properties.isWhitespace }
        let scalars = unicodeScalars
        guard let start = scalars.firstIndex(where: { !isSpace($0) }),
            let last = scalars.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(scalars[start...last])
    }
}
