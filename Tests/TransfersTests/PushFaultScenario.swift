import TestKit
import Testing

@testable import Transfers

/// Objects that push or pushRetry work on while one call goes wrong: what must hold behind that, and after the healthy
/// runs that follow.
struct PushFaultScenario: Sendable {
    /// Which function it is.
    enum Flow: String, CaseIterable {
        case push, pushRetry
    }

    /// A server that replaces a file in one step, or one that removes the older file before.
    enum Server: CaseIterable {
        case replaces, removes
    }

    /// What goes wrong with one object besides, all the time, so that the queue is needed.
    enum Besides: CaseIterable {
        case nothing, fileRefused, markRefused

        func verdict(_ call: PortTap.Call) -> PortTap.Verdict {
            switch (self, call.operation) {
            case (.fileRefused, "remote.createFile") where call.path.contains(".empty."): .failRemote(.denied)
            case (.markRefused, "store.setMetadata") where call.path == "empty" && call.moment == .before:
                .failStore(.denied)
            default: .proceed
            }
        }
    }

    let flow: Flow
    var server = Server.replaces
    var besides = Besides.nothing
    /// One large object alone, which a push has begun with.
    var isGoneOnWith = false

    private static let large = ["x/large": sampleBytes((6 << 20) + 5, salt: 5)]
    private static let sent = [
        "a": sampleBytes(30, salt: 1), "empty": [], "x/b": sampleBytes(15, salt: 2),
        "x/y/c": sampleBytes(20, salt: 3),
    ]
    /// It stands on the server and lacks its mark.
    private static let unmarked = ["d": sampleBytes(20, salt: 4)]
    private static let older = Array("older".utf8)

    private var contents: [String: [UInt8]] {
        if isGoneOnWith { return Self.large }
        return flow == .push ? Self.sent : Self.sent.merging(Self.unmarked) { $1 }
    }

    /// What came of one fault.
    struct Outcome {
        /// The call that went wrong; nil when the run made fewer calls.
        var call: PortTap.Call?
        /// What the run said of it, in a few words.
        var words: String
        /// What does not hold that must.
        var problems: [String] = []
    }

    // MARK: The world

    private func world() throws -> PushWorld {
        var behaviour = PushWorld.Behaviour()
        if !isGoneOnWith { behaviour.source.pieceBytes = 10 }
        behaviour.server.renamesWithoutReplacing = server == .removes
        let world = PushWorld(behaviour)
        world.tree.makeDirectory("/in")
        if contents["x/b"] != nil { world.tree.put("/in/x/b", Self.older) }
        for (key, bytes) in contents.sorted(by: { $0.key < $1.key }) { world.store.plant(key, bytes) }
        if isGoneOnWith {
            try begin(in: world)
            return world
        }
        guard flow == .pushRetry else { return world }
        world.queue.plant(Self.notification(of: ["a", "x/b"]))
        // As SQS may deliver a message, and S3 an event, twice.
        for key in ["a", "empty", "x/y/c"] { world.queue.plant(Self.notification(of: [key])) }
        for (key, bytes) in Self.unmarked {
            world.tree.put("/in" / key, bytes)
            guard let event = Self.event(key), let etag = event.etag else { continue }
            let identity = Destination.identity(origin: world.plan.origin, path: "/in" / key)
            let destination = Destination(origin: world.plan.origin, sha256: ReferenceSHA256.hexadecimal(identity))
            world.queue.plant(event.delivered(etag, to: destination).s3EventJSON)
        }
        return world
    }

    /// A push that loses its connection behind 5 MiB, in WRITEs of 64 KiB.
    private func begin(in world: PushWorld) throws {
        let calls = CallList()
        let ran = try run(
            world, .push,
            tap: PortTap { call in
                guard call.operation == "remote.write", call.moment == .before else { return .proceed }
                calls.add(call)
                return calls.all.count > 80 ? .disconnect : .proceed
            })
        let left = world.queue.messages.flatMap { IncomingEvent(Array($0.body.utf8)).requests }
        #expect(left.count == 1 && left.first?.newest.partial != nil, "no file was left: \(ran.summary)")
        world.clock.advance(seconds: 4000)
        world.observer.forget()
    }

    private static func event(_ key: String) -> ObjectEvent? {
        let bytes = sent[key] ?? unmarked[key] ?? large[key] ?? []
        return ObjectKey(key).map {
            ObjectEvent(bucket: PushWorld.bucket, key: $0, etag: ETag(InMemoryObjectStore.etag(of: bytes)))
        }
    }

