import Synchronization
import TestKit
import Testing

@testable import Transfers

/// Bytes in flight, and the queue between listing and transfers.
@Suite struct ByteBudgetTests {
    @Test func firstToAskIsFirstToGet() throws {
        let log = StepLog()
        try DeterministicRun.run {
            let budget = ByteBudget(totalBytes: 100)
            let held = await budget.reserve(60)
            await withDiscardingTaskGroup { group in
                // The large one asks before the small ones, for which there would be room.
                for (name, bytes) in [("large", 90), ("small 1", 10), ("small 2", 10)] {
                    group.addTask {
                        let reserved = await budget.reserve(bytes)
                        log.add(name)
                        for _ in 0..<5 { await Task.yield() }
                        budget.release(reserved)
                    }
                }
                for _ in 0..<20 { await Task.yield() }
                log.add("release")
                budget.release(held)
            }
        }
        #expect(log.text == "release\nlarge\nsmall 1\nsmall 2")
    }

    @Test func moreThanTheBudgetIsTheWholeBudget() throws {
        let reserved = try DeterministicRun.run {
            let budget = ByteBudget(totalBytes: 100)
            let first = await budget.reserve(1000)
            budget.release(first)
            let second = await budget.reserve(100)
            budget.release(second)
            let nothing = await budget.reserve(0)
            budget.release(nothing)
            return [first, second, nothing]
        }
        #expect(reserved == [100, 100, 0])
    }

    @Test func budgetHoldsInEveryInterleavingAndNobodyStarves() throws {
        for seed in UInt64(1)...30 {
            let gauge = ByteGauge()
            let random = SharedRandom(seed: seed)
            let done = try DeterministicRun.run(seed: seed) {
                let budget = ByteBudget(totalBytes: 1000)
                return await withTaskGroup(of: Int.self) { group in
                    for number in 0..<300 {
                        group.addTask {
                            let reserved = await budget.reserve(random.int(in: 0...1200))
                            gauge.add(reserved)
                            for _ in 0..<random.int(in: 0...5) { await Task.yield() }
                            gauge.add(-reserved)
                            budget.release(reserved)
                            return number
                        }
                        // A task that nobody waits for any more still gives its turn on.
                        if number == 150 && seed.isMultiple(of: 2) { group.cancelAll() }
                    }
                    return await group.reduce(0) { count, _ in count + 1 }
                }
            }
            #expect(done == 300)
            #expect(gauge.most <= 1000)
            #expect(gauge.current == 0)
        }
    }

    @Test func queueHandsEverythingOverOnceAndInOrder() throws {
        for seed in UInt64(1)...30 {
            let random = SharedRandom(seed: seed)
            let limit = random.int(in: 1...5)
            let ahead = ByteGauge()
            let taken = try DeterministicRun.run(seed: seed) {
                let queue = BoundedQueue<Int>(limit: limit)
                async let produced: Void = {
                    for number in 0..<1200 {
                        #expect(await queue.send(number))
                        ahead.add(1)
                    }
                    queue.finish()
                }()
                let taken = await withTaskGroup(of: [Int].self) { group in
                    for _ in 0..<3 {
                        group.addTask {
                            var taken: [Int] = []
                            while let number = await queue.next() {
                                ahead.add(-1)
                                taken.append(number)
                                // Slower than the producer, or the limit would never be reached.
                                for _ in 0..<random.int(in: 5...15) { await Task.yield() }
                            }
                            return taken
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                await produced
                return taken
            }
            #expect(taken.flatMap { $0 }.sorted() == Array(0..<1200))
            for each in taken { #expect(each == each.sorted()) }
            #expect(ahead.most <= limit + 4, "more waited than the limit")
        }
    }

    @Test func stretchedQueueTakesMoreAndLetsNobodyWait() throws {
        let taken = try DeterministicRun.run {
            let queue = BoundedQueue<Int>(limit: 2, stretchedLimit: 5)
            let isTaken = await withTaskGroup { group in
                for number in 0..<7 {
                    group.addTask { await queue.send(number) }
                }
                // Two have been taken, and five wait.
                for _ in 0..<20 { await Task.yield() }
                queue.stretch(true)
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(isTaken.count { $0 } == 5)
            #expect(await !queue.send(7))
            queue.stretch(false)
            async let waits = queue.send(8)
            var taken: [Int] = []
            for _ in 0..<3 { await taken.append(queue.next() ?? -1) }
            for _ in 0..<20 { await Task.yield() }
            // Three are left: there is no room for another until one more has gone.
            for _ in 0..<3 { await taken.append(queue.next() ?? -1) }
            #expect(await waits)
            queue.finish()
            #expect(await queue.next() == nil)
            return taken
        }
        #expect(taken == [0, 1, 2, 3, 4, 8])
    }
}
