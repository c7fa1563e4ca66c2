import Foundation
import Testing

@testable import LambdaRuntime

/// Serialized: there is one environment.
@Suite(.serialized) struct TraceVariableTests {
    private let variable = EnvironmentTraceVariable.shared

    private var current: String? { getenv("_X_AMZN_TRACE_ID").map { String(cString: $0) } }

    @Test func isSetAnewAndRemoved() {
        for round in 0..<3 {
            variable.set("Root=1-\(round);Sampled=1")
            #expect(current == "Root=1-\(round);Sampled=1")
            variable.set("short")
            #expect(current == "short")
            variable.set(nil)
            #expect(current == nil)
        }
    }

    @Test func replacesAValueThatWasThereBefore() {
        setenv("_X_AMZN_TRACE_ID", "somebody else's", 1)
        variable.set("ours")
        #expect(current == "ours")
        setenv("_X_AMZN_TRACE_ID", "somebody else's", 1)
        variable.set(nil)
        #expect(current == nil)
    }

    @Test func valueThatDoesNotFitIsNotSet() {
        let longest = String(repeating: "x", count: EnvironmentTraceVariable.maximumBytes)
        variable.set(longest)
        #expect(current == longest)
        variable.set(longest + "x")
        #expect(current == nil)
        variable.set("before")
        variable.set("with\0NUL")
        #expect(current == nil)
    }

    /// glibc's setenv makes a copy of every value and keeps it for ever. Here there is one place for all of them.
    @Test func manyValuesTakeNoMemory() {
        variable.set("first")
        let place = getenv("_X_AMZN_TRACE_ID")
        for count in 0..<1_000 {
            variable.set(nil)
            variable.set("Root=\(count)")
            #expect(getenv("_X_AMZN_TRACE_ID") == place)
        }
        variable.set(nil)
    }
}
