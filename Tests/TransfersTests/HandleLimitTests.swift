import Testing

@testable import Transfers

/// What a server that names no limit is taken to bear.
@Suite struct HandleLimitTests {
    /// A limit, and what happens to it.
    private final class Course {
        var limit = HandleLimit()

        func refusal(beside others: Int) -> HandleRefusal {
            HandleRefusal(
                failure: RemoteFailure(.failed, "open: failure"), others: others, learned: limit.learned, count: 1)
        }

        func suspect(beside others: Int) { limit.suspect(refusal(beside: others)) }

        func triedAgain() { limit.triedAgain() }

        /// Something opens, so that so many handles are open.
        /// - Returns: whether that lowered the limit.
        @discardableResult
        func open(_ count: Int, isAtLimit: Bool = false, after refusal: HandleRefusal? = nil) -> Bool {
            limit.opened(openCount: count, isAtLimit: isAtLimit, after: refusal)
        }

        /// How many handles have to be opened at the limit before it changes.
        func successesToRise() -> Int {
            let before = limit.learned
            var count = 0
            while limit.learned == before, count < 100_000 {
                open(before, isAtLimit: true)
                count += 1
            }
            return count
        }

        /// A handle is refused beside others, and is opened when one of them is closed.
        func refuseAndOpen(beside others: Int) {
            let refusal = refusal(beside: others)
            limit.suspect(refusal)
            limit.triedAgain()
            open(others, isAtLimit: true, after: refusal)
        }
    }

    private let course = Course()

    @Test func refusalLimitsUntilItHasBeenTriedAgain() {
        course.suspect(beside: 7)
        course.suspect(beside: 5)
        #expect(course.limit.now == 5)
        course.open(6)
        #expect(course.limit.now == 6, "the server has borne more meanwhile")
        course.triedAgain()
        #expect(course.limit.now == 6, "another one waits to be tried again")
        course.triedAgain()
        #expect(course.limit.now == .max)
        #expect(course.limit.learned == .max)
    }

    @Test func whatOpensAfterItsRefusalShowsTheLimit() {
        #expect(course.open(5, after: course.refusal(beside: 5)))
        #expect(course.limit.learned == 5)
        #expect(!course.open(5, isAtLimit: true, after: course.refusal(beside: 3)), "it bears five just now")
        #expect(course.limit.learned == 5)
    }

    @Test func refusalUnderAnotherLimitTeachesNothing() {
        let outdated = course.refusal(beside: 2)
        course.refuseAndOpen(beside: 9)
        #expect(!course.open(1, after: outdated))
        #expect(course.limit.learned == 9)
    }

    @Test func limitRisesFasterAndFasterUntilTheNextRefusal() {
        course.refuseAndOpen(beside: 5)
        var seen: [Int] = []
        for _ in 0..<5 {
            #expect(course.successesToRise() == 16)
            seen.append(course.limit.learned)
        }
        #expect(seen == [6, 8, 12, 20, 36])
        course.refuseAndOpen(beside: 30)
        #expect(course.limit.learned == 30)
        #expect(course.successesToRise() == 32)
        #expect(course.limit.learned == 31)
    }

    @Test func everyRefusalMakesTheNextOneRarer() {
        var opened = 0
        for _ in 0..<12 {
            course.refuseAndOpen(beside: 5)
            opened += course.successesToRise()
        }
        #expect(opened > 16_000)
        #expect(course.successesToRise() <= 4096)
    }

    @Test func handlesBelowTheLimitDoNotRaiseIt() {
        course.refuseAndOpen(beside: 5)
        for _ in 0..<1000 { course.open(2) }
        #expect(course.limit.learned == 5)
    }
}
