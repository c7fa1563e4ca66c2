import AWS
import Foundation
import TestKit
import Testing
import Transfers

/// The table of states is what docs/states.md says and what the programs do.
@Suite(.serialized, .timeLimit(.minutes(10))) struct ObjectStatesTests {
    /// `UPDATE_DOCS=1 swift test --filter ObjectStatesTests` writes the page anew.
    @Test func thePageShowsTheTable() throws {
        let page = StandIn.packageRoot.appendingPathComponent("docs/states.md")
        if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" {
            try Data(ObjectState.markdown.utf8).write(to: page)
        }
        #expect(try String(contentsOf: page, encoding: .utf8) == ObjectState.markdown)
    }

    @Test func theTableIsWhole() {
        let rows = ObjectState.table
        #expect(rows.map(\.number) == Array(1...rows.count))
        #expect(Set(rows.map(\.state)).count == rows.count)
        for row in rows {
            #expect((row.state.object == .synced) == (row.state.server == .current), "state \(row.number)")
            let hasMessages = row.state.queue != .nothing
            #expect((row.next[.retryFails] != nil) == hasMessages, "state \(row.number)")
            #expect(((row.next[.retryWorks] ?? row.next[.retrySkips]) != nil) == hasMessages, "state \(row.number)")
            #expect(row.next[.retryFails] ?? row.number == row.number, "state \(row.number)")
            for transition in [ObjectState.Transition.pushWorks, .latePush, .retryWorks] {
                guard let next = row.next[transition] else { continue }
                #expect(ObjectState.row(next).state.object == .synced, "\(transition) from state \(row.number)")
            }
        }
    }

    @Test func everyTransitionLeadsWhereTheTableSays() async throws {
        let world = try PushWorld()
        try await world.run {
            var walk = try ObjectWalk(world)
            try await walk.walk()
        }
    }
}

/// An object that is led through the table: after each step it is looked at, and must be where the table says.
private struct ObjectWalk {
    typealias State = ObjectState
    private struct Edge: Hashable {
        var from: Int
        var transition: State.Transition
    }

    private let world: PushWorld
    private let push: PushedFunction
    private let retry: PushedFunction
    private var untried: Set<Edge>
    private var number = 1
    private var isServerUp = true
    /// Each object that nothing leads on from makes room for another.
    private var objectNumber = 0
    /// All versions of the object, the newest last.
    private var versions: [PushWorld.Version] = []
    private var isDeleted = true

    init(_ world: PushWorld) throws {
        self.world = world
        push = try world.start("push")
        retry = try world.start("pushRetry")
        untried = Set(State.table.flatMap { row in row.next.keys.map { Edge(from: row.number, transition: $0) } })
    }

    private var key: String { "walked/\(objectNumber)" }

    // MARK: The way

    /// Walks until every transition has been tried.
    mutating func walk() async throws {
        while !untried.isEmpty {
            var way = way(from: number)
            if way == nil {
                try await beginAnew()
                way = self.way(from: number)
            }
            for transition in try #require(way, "no way leads to \(untried)") { try await take(transition) }
        }
    }

    /// The shortest way to a transition that has not been tried, that one included.
    private func way(from start: Int) -> [State.Transition]? {
        var ways: [(number: Int, transitions: [State.Transition])] = [(start, [])]
        var seen: Set<Int> = [start]
        while !ways.isEmpty {
            let way = ways.removeFirst()
            for transition in State.Transition.allCases {
                guard let next = State.row(way.number).next[transition] else { continue }
                let transitions = way.transitions + [transition]
                if untried.contains(Edge(from: way.number, transition: transition)) { return transitions }
                if seen.insert(next).inserted { ways.append((next, transitions)) }
            }
        }
        return nil
    }

    // MARK: A step

    /// Lets something happen, and looks where it has led.
    private mutating func take(_ transition: State.Transition) async throws {
        let next = try #require(State.row(number).next[transition])
        // What must not need the server is tried without it.
        try reach(isServerUp: ![.pushFails, .pushSkips, .retryFails].contains(transition))
        try await perform(transition)
        let found = try await look()
        let expected = State.row(next).state
        try #require(found == expected, "\(transition.rawValue) from state \(number): \(found), not \(expected)")
        untried.remove(Edge(from: number, transition: transition))
        number = next
    }

