import Foundation

/// How much the tests try.
public enum TestLength {
    /// Whether tests that choose how many cases they try take many: `SFTP_LAMBDA_LONG_TESTS=1` in the environment.
    public static let isLong = ProcessInfo.processInfo.environment["SFTP_LAMBDA_LONG_TESTS"] == "1"
}
