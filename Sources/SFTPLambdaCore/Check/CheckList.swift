import AWS
import Transfers

/// Tries one thing after the other and notes what came of it.
struct CheckList {
    private(set) var steps: [CheckStep] = []
    private let clock = SystemClock()

    /// What a step needs of the words around it.
    struct Wording {
        var name: String
        /// What it means when it does not work.
        var meaning: String
        /// What to change then.
        var advice: String
        /// Whether the function cannot do without.
        var isNeeded = true
        /// What has to be mended then.
        var cause = FunctionFailure.Cause.work
    }

    /// Tries something.
    /// - Parameter attempt: gives its value and what was seen.
    /// - Returns: the value; nil when it does not work.
    @discardableResult
    mutating func attempt<Value>(
        _ wording: Wording, _ attempt: () async throws -> (value: Value, seen: String)
    ) async -> Value? {
        let began = clock.uptimeSeconds
        do {
            let (value, seen) = try await attempt()
            let milliseconds = (clock.uptimeSeconds - began) * 1000
            steps.append(
                CheckStep(
                    name: wording.name, outcome: .works, milliseconds: milliseconds, detail: seen, meaning: "",
                    advice: "", cause: nil))
            return value
        } catch {
            note(wording, failed: error, milliseconds: (clock.uptimeSeconds - began) * 1000)
            return nil
        }
    }

    /// Notes what works.
    mutating func works(_ name: String, seen: String, milliseconds: Double?) {
        steps.append(
            CheckStep(
                name: name, outcome: .works, milliseconds: milliseconds, detail: seen, meaning: "", advice: "",
                cause: nil)
        )
    }

    /// Notes what does not work.
    mutating func note(_ wording: Wording, seen: String, milliseconds: Double?) {
        steps.append(
            CheckStep(
                name: wording.name, outcome: wording.isNeeded ? .fails : .differs, milliseconds: milliseconds,
                detail: seen, meaning: wording.meaning, advice: wording.advice,
                cause: wording.isNeeded ? wording.cause : nil))
    }

    /// Notes what does not work, with what the failure says of it.
    mutating func note(_ wording: Wording, failed error: any Error, milliseconds: Double?) {
        guard let told = error as? any RemediedError else {
            return note(wording, seen: "\(error)", milliseconds: milliseconds)
        }
        var wording = wording
        // What is tried has a key of its own: which keys have to be allowed, the step knows.
        let isDenial = (error as? AWSError).flatMap(AWSProblem.init) == .accessDenied
        if !told.remedy.isEmpty, !isDenial { wording.advice = told.remedy }
        if error is SettingsError { wording.cause = .settings }
        note(wording, seen: told.finding, milliseconds: milliseconds)
    }

    /// Notes what was not tried.
    mutating func skip(_ name: String, because reason: String) {
        steps.append(
            CheckStep(
                name: name, outcome: .skipped, milliseconds: nil, detail: reason, meaning: "", advice: "", cause: nil))
    }
}
