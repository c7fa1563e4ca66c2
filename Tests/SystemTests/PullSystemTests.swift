import AWS
import Foundation
import HTTP
import TestKit
import Testing
import Transfers

/// pull as it is deployed: its zip, through `bootstrap`, in an empty root file system.
@Suite(
    .serialized,
    .enabled(if: BuildProducts.zips != nil, "SKIPPED: SFTP_LAMBDA_ZIPS is not set; make test builds the zips"),
    .enabled(if: EmptyRoot.obstacle == nil, "SKIPPED: programs cannot run in an empty root file system here"))
struct PullSystemTests {
    @Test func everyFileArrivesWholeAndMovesToDone() async throws {
        let world = try PullWorld()
        let deep = "deep/er/and deeper"
        try FileManager.default.createDirectory(
            at: world.tree.appendingPathComponent("outgoing/\(deep)"), withIntermediateDirectories: true)
        let places = ["", "\(deep)/"]
        for place in places {
            for file in OddFiles.all { try await world.put(place + file.name, file.bytes) }
        }
        try await world.run { _ in
            let summary = try await world.pull()
            #expect(summary.transferred == 2 * OddFiles.all.count)
            #expect(summary.failed == 0 && summary.remaining == 0 && summary.isListingComplete)
            #expect(world.logins == 1)
            guard case .checked(let aws) = world.store else { return }
            let http = HTTPClient(HTTPClientConfiguration(environment: [:]))
            let s3 = S3Client(
                AWSConfiguration(
                    http: http, credentials: EnvironmentCredentials(environment: aws.environment), region: aws.region,
                    environment: aws.environment))
            for place in places {
                for file in OddFiles.all {
                    let key = "in/" + place + file.name
                    let object = try await s3.getObject(S3ReadRequest(S3Address(bucket: PullWorld.bucket, key: key)))
                    let stored = try await object.body.collect(upTo: 16 << 20)
                    #expect(stored == file.bytes, "\(key)")
                    #expect(object.info.attributes.metadata["mtime"] == "1700000000", "\(key)")
                    let origin = "partner.test:\(world.server.port):\(world.server.user)"
                    #expect(object.info.attributes.metadata["synced-from"] == origin, "\(key)")
                    let moved = try await world.read(place + ".done/" + file.name)
                    #expect(moved == file.bytes, "\(key)")
                    let left = try await world.read(place + file.name)
                    #expect(left == nil, "\(key)")
                }
            }
            await http.shutdown()
            try await expectPull(of: 0, in: world, "what stands in .done is never pulled")
        }
    }

    /// SFTP_AFTER_PULL=keep, on a server that lets nothing be written.
    @Test func treeThatMayOnlyBeReadIsPulledOnce() async throws {
        var options = LocalSSHD.Options()
        options.configuration = ["ForceCommand internal-sftp -R"]
        let world = try PullWorld(sshd: options, settings: ["SFTP_AFTER_PULL": "keep"])
        try await world.put("small", sampleBytes(1000))
        try await world.put("large", sampleBytes(20 << 20))
        try await world.run { _ in
            try await expectPull(of: 2, in: world, "the first run takes everything")
            try await expectPull(of: 0, in: world, "what is stored is not taken again")
            try await world.put("small", sampleBytes(1001))
            try await expectPull(of: 1, in: world, "what has changed is")
            let unchanged = try await world.read("large")
            #expect(unchanged == sampleBytes(20 << 20))
        }
    }

