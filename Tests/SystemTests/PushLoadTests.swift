import Foundation
import TestKit
import Testing
import Transfers

/// Many objects through several push processes at once.
///
/// `local/sshd` takes 500 connections that have not logged in yet (`MaxStartups`), so that it is not the server's own
/// limit of ten that is tried here.
@Suite(.serialized, .timeLimit(.minutes(10))) struct PushLoadTests {
    private static let objectsCount = 500
    private static let processesCount = 8

    @Test func fiveHundredObjectsThroughEightProcessesArriveWholeAndMarked() async throws {
        let world = try PushWorld()
        try await world.run {
            let versions = try await objects(in: world)
            let pushes = try (0..<Self.processesCount).map { _ in try world.start("push") }
            let events = try events(of: versions)
            let summaries = try await withThrowingTaskGroup(of: [PushedFunction.Summary].self) { group in
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
            #expect(summaries.reduce(0) { $0 + $1.delivered } == Self.objectsCount)
            #expect(summaries.reduce(0) { $0 + $1.failed + $1.queued } == 0)
            for version in versions { #expect(try await world.faults(version) == []) }
            #expect(try await world.queuedCount() == 0)
            #expect(try world.temporaryFiles() == [])
        }
    }

    private func objects(in world: PushWorld) async throws -> [PushWorld.Version] {
        var versions: [PushWorld.Version] = []
        for number in 0..<Self.objectsCount {
            // From nothing to half a megabyte, most of them small.
            let size = number % 25 == 0 ? 500_000 + number : number * 17
            let bytes = sampleBytes(size, salt: UInt8(number % 251))
            versions.append(try await world.put("batch \(number % 7)/file \(number)", bytes))
        }
        return versions
    }

    /// Events with one record, as S3 mostly sends them, and with up to ten.
    private func events(of versions: [PushWorld.Version]) throws -> [String] {
        var events: [String] = []
        var rest = versions[...]
        while !rest.isEmpty {
            let count = events.count % 3 == 0 ? 10 : events.count % 3
            events.append(try PushWorld.notification(of: Array(rest.prefix(count))))
            rest = rest.dropFirst(count)
        }
        return events
    }
}
