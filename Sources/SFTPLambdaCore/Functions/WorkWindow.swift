import LambdaRuntime

/// The time of one invocation, cut in two: the work, and what is kept behind it for queueing what is left, closing the
/// connection and answering.
struct WorkWindow: Sendable {
    /// When the work is cancelled, on the monotonic clock.
    let deadlineUptimeSeconds: Double
    /// When the connection to the server is closed, whatever is still under way on it: what is left is queued after that.
    let closingUptimeSeconds: Double
    /// Until when the store is told what the work leaves behind: how far an upload has come, or that it is given up.
    let lateUptimeSeconds: Double
    /// When everything must be done, shortly before Lambda ends the invocation.
    let lastUptimeSeconds: Double

    private static let clock = SystemClock()
    /// What is kept of the time: this share of it, and at most so much.
    private static let reservedShare = 0.1
    private static let mostReservedSeconds = 3.0
    /// How much of what is kept may be used up, and how much of it by the server and the store.
    private static let usableShare = 0.8
    private static let closingShare = 0.25
    private static let lateShare = 0.6

    init(_ deadline: InvocationDeadline) {
        let leftSeconds = deadline.remainingSeconds
        let reservedSeconds = min(leftSeconds * Self.reservedShare, Self.mostReservedSeconds)
        deadlineUptimeSeconds = Self.clock.uptimeSeconds + leftSeconds - reservedSeconds
        closingUptimeSeconds = deadlineUptimeSeconds + reservedSeconds * Self.closingShare
        lateUptimeSeconds = deadlineUptimeSeconds + reservedSeconds * Self.lateShare
        lastUptimeSeconds = deadlineUptimeSeconds + reservedSeconds * Self.usableShare
    }

    /// Runs the work and cancels it when the time is up. It then ends in an orderly way and says how far it came.
    func run<Value: Sendable>(_ work: @Sendable @escaping () async throws -> Value) async throws -> Value {
        let task = Task { try await work() }
        let watch = Task {
            await Self.clock.wait(untilUptimeSeconds: deadlineUptimeSeconds)
            task.cancel()
        }
        defer { watch.cancel() }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}
