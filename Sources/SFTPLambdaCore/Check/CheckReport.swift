package import JSON

/// What `check` has found out about one flow: the server and everything that was tried, in the order of trying.
package struct CheckReport: Sendable, Hashable {
    /// The function whose settings were checked.
    package let function: LambdaFunction
    /// What the server showed, as far as it was reached.
    package var server: ServerFacts?
    /// What was tried.
    package var steps: [CheckStep] = []

    /// The first step that does not work; nil when the function can work.
    package var firstFailure: CheckStep? { steps.first { $0.outcome == .fails } }
}

/// One thing that was tried.
package struct CheckStep: Sendable, Hashable {
    /// What came of it.
    package enum Outcome: String, Sendable, Hashable {
        /// It works.
        case works
        /// It does not, and the function does without.
        case differs
        /// It does not, and the function needs it.
        case fails
        /// It was not tried, for the reason that `detail` gives.
        case skipped
    }

    /// What was tried, in a few words.
    package let name: String
    /// What came of it.
    package let outcome: Outcome
    /// How long it took; nil when it was not tried.
    package let milliseconds: Double?
    /// What was seen.
    package let detail: String
    /// What it means for the function; empty when it works.
    package let meaning: String
    /// What to change; empty when nothing has to be.
    package let advice: String
    /// What has to be mended; nil when nothing has to be.
    package let cause: FunctionFailure.Cause?
}

/// What the partner's server is, and what was agreed with it.
package struct ServerFacts: Sendable, Hashable {
    /// What came of comparing the host key with SFTP_HOST_KEY.
    package enum HostKeyVerdict: String, Sendable, Hashable {
        /// It is one of those that are expected.
        case expected
        /// It is none of those that are expected.
        case refused
        /// None is expected: SFTP_HOST_KEY is not set.
        case unchecked
        /// It did not come to that.
        case unknown
    }

    /// The address that answered.
    package let address: String
    /// How it names itself.
    package let software: String
    /// Its host key, as SFTP_HOST_KEY takes it; empty when it showed none.
    package let hostKey: String
    /// The key's fingerprint.
    package let hostKeyFingerprint: String
    /// What came of comparing it.
    package let hostKeyVerdict: HostKeyVerdict
    /// The algorithms that were agreed on, by what they are for.
    package let algorithms: [String: String]
    /// The methods of logging in that it offers.
    package let methods: [String]
    /// The one that logged in; empty when none did.
    package let method: String
    /// The SFTP extensions that it offers.
    package var extensions: [String] = []
    /// How many files and directories it lets be open at once; nil when it does not say.
    package var maximumOpenHandles: UInt64?
}

extension CheckReport: JSONWritable {
    /// Writes an object, its members in the order of their names.
    package func write(to text: inout JSONText) {
        text.object {
            $0.member("function", function.rawValue)
            $0.member("isUsable", firstFailure == nil)
            $0.member("server", server)
            $0.member("steps", steps)
        }
    }
}

extension CheckStep: JSONWritable {
    /// Writes an object, its members in the order of their names.
    package func write(to text: inout JSONText) {
        text.object {
            if !advice.isEmpty { $0.member("advice", advice) }
            $0.member("detail", detail)
            if !meaning.isEmpty { $0.member("meaning", meaning) }
            $0.member("milliseconds", milliseconds.map { Int($0.rounded()) })
            $0.member("name", name)
            $0.member("outcome", outcome.rawValue)
        }
    }
}

extension ServerFacts: JSONWritable {
    /// Writes an object, its members in the order of their names.
    package func write(to text: inout JSONText) {
        text.object {
            $0.member("address", address)
            $0.member("algorithms", algorithms)
            $0.member("extensions", extensions)
            $0.member("hostKey", hostKey)
            $0.member("hostKeyFingerprint", hostKeyFingerprint)
            $0.member("hostKeyVerdict", hostKeyVerdict.rawValue)
            $0.member("maximumOpenHandles", maximumOpenHandles)
            $0.member("method", method)
            $0.member("methods", methods)
            $0.member("software", software)
        }
    }
}