    @Test func thousandsOfFilesTakeOneConnection() async throws {
        let world = try PullWorld(lean: true)
        for number in 0..<2000 { try await world.put("file \(number)", sampleBytes(number * 7)) }
        try await world.run { function in
            let summary = try await world.pull()
            #expect(summary.transferred == 2000)
            #expect(world.logins == 1)
            let peakMiB = try #require(try Memory.peakMiB(of: function))
            #expect(peakMiB < 64)
            guard case .lean(let store) = world.store else { return }
            let http = HTTPClient(HTTPClientConfiguration(environment: [:]))
            for number in 0..<2000 {
                let bytes = sampleBytes(number * 7)
                let head = try await LeanObject.head("in/file \(number)", in: store, over: http)
                #expect(head.sizeBytes == bytes.count)
                // Every tenth: the reference is slow.
                if number % 10 == 0 { #expect(head.sha256 == ReferenceSHA256.hexadecimal(bytes)) }
            }
            await http.shutdown()
        }
    }

    @Test(arguments: [300] + (BuildProducts.longTests ? [1024] : []))
    func largeFileTakesLittleMemory(sizeMiB: Int) async throws {
        let world = try PullWorld(lean: true)
        let file = world.tree.appendingPathComponent("outgoing/large")
        try Data().write(to: file)
        let writer = try FileHandle(forWritingTo: file)
        for number in 0..<sizeMiB {
            try writer.write(contentsOf: Data(sampleBytes(1 << 20, salt: UInt8(number % 251))))
        }
        try writer.close()
        let sha256 = try Tool.run("/usr/bin/sha256sum", file.path).prefix(64)
        try await world.run { function in
            let summary = try await world.pull()
            #expect(summary.transferred == 1 && summary.bytes == UInt64(sizeMiB) << 20)
            let peakMiB = try #require(try Memory.peakMiB(of: function))
            #expect(peakMiB < 64)
            // S3 has checked every part; the digest of the whole went through the parts in their order.
            #expect(function.errorsSoFar.contains("\"sha256\":\"\(sha256)\""))
            guard case .lean(let store) = world.store else { return }
            let http = HTTPClient(HTTPClientConfiguration(environment: [:]))
            let sizeBytes = try await LeanObject.head("in/large", in: store, over: http).sizeBytes
            #expect(sizeBytes == sizeMiB << 20)
            await http.shutdown()
        }
    }

    private func expectPull(
        of count: Int, in world: PullWorld, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let transferred = try await world.pull().transferred
        #expect(transferred == count, comment, sourceLocation: sourceLocation)
    }

    /// moto, which the other odd names go through, has no route for such a key.
    @Test func lineFeedInANameIsPartOfTheKey() async throws {
        let world = try PullWorld(lean: true)
        try await world.put("new\nline", sampleBytes(100))
        try await world.run { function in
            try await expectPull(of: 1, in: world)
            let lines = function.errorsSoFar.split(separator: "\n")
            #expect(
                lines.contains { $0.contains(#""path":"outgoing/new\\x0aline""#) }, "one line, with the name escaped")
        }
    }

    @Test func loginDirectoryItselfCanBeTheSource() async throws {
        let world = try PullWorld(lean: true, settings: ["SFTP_SOURCE_DIR": "."])
        try await world.put("a", sampleBytes(100))
        try await world.run { _ in
            try await expectPull(of: 1, in: world)
            let moved = try await world.read(".done/a")
            #expect(moved == sampleBytes(100))
        }
    }

    @Test func loginComesFromTheSecret() async throws {
        let world = try PullWorld(
            settings: [
                "SFTP_SECRET_ID": "partner/login", "SFTP_PRIVATE_KEY": "", "SFTP_USER": "", "SFTP_HOST_KEY": "",
            ])
        try await world.put("a", sampleBytes(100))
        try await world.run { _ in try await expectPull(of: 1, in: world) }
    }

    @Test func wrongHostKeyIsRefusedBeforeTheLogin() async throws {
        let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJo7kd5auEAbenK+cRkWX1hZiw5onf5y7eb2I9sMOOCO"
        let world = try PullWorld(lean: true, settings: ["SFTP_HOST_KEY": other])
        try await world.run { _ in
            let outcome = try await world.api.invoke(Array("{}".utf8))
            #expect(outcome.functionError == "Unhandled")
            #expect(outcome.text.contains("HostKeyRefused"))
            #expect(outcome.text.contains(world.server.hostKeyFingerprint))
            #expect(world.logins == 0)
        }
    }

    @Test func oneFileThatFailsStopsNoOther() async throws {
        var options = LocalSSHD.Options()
        options.userID = 12345
        let world = try PullWorld(lean: true, sshd: options)
        for number in 0..<10 { try await world.put("good \(number)", sampleBytes(number)) }
        try await world.put("secret", sampleBytes(10))
        for path in try FileManager.default.subpathsOfDirectory(atPath: world.tree.path) {
            chown(world.tree.appendingPathComponent(path).path, 12345, 12345)
        }
        chmod(world.tree.appendingPathComponent("outgoing/secret").path, 0)
        try await world.run { _ in
            let outcome = try await world.api.invoke(Array("{}".utf8))
            #expect(outcome.functionError == "Unhandled")
            #expect(outcome.text.contains("1 failed, 10 transferred"), "\(outcome.text)")
            #expect(outcome.text.contains("outgoing/secret"))
            chmod(world.tree.appendingPathComponent("outgoing/secret").path, 0o600)
            try await expectPull(of: 1, in: world, "the same process works on after a failure")
        }
    }

    @Test func faultsInTheSettingsAreReportedTogetherAtTheStart() async throws {
        let world = try PullWorld(lean: true, settings: ["SFTP_PORT": "ssh", "SFTP_TARGET_S3_BUCKET": ""])
        try await world.run { function in
            let outcome = try await world.api.invoke(Array("{}".utf8))
            #expect(outcome.functionError == "Unhandled")
            #expect(outcome.text.contains("SFTP_PORT") && outcome.text.contains("SFTP_TARGET_S3_BUCKET"))
            let status = try await function.finish(withinSeconds: 10).status
            #expect(status == 1)
        }
    }

    @Test func eventThatIsNoJSONIsReported() async throws {
        let world = try PullWorld(lean: true)
        try await world.run { _ in
            let outcome = try await world.api.invoke(Array("no json".utf8))
            #expect(outcome.functionError == "Unhandled" && outcome.text.contains("MalformedEvent"))
        }
    }
}

/// An object as `local/lean_s3.py` knows it.
private struct LeanObject {
    var sizeBytes: Int
    var sha256: String

    static func head(
        _ key: String, in store: StandIn, over http: HTTPClient
    ) async throws -> LeanObject {
        let escaped = key.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(["/"])) ?? key
        let url = "\(store.ready["endpoint"] ?? "")/\(PullWorld.bucket)/\(escaped)"
        let answer = try await http.execute(HTTPRequest(.head, url))
        return LeanObject(
            sizeBytes: answer.headers["Content-Length"].flatMap { Int($0) } ?? -1,
            sha256: answer.headers["x-lean-sha256"] ?? "")
    }
}

private enum Memory {
    /// The most that a program had in memory at any time.
    static func peakMiB(of program: RunningProgram) throws -> Int? {
        let status = try String(contentsOfFile: "/proc/\(program.processID)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line?.split(separator: " ").compactMap { Int($0) }.first.map { $0 / 1024 }
    }
}
