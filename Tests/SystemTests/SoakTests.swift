import Foundation
import TestKit
import Testing

/// One process of each function through many invocations of every kind: what it holds of the machine stays the same.
@Suite(.serialized, .timeLimit(.minutes(30))) struct SoakTests {
    private static let lengthSeconds = TestLength.isLong ? 600.0 : 0
    /// Whatever the length: less would compare nothing. The short form has these, on every machine.
    private static let fewestRounds = 9
    /// Connections to S3 come and go. One descriptor or thread lost a round makes at least three.
    private static let countMostMore = 2
    /// How much more memory the last third of the rounds may hold than the one before: what an allocator needs to settle,
    /// and not what one leaked buffer of a part a round would make.
    private static let growthMostKiB = TestLength.isLong ? 2 << 10 : 6 << 10

    /// What each of the processes held after each round.
    private struct Watched {
        var function: PushedFunction
        var processID: Int32?
        var figures: [ProcessFigures] = []

        mutating func look() async throws {
            let now = try await function.api.functionState().processID
            #expect(processID == nil || processID == now, "\(function.name) has ended in between")
            // pushRetry is not started before it is asked for.
            guard let now else { return }
            processID = now
            figures.append(try ProcessFigures(of: now))
        }
    }

    @Test func memoryDescriptorsAndThreadsStayFlat() async throws {
        let world = try LeanWorld(keepsContent: true)
        try await world.run {
            var watched = try ["pull", "push", "pushRetry"].map { Watched(function: try world.start($0)) }
            let end = ContinuousClock.now + .seconds(Self.lengthSeconds)
            var round = 0
            while ContinuousClock.now < end || round < Self.fewestRounds {
                try await invokeAll(
                    round, world, pull: watched[0].function, push: watched[1].function, retry: watched[2].function)
                for index in watched.indices { try await watched[index].look() }
                round += 1
            }
            for each in watched { check(each, rounds: round) }
        }
    }

    private func invokeAll(
        _ round: Int, _ world: LeanWorld, pull: PushedFunction, push: PushedFunction, retry: PushedFunction
    ) async throws {
        let isWide = round % 5 == 4
        // pull with files, one of them in parts now and then, and with none.
        let outgoing = world.tree.appendingPathComponent("outgoing")
        for number in 0..<5 {
            let bytes = sampleBytes(isWide && number == 0 ? 9 << 20 : 1000 * number, salt: UInt8(round % 251))
            try Data(bytes).write(to: outgoing.appendingPathComponent("file \(round)-\(number)"))
        }
        #expect(try await transferred(pull) == 5)
        #expect(try await transferred(pull) == 0)

        // push of small objects, of a large one, and of what fails: a key that leads out, one that is gone.
        var versions: [PushWorld.Version] = []
        for number in 0..<5 {
            let bytes = sampleBytes(isWide && number == 0 ? 9 << 20 : 1000 * number, salt: 7)
            versions.append(try await world.put("round \(round % 50)/\(number)", bytes))
        }
        #expect(try await push.invoke(PushWorld.notification(of: versions)).delivered == 5)
        let bad = try await world.put("../out", [1])
        let gone = PushWorld.Version(key: "gone", bytes: [], etag: "\"0\"", versionID: nil)
        let failing = try await push.invoke(PushWorld.notification(of: [bad, gone]))
        #expect(failing.failed == 1 && failing.delivered == 0)
        _ = try await push.outcome(of: "{\"no\": \"event\"}")
        // They wait on the queue; here they are taken away, as a redrive policy does in the end.
        #expect(try await world.emptyQueue() == 2)

        if round % 3 == 2 { try await losingTheServer(round, world, pull: pull, push: push, retry: retry) }
        if isWide { try await losingTheConnection(round, world, push: push, retry: retry) }
    }

    private func losingTheServer(
        _ round: Int, _ world: LeanWorld, pull: PushedFunction, push: PushedFunction, retry: PushedFunction
    ) async throws {
        // The server is away: what is pushed is queued, pull fails; then it is brought.
        world.stopServer()
        let late = try await world.put("late \(round % 50)", sampleBytes(100, salt: UInt8(round % 251)))
        #expect(try await push.invoke(PushWorld.notification(of: [late])).queued == 1)
        #expect(try await pull.outcome(of: "{}").functionError != nil)
        try world.startServer()
        #expect(try await retry.outcome(of: "{}").text.contains("\"delivered\":1"))
        #expect(world.arrived(late.key) == late.bytes)
    }

    /// The connection breaks while a large object is on its way; whatever that does, the queue brings it.
    private func losingTheConnection(
        _ round: Int, _ world: LeanWorld, push: PushedFunction, retry: PushedFunction
    ) async throws {
        let large = try await world.put("large", sampleBytes(30 << 20, salt: UInt8(round % 251)))
        async let pushed = push.invoke(PushWorld.notification(of: [large]))
        let incoming = world.tree.appendingPathComponent("incoming").path
        try await waitUntil("the transfer is under way") {
            try FileManager.default.contentsOfDirectory(atPath: incoming).contains { $0.hasPrefix(".sftp-lambda.") }
        }
        world.dropSessions()
        let summary = try await pushed
        #expect(summary.delivered + summary.queued == 1)
        if summary.queued == 1 { _ = try await retry.outcome(of: "{}") }
        let isThere = world.arrived("large") == large.bytes
        #expect(isThere)
    }

    private func transferred(_ pull: PushedFunction) async throws -> Int {
        struct Summary: Decodable { var transferred: Int }
        let outcome = try await pull.outcome(of: "{}")
        guard outcome.functionError == nil else { throw PushedFunction.Failed(payload: outcome.text) }
        return try JSONDecoder().decode(Summary.self, from: Data(outcome.payload)).transferred
    }

    /// The first third warms up; the other two are compared.
    private func check(_ watched: Watched, rounds: Int) {
        let third = watched.figures.count / 3
        let before = watched.figures[third..<2 * third]
        let after = watched.figures[(2 * third)...]
        func mean(_ figures: ArraySlice<ProcessFigures>) -> Int {
            figures.reduce(0) { $0 + $1.memoryKiB } / max(1, figures.count)
        }
        let name = watched.function.name
        print(
            "soak: \(name), \(rounds) rounds: \(mean(before)) KiB, then \(mean(after));",
            "most \(after.map(\.mostMemoryKiB).max() ?? 0); descriptors \(after.map(\.descriptors).max() ?? 0),",
            "threads \(after.map(\.threads).max() ?? 0)")
        if Sanitizer.isOn {
            Sanitizer.leavesOut("how much memory \(name) takes")
        } else {
            #expect(mean(after) - mean(before) <= Self.growthMostKiB, "\(name): \(watched.figures.map(\.memoryKiB))")
        }
        func most(_ figures: ArraySlice<ProcessFigures>, _ count: (ProcessFigures) -> Int) -> Int {
            figures.map(count).max() ?? 0
        }
        let descriptors = watched.figures.map(\.descriptors)
        #expect(
            most(after, \.descriptors) <= most(before, \.descriptors) + Self.countMostMore, "\(name): \(descriptors)")
        let threads = watched.figures.map(\.threads)
        #expect(most(after, \.threads) <= most(before, \.threads) + Self.countMostMore, "\(name): \(threads)")
    }
}
