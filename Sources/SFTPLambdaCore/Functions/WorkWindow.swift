import LambdaRuntime

/// The time of one run, cut in two: the work, and what is kept behind it for queueing what is left, closing the
/// connection and answering.
package struct WorkWindow: Sendable {
    /// When the work is cancelled, on the monotonic clock.
    let deadlineUptimeSeconds: Double
    /// Whether nobody ends the run from outside: then there is no time to be short of.
    let isUnlimited: Bool
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

    /// No run of a command line takes longer: ten years, which stand for no limit where a time has to be given.
    private static let unlimitedSeconds = 10.0 * 365 * 86_400

    /// All the time there is: that of a command line.
    package static var unlimited: WorkWindow {
        let end = clock.uptimeSeconds + unlimitedSeconds
        return WorkWindow(
            deadlineUptimeSeconds: end, isUnlimited: true, closingUptimeSeconds: end, lateUptimeSeconds: end,
            lastUptimeSeconds: end)
    }

    private init(
        deadlineUptimeSeconds: Double, isUnlimited: Bool, closingUptimeSeconds: Double, lateUptimeSeconds: Double,
        lastUptimeSeconds: Double
    ) {
        self.lateUptimeSeconds = lateUptimeSeconds
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.isUnlimited = isUnlimited
        self.closingUptimeSeconds = closingUptimeSeconds
        self.lastUptimeSeconds = lastUptimeSeconds
    }

    /// The deadline that the rules of a transfer reckon with; nil where there is none.
    var ruleDeadlineUptimeSeconds: Double? { isUnlimited ? nil : deadlineUptimeSeconds }

    /// `lateUptimeSeconds`; nil where there is no deadline.
    var ruleLateUptimeSeconds: Double? { isUnlimited ? nil : lateUptimeSeconds }

    init(_ deadline: InvocationDeadline) {
        isUnlimited = false
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
