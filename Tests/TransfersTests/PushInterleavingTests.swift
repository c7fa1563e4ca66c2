import Synchronization
import TestKit
import Testing

@testable import Transfers

/// Several functions push the same key at once, in every order of their steps and with crashes anywhere, each followed
/// by Lambda's retry: the newest version ends up on the server, under a mark that is true.
struct PushInterleavingTests {
    /// One function stands for each version: it is invoked by the event of its version's upload.
    private final class Scenario: InterleavingScenario {
        static let key = "a"
        static let path = RemotePath("/in/a")

        let world: PushWorld
        private let versions: [[UInt8]]
        /// Whether the events name the versions that they are about.
        private let namesVersions: Bool
        private let failures = Mutex<[String]>([])
        private let newest: Mutex<[UInt8]>

        init(
            _ versions: [String], namesVersions: Bool = true, _ change: (inout PushWorld.Behaviour) -> Void = { _ in }
        ) {
            self.namesVersions = namesVersions
            self.versions = versions.map { Array($0.utf8) }
            var behaviour = PushWorld.Behaviour()
            change(&behaviour)
            world = PushWorld(behaviour)
            world.tree.makeDirectory("/in")
            newest = Mutex(self.versions[0])
            world.store.plant(Self.key, self.versions[0])
        }

        func run(process: Int, isRetry: Bool, tap: PortTap) async {
            if process > 0 && !isRetry {
                // The upload, which no crash of ours can keep from happening.
                _ = await tap.pass(.before, "user.put", Self.key)
                newest.withLock { $0 = versions[process] }
                world.store.plant(Self.key, versions[process])
            }
            let outcome = await world.push(Self.key, event: namesVersions ? versions[process] : nil, tap: tap)
            guard !tap.isDead, case .failed(let failure) = outcome else { return }
            failures.withLock { $0.append("process \(process): \(failure)") }
        }

        var sharedState: String {
            let file = world.tree.read(Self.path).map { String(decoding: $0, as: UTF8.self) } ?? "-"
            guard let object = world.store.current(Self.key) else { return "\(file) -" }
            return "server \(file), object \(String(decoding: object.bytes, as: UTF8.self)) \(object.etag) "
                + "\(object.metadata["synced-etag"] ?? "unmarked")"
        }

        func observation(of operation: String) -> String {
            let object = world.store.current(Self.key)
            switch operation {
            case "store.current": return "\(object?.etag ?? "-") \(object?.metadata["synced-etag"] ?? "-")"
            case "store.open", "store.setMetadata": return object?.etag ?? "-"
            case "remote.rename" where world.behaviour.server.renamesWithoutReplacing:
                return "\(world.tree.exists(Self.path))"
            default: return ""
            }
        }

        func fault(afterCrashes crashes: Int) -> String? {
            if let failure = failures.withLock({ $0.first }) { return failure }
            guard let object = world.store.current(Self.key) else { return "the object is gone" }
            guard object.bytes == newest.withLock({ $0 }) else { return "an older version is the current object" }
            guard hasNewest(object.bytes, crashes) else { return "the server does not have the newest version" }
            guard world.isMarked(Self.key, at: Self.path) else { return "the newest version is not marked" }
            let others = world.tree.files().keys.filter { $0 != Self.path }
            guard others.count <= crashes else { return "left behind: \(others)" }
            return nil
        }

        /// A server that cannot replace has no file for a moment. Who crashes there while another push of the same version
        /// has marked it leaves none; what he brought stands beside it, whole (docs/decisions.md).
        private func hasNewest(_ bytes: [UInt8], _ crashes: Int) -> Bool {
            let file = world.tree.read(Self.path)
            if file != nil || crashes == 0 || !world.behaviour.server.renamesWithoutReplacing { return file == bytes }
            return world.tree.files().values.contains(bytes)
        }
    }

    private static let steps: Set<String> = [
        "user.put", "store.current", "store.open", "store.setMetadata", "remote.rename", "remote.removeTarget",
    ]

    private func explorer(_ versions: [String], crashes: Int) -> InterleavingExplorer {
        InterleavingExplorer(
            processes: versions.count, maximumCrashes: crashes,
            isStep: { $0.moment == .before && Self.steps.contains($0.operation) },
            canCrash: { $1.operation != "user.put" })
    }

    private func explore(
        _ versions: [String], crashes: Int, _ change: @escaping @Sendable (inout PushWorld.Behaviour) -> Void = { _ in }
    ) throws {
        let report = try explorer(versions, crashes: crashes).explore { Scenario(versions, change) }
        #expect(report.fault == nil, "\(report.fault ?? "")")
        // So many ends at least: the search did not stop at its beginning.
        #expect(report.ends > 100)
    }

    private func sample(
        _ versions: [String], crashes: Int, runs: UInt64,
        _ change: @escaping @Sendable (inout PushWorld.Behaviour) -> Void = { _ in }
    ) throws {
        let seeds = 0..<(TestLength.isLong ? runs * 50 : runs)
        let report = try explorer(versions, crashes: crashes).sample(seeds: seeds) { Scenario(versions, change) }
        #expect(report.fault == nil, "\(report.fault ?? "")")
    }

    @Test func newestVersionWinsInEveryOrderOfTwoPushesWithACrashAnywhere() throws {
        try explore(["1", "2"], crashes: 1)
    }

    @Test func markThatChangesTheETagIsStillKnown() throws {
        try explore(["1", "2"], crashes: 1) { $0.source.copiesChangeETags = true }
    }

    /// Without a crash it takes no version in the event to know that an older copy may have been written late.
    @Test func newestVersionWinsWhenEventsNameNone() throws {
        let report = try explorer(["1", "2"], crashes: 0).explore { Scenario(["1", "2"], namesVersions: false) }
        #expect(report.fault == nil, "\(report.fault ?? "")")
        #expect(report.ends > 10)
    }

    @Test(.enabled(if: TestLength.isLong, "make test-long searches more"))
    func newestVersionWinsWithTwoCrashes() throws {
        try explore(["1", "2"], crashes: 2)
    }

    @Test func serverThatDoesNotReplaceEndsWithTheNewestVersionToo() throws {
        try sample(["1", "2"], crashes: 1, runs: 1000) { $0.server.renamesWithoutReplacing = true }
    }

    @Test(arguments: [false, true])
    func newestOfThreeVersionsWinsWithTwoCrashes(marksChangeETags: Bool) throws {
        try sample(["1", "2", "3"], crashes: 2, runs: 1000) { $0.source.copiesChangeETags = marksChangeETags }
    }
}
