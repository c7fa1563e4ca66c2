import Synchronization
import TestKit
import Testing

@testable import Transfers

/// What a push does with a whole event: what fails goes to the retry queue, and never gets lost (rules U7 and U8).
struct PushFlowTests {
    private let content = Array("content".utf8)

    private func event(_ keys: [String], _ content: [UInt8]) -> IncomingEvent {
        let records = keys.compactMap { key in
            ObjectKey(key).map {
                ObjectEvent(bucket: PushWorld.bucket, key: $0, etag: ETag(InMemoryObjectStore.etag(of: content)))
            }
        }
        let bodies = records.map { $0.s3EventJSON.dropFirst(#"{"Records":["#.count).dropLast(2) }
        return IncomingEvent(Array((#"{"Records":["# + bodies.joined(separator: ",") + "]}").utf8))
    }

    private func world(_ keys: [String], _ change: (inout PushWorld.Behaviour) -> Void = { _ in }) -> PushWorld {
        var behaviour = PushWorld.Behaviour()
        change(&behaviour)
        let world = PushWorld(behaviour)
        world.tree.makeDirectory("/in")
        for key in keys { world.store.plant(key, content) }
        return world
    }

    @Test func recordsOfOneEventGoOverOneConnection() async {
        let keys = (0..<40).map { "k\($0)" }
        let world = world(keys)
        let result = await world.flow().run(event(keys, content))
        #expect(result.summary.delivered == 40)
        #expect(result.summary.bytes == 40 * UInt64(content.count))
        #expect(!result.isFailure)
        #expect(world.connections == 1)
        #expect(world.tree.files().count == 40)
        #expect(world.queue.messages.isEmpty)
        #expect(world.observer.found == keys)
    }

    @Test func failedRecordIsQueuedAloneAndTheFunctionSucceeds() async throws {
        let world = world(["a", "b"]) { $0.server.refusesNames = { $0.description.contains(".b.") } }
        let result = await world.flow().run(event(["a", "b"], content))
        #expect(!result.isFailure)
        #expect(result.summary.delivered == 1)
        #expect(result.summary.queued == 1)
        let message = try #require(world.queue.messages.first)
        #expect(IncomingEvent(Array(message.body.utf8)).requests.map(\.key.text) == ["b"])
        #expect(message.attributes.contains { $0.name == "errorClass" && $0.value == "server" })
    }

    @Test func unreachableServerQueuesEverythingAndIsTriedOnce() async {
        let keys = (0..<20).map { "k\($0)" }
        let world = world(keys)
        let result = await world.flow(isReachable: false).run(event(keys, content))
        #expect(!result.isFailure)
        #expect(result.summary.queued == 20)
        #expect(world.queue.messages.count == 20)
        #expect(world.connections == 1)
    }

    /// An alarm for settings that are wrong rings, and not the one for a server that is away.
    @Test func loginThatCannotBeUsedIsAMatterOfTheSettings() async {
        for reason in [RemoteFailure.Reason.invalidSettings, .connectionLost] {
            let world = world(["a"])
            let tap = tapOn(.before, "remote.connect") { _ in .failRemote(reason) }
            let result = await world.flow(tap: tap).run(event(["a"], content))
            let expected = reason == .invalidSettings ? "settings" : "connection"
            #expect(result.summary.failedByClass == [expected: 1] && result.summary.queued == 1)
            let message = world.queue.messages.first
            #expect(message?.attributes.contains { $0.name == "errorClass" && $0.value == expected } == true)
        }
    }

    @Test func queueThatTakesNothingFailsTheFunctionSoThatLambdaKeepsTheEvent() async {
        let world = world(["a"])
        world.queue.behave { $0.maximumMessageBytes = 1 }
        let result = await world.flow(isReachable: false).run(event(["a"], content))
        #expect(result.isFailure)
        #expect(result.summary.unqueued == 1)
        let object = result.summary.failures.first?.subject
        #expect(object == "bucket/a")
        #expect(
            world.observer.failures.suffix(1) == [
                FailureRecorder.Failure(
                    subject: .retryMessage(event(["a"], content).requests.first?.address), errorClass: "queue")
            ])
    }

    @Test func ofABatchOnlyWhatCouldNotBeQueuedComesBack() async {
        let world = world(["a"])
        let inner = event(["a"], content).requests[0].newest.s3EventJSON
        let quoted = inner.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        let batch = """
            {"Records":[{"messageId":"m1","eventSource":"aws:sqs","body":"\(quoted)"},
            {"messageId":"m2","eventSource":"aws:sqs","body":"nonsense"}]}
            """
        let queued = await world.flow(isReachable: false).run(IncomingEvent(Array(batch.utf8)))
        #expect(queued.failedItemIDs == [])
        #expect(world.queue.messages.count == 2)
        world.queue.behave { $0.maximumMessageBytes = 1 }
        let refused = await world.flow(isReachable: false).run(IncomingEvent(Array(batch.utf8)))
        #expect(refused.failedItemIDs == ["m1", "m2"])
        #expect(!refused.isFailure)
        #expect(world.observer.failures.map(\.subject).contains(.event(messageID: "m2")))
        #expect(world.observer.failures.map(\.subject).contains(.retryMessage(nil)))
        #expect(world.observer.warnings.isEmpty)
    }

    @Test func eventOfUnknownShapeIsKeptOnTheQueueAsItCame() async throws {
        let world = world([])
        let result = await world.flow().run(IncomingEvent(Array(#"{"what":"ever"}"#.utf8)))
        #expect(!result.isFailure)
        #expect(result.summary.failures.first?.reason.contains("what") == true)
        #expect(world.queue.messages.map(\.body) == [#"{"what":"ever"}"#])
    }

    @Test func deliveredObjectThatCannotBeMarkedIsQueuedToBeMarkedOnly() async throws {
        let world = world(["a"]) { $0.source.refusesCopies = .denied }
        let result = await world.flow().run(event(["a"], content))
        #expect(result.summary.delivered == 1)
        #expect(result.summary.queued == 1)
        let message = try #require(world.queue.messages.first)
        let request = try #require(IncomingEvent(Array(message.body.utf8)).requests.first)
        #expect(request.newest.delivered?.etag == ETag(InMemoryObjectStore.etag(of: content)))

        // The retry marks it without sending it again.
        world.tree.remove("/in/a")
        world.source { $0.refusesCopies = nil }
        let retried = await world.retryFlow().run()
        #expect(retried.marked == 1)
        #expect(world.tree.files() == [:])
        #expect(world.isMarked("a", at: "/in/a"))
        #expect(world.queue.messages.isEmpty)
    }

    @Test func deliveredObjectIsOnlyMarkedAgainWhenTheStoreFailsAfterTheRename() async throws {
        let world = world(["a"])
        let isRenamed = Mutex(false)
        let result = await world.flow(
            tap: PortTap { call in
                if call.operation == "remote.rename" { isRenamed.withLock { $0 = true } }
                return isRenamed.withLock { $0 } ? .failStore(.unavailable) : .proceed
            }
        ).run(event(["a"], content))
        #expect(result.summary.delivered == 1)
        let request = try #require(IncomingEvent(Array(world.queue.messages[0].body.utf8)).requests.first)
        #expect(request.newest.delivered != nil)
        #expect(await world.retryFlow().run().marked == 1)
    }

    @Test func cancelledPushQueuesWhatItDidNotFinish() async {
        let world = world(["a", "b"])
        let gate = Gate()
        let flow = world.flow(
            tap: PortTap { call in
                if call.operation == "remote.createFile" && call.moment == .before { await gate.pass() }
                return .proceed
            })
        let event = event(["a", "b"], content)
        let task = Task { await flow.run(event) }
        while gate.waitingCount < 2 { await Task.yield() }
        task.cancel()
        gate.open()
        let result = await task.value
        #expect(result.summary.queued == 2)
        #expect(result.summary.failures.allSatisfy { $0.errorClass == "deadline" })
        #expect(!result.isFailure)
    }

    @Test func wrongSettingsQueueTheEvent() async {
        let world = world(["a"])
        let result = await PushFlow.postpone(
            event(["a"], content), because: PushFailure(.settings, "SFTP_HOST is not set"), queue: world.queue,
            clock: world.clock, observer: world.observer)
        #expect(!result.isFailure)
        #expect(result.summary.queued == 1)
        #expect(await world.retryFlow().run().delivered == 1)
        #expect(world.tree.files() == ["/in/a": content])
    }
}
