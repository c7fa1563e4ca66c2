import AWS
import Foundation
import TestKit
import Testing
import Transfers

/// push and pushRetry as programs, between real servers.
@Suite(.serialized, .timeLimit(.minutes(5))) struct PushSystemTests {
    @Test(
        .enabled(if: BuildProducts.zips != nil, "SKIPPED: SFTP_LAMBDA_ZIPS is not set; make test builds the zips"),
        .enabled(if: EmptyRoot.obstacle == nil, "SKIPPED: programs cannot run in an empty root file system here"))
    func zipsPushAndQueueAndPushAgain() async throws {
        let world = try PushWorld(.zips)
        try await world.run {
            let push = try world.start("push")
            let first = try await world.put("orders/first.csv", sampleBytes(100_000))
            let pushed = try await push.invoke(PushWorld.notification(of: first))
            #expect(pushed.delivered == 1 && pushed.failed == 0 && pushed.bytes == 100_000)
            #expect(try await world.faults(first) == [])

            world.stopServer()
            let second = try await world.put("orders/second.csv", sampleBytes(70_000))
            let newer = try await world.put("orders/first.csv", sampleBytes(50_000))
            let postponed = try await push.invoke(PushWorld.notification(of: second, newer))
            #expect(postponed.delivered == 0 && postponed.failed == 2 && postponed.queued == 2)
            #expect(try await world.queuedCount() == 2)
            #expect(try await world.file(first.key) == first.bytes)

            try world.startServer()
            let retried = try await world.start("pushRetry").invoke()
            #expect(retried.received == 2 && retried.delivered == 2 && retried.failed == 0)
            #expect(try await world.faults(second) + world.faults(newer) == [])
            #expect(try await world.queuedCount() == 0)
            #expect(try world.temporaryFiles() == [])
        }
    }

    /// Every odd name as a key, through the encoding of S3's notifications, at the top and in folders.
    /// SFTP_FILE_MODE and SFTP_DIRECTORY_MODE, on a server whose umask would take most of it away.
    @Test func filesAndDirectoriesHaveThePermissionsThatAreAskedFor() async throws {
        let world = try PushWorld(
            settings: ["SFTP_FILE_MODE": "664", "SFTP_DIRECTORY_MODE": "775"],
            sshd: { $0.configuration = ["ForceCommand internal-sftp -u 0077"] })
        try await world.run {
            let push = try world.start("push")
            let version = try await world.put("new/deep/file", sampleBytes(5000))
            #expect(try await push.invoke(PushWorld.notification(of: version)).delivered == 1)
            #expect(try world.mode("new/deep/file") == 0o664)
            #expect(try world.mode("new/deep") == 0o775)
            #expect(try world.mode("new") == 0o775)
        }
    }

    @Test func everyKeyArrivesUnderItsName() async throws {
        let world = try PushWorld()
        try await world.run {
            let push = try world.start("push")
            for place in ["", "deep/er/and deeper + more/"] {
                var versions: [PushWorld.Version] = []
                for file in OddFiles.all {
                    versions.append(
                        try await world.put(place + file.name, file.bytes, metadata: ["mtime": "1600000000", "a": "b"]))
                }
                let summary = try await push.invoke(PushWorld.notification(of: versions))
                #expect(summary.delivered == OddFiles.all.count && summary.failed == 0)
                for version in versions {
                    #expect(try await world.faults(version) == [])
                    #expect(try await world.fileTime(version.key) == UnixTime(seconds: 1_600_000_000))
                    #expect(try await world.head(version.key)?.attributes.metadata["a"] == "b")
                }
            }
            #expect(try world.temporaryFiles() == [])
            #expect(try await world.queuedCount() == 0)
        }
    }

    /// Every documented shape of an event through the program: each names the object, and none its current version.
    @Test func everyShapeOfAnEventHasItsObjectPushed() async throws {
        let world = try PushWorld()
        try await world.run {
            let push = try world.start("push")
            for (number, fixture) in EventFixtures.good.enumerated() {
                let version = try await world.put(EventFixtures.key, sampleBytes(100 + number))
                let outcome = try await push.outcome(of: fixture.json)
                #expect(outcome.functionError == nil, "\(fixture.name): \(outcome.text)")
                if fixture.name.hasPrefix("SQS") || fixture.name.hasSuffix("in SQS") {
                    #expect(outcome.text == #"{"batchItemFailures":[]}"#, "\(fixture.name)")
                }
                #expect(try await world.faults(version) == [], "\(fixture.name)")
            }
            let last = try await world.put(EventFixtures.key, sampleBytes(10))
            for fixture in EventFixtures.nothing {
                let outcome = try await push.outcome(of: fixture.json)
                #expect(outcome.functionError == nil, "\(fixture.name): \(outcome.text)")
            }
            #expect(try await world.file(last.key) == sampleBytes(100 + EventFixtures.good.count - 1))
            #expect(try await world.queuedCount() == 0)
        }
    }
}
