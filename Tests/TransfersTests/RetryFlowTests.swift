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

    @Test func lostServerHandsBackWhatIsHeldAndTheNextRunCompletes() async {
        let world = world((0..<12).map { "k\($0)" })
        let summary = await world.retryFlow(
            tap: PortTap { $0.operation == "remote.rename" ? .disconnect : .proceed }
        ).run()
        #expect(summary.failed > 0)
        #expect(world.connections <= ServerAccess.maximumConnections)
        #expect(world.queue.messages.count == 12)
        #expect(world.queue.hiddenCount == 0)
        #expect(await world.retryFlow().run().delivered == 12)
        #expect(world.queue.messages.isEmpty)
    }

    @Test func connectionThatIsLostOnceIsOpenedAgainInTheSameRun() async {
        let world = world((0..<12).map { "k\($0)" })
        _ = await world.retryFlow(
            tap: PortTap { $0.operation == "remote.rename" && world.connections == 1 ? .disconnect : .proceed }
        ).run()
        #expect(world.connections == 2)
        #expect(world.tree.files().keys.count { !$0.description.contains(".part") } == 12)
        #expect(world.queue.messages.isEmpty)
    }

    @Test func messageIsKeptHiddenWhileItsPushTakesLong() async {
        let world = world(["a"])
        let gate = Gate()
        let flow = world.retryFlow(
            tap: PortTap { call in
                if call.operation == "remote.rename" { await gate.pass() }
                return .proceed
            })
        let task = Task { await flow.run() }
        for _ in 0..<5 {
            while gate.waitingCount == 0 || world.clock.nextDueUptimeSeconds == nil { await Task.yield() }
            world.clock.advance(seconds: 60)
            while (world.queue.operations["hide"] ?? 0) == 0 { await Task.yield() }
            #expect(world.queue.hiddenCount == 1)
        }
        gate.open()
        let summary = await task.value
        #expect(summary.delivered == 1)
        #expect(world.queue.messages.isEmpty)
    }

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

    @Test func nothingIsReceivedShortlyBeforeTheDeadline() async {
        let world = world(["a"])
        let flow = world.retryFlow(deadlineUptimeSeconds: world.clock.uptimeSeconds + 20)
        world.clock.advance(seconds: 17)
        let summary = await flow.run()
        #expect(summary.received == 0)
        #expect(world.queue.messages.first?.receiveCount == 0)
    }

    @Test func shortTimeIsUsedToo() async {
        let world = world(["a"])
        let summary = await world.retryFlow(deadlineUptimeSeconds: world.clock.uptimeSeconds + 3).run()
        #expect(summary.delivered == 1)
    }
}
