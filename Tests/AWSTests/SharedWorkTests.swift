import Synchronization
import Testing

@testable import AWS

@Suite struct SharedWorkTests {
    struct Refused: Error, Equatable {}
    typealias Work = SharedWork<Int, Refused>

    /// Work that ends when it is told to, or is cancelled; counts both.
    final class Held: Sendable {
        private struct State {
            var begun = 0
            var cancelled = 0
            var waiting: [CheckedContinuation<Void, Never>] = []
        }

        private let state = Mutex(State())

        var begun: Int { state.withLock(\.begun) }
        var cancelled: Int { state.withLock(\.cancelled) }

        func run(_ result: Result<Int, Refused> = .success(7)) async -> Result<Int, Refused> {
            state.withLock { $0.begun += 1 }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in state.withLock { $0.waiting.append(continuation) } }
            } onCancel: {
                state.withLock { $0.cancelled += 1 }
                release()
            }
            return result
        }

        func release() {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                return state.waiting
            }
            for continuation in waiting { continuation.resume() }
        }

        /// Waits until the work has come to its pause.
        func untilHeld() async throws {
            try await eventually { self.state.withLock { !$0.waiting.isEmpty } }
        }
    }

    private static func value(_ answer: Work.Answer) -> Int? {
        if case .done(.success(let value)) = answer { value } else { nil }
    }

    @Test func whoIsCancelledLeavesAtOnceAndTheOthersGetTheirAnswer() async throws {
        let (work, held) = (Work(clock: .system), Held())
        let first = Task { await work.answer(deadlineUptimeSeconds: nil) { await held.run() } }
        try await held.untilHeld()
        let others = (0..<5).map { _ in
            Task { await work.answer(deadlineUptimeSeconds: nil) { await held.run() } }
        }
        try await eventually { work.waiterCount == 6 }
        first.cancel()
        guard case .cancelled = await first.value else {
            Issue.record("who was cancelled got an answer")
            return
        }
        #expect(held.cancelled == 0)
        held.release()
        for other in others { #expect(Self.value(await other.value) == 7) }
        #expect(held.begun == 1)
    }

    @Test func theWorkIsCancelledWhenTheLastHasLeftAndTheNextBeginsAnew() async throws {
        let (work, held) = (Work(clock: .system), Held())
        let callers = (0..<3).map { _ in
            Task { await work.answer(deadlineUptimeSeconds: nil) { await held.run() } }
        }
        try await held.untilHeld()
        try await eventually { work.waiterCount == 3 }
        for caller in callers { caller.cancel() }
        for caller in callers { _ = await caller.value }
        try await eventually { held.cancelled == 1 }
        let next = Task { await work.answer(deadlineUptimeSeconds: nil) { await held.run() } }
        try await held.untilHeld()
        held.release()
        #expect(Self.value(await next.value) == 7)
        #expect(held.begun == 2)
    }

    @Test func whoIsCancelledBeforeItAsksGetsNoAnswer() async throws {
        let (work, held) = (Work(clock: .system), Held())
        let caller = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await work.answer(deadlineUptimeSeconds: nil) { await held.run() }
        }
        guard case .cancelled = await caller.value else {
            Issue.record("a cancelled task got an answer")
            return
        }
    }

    @Test func nothingIsKeptWhenTheLastWasCancelled() async throws {
        let (work, held) = (Work(clock: .system), Held())
        let caller = Task { await work.answer(deadlineUptimeSeconds: nil) { await held.run() } }
        try await held.untilHeld()
        #expect(work.isUnderWay)
        caller.cancel()
        _ = await caller.value
        #expect(!work.isUnderWay)
    }

    @Test func nothingIsKeptWhenTheLastWasLate() async throws {
        let (held, time) = (Held(), Held())
        let clock = AWSClock(
            epochSeconds: { 0 }, uptimeSeconds: { 1000 }, sleep: { _ in _ = await time.run() }, random: { 0 })
        let work = Work(clock: clock)
        let first = Task { await work.answer(deadlineUptimeSeconds: nil) { await held.run() } }
        try await held.untilHeld()
        let second = Task { await work.answer(deadlineUptimeSeconds: 1010) { await held.run() } }
        try await time.untilHeld()
        try await eventually { work.waiterCount == 2 }
        first.cancel()
        _ = await first.value
        #expect(work.isUnderWay, "the second still waits for it")
        time.release()
        guard case .late = await second.value else {
            Issue.record("who had no more time got an answer")
            return
        }
        #expect(!work.isUnderWay)
        #expect(held.begun == 1)
    }

    @Test func anOutcomeThatNobodyGotIsNotGivenToTheNext() async throws {
        // The work ends just when the one who asked for it is cancelled, in either order.
        for round in 0..<500 {
            let work = Work(clock: .system)
            let caller = Task { await work.answer(deadlineUptimeSeconds: nil) { .success(round) } }
            caller.cancel()
            _ = await caller.value
            let next = await work.answer(deadlineUptimeSeconds: nil) { .success(-1) }
            #expect(Self.value(next) == -1)
        }
    }

    @Test func whoHasLessTimeThanTheWorkLeavesWhenItIsUp() async throws {
        let (work, held) = (Work(clock: .system), Held())
        let patient = Task { await work.answer(deadlineUptimeSeconds: nil) { await held.run() } }
        try await held.untilHeld()
        let soon = AWSClock.system.uptimeSeconds() + 0.05
        guard case .late = await work.answer(deadlineUptimeSeconds: soon, { await held.run() }) else {
            Issue.record("who had no more time got an answer")
            return
        }
        held.release()
        #expect(Self.value(await patient.value) == 7)
        #expect(held.begun == 1)
    }

    @Test func whoHasMoreTimeThanTheFailedWorkBeginsItAgain() async throws {
        let time = ManualClock()
        let (work, held) = (Work(clock: time.clock()), Held())
        let hasty = Task { await work.answer(deadlineUptimeSeconds: 1010) { await held.run(.failure(Refused())) } }
        try await held.untilHeld()
        let patient = Task { await work.answer(deadlineUptimeSeconds: 1060) { .success(8) } }
        try await eventually { work.waiterCount == 2 }
        time.advance(10)
        held.release()
        guard case .done(.failure) = await hasty.value else {
            Issue.record("the failure was not told")
            return
        }
        #expect(Self.value(await patient.value) == 8)
    }

    @Test func aFailureOfItsOwnIsToldToAll() async throws {
        let (work, held) = (Work(clock: ManualClock().clock()), Held())
        let callers = [1010.0, 1060].map { deadline in
            Task { await work.answer(deadlineUptimeSeconds: deadline) { await held.run(.failure(Refused())) } }
        }
        try await held.untilHeld()
        try await eventually { work.waiterCount == 2 }
        held.release()
        for caller in callers {
            guard case .done(.failure) = await caller.value else {
                Issue.record("the failure was not told")
                return
            }
        }
        #expect(held.begun == 1)
    }
}

/// Waits until a condition holds, at most 10 s.
func eventually(sourceLocation: SourceLocation = #_sourceLocation, _ isMet: () -> Bool) async throws {
    for _ in 0..<2000 where !isMet() { try await Task.sleep(for: .milliseconds(5)) }
    try #require(isMet(), sourceLocation: sourceLocation)
}
