import Foundation

/// Waits for a program's end, of which `ended` tells, and stops it when that does not come in time.
/// - Returns: whether it has ended by itself.
func endsByItself(
    _ process: Process, _ ended: AsyncStream<Void>, withinSeconds limit: Double, stop: @escaping @Sendable () -> Void
) async -> Bool {
    let watchdog = Task {
        try await Task.sleep(for: .seconds(limit))
        stop()
    }
    for await _ in ended {}
    process.waitUntilExit()
    watchdog.cancel()
    if case .success = await watchdog.result { return false }
    return true
}
