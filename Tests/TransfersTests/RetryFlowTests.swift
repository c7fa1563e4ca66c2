import Synchronization
import TestKit
import Testing

@testable import Transfers

/// Working through the retry queue (rules R1 to R4).
struct RetryFlowTests {
    private let content = Array("content".utf8)

    private func body(_ key: String, etag: [UInt8]? = nil) -> String {
        guard let key = ObjectKey(key) else { return "" }
        return ObjectEvent(
            bucket: PushWorld.bucket, key: key, etag: ETag(InMemoryObjectStore.etag(of: etag ?? content))
        )
        .s3EventJSON
    }

    private func world(
        _ keys: [String], queue tap: PortTap = PortTap(), _ change: (inout PushWorld.Behaviour) -> Void = { _ in }
    ) -> PushWorld {
        var behaviour = PushWorld.Behaviour()
        change(&behaviour)
        let world = PushWorld(behaviour, queue: tap)
        world.tree.makeDirectory("/in")
        for key in keys {
            world.store.plant(key, content)
            world.queue.plant(body(key))
        }
        return world
    }

    @Test func emptyQueueCostsOneCallAndNoConnection() async {
        let world = world([])
        let summary = await world.retryFlow().run()
        #expect(summary.failed == 0)
        #expect(world.queue.operations == ["count": 1])
        #expect(world.connections == 0)
    }

    @Test func unreachableServerCostsNoMessageAReceive() async {
        let world = world(["a", "b"])
        let summary = await world.retryFlow(isReachable: false).run()
        #expect(summary.failed == 1)
        #expect(world.queue.messages.allSatisfy { $0.receiveCount == 0 })
        #expect(world.observer.failures == [FailureRecorder.Failure(subject: .connection, errorClass: "connection")])
    }

    @Test func queueThatCannotBeReadFailsTheRun() async {
        let world = world(["a"], queue: PortTap { $0.operation == "queue.receive" ? .fail : .proceed })
        let summary = await world.retryFlow().run()
        #expect(summary.failed == 1)
        #expect(world.observer.failures == [FailureRecorder.Failure(subject: .retryQueue, errorClass: "queue")])
    }

    @Test func messageThatIsDoneAndCannotBeRemovedIsAWarning() async {
        let world = world(["a"], queue: PortTap { $0.operation == "queue.delete" ? .fail : .proceed })
        let summary = await world.retryFlow().run()
        #expect(summary.delivered == 1)
        #expect(summary.failed == 0)
        #expect(world.observer.failures.isEmpty)
        #expect(world.observer.warnings.count == 1)
    }

    @Test func manyMessagesGoOverOneConnectionAndAreRemoved() async {
        let world = world((0..<57).map { "k\($0)" })
        let summary = await world.retryFlow().run()
        #expect(summary.delivered == 57)
        #expect(summary.received == 57)
        #expect(world.queue.messages.isEmpty)
        #expect(world.connections == 1)
        #expect(world.tree.files().count == 57)
        #expect(Set(world.observer.found ?? []) == Set((0..<57).map { "k\($0)" }))
    }

