import Synchronization
import TestKit
import Testing

@testable import Transfers

/// Several functions push the same key at once, in every order of their steps and with crashes and failures anywhere, each
/// followed by Lambda's retry or the one from the queue: the newest version ends up on the server, under a mark that is
/// true.
struct PushInterleavingTests {
    /// One function stands for each version: it is invoked by the event of its version's upload. A version that is named
    /// again stands for a second event of it.
    private final class Scenario: InterleavingScenario {
        static let key = "a"
        static let path = RemotePath("/in/a")
        /// How often a push may have to be tried again: each failure, and each push that writes the same file in place at
        /// the same time, can be the reason once.
        private static let maximumTries = 6

        let world: PushWorld
        private let versions: [[UInt8]]
        /// The most failures that the explorer makes.
        private let maximumFailures: Int
        private let problems = Mutex<[String]>([])
        private let newest: Mutex<[UInt8]>
        /// What each function is invoked with, or has on the retry queue.
        private let requests: Mutex<[PushRequest]>
        private let triesCount = Mutex(0)
        /// pushRetry pushes one object at a time.
        private let turns = ObjectTurns()

        init(
            _ versions: [String], namesVersions: Bool = true, failures: Int = 0,
            _ change: (inout PushWorld.Behaviour) -> Void = { _ in }
        ) {
            self.versions = versions.map { Array($0.utf8) }
            maximumFailures = failures
            var behaviour = PushWorld.Behaviour()
            change(&behaviour)
            world = PushWorld(behaviour)
            world.tree.makeDirectory("/in")
            newest = Mutex(self.versions[0])
            requests = Mutex(
                self.versions.compactMap { content in
                    ObjectKey(Self.key).map { key in
                        let etag = namesVersions ? ETag(InMemoryObjectStore.etag(of: content)) : nil
                        return PushRequest(ObjectEvent(bucket: PushWorld.bucket, key: key, etag: etag))
                    }
                })
            world.store.plant(Self.key, self.versions[0])
        }

        func run(process: Int, isRetry: Bool, tap: PortTap) async {
            if !isRetry && !versions[..<process].contains(versions[process]) && process > 0 {
                // The upload, which no crash of ours can keep from happening.
                _ = await tap.pass(.before, "user.put", Self.key)
                newest.withLock { $0 = versions[process] }
                world.store.plant(Self.key, versions[process])
            }
            var outcome = await world.push(requests.withLock { $0[process] }, tap: tap)
            for _ in 0..<Self.maximumTries {
                guard !tap.isDead, queue(outcome, of: process) else { return }
                let address = ObjectAddress(bucket: PushWorld.bucket, key: requests.withLock { $0[process] }.key)
                outcome = await turns.run(address) { [self] in
                    await world.push(requests.withLock { $0[process] }, tap: tap)
                }
            }
            problems.withLock { $0.append("process \(process) does not come to its end: \(outcome)") }
        }

        /// Puts on the queue what is left to do.
        /// - Returns: false when nothing is.
        private func queue(_ outcome: PushOutcome, of process: Int) -> Bool {
            guard let next = world.leftOver(of: requests.withLock { $0[process] }, outcome) else { return false }
            requests.withLock { $0[process] = next }
            triesCount.withLock { $0 += 1 }
            // A push that finds another one writing the same file in place fails too.
            let isExpected = maximumFailures > 0 || world.behaviour.allowsInPlace
            if !isExpected { problems.withLock { $0.append("process \(process): \(outcome)") } }
            return true
        }

        var sharedState: String {
            let file = shownFile
            guard let object = world.store.current(Self.key) else { return "\(file) -" }
            let mustSend = requests.withLock { $0.map { $0.mustSend ? "!" : "" } }.joined(separator: ",")
            return
                "server \(file), queue \(mustSend), object \(String(decoding: object.bytes, as: UTF8.self)) \(object.etag) "
                + "\(object.metadata["synced-etag"] ?? "unmarked")"
        }

        private var shownFile: String {
            world.tree.read(Self.path).map { String(decoding: $0, as: UTF8.self) } ?? "-"
        }

        func observation(of operation: String) -> String {
            let object = world.store.current(Self.key)
            switch operation {
            case "store.current": return "\(object?.etag ?? "-") \(object?.metadata["synced-etag"] ?? "-")"
            case "store.open", "store.setMetadata": return object?.etag ?? "-"
            case "remote.rename" where world.behaviour.server.renamesWithoutReplacing:
                return "\(world.tree.exists(Self.path))"
            case "remote.finish": return shownFile
            default: return ""
            }
        }