    private mutating func beginAnew() async throws {
        for message in try await messages() {
            try await world.sqs.deleteMessage(message.receiptHandle, from: world.queue)
        }
        objectNumber += 1
        versions = []
        isDeleted = true
        number = 1
        let found = try await look()
        try #require(found == State.row(1).state)
    }

    private mutating func reach(isServerUp wanted: Bool) throws {
        guard wanted != isServerUp else { return }
        if wanted { try world.startServer() } else { world.stopServer() }
        isServerUp = wanted
    }

    private mutating func perform(_ transition: State.Transition) async throws {
        let comment: Comment = "\(transition.rawValue) from state \(number)"
        switch transition {
        case .put, .overwrite:
            // No two versions are the same, nor begin alike.
            let count = versions.count
            versions.append(try await world.put(key, sampleBytes(1000 + count * 40_000, salt: UInt8(count))))
            isDeleted = false
        case .delete:
            try await world.delete(key)
            isDeleted = true
        case .pushWorks, .latePush:
            let summary = try await push.invoke(event(ofCurrent: transition == .pushWorks))
            #expect(summary.delivered == 1 && summary.failed == 0, comment)
        case .pushFails:
            let summary = try await push.invoke(event(ofCurrent: true))
            #expect(summary.failed == 1 && summary.queued == 1, comment)
        case .pushSkips:
            let summary = try await push.invoke(event(ofCurrent: true))
            #expect(summary.skipped == [isDeleted ? "gone" : "marked": 1] && summary.failed == 0, comment)
        case .retryWorks:
            let summary = try await retry.invoke()
            #expect(summary.delivered > 0 && summary.failed == 0, comment)
        case .retrySkips:
            let summary = try await retry.invoke()
            let skippedCount = summary.skipped.values.reduce(0, +)
            #expect(skippedCount > 0 && summary.delivered == 0, comment)
        case .retryFails:
            let outcome = try await retry.outcome(of: "{}")
            #expect(outcome.functionError != nil, comment)
        }
    }

    /// The event of the current version; or of one before it, which nothing but this event tells of.
    private func event(ofCurrent isOfCurrent: Bool) throws -> String {
        let earlier = PushWorld.Version(key: key, bytes: [], etag: String(repeating: "0", count: 32))
        return try PushWorld.notification(of: (isOfCurrent ? current : nil) ?? earlier)
    }

    // MARK: Looking

    private func look() async throws -> State {
        State(object: try await object(), queue: try await queue(), server: try await server())
    }

    private var current: PushWorld.Version? { isDeleted ? nil : versions.last }

    private func object() async throws -> State.Object {
        guard let head = try await world.head(key) else { return .none }
        if world.markForServer(head, key: key) == nil { return .unsynced }
        let version = try #require(current)
        try #require(world.isMarked(head, as: version), "the mark is that of another version")
        return .synced
    }

    private func queue() async throws -> State.Queue {
        struct Notification: Decodable {
            struct Record: Decodable { var s3: S3 }
            struct S3: Decodable { var object: Object }
            struct Object: Decodable { var key: String, eTag: String }
            var Records: [Record]
        }
        var named: Set<Bool> = []
        let messages = try await messages()
        try #require(try await world.queuedCount() == messages.count, "a message is hidden")
        for message in messages {
            let records = try JSONDecoder().decode(Notification.self, from: Data(message.body.utf8)).Records
            try #require(records.map(\.s3.object.key) == [key])
            named.insert(current != nil && ETag(records[0].s3.object.eTag) == current.flatMap { ETag($0.etag) })
        }
        switch (named.contains(true), named.contains(false)) {
        case (true, true): return .both
        case (true, false): return .current
        case (false, true): return .earlier
        case (false, false): return .nothing
        }
    }

    /// All messages that are not hidden. They stay visible.
    private func messages() async throws -> [SQSMessage] {
        try await world.sqs.receiveMessages(
            from: world.queue, waitSeconds: 0, visibilityTimeoutSeconds: 0
        ).messages
    }

    private func server() async throws -> State.Server {
        guard let file = try await world.file(key) else { return .nothing }
        if file == current?.bytes { return .current }
        try #require(versions.contains { $0.bytes == file }, "on the server stands no version of the object")
        return .earlier
    }
}