    /// SFTP_MAX_FILES_IN_FLIGHT, of push as well. A message that waits is not received before its turn.
    @Test(arguments: [1, 3, 16]) func noMoreObjectsAreInFlightThanMayBe(most: Int) async {
        let world = world((0..<40).map { "k\($0)" }) { $0.maximumObjectsInFlight = most }
        let gauge = ByteGauge()
        let summary = await world.retryFlow(tap: inFlight(gauge)).run()
        #expect(summary.delivered == 40 && world.queue.messages.isEmpty)
        #expect(gauge.most <= most && (gauge.most > 1 || most == 1) && gauge.current == 0)
        let records = (0..<40).map { body("p\($0)").dropFirst(#"{"Records":["#.count).dropLast(2) }
        let event = IncomingEvent(Array((#"{"Records":["# + records.joined(separator: ",") + "]}").utf8))
        for index in 0..<40 { world.store.plant("p\(index)", content) }
        let pushed = await world.flow(tap: inFlight(gauge)).run(event).summary
        #expect(pushed.delivered == 40)
        #expect(gauge.most <= most && gauge.current == 0)
    }

    /// Counts the objects that are on their way.
    private func inFlight(_ gauge: ByteGauge) -> PortTap {
        PortTap { call in
            if call.operation == "remote.createFile", call.moment == .before { gauge.add(1) }
            for _ in 0..<20 { await Task.yield() }
            if call.operation == "store.setMetadata", call.moment == .after { gauge.add(-1) }
            return .proceed
        }
    }

    @Test func messagesWithNothingLeftToDoAreRemoved() async {
        let world = world(["sent", "gone"])
        _ = await world.push("sent", event: content)
        world.store.remove("gone")
        world.queue.plant(#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"bucket"}"#)
        let summary = await world.retryFlow().run()
        #expect(summary.failed == 0)
        #expect(summary.delivered == 0)
        #expect(world.queue.messages.isEmpty)
    }

    @Test func severalMessagesOfOneObjectSendItOnce() async {
        let world = world(["a"])
        for _ in 0..<5 { world.queue.plant(body("a")) }
        let summary = await world.retryFlow().run()
        #expect(summary.delivered == 1)
        #expect(world.queue.messages.isEmpty)
    }

    @Test func failedMessageStaysLongerEachTimeAndGoesToTheDeadLetters() async throws {
        let world = world(["a"]) { $0.server.refusesNames = { _ in true } }
        world.queue.behave { $0.maximumReceives = 3 }
        var waits: [Double] = []
        for _ in 0..<3 {
            let summary = await world.retryFlow().run()
            #expect(summary.failed == 1)
            let before = world.clock.uptimeSeconds
            while world.queue.hiddenCount > 0 { world.clock.advance(seconds: 1) }
            waits.append(world.clock.uptimeSeconds - before)
        }
        #expect(waits == waits.sorted() && Set(waits).count == 3, "\(waits)")
        #expect(world.observer.attempts == [1, 2, 3])
        _ = await world.retryFlow().run()
        #expect(world.queue.deadLetters.count == 1)
    }

    @Test func messageThatReplacesAnotherSaysHowOftenItWasTried() async throws {
        let world = world(["a"]) { $0.source.refusesCopies = .denied }
        for _ in 0..<2 {
            let received = try await world.queue.receive(maximumCount: 1, waitSeconds: 0, hiddenSeconds: 60)
            _ = await world.queue.hide(received, forSeconds: 0)
        }
        let summary = await world.retryFlow().run()
        #expect(summary.queued == 1)
        let message = try #require(world.queue.messages.first)
        #expect(message.attributes.contains { $0.name == "attempt" && $0.value == "3" })
    }

    @Test func receiptSaysHowOftenTheObjectWasTried() async throws {
        let world = world([])
        world.store.plant("a", content)
        _ = await world.flow(isReachable: false).run(IncomingEvent(Array(body("a").utf8)))
        for _ in 0..<2 {
            let received = try await world.queue.receive(maximumCount: 1, waitSeconds: 0, hiddenSeconds: 60)
            _ = await world.queue.hide(received, forSeconds: 0)
        }
        #expect(await world.retryFlow().run().delivered == 1)
        // Once by push, and at the third receive.
        #expect(world.observer.receipts.map(\.attempt) == [4])
        #expect(world.observer.attempts == [1])
    }

    /// SQS takes the message that replaces another for a new one.
    @Test func messageThatReplacesAnotherSaysSinceWhenItWaits() async throws {
        let world = world(["a"]) { $0.source.refusesCopies = .denied }
        let began = world.clock.now
        for tries in 1...2 {
            world.clock.advance(seconds: 500)
            let summary = await world.retryFlow().run()
            let waited = world.clock.now.seconds - began.seconds
            #expect(summary.oldestWaitingSeconds == waited && waited >= Int64(tries) * 500)
            #expect(summary.failedByClass == ["unmarked": 1])
            let message = try #require(world.queue.messages.first)
            #expect(message.attributes.contains { $0.name == "firstTime" && $0.value == began.rfc3339 })
            #expect(message.attributes.contains { $0.name == "attempt" && $0.value == "1" })
        }
        #expect(world.observer.receipts.map(\.attempt) == [1])
    }

    @Test func ageIsThatOfTheOldestMessageThatIsNotDone() async {
        let world = world(["a"])
        world.clock.advance(seconds: 300)
        #expect(await world.retryFlow().run().oldestWaitingSeconds == nil, "nothing waits")
        let began = world.clock.now
        world.queue.plant("nonsense")
        world.clock.advance(seconds: 70)
        world.queue.plant("more nonsense")
        world.clock.advance(seconds: 30)
        let summary = await world.retryFlow().run()
        #expect(summary.oldestWaitingSeconds == world.clock.now.seconds - began.seconds)
        #expect(summary.failedByClass == ["event": 2])
        let unreachable = self.world(["a"])
        let untried = await unreachable.retryFlow(isReachable: false).run()
        #expect(untried.oldestWaitingSeconds == nil, "nothing was received")
    }

    @Test func poisonMessageIsLeftAndReported() async {
        let world = world(["a"])
        world.queue.plant("nonsense")
        let summary = await world.retryFlow().run()
        #expect(summary.delivered == 1)
        #expect(summary.failed == 1)
        #expect(world.queue.messages.map(\.body) == ["nonsense"])
        let id = world.queue.messages.first?.id
        #expect(
            world.observer.failures == [
                FailureRecorder.Failure(subject: .event(messageID: id), errorClass: "notJSON")
            ])
    }

    // MARK: A connection that is lost

    /// The keys of the objects that were written and renamed, call by call.
    private final class Calls: Sendable {
        private let state = Mutex<[String]>([])
        var keys: [String] { state.withLock { $0 } }
        func add(_ key: String) { state.withLock { $0.append(key) } }
    }

    /// The server hangs up whenever one of these objects is written. Of those under way beside the first of them none
    /// is finished on that connection.
    private func killers(_ keys: Set<String>, in world: PushWorld, _ calls: Calls? = nil) -> PortTap {
        let gate = Gate()
        return PortTap { call in
            guard call.moment == .before, ["remote.write", "remote.rename"].contains(call.operation) else {
                return .proceed
            }
            let key = Self.key(of: call.path)
            let isFirst = world.connections == 1
            if !isFirst { calls?.add(key) }
            if call.operation == "remote.write", keys.contains(key) {
                gate.open()
                return .disconnect
            }
            guard isFirst, call.operation == "remote.rename" else { return .proceed }
            await gate.pass()
            return .disconnect
        }
    }

    /// The key that a path belongs to: its own or a temporary one.
    private static func key(of path: String) -> String {
        let parts = (path.split(separator: "/").last ?? "").split(separator: ".")
        return String(parts.count > 2 ? parts[2] : parts[0])
    }

    @Test func failureOfWhatIsTriedAloneSaysHowOftenItWasTried() async throws {
        let world = world(["k"])
        let received = try await world.queue.receive(maximumCount: 1, waitSeconds: 0, hiddenSeconds: 60)
        _ = await world.queue.hide(received, forSeconds: 0)
        #expect(await world.retryFlow(tap: killers(["k"], in: world)).run().failed == 1)
        #expect(world.observer.attempts == [2])
    }

    @Test func objectThatKillsTheConnectionFailsAloneAndTheOthersGoThrough() async throws {
        let world = world((0..<10).map { "k\($0)" })
        let summary = await world.retryFlow(tap: killers(["k4"], in: world)).run()
        #expect(summary.delivered == 9)
        #expect(summary.received == 10)
        #expect(summary.handedBack == 0)
        #expect(summary.failures.map(\.subject) == ["bucket/k4"])
        #expect(summary.failures.map(\.errorClass) == ["connection"])
        #expect(summary.failed == 1)
        // It waits for its turn like everything that failed, and has cost nobody a receive.
        let message = try #require(world.queue.messages.first)
        #expect(world.queue.messages.count == 1)
        #expect(message.receiveCount == 1)
        #expect(world.queue.hiddenCount == 1)
        #expect(world.connections <= ServerAccess.maximumConnections)
    }

    @Test func afterALossObjectsAreTriedOneAtATimeAndNothingIsReceived() async {
        let world = world((0..<30).map { "k\($0)" })
        let calls = Calls()
        let summary = await world.retryFlow(tap: killers(["k4"], in: world, calls)).run()
        #expect(summary.received == 10)
        #expect(world.queue.operations["receive"] == 1)
        #expect(world.queue.messages.count { $0.receiveCount == 0 } == 20)
        let turns = calls.keys.reduce(into: [String]()) { turns, key in
            if turns.last != key { turns.append(key) }
        }
        #expect(turns.count == 10)
        #expect(Set(turns).count == 10, "\(turns)")
    }

    @Test func connectionThatIsLostOnceIsOpenedAgainInTheSameRunAndThatIsNoFailure() async {
        let world = world((0..<10).map { "k\($0)" })
        let summary = await world.retryFlow(
            tap: PortTap { $0.operation == "remote.rename" && world.connections == 1 ? .disconnect : .proceed }
        ).run()
        #expect(world.connections == 2)
        #expect(summary.delivered == 10)
        #expect(summary.failed == 0)
        #expect(world.tree.files().keys.count { !$0.description.contains(".part") } == 10)
        #expect(world.queue.messages.isEmpty)
    }

    @Test func serverThatIsGoneAfterALossGetsEverythingHandedBack() async {
        let world = world((0..<10).map { "k\($0)" })
        let summary = await world.retryFlow(reachableTimes: 1, tap: killers(["k4"], in: world)).run()
        #expect(summary.failures.map(\.subject) == ["connection"])
        // In place of those that were at their rename there are messages that believe no mark.
        #expect(summary.handedBack + summary.queued == 10)
        #expect(world.connections == 2)
        #expect(world.queue.messages.count == 10)
        #expect(world.queue.hiddenCount == 0)
    }

    @Test func whatIsLeftWhenTheConnectionsAreUsedUpIsHandedBackAndTheNextRunsComplete() async {
        let world = world((0..<10).map { "k\($0)" })
        let summary = await world.retryFlow(
            tap: PortTap { $0.operation == "remote.write" ? .disconnect : .proceed }
        ).run()
        #expect(world.connections == ServerAccess.maximumConnections)
        #expect(summary.failures.map(\.errorClass) == ["connection", "connection", "connection"])
        #expect(summary.failures.last?.subject == "connection")
        #expect(summary.handedBack == 8)
        #expect(world.queue.messages.count == 10)
        #expect(world.queue.hiddenCount == 2)
        #expect(await world.retryFlow().run().delivered == 8)
        world.clock.advance(seconds: 60)
        #expect(await world.retryFlow().run().delivered == 2)
        #expect(world.queue.messages.isEmpty)
    }

    @Test func recordsOfOneMessageAreNotPushedTwiceWhenTheConnectionIsLostBetweenThem() async {
        let world = world([])
        for key in ["a", "b", "c"] { world.store.plant(key, content) }
        let records = ["a", "b", "c"].map { body($0).dropFirst(#"{"Records":["#.count).dropLast(2) }
        world.queue.plant(#"{"Records":["# + records.joined(separator: ",") + "]}")
        let summary = await world.retryFlow(
            tap: PortTap { call in
                call.operation == "remote.write" && Self.key(of: call.path) == "b" ? .disconnect : .proceed
            }
        ).run()
        #expect(summary.delivered == 2)
        #expect(summary.skipped == [:])
        #expect(summary.failures.map(\.subject) == ["bucket/b"])
        #expect(world.queue.messages.count == 1)
        #expect(world.queue.hiddenCount == 1)
    }

    @Test(arguments: [PortTap.Verdict.fail, .disconnect])
    func retryThatTouchedTheFileLeavesAMessageThatBelievesNoMark(verdict: PortTap.Verdict) async throws {
        let world = world(["a"]) { $0.server.renamesWithoutReplacing = true }
        world.tree.put("/in/a", Array("older".utf8))
        let flow = world.retryFlow(tap: PortTap { $0.operation == "remote.removeTarget" ? verdict : .proceed })
        let summary = await flow.run()
        #expect(summary.failed > 0)
        #expect(summary.queued == 1)
        let message = try #require(world.queue.messages.first)
        #expect(world.queue.messages.count == 1)
        #expect(IncomingEvent(Array(message.body.utf8)).requests.first?.mustSend == true)
        // Somebody else has delivered and marked it meanwhile, before the file was removed.
        _ = await world.push("a", event: content)
        world.tree.remove("/in/a")
        while world.queue.hiddenCount > 0 { world.clock.advance(seconds: 60) }
        #expect(await world.retryFlow().run().delivered == 1)
        #expect(world.tree.read("/in/a") == content)
        #expect(world.queue.messages.isEmpty)
    }

    // MARK: Hiding what is held

    @Test func messageIsKeptHiddenWhileItsPushTakesLong() async throws {
        let world = world(["a"])
        let gate = Gate()
        let flow = world.retryFlow(
            tap: PortTap { call in
                if call.operation == "remote.rename" { await gate.pass() }
                return .proceed
            })
        let task = Task { await flow.run() }
        while gate.waitingCount == 0 { await Task.yield() }
        for minute in 1...10 { try await passMinute(minute, in: world, held: 1) }
        #expect(world.queue.refusedHides == 0)
        gate.open()
        let summary = await task.value
        #expect(summary.delivered == 1)
        #expect(world.queue.messages.isEmpty)
    }

    /// Lets a minute pass, and waits until every message that is held was hidden anew.
    private func passMinute(_ minute: Int, in world: PushWorld, held: Int) async throws {
        try await patiently { world.clock.waitingCount >= held }
        world.clock.advance(seconds: 60)
        try await patiently { (world.queue.operations["hide"] ?? 0) >= minute * held }
        #expect(world.queue.hiddenCount == held)
    }

    /// Lets others run until it is so.
    private func patiently(_ isSo: () -> Bool) async throws {
        for _ in 0..<1_000_000 {
            if isSo() { return }
            await Task.yield()
        }
        try #require(isSo())
    }

    @Test func messagesThatWaitForTheirTurnStayHidden() async throws {
        let world = world(["a", "b", "c"])
        let gate = Gate()
        let killer = killers(["a"], in: world)
        let flow = world.retryFlow(
            tap: PortTap { call in
                if world.connections == 2, call.operation == "remote.createFile" { await gate.pass() }
                return await killer.pass(call.moment, call.operation, call.path)
            })
        let task = Task { await flow.run() }
        try await patiently { gate.waitingCount > 0 }
        for minute in 1...5 { try await passMinute(minute, in: world, held: 3) }
        gate.open()
        let summary = await task.value
        #expect(summary.delivered == 2)
        #expect(world.queue.messages.map(\.receiveCount) == [1])
    }

    /// SQS permits 12 hours from the receive on, and refuses what goes beyond that.
    @Test func messageIsNeverHiddenForLongerThanTheQueuePermits() async throws {
        let world = world(["a"])
        for _ in 0..<6 {
            let received = try await world.queue.receive(maximumCount: 1, waitSeconds: 0, hiddenSeconds: 60)
            _ = await world.queue.hide(received, forSeconds: 0)
        }
        let before = world.queue.operations["hide"] ?? 0
        let gate = Gate()
        let flow = world.retryFlow(
            tap: PortTap { call in
                guard call.operation == "remote.write" else { return .proceed }
                await gate.pass()
                return .failRemote(.denied)
            })
        let task = Task { await flow.run() }
        while gate.waitingCount == 0 { await Task.yield() }
        for minute in 1...715 { try await passMinute(before + minute, in: world, held: 1) }
        gate.open()
        #expect(await task.value.failed == 1)
        // What failed for the seventh time waits for an hour, of which minutes are left.
        #expect(world.queue.refusedHides == 0)
        #expect(world.queue.hiddenCount == 1)
        world.clock.advance(seconds: 300)
        #expect(world.queue.hiddenCount == 0)
    }

    // MARK: The end of the time

    @Test func cancelledRunHandsItsMessagesBack() async {
        let world = world(["a", "b"])
        let gate = Gate()
        let flow = world.retryFlow(
            tap: PortTap { call in
                if call.operation == "remote.createFile" && call.moment == .before { await gate.pass() }
                return .proceed
            })
        let task = Task { await flow.run() }
        while gate.waitingCount < 2 { await Task.yield() }
        task.cancel()
        gate.open()
        let summary = await task.value
        #expect(summary.handedBack == 2)
        #expect(world.queue.hiddenCount == 0)
        #expect(world.queue.messages.count == 2)
    }

    @Test func connectionThatIsClosedAtTheEndOfTheTimeIsNobodysFault() async {
        let world = world(["a", "b", "c"])
        let gate = Gate()
        let killer = killers(["a"], in: world)
        let flow = world.retryFlow(
            tap: PortTap { call in
                guard world.connections == 2, call.operation == "remote.createFile" else {
                    return await killer.pass(call.moment, call.operation, call.path)
                }
                await gate.pass()
                return .disconnect
            })
        let task = Task { await flow.run() }
        while gate.waitingCount == 0 { await Task.yield() }
        task.cancel()
        gate.open()
        let summary = await task.value
        #expect(summary.failed == 0)
        #expect(summary.handedBack + summary.queued == 3)
        #expect(world.queue.hiddenCount == 0)
    }

    @Test func nothingIsReceivedShortlyBeforeTheDeadline() async {
        let world = world(["a"])
        let flow = world.retryFlow(deadlineUptimeSeconds: world.clock.uptimeSeconds + 20)
        world.clock.advance(seconds: 17)
        let summary = await flow.run()
        #expect(summary.received == 0)
        #expect(world.queue.messages.first?.receiveCount == 0)
    }

    /// A queue that answers nothing is not an empty one.
    @Test(arguments: ["queue.count", "queue.receive"], [true, false])
    func queueThatGivesNothingInAllTheTimeIsAFailure(operation: String, isAtTheDeadline: Bool) async {
        let world = world(["a"])
        let deadline = world.clock.uptimeSeconds + 20
        let clock = world.clock
        let summary = await world.retryFlow(
            queueTap: tapOn(.before, operation) { _ in
                // Else somebody has ended it.
                if isAtTheDeadline { clock.advance(seconds: 20) }
                return .failQueue(.cancelled)
            }, deadlineUptimeSeconds: deadline
        ).run()
        #expect(summary.received == 0)
        #expect(summary.failures.map(\.errorClass) == (isAtTheDeadline ? ["queue"] : []))
        #expect(summary.failures.allSatisfy { $0.reason.hasSuffix("the queue gave no message") })
    }

    @Test func receiveThatIsCutOffBehindOthersIsNoFailure() async {
        let world = world((0..<12).map { "\($0)" })
        let deadline = world.clock.uptimeSeconds + 20
        let (clock, receives) = (world.clock, Counter())
        let summary = await world.retryFlow(
            queueTap: tapOn(.before, "queue.receive") { _ in
                guard receives.next(below: 1) == nil else { return .proceed }
                clock.advance(seconds: 20)
                return .failQueue(.cancelled)
            }, deadlineUptimeSeconds: deadline
        ).run()
        #expect(summary.received == 10 && summary.failed == 0)
    }

    @Test func shortTimeIsUsedToo() async {
        let world = world(["a"])
        let summary = await world.retryFlow(deadlineUptimeSeconds: world.clock.uptimeSeconds + 3).run()
        #expect(summary.delivered == 1)
    }
}
