/// Returns as soon as the condition is met; looks again and again, at short intervals.
/// - Throws: `WaitedInVain` when it is not met within the limit.
public func waitUntil(
    _ what: String, limitSeconds: Double = 20, _ isMet: () async throws -> Bool
) async throws {
    let limit = ContinuousClock.now + .seconds(limitSeconds)
    while try await !isMet() {
        guard ContinuousClock.now < limit else { throw WaitedInVain(what: what, limitSeconds: limitSeconds) }
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// A condition that was not met in time.
public struct WaitedInVain: Error, CustomStringConvertible {
    let what: String
    let limitSeconds: Double

    /// What was waited for.
    public var description: String { "not within \(limitSeconds) s: \(what)" }
}