    private static func notification(of keys: [String]) -> String {
        let records = keys.compactMap { event($0)?.s3EventJSON.dropFirst(#"{"Records":["#.count).dropLast(2) }
        return #"{"Records":["# + records.joined(separator: ",") + "]}"
    }

    // MARK: Runs

    /// What a run came to: its summary, and whether Lambda keeps the event.
    private struct Ran {
        var summary: PushSummary
        var isKept = false
    }

    private func run(_ world: PushWorld, _ flow: Flow, tap: PortTap = PortTap(), seed: UInt64? = nil) throws -> Ran {
        switch flow {
        case .push:
            let keys = isGoneOnWith ? Self.large.keys.sorted() : Self.sent.keys.sorted()
            let event = IncomingEvent(Array(Self.notification(of: keys).utf8))
            let push = world.flow(tap: tap, queueTap: tap)
            let result = try DeterministicRun.run(seed: seed) { await push.run(event) }
            return Ran(summary: result.summary, isKept: result.isFailure || tap.isDead)
        case .pushRetry:
            let retry = world.retryFlow(tap: tap, queueTap: tap)
            return Ran(summary: try DeterministicRun.run(seed: seed) { await retry.run() })
        }
    }

    /// The calls of a run in which nothing goes wrong.
    func healthyCalls(seed: UInt64? = nil) throws -> [PortTap.Call] {
        let calls = CallList()
        _ = try run(
            try world(), flow,
            tap: PortTap { call in
                calls.add(call)
                return besides.verdict(call)
            }, seed: seed)
        return calls.all
    }

    /// How often pushRetry may have to come by: each fault can be the reason once, and messages that say more follow.
    private static let maximumRetries = 4

    /// Runs with one verdict at one call, and then as often as it takes without.
    func outcome(
        of verdict: @escaping @Sendable (PortTap.Call) -> PortTap.Verdict, at index: Int, seed: UInt64? = nil
    ) throws -> Outcome {
        let world = try world()
        let place = CallBox()
        let tap = PortTap { call in
            guard call.index == index else { return besides.verdict(call) }
            place.set(call)
            return verdict(call)
        }
        let ran = try run(world, flow, tap: tap, seed: seed)
        var outcome = Outcome(call: place.value, words: tap.isDead ? "" : Self.words(ran, world))
        outcome.problems = falsehoods(world) + lost(world, isKept: ran.isKept)

        if ran.isKept { _ = try run(world, .push) }
        var retries = 0
        while !world.queue.messages.isEmpty, retries < Self.maximumRetries {
            world.clock.advance(seconds: 4000)
            _ = try run(world, .pushRetry)
            retries += 1
        }
        if !world.queue.messages.isEmpty { outcome.problems.append("messages stay on the queue") }
        outcome.problems += falsehoods(world)
        for (key, bytes) in contents {
            if world.tree.read("/in" / key) != bytes { outcome.problems.append("\(key) was not delivered") }
            if !world.isMarked(key, at: "/in" / key) { outcome.problems.append("\(key) is not marked") }
        }
        return outcome
    }

    // MARK: What must hold

    /// Files and marks that should not be.
    private func falsehoods(_ world: PushWorld) -> [String] {
        var problems = world.tree.renamedUnfinished.map { "\($0) was renamed although it was not written whole" }
        for (path, bytes) in world.tree.files(below: "/in") {
            let key = String(path.description.dropFirst("/in/".count))
            if let expected = contents[key] {
                let isOlder = key == "x/b" && bytes == Self.older
                if bytes != expected, !isOlder { problems.append("\(path) is neither version") }
            } else if !isTemporary(path) {
                problems.append("\(path) is nobody's")
            }
        }
        for (key, bytes) in contents {
            if world.store.current(key)?.bytes != bytes { problems.append("the object \(key) is another one") }
            if world.isMarked(key, at: "/in" / key), world.tree.read("/in" / key) != bytes {
                problems.append("\(key) is marked and does not stand on the server")
            }
        }
        return problems
    }

    private func isTemporary(_ path: RemotePath) -> Bool {
        path.bytes.split(separator: UInt8(ascii: "/")).last.map { TemporaryName.isOurs($0) } ?? false
    }

    /// What is not done and what nobody will come back to.
    private func lost(_ world: PushWorld, isKept: Bool) -> [String] {
        if isKept { return [] }
        let waiting = Set(
            world.queue.messages.flatMap { IncomingEvent(Array($0.body.utf8)).requests.map(\.key.text) })
        return contents.keys.filter { !world.isMarked($0, at: "/in" / $0) && !waiting.contains($0) }
            .map { "\($0) is not done and nobody knows" }
    }

    private static func words(_ ran: Ran, _ world: PushWorld) -> String {
        let summary = ran.summary
        let classes = Set(world.observer.failures.map(\.errorClass)).sorted()
        var words = classes.isEmpty ? [] : ["fails (\(classes.joined(separator: ", ")))"]
        let skipped = summary.skipped.keys.filter { $0 != PushDecision.Reason.marked.rawValue }
        words += skipped.sorted().map { "skipped as \($0)" }
        if summary.queued > 0 { words.append("queued") }
        if summary.handedBack > 0 { words.append("handed back") }
        if ran.isKept { words.append("the invocation fails, so Lambda keeps the event") }
        if !world.observer.warnings.isEmpty { words.append("a warning") }
        return words.isEmpty ? "nothing" : words.joined(separator: ", ")
    }
}