        func fault(afterCrashes crashes: Int) -> String? {
            if let problem = problems.withLock({ $0.first }) { return problem }
            guard let object = world.store.current(Self.key) else { return "the object is gone" }
            guard object.bytes == newest.withLock({ $0 }) else { return "an older version is the current object" }
            guard hasNewest(object.bytes, crashes) else { return "the server does not have the newest version" }
            guard world.isMarked(Self.key, at: Self.path) else { return "the newest version is not marked" }
            let others = world.tree.files().keys.filter { $0 != Self.path }
            guard others.count <= crashes + triesCount.withLock({ $0 }) else { return "left behind: \(others)" }
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
        "remote.overwriteFile", "remote.write", "remote.finish", "remote.removeFile",
    ]

    /// Nobody sees what happens under temporary names.
    private static func isStep(_ call: PortTap.Call) -> Bool {
        call.moment == .before && steps.contains(call.operation)
            && (!call.operation.hasPrefix("remote.") || call.path == Scenario.path.description)
    }

    private func explorer(_ versions: [String], crashes: Int, failures: Int = 0) -> InterleavingExplorer {
        InterleavingExplorer(
            processes: versions.count, maximumCrashes: crashes, maximumFailures: failures, isStep: Self.isStep,
            canCrash: { $1.operation != "user.put" })
    }

    private func explore(
        _ versions: [String], crashes: Int, failures: Int = 0,
        _ change: @escaping @Sendable (inout PushWorld.Behaviour) -> Void = { _ in }
    ) throws {
        let report = try explorer(versions, crashes: crashes, failures: failures).explore {
            Scenario(versions, failures: failures, change)
        }
        #expect(report.fault == nil, "\(report.fault ?? "")")
        // So many ends at least: the search did not stop at its beginning.
        #expect(report.ends > 100)
    }

    private func sample(
        _ versions: [String], crashes: Int, failures: Int = 0, namesVersions: Bool = true, runs: UInt64,
        _ change: @escaping @Sendable (inout PushWorld.Behaviour) -> Void = { _ in }
    ) throws {
        let seeds = 0..<(TestLength.isLong ? runs * 50 : runs)
        let report = try explorer(versions, crashes: crashes, failures: failures).sample(seeds: seeds) {
            Scenario(versions, namesVersions: namesVersions, failures: failures, change)
        }
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

    // MARK: Failures

    /// A server that replaces a file in one step, one that removes the older file before, one that only takes files under
    /// their own names.
    enum Server: CaseIterable {
        case replaces, removes, inPlace

        func set(_ behaviour: inout PushWorld.Behaviour) {
            behaviour.server.renamesWithoutReplacing = self == .removes
            behaviour.server.refusesRenames = self == .inPlace ? .denied : nil
            behaviour.allowsInPlace = self == .inPlace
        }
    }

    @Test(arguments: Server.allCases, [["1", "1"], ["1", "2"]])
    func failureAnywhereEndsWithTheNewestVersionWholeAfterItsRetry(server: Server, versions: [String]) throws {
        try sample(versions, crashes: 0, failures: 1, runs: 300) { server.set(&$0) }
    }

    @Test(
        .enabled(if: TestLength.isLong, "make test-long searches more"), arguments: Server.allCases,
        [["1", "1"], ["1", "2"]])
    func failureAtEveryStepEndsWithTheNewestVersionWholeAfterItsRetry(server: Server, versions: [String]) throws {
        try explore(versions, crashes: 0, failures: 1) { server.set(&$0) }
    }

    @Test func failureAnywhereIsNoGapWhenEventsNameNoVersion() throws {
        try sample(["1", "2"], crashes: 0, failures: 1, namesVersions: false, runs: 500)
    }

    @Test(arguments: Server.allCases)
    func severalFailuresOfSecondEventsAndNewerVersionsEndWhole(server: Server) throws {
        try sample(["1a", "1a", "2b", "2b"], crashes: 0, failures: 3, runs: 200) {
            server.set(&$0)
            // Two writes for each version: a half can stand there.
            $0.source.pieceBytes = 1
        }
    }
}
