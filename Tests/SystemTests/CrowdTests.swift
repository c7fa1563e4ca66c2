import Foundation
import TestKit
import Testing

/// More push processes than the server takes at once: it drops connections at random, as OpenSSH does with
/// `MaxStartups 10:30:60` when more than ten have not logged in yet.
@Suite(.serialized, .timeLimit(.minutes(30))) struct CrowdTests {
    private static let objectsCount = TestLength.isLong ? 20_000 : 300
    private static let processesCount = 16
    private static let recordsMost = TestLength.isLong ? 20 : 4
    /// The queue is worked off long before.
    private static let mostRetries = 200

    @Test func everyObjectThroughACrowdedServerArrivesOrIsBroughtByTheRetry() async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["MaxStartups \(TestLength.isLong ? "10:30:60" : "2:60:6")"]
        let world = try LeanWorld(sshd: options, keepsContent: true)
        try await world.run {
            let clock = ContinuousClock()
            let start = clock.now
            let versions = try await objects(in: world)
            let stored = clock.now
            let summaries = try await push(versions, in: world)
            let pushed = clock.now
            let delivered = summaries.reduce(0) { $0 + $1.delivered }
            let queued = summaries.reduce(0) { $0 + $1.queued }
            #expect(delivered + queued == Self.objectsCount)
            #expect(summaries.reduce(0) { $0 + $1.unqueued } == 0)
            let brought = try await workOffTheQueue(in: world)
            #expect(brought == queued)

            let objects = try await world.objects(LeanWorld.bucket)
            var faults: [String] = []
            for version in versions {
                if world.arrived(version.key) != version.bytes { faults.append("\(version.key) has not arrived") }
                if objects[version.key]?.metadata["x-amz-meta-synced"] != "true" {
                    faults.append("\(version.key) is not marked")
                }
            }
            #expect(faults.count == 0, "\(faults.prefix(10))")
            #expect(try world.temporaryFiles() == [])
            let dropped = world.serverLogCount(of: "drop connection")
            // The short form has a narrower door, at which some are always dropped.
            if !TestLength.isLong { #expect(dropped > 0, "the server has dropped none: it was not crowded") }
            print(
                "crowd: \(Self.objectsCount) objects stored in \(stored - start), pushed in \(pushed - stored),",
                "\(queued) of them through the queue; connections dropped: \(dropped)")
        }
    }

    private func objects(in world: LeanWorld) async throws -> [PushWorld.Version] {
        try await withThrowingTaskGroup(of: [PushWorld.Version].self) { group in
            for lane in 0..<8 {
                group.addTask {
                    var versions: [PushWorld.Version] = []
                    for number in stride(from: lane, to: Self.objectsCount, by: 8) {
                        let bytes = sampleBytes(number % 97, salt: UInt8(number % 251))
                        versions.append(try await world.put("batch \(number % 50)/file \(number)", bytes))
                    }
                    return versions
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    private func push(
        _ versions: [PushWorld.Version], in world: LeanWorld
    ) async throws -> [PushedFunction.Summary] {
        // Of one record up to the most: a process with a short event comes back to the door while others are at work.
        var events: [String] = []
        var rest = versions[...]
        while !rest.isEmpty {
            let count = 1 + events.count % Self.recordsMost
            events.append(try PushWorld.notification(of: Array(rest.prefix(count))))
            rest = rest.dropFirst(count)
        }
        let pushes = try (0..<Self.processesCount).map { _ in try world.start("push") }
        return try await withThrowingTaskGroup(of: [PushedFunction.Summary].self) { group in
            for (number, push) in pushes.enumerated() {
                let own = stride(from: number, to: events.count, by: pushes.count).map { events[$0] }
                group.addTask {
                    var summaries: [PushedFunction.Summary] = []
                    for event in own { summaries.append(try await push.invoke(event)) }
                    return summaries
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// How many objects pushRetry has delivered until the queue was empty.
    private func workOffTheQueue(in world: LeanWorld) async throws -> Int {
        let retry = try world.start("pushRetry")
        var delivered = 0
        for _ in 0..<Self.mostRetries {
            let summary = try await retry.invoke()
            delivered += summary.delivered
            if summary.received == 0 { return delivered }
        }
        Issue.record("the queue is not empty after \(Self.mostRetries) invocations")
        return delivered
    }
}
