import Synchronization
import TestKit
import Testing

@testable import Transfers

/// A push that could not finish in its time: the next one goes on with its temporary file.
@Suite struct PushContinuationTests {
    private static let bytes = sampleBytes((20 << 20) + 5, salt: 3)
    private static let key = "large"
    /// 64 KiB go in each WRITE of the fake.
    private static let writesCount = 321
    /// Two WRITEs behind a place from which the store can go on: not all that stands before it is confirmed.
    private static let cutOffAt = 195

    private func makeWorld() -> PushWorld {
        let world = PushWorld()
        world.tree.makeDirectory("/in")
        world.store.plant(Self.key, Self.bytes)
        return world
    }

    private var request: PushRequest? {
        ObjectKey(Self.key).map { PushRequest(ObjectEvent(bucket: PushWorld.bucket, key: $0)) }
    }

    /// How a push ends before its time.
    enum End: CaseIterable { case cutOff, disconnected }

    /// Pushes until so many WRITEs have been sent.
    private func push(
        _ request: PushRequest, in world: PushWorld, until count: Int, _ end: End = .cutOff
    ) async -> PushOutcome {
        let written = Mutex(0)
        let task = Mutex<Task<PushOutcome, Never>?>(nil)
        let isStarted = Gate()
        let tap = PortTap { call in
            await isStarted.pass()
            guard call.operation == "remote.write", call.moment == .before else { return .proceed }
            let number = written.withLock { written in
                written += 1
                return written
            }
            guard number >= count else { return .proceed }
            if end == .disconnected { return .disconnect }
            task.withLock { $0 }?.cancel()
            return .proceed
        }
        let running = Task { await world.push(request, tap: tap) }
        task.withLock { $0 = running }
        isStarted.open()
        return await running.value
    }

    /// Pushes to the end, and counts the WRITEs.
    private func pushOn(_ request: PushRequest, in world: PushWorld) async -> (outcome: PushOutcome, writes: Int) {
        let written = Mutex(0)
        let tap = PortTap { call in
            if call.operation == "remote.write", call.moment == .before { written.withLock { $0 += 1 } }
            return .proceed
        }
        let outcome = await world.push(request, tap: tap)
        return (outcome, written.withLock { $0 })
    }

    private func files(_ world: PushWorld) -> [RemotePath: [UInt8]] { world.tree.files(below: "/in") }

    /// Where it fails, none of the bytes are shown.
    private func expectContent(
        _ world: PushWorld, _ bytes: [UInt8] = bytes, _ comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let isWhole = isSame(world.tree.read("/in/large") ?? [], bytes)
        #expect(isWhole, comment, sourceLocation: sourceLocation)
    }

    private func expectDelivered(
        _ outcome: PushOutcome, in world: PushWorld, _ bytes: [UInt8] = bytes,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        guard case .delivered(let receipt) = outcome else {
            Issue.record("\(outcome)", sourceLocation: sourceLocation)
            return
        }
        #expect(receipt.sha256 == ReferenceSHA256.hexadecimal(bytes), sourceLocation: sourceLocation)
        #expect(Set(files(world).keys) == ["/in/large"], sourceLocation: sourceLocation)
        expectContent(world, bytes, sourceLocation: sourceLocation)
        #expect(world.isMarked(Self.key, at: "/in/large"), sourceLocation: sourceLocation)
    }

    /// Cut off in the midst, with what the message says of it.
    private func cutOff(_ world: PushWorld, _ end: End = .cutOff) async throws -> PushRequest {
        let request = try #require(request)
        let outcome = await push(request, in: world, until: Self.cutOffAt, end)
        guard case .failed(let failure) = outcome else {
            Issue.record("\(outcome)")
            return request
        }
        #expect(failure.reason == (end == .cutOff ? .deadline : .connection))
        #expect(failure.message.contains("bytes are on the server"))
        let partial = try #require(failure.partial)
        #expect(Set(files(world).keys) == [RemotePath("/in") / "\(partial.name)"])
        let left = try #require(world.leftOver(of: request, outcome))
        #expect(left.newest.partial == partial, "the message says it")
        return left
    }

