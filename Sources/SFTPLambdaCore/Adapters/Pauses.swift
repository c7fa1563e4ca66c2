import AWS

/// The waits between tries of what the clients do not try again by themselves: a random part of a time that doubles
/// (AWS Architecture Blog, "Exponential Backoff And Jitter": full jitter).
struct Pauses: Sendable {
    private let clock: AWSClock
    private let deadlineUptimeSeconds: Double?

    /// The longest first wait.
    private static let firstSeconds = 0.1
    /// The longest wait.
    private static let mostSeconds = 5.0

    init(clock: AWSClock, deadlineUptimeSeconds: Double?) {
        self.clock = clock
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
    }

    /// Waits behind the attempt of this number, counted from 1. False, without a wait or after a part of it, when the
    /// deadline comes before its end or the task is cancelled: there is no next attempt.
    func wait(afterAttempt attempt: Int) async -> Bool {
        let doubled = Self.firstSeconds * Double(1 << min(max(attempt - 1, 0), 30))
        let seconds = clock.random() * min(doubled, Self.mostSeconds)
        guard clock.uptimeSeconds() + seconds < deadlineUptimeSeconds ?? .infinity else { return false }
        do { try await clock.sleep(seconds) } catch {
            // It only fails when the task is cancelled.
            return false
        }
        return !Task.isCancelled
    }
}
