import Foundation

/// How much the tests try.
public enum TestLength {
    /// Whether tests that choose how many cases they try take many: `LONG_TESTS=1` in the environment.
    public static let isLong = ProcessInfo.processInfo.environment["LONG_TESTS"] == "1"
}