    @Test(arguments: End.allCases)
    func nextPushGoesOnBehindWhatWasConfirmed(_ end: End) async throws {
        let world = makeWorld()
        let left = try await cutOff(world, end)
        let (outcome, writes) = await pushOn(left, in: world)
        expectDelivered(outcome, in: world)
        // What was not confirmed, and up to a mebibyte for the place from which the store can go on.
        #expect(writes <= Self.writesCount - Self.cutOffAt + 5 + 16 + 1)
    }

    @Test func manyPushesGoOnOneAfterTheOther() async throws {
        let world = makeWorld()
        var request = try #require(request)
        var pushes = 0
        while !world.tree.exists("/in/large"), pushes < 20 {
            pushes += 1
            let outcome = await push(request, in: world, until: 100)
            #expect(files(world).keys.count == 1)
            request = world.leftOver(of: request, outcome) ?? request
        }
        #expect((4...6).contains(pushes))
        expectDelivered(.delivered(try await delivered(request, in: world)), in: world)
    }

    /// Pushed once more, whatever the mark says: only for the receipt.
    private func delivered(_ request: PushRequest, in world: PushWorld) async throws -> PushReceipt {
        let outcome = await world.push(request.sendingAgain)
        guard case .delivered(let receipt) = outcome else { throw RemoteFailure(.failed, "\(outcome)") }
        return receipt
    }

    @Test func objectThatWasReplacedIsSentFromItsBeginning() async throws {
        let world = makeWorld()
        let left = try await cutOff(world)
        let other = sampleBytes(Self.bytes.count, salt: 4)
        world.store.plant(Self.key, other)
        let (outcome, writes) = await pushOn(left, in: world)
        expectDelivered(outcome, in: world, other)
        #expect(writes == Self.writesCount)
    }

    /// Between the look at the object and the first byte.
    @Test func objectThatIsReplacedAtTheLastMomentIsSentFromItsBeginning() async throws {
        let world = makeWorld()
        let left = try await cutOff(world)
        let other = sampleBytes(Self.bytes.count, salt: 4)
        let outcome = await world.push(
            left,
            tap: PortTap { call in
                if call.operation == "store.open", call.moment == .before,
                    world.store.versions(Self.key).count == 1
                {
                    world.store.plant(Self.key, other)
                }
                return .proceed
            })
        expectDelivered(outcome, in: world, other)
    }

    @Test func fileOfAnObjectThatIsGoneIsRemoved() async throws {
        let world = makeWorld()
        let left = try await cutOff(world)
        world.store.remove(Self.key)
        guard case .skipped(.gone) = await world.push(left) else {
            Issue.record("it is not gone")
            return
        }
        #expect(Set(files(world).keys) == [])
    }

    @Test func fileOfAnObjectThatAnotherPushHasDeliveredIsRemoved() async throws {
        let world = makeWorld()
        let left = try await cutOff(world)
        let another = try #require(request)
        _ = await world.push(another)
        guard case .skipped(.marked) = await world.push(left) else {
            Issue.record("it is not marked")
            return
        }
        #expect(Set(files(world).keys) == ["/in/large"])
    }

    enum Loss: CaseIterable { case gone, shorter, empty }

    @Test(arguments: Loss.allCases)
    func fileThatIsNotWhatItWasIsNotGoneOnWith(_ loss: Loss) async throws {
        let world = makeWorld()
        let left = try await cutOff(world)
        let path = try #require(files(world).keys.first)
        let partial = try #require(left.newest.partial)
        switch loss {
        case .gone: world.tree.remove(path)
        case .shorter: world.tree.put(path, Array(Self.bytes[..<Int(partial.position.offsetBytes - 1)]))
        case .empty: world.tree.put(path, [])
        }
        let (outcome, writes) = await pushOn(left, in: world)
        expectDelivered(outcome, in: world)
        #expect(writes == Self.writesCount)
    }

