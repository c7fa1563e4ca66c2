import Glibc
import Testing

/// Whether the tests run under a sanitizer (scripts/sanitize).
public enum Sanitizer {
    /// The address or the thread sanitizer: memory that is freed stays for a while, each byte costs more, and everything
    /// takes some times as long.
    public static let isOn = isLinked("__asan_init") || isLinked("__tsan_init")

    /// Says that a test leaves a limit out that does not hold under a sanitizer: a warning, which fails nothing.
    public static func leavesOut(_ limit: String) {
        Issue.record("left out under a sanitizer: \(limit)", severity: .warning)
    }

    private static func isLinked(_ name: String) -> Bool { dlsym(nil, name) != nil }
}
