import LambdaRuntime
import Testing

@Suite struct InvocationDeadlineTests {
    @Test func remainingTimeRunsOnTheMonotonicClock() {
        let clock = FixedClock(epochMilliseconds: 1_000_000, uptimeSeconds: 50)
        let deadline = InvocationDeadline(epochMilliseconds: 1_002_500, clock: clock)
        #expect(deadline.uptimeSeconds == 52.5)
        #expect(deadline.remainingSeconds == 2.5)
        clock.stepTimeOfDay(byMilliseconds: 3_600_000)
        #expect(deadline.remainingSeconds == 2.5)
        clock.advance(bySeconds: 2)
        #expect(deadline.remainingSeconds == 0.5)
        clock.advance(bySeconds: 2)
        #expect(deadline.remainingSeconds == 0)
    }

    @Test func extremeTimesDoNotCrash() {
        let clock = FixedClock(epochMilliseconds: -5)
        #expect(InvocationDeadline(epochMilliseconds: .max, clock: clock).remainingSeconds > 9e15)
        #expect(InvocationDeadline(epochMilliseconds: .min, clock: clock).remainingSeconds == 0)
    }

    @Test func systemClocksTellTheTime() {
        let clock = SystemRuntimeClock()
        #expect(clock.epochMilliseconds > 1_700_000_000_000)
        let first = clock.uptimeSeconds
        #expect(clock.uptimeSeconds >= first)
        let deadline = InvocationDeadline(epochMilliseconds: clock.epochMilliseconds + 60_000)
        #expect((59.0...60.1).contains(deadline.remainingSeconds))
    }
}
