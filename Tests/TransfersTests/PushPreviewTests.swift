import Synchronization
import TestKit
import Testing

@testable import Transfers

/// A dry run of push: it says what the push does that follows it, and changes nothing.
@Suite struct PushPreviewTests {
    private static let looks: Set = ["remote.attributes", "store.current"]
    private static let keys = ["new", "dir/sub/new", "there", "sent before", "gone", "a//b", "content/", "pulled"]

    private func world() async -> PushWorld {
        let world = PushWorld()
        world.tree.makeDirectory("/in")
        for key in Self.keys where key != "gone" {
            let metadata = key == "pulled" ? ["synced-from": world.plan.origin] : [:]
            world.store.plant(key, Array(key.utf8), metadata: metadata)
        }
        world.tree.put("/in/there", Array("an older one".utf8))
        guard case .delivered = await world.push("sent before") else {
            Issue.record("nothing is marked")
            return world
        }
        return world
    }

    private var event: IncomingEvent {
        IncomingEvent(
            objects: Self.keys.compactMap { key in
                ObjectKey(key).map { ObjectAddress(bucket: PushWorld.bucket, key: $0) }
            })
    }

    @Test func itSaysWhatThePushThenDoesAndChangesNothing() async {
        let world = await world()
        let files = world.tree.files()
        let metadata = world.store.objects.mapValues { $0.map(\.metadata) }
        let (foreseen, planned, calls) = await preview(world, event)
        for call in calls { #expect(Self.looks.contains(call.operation), "\(call)") }
        #expect(world.tree.files() == files && !world.tree.exists("/in/dir"))
        #expect(world.store.objects.mapValues { $0.map(\.metadata) } == metadata)
        #expect(Set(planned.map { "\($0.path)" }) == ["/in/new", "/in/dir/sub/new", "/in/there"])

        let run = await world.flow().run(event).summary
        #expect(run.delivered == 3 && run.failed == 2 && run.skipped.values.reduce(0, +) == 3)
        #expect(foreseen.delivered == run.delivered && foreseen.bytes == run.bytes && foreseen.failed == run.failed)
        #expect(foreseen.skipped == run.skipped && foreseen.queued == 0)
        for push in planned { #expect(world.tree.exists(push.path)) }
    }

    @Test func whatStandsThereAndWhatIsMissingIsNamed() async throws {
        let world = await world()
        let planned = await preview(world, event).planned
        let there = try #require(planned.first { $0.path == "/in/there" })
        #expect(there.present?.kind == .file && there.present?.version.sizeBytes == 12)
        let deep = try #require(planned.first { $0.path == "/in/dir/sub/new" })
        #expect(deep.present == nil && deep.missingDirectories == ["/in/dir", "/in/dir/sub"])
        #expect(planned.allSatisfy { $0.action == .send })
    }

    /// What was delivered and could not be marked (rule U8) would only be marked.
    @Test func anObjectThatLacksOnlyItsMarkWouldBeMarked() async throws {
        let world = await world()
        let key = try #require(ObjectKey("new"))
        let etag = try #require(ETag(InMemoryObjectStore.etag(of: Array("new".utf8))))
        let target = try world.plan.target(for: key, storedAt: PushPlan.anyTime)
        let event = ObjectEvent(bucket: PushWorld.bucket, key: key, etag: etag).delivered(etag, to: target.destination)
        let (summary, planned, _) = await preview(world, IncomingEvent(Array(event.s3EventJSON.utf8)))
        #expect(summary.marked == 1 && summary.delivered == 0 && planned.map(\.action) == [.mark])
    }

    private func preview(
        _ world: PushWorld, _ event: IncomingEvent
    ) async -> (summary: PushSummary, planned: [PlannedPush], calls: [PortTap.Call]) {
        let (calls, planned) = (RecordedList<PortTap.Call>(), RecordedList<PlannedPush>())
        let tap = PortTap { call in
            calls.add(call)
            return .proceed
        }
        let summary = await PushPreview(
            plan: world.plan, objects: InMemorySourceObjects(world.store.client(tap: tap)),
            files: InMemoryRemoteFiles(world.tree, tap: tap), clock: world.clock, observer: world.observer,
            planned: { planned.add($0) }
        ).run(event)
        return (summary, planned.all, calls.all)
    }
}

/// Remembers what came, in its order.
final class RecordedList<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    var all: [Element] { elements.withLock { $0 } }

    func add(_ element: Element) { elements.withLock { $0.append(element) } }
}