    @Test func messageThatNamesAnotherFileIsNotBelieved() async throws {
        let world = makeWorld()
        let left = try await cutOff(world)
        let partial = try #require(left.newest.partial)
        let body = left.newest.s3EventJSON
        var otherDigest = left.newest
        otherDigest.partial?.position.digest = "0000"
        world.tree.put("/in/victim", [1])
        let bodies = [
            body.replacing("\(partial.name)", with: "victim"), body.replacing("\(partial.name)", with: "../victim"),
            body.replacing(partial.destinationSHA256, with: "0000"),
            otherDigest.s3EventJSON,
        ]
        for (index, body) in bodies.enumerated() {
            let request = try #require(IncomingEvent(Array(body.utf8)).requests.first)
            if index < 2 { #expect(request.newest.partial == nil) }
            let (outcome, writes) = await pushOn(request, in: world)
            guard case .delivered = outcome else {
                Issue.record("\(outcome)")
                continue
            }
            #expect(writes == Self.writesCount, "\(index)")
            expectContent(world)
            #expect(world.tree.read("/in/victim") == [1])
            world.store.plant(Self.key, Self.bytes)
        }
    }

    @Test func attemptsWithoutProgressAreCounted() throws {
        let target = try #require(RemoteName(bytes: Array("a".utf8)))
        let name = TemporaryName.name(for: target, randomBits: 1)
        let etag = try #require(ETag("\"e\""))
        func file(_ mebibytes: UInt64) throws -> PartialFile {
            try #require(
                PartialFile(
                    name: name, etag: etag, destinationSHA256: "d",
                    position: ContentPosition(offsetBytes: mebibytes << 20, digest: "s")))
        }
        #expect(try file(3).counted(after: nil, hasGoneOn: true) == nil, "so little is not worth it")
        #expect(try file(4).counted(after: nil, hasGoneOn: true)?.fruitlessAttempts == 0)
        var last = try file(10)
        for attempt in 1...4 {
            let next = try file(10).counted(after: last, hasGoneOn: true)
            last = try #require(next)
            #expect(last.fruitlessAttempts == attempt)
            #expect(last.delaySeconds == [60, 120, 240, 480][attempt - 1], "each waits longer")
        }
        #expect(try file(10).counted(after: last, hasGoneOn: true) == nil, "then it is sent from its beginning")
        let further = try file(11).counted(after: last, hasGoneOn: true)
        #expect(further?.fruitlessAttempts == 0, "progress begins the count anew")
        #expect(further?.delaySeconds == 0, "and does not wait")
        let anew = try file(20).counted(after: try file(10), hasGoneOn: false)
        #expect(anew?.fruitlessAttempts == 1, "who began anew has gone no further, however far that is")
    }

    /// What is in flight at the end of a run is no failure: a message that says how far it came takes its place.
    @Test func retryThatIsCutOffPutsItsProgressOnTheQueue() async throws {
        let world = makeWorld()
        let first = try #require(request)
        world.queue.plant(first.newest.s3EventJSON)
        var runs = 0
        while !world.tree.exists("/in/large"), runs < 10 {
            runs += 1
            let summary = await retry(world, until: 150).summary
            #expect(summary.failed == 0, "\(summary)")
            #expect(files(world).keys.count == 1)
            guard !world.tree.exists("/in/large") else { break }
            #expect(world.queue.messages.count == 1, "one message, which has taken the place of the other")
            #expect(world.queue.messages.first?.receiveCount == 0, "progress is no receive more")
        }
        #expect((2...4).contains(runs))
        expectContent(world)
        #expect(Set(files(world).keys) == ["/in/large"])
    }

