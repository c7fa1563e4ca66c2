import TestKit
import Testing

@testable import Transfers

/// Temporary files that killed pushes leave go when they are old, and nothing else does.
struct LeftoverSweepTests {
    private static let day: Int64 = 24 * 3600
    private let content = Array("content".utf8)

    /// The name of a file that was begun then.
    private func name(daysOld: Int64, in world: PushWorld) -> String {
        let bits = TemporaryName.bits(at: world.clock.now + -daysOld * Self.day, random: 0xAA)
        guard let target = RemoteName(bytes: Array("file".utf8)) else { return "" }
        return String(decoding: TemporaryName.name(for: target, randomBits: bits).bytes, as: UTF8.self)
    }

    /// A world in which one object waits, in a directory of its own.
    private func world() -> PushWorld {
        let world = PushWorld()
        world.tree.makeDirectory("/in")
        world.tree.makeDirectory("/in/sub")
        world.tree.makeDirectory("/in/other")
        world.store.plant("sub/a", content)
        if let key = ObjectKey("sub/a") {
            let event = ObjectEvent(
                bucket: PushWorld.bucket, key: key, etag: ETag(InMemoryObjectStore.etag(of: content)))
            world.queue.plant(event.s3EventJSON)
        }
        return world
    }

    private func put(_ path: RemotePath, daysOld: Int64, in world: PushWorld) {
        world.tree.put(path, content, modified: world.clock.now + -daysOld * Self.day)
    }

    @Test func oldOnesGoFromTheTargetDirectoryAndFromThatOfTheObject() async {
        let world = world()
        let old = name(daysOld: 8, in: world)
        for directory in ["/in", "/in/sub", "/in/other"] {
            put(RemotePath("\(directory)/\(old)"), daysOld: 8, in: world)
        }
        let summary = await world.retryFlow().run()
        #expect(summary.delivered == 1 && summary.failed == 0)
        #expect(!world.tree.exists(RemotePath("/in/\(old)")))
        #expect(!world.tree.exists(RemotePath("/in/sub/\(old)")))
        #expect(world.tree.exists(RemotePath("/in/other/\(old)")), "nobody was there")
        #expect(world.tree.read("/in/sub/a") == content)
        #expect(world.observer.warnings.count == 2)
        #expect(world.connections == 1)
    }

    @Test func youngOnesAndWhatIsNotOursStay() async {
        let world = world()
        let others = [
            ".sftp-lambda.00000000000000AA.file.part", ".sftp-lambda.00000000000000aa.file", "file.part",
            ".sftp-lambda.part", "report.csv",
        ]
        for name in others { put(RemotePath("/in/\(name)"), daysOld: 400, in: world) }
        // Its own time may be that of the object, which says nothing of when it was written.
        put(RemotePath("/in/\(name(daysOld: 6, in: world))"), daysOld: 3000, in: world)
        // Somebody has gone on with it.
        put(RemotePath("/in/\(name(daysOld: 9, in: world))"), daysOld: 6, in: world)
        let directory = RemotePath("/in/\(name(daysOld: 10, in: world))")
        let link = RemotePath("/in/\(name(daysOld: 11, in: world))")
        world.tree.makeDirectory(directory)
        world.tree.makeLink(link, to: "/in/report.csv")
        for path in [directory, link] { world.tree.setModified(path, world.clock.now + -400 * Self.day) }
        let before = world.tree.files(below: "/in").count
        _ = await world.retryFlow().run()
        #expect(world.tree.files(below: "/in").count == before + 1)
        #expect(world.tree.exists(link) && world.tree.exists(directory))
        #expect(world.observer.warnings.isEmpty)
    }

    @Test func emptyQueueLooksForNothing() async {
        let world = PushWorld()
        let old = name(daysOld: 8, in: world)
        world.tree.makeDirectory("/in")
        put(RemotePath("/in/\(old)"), daysOld: 30, in: world)
        _ = await world.retryFlow().run()
        #expect(world.connections == 0)
        #expect(world.tree.exists(RemotePath("/in/\(old)")))
    }

    @Test func whatCannotBeListedOrRemovedFailsNothing() async {
        for refused in ["remote.openDirectory", "remote.next", "remote.removeFile"] {
            let world = world()
            let old = name(daysOld: 8, in: world)
            put(RemotePath("/in/\(old)"), daysOld: 8, in: world)
            let tap = PortTap { $0.operation == refused && $0.moment == .before ? .fail : .proceed }
            let summary = await world.retryFlow(tap: tap).run()
            #expect(summary.delivered == 1 && summary.failed == 0, "\(refused)")
            #expect(world.tree.exists(RemotePath("/in/\(old)")), "\(refused)")
            #expect(world.queue.messages.isEmpty)
        }
    }

    @Test func whatIsFoundWhenTheTimeIsUpStays() async {
        let world = world()
        let old = name(daysOld: 8, in: world)
        put(RemotePath("/in/\(old)"), daysOld: 8, in: world)
        put(RemotePath("/in/sub/\(old)"), daysOld: 8, in: world)
        let deadline = world.clock.uptimeSeconds + 100
        let tap = PortTap { call in
            if call.operation == "remote.openDirectory", call.moment == .after { world.clock.advance(seconds: 96) }
            return .proceed
        }
        _ = await world.retryFlow(tap: tap, deadlineUptimeSeconds: deadline).run()
        #expect(world.tree.exists(RemotePath("/in/\(old)")) && world.tree.exists(RemotePath("/in/sub/\(old)")))
    }

    @Test func withoutTimeNothingIsLookedFor() async {
        let world = world()
        let old = name(daysOld: 8, in: world)
        put(RemotePath("/in/\(old)"), daysOld: 8, in: world)
        let deadline = world.clock.uptimeSeconds + 100
        // The object is delivered, and then hardly any time is left.
        let tap = PortTap { call in
            if call.operation.hasSuffix("replaceFile"), call.moment == .after { world.clock.advance(seconds: 96) }
            return .proceed
        }
        let summary = await world.retryFlow(tap: tap, deadlineUptimeSeconds: deadline).run()
        #expect(summary.delivered == 1)
        #expect(world.tree.exists(RemotePath("/in/\(old)")))
    }
}