    /// A server that takes no byte more is not asked without end, and costs the message no receive.
    @Test func retryThatComesNoFurtherWaits() async throws {
        let world = makeWorld()
        let left = try await cutOff(world)
        world.queue.plant(left.newest.s3EventJSON)
        let dead = PortTap { call in
            call.operation == "remote.write" && call.moment == .before ? .disconnect : .proceed
        }
        // In each run it is tried beside others, and then alone.
        for waitSeconds in [120.0, 480] {
            _ = await world.retryFlow(tap: dead).run()
            let message = try #require(world.queue.messages.first)
            #expect(world.queue.messages.count == 1 && message.receiveCount == 0)
            let again = await world.retryFlow(tap: dead).run()
            #expect(again.received == 0, "it comes no sooner")
            let before = world.clock.uptimeSeconds
            while world.queue.hiddenCount > 0 { world.clock.advance(seconds: 1) }
            #expect((waitSeconds - 5...waitSeconds).contains(world.clock.uptimeSeconds - before))
        }
        // Then it is sent from its beginning, and its receives count.
        _ = await world.retryFlow(tap: dead).run()
        #expect(world.queue.messages.first?.receiveCount == 1 && world.queue.hiddenCount == 1)
        while world.queue.hiddenCount > 0 { world.clock.advance(seconds: 1) }
        #expect(await world.retryFlow().run().delivered == 1)
        expectContent(world)
    }

    // MARK: Several events of one version

    /// Runs pushRetry, and cuts it off at a WRITE.
    private func retry(_ world: PushWorld, until count: Int) async -> (summary: PushSummary, writes: Int) {
        let task = Mutex<Task<PushSummary, Never>?>(nil)
        let written = Mutex(0)
        let isStarted = Gate()
        let tap = PortTap { call in
            await isStarted.pass()
            guard call.operation == "remote.write", call.moment == .before else { return .proceed }
            let number = written.withLock { written in
                written += 1
                return written
            }
            if number == count { task.withLock { $0 }?.cancel() }
            return .proceed
        }
        let flow = world.retryFlow(tap: tap)
        let running = Task { await flow.run() }
        task.withLock { $0 = running }
        isStarted.open()
        return (await running.value, written.withLock { $0 })
    }

    /// Pushes of one version that overlap each leave a file and a message.
    private func overlapping(_ world: PushWorld, untils: [Int]) async throws -> [PushRequest] {
        var left: [PushRequest] = []
        for until in untils {
            let request = try #require(request)
            let outcome = await push(request, in: world, until: until)
            left.append(try #require(world.leftOver(of: request, outcome)))
        }
        #expect(files(world).count == untils.count)
        return left
    }

    @Test func overlappingPushesGoOnAsOneWithTheFileThatHasComeFurthest() async throws {
        let world = makeWorld()
        for left in try await overlapping(world, untils: [100, 120, 250, 140, 110]) {
            world.queue.plant(left.newest.s3EventJSON)
        }
        let (first, _) = await retry(world, until: 60)
        #expect(first.skipped == ["repeated": 4] && first.failed == 0, "\(first)")
        #expect(files(world).count == 1 && world.queue.messages.count == 1)
        let (last, writes) = await retry(world, until: .max)
        #expect(last.delivered == 1 && writes < Self.writesCount - 250 + 30, "\(writes)")
        #expect(Set(files(world).keys) == ["/in/large"] && world.queue.messages.isEmpty)
        expectContent(world)
    }

    /// A queue may hold a message twice: the file is not thrown away for the second.
    @Test func messageThatIsThereTwiceKeepsItsFile() async throws {
        let world = makeWorld()
        let left = try await cutOff(world)
        for _ in 0..<2 { world.queue.plant(left.newest.s3EventJSON) }
        let (summary, writes) = await retry(world, until: .max)
        #expect(summary.delivered == 1 && summary.skipped == ["repeated": 1], "\(summary)")
        #expect(writes < Self.writesCount - Self.cutOffAt + 30)
        #expect(Set(files(world).keys) == ["/in/large"] && world.queue.messages.isEmpty)
    }

    @Test func oneRequestWithSeveralFilesGoesOnWithOneAndRemovesTheOthers() async throws {
        let world = makeWorld()
        let left = try await overlapping(world, untils: [100, 250, 120])
        let requests = PushRequest.collapsing(left.map { ($0.newest, nil) })
        #expect(requests.count == 1)
        let (outcome, writes) = await pushOn(try #require(requests.first), in: world)
        expectDelivered(outcome, in: world)
        #expect(writes < Self.writesCount - 250 + 30)
    }

    @Test func messagesThatAskForSomethingElseAreKept() throws {
        let key = try #require(ObjectKey("a"))
        let event = ObjectEvent(
            bucket: "b", key: key, etag: ETag("\"1\""), sequencer: Sequencer("05"))
        func isRepeated(_ change: (inout ObjectEvent) -> Void) -> Bool {
            let held = HeldRequests()
            var other = event
            change(&other)
            return held.add("1", event) == nil && held.add("2", other) != nil
        }
        let name = TemporaryName.name(for: try #require(RemoteName(bytes: Array("a".utf8))), randomBits: 1)
        let etag = try #require(ETag("\"1\""))
        #expect(isRepeated { _ in })
        #expect(isRepeated { $0.sequencer = Sequencer("04") }, "the later one covers it")
        #expect(!isRepeated { $0.sequencer = Sequencer("06") }, "it may be of a version that came since")
        #expect(!isRepeated { $0.sequencer = nil })
        #expect(!isRepeated { $0.etag = ETag("\"2\"") })
        #expect(!isRepeated { $0.mustSend = true })
        #expect(!isRepeated { $0.bucket = "c" })
        #expect(!isRepeated { $0.delivered = Delivery(etag: etag, destinationSHA256: "d") })
        #expect(
            !isRepeated {
                $0.partial = PartialFile(
                    name: name, etag: etag, destinationSHA256: "d",
                    position: ContentPosition(offsetBytes: 5 << 20, digest: "s"))
            }, "what has come further is not thrown away")
        let held = HeldRequests()
        #expect(held.add("1", event) == nil && held.add("2", nil) == nil)
        held.remove("1")
        #expect(held.add("3", event) == nil, "nobody pushes it any more")
        let byHand = ObjectEvent(bucket: "b", key: key)
        #expect(
            held.add("4", byHand) == nil && held.add("5", byHand) == nil,
            "nothing says that they are of one version: the first may have been looked at already")
    }

    /// Whatever happens while a push goes on: the file is whole in the end.
    @Test(arguments: [PortTap.Verdict.fail, .disconnect, .crash].indices)
    func everyStepOfAContinuationMayGoWrong(_ verdict: Int) async throws {
        let verdict = [PortTap.Verdict.fail, .disconnect, .crash][verdict]
        for step in ["store.current", "store.open", "remote.resumeFile", "remote.finish", "remote.rename"] {
            for moment in [PortTap.Moment.before, .after] {
                let world = makeWorld()
                let left = try await cutOff(world)
                let isDone = Mutex(false)
                let outcome = await world.push(
                    left,
                    tap: PortTap { call in
                        guard call.operation == step, call.moment == moment else { return .proceed }
                        return isDone.withLock { isDone in
                            defer { isDone = true }
                            return isDone ? .proceed : verdict
                        }
                    })
                let next: PushRequest
                if case .crash = verdict { next = left } else { next = world.leftOver(of: left, outcome) ?? left }
                _ = await world.push(next.sendingAgain)
                expectContent(world, Self.bytes, "\(verdict) \(moment) \(step)")
                #expect(world.isMarked(Self.key, at: "/in/large"), "\(verdict) \(moment) \(step)")
            }
        }
    }
}
