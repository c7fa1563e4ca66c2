import AWS
import Foundation
import TestKit
import Testing

/// `--dry-run` over real servers: nothing is other than before, on either side.
struct DryRunTests {
    @Test func nothingChangesOnEitherSide() async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/a.txt", "one")
        try await world.put("outgoing/below/b.txt", "two")
        try await world.put("outgoing/young.txt", "young", ageSeconds: 5)
        try FileManager.default.createDirectory(
            at: world.tree.appendingPathComponent("outgoing/.done"), withIntermediateDirectories: true)
        try await world.put("outgoing/.done/old.txt", "old", ageSeconds: 9 * 86_400)
        try await world.store("k.txt", "content")
        try await world.store("a//b", "refused")
        try await world.run {
            let before = (try Self.state(of: world.tree), try await Self.state(of: world))
            let extra = ["SFTP_FILE_RETENTION_DAYS": "7", "SFTP_MIN_FILE_AGE_SECONDS": "3600"]
            let pull = try await world.finish("pull", ["--dry-run"], settings: extra)
            let push = try await world.finish("push", ["-n", "s3://acme-outbox/k.txt", "s3://acme-outbox/a//b"])
            let retry = try await world.finish("pushRetry", ["--dry-run"])
            let json = try await world.finish("pull", ["-n", "--json"], settings: extra)
            #expect(try Self.state(of: world.tree) == before.0)
            #expect(try await Self.state(of: world) == before.1)

            #expect(pull.status == 0, "\(pull.errors)")
            for line in [
                "transfer  outgoing/a.txt -> s3://acme-inbox/a.txt (3 bytes), and move it to outgoing/.done/a.txt",
                "transfer  outgoing/below/b.txt -> s3://acme-inbox/below/b.txt (3 bytes), and move it to "
                    + "outgoing/below/.done/b.txt",
                "leave     outgoing/young.txt: young, it was changed less than SFTP_MIN_FILE_AGE_SECONDS ago",
                "remove    outgoing/.done/old.txt: its retention is over",
                "dry run, nothing was changed: 2 files would be transferred, 6 bytes",
                "1 file would be removed from .done",
            ] { #expect(pull.output.split(separator: "\n").contains(Substring(line)), "\(line) in\n\(pull.output)") }
            #expect(push.status == 1, "\(push.errors)")
            #expect(push.output.contains("send      s3://acme-outbox/k.txt -> incoming/k.txt (7 bytes), a new file\n"))
            #expect(push.output.contains("fail      acme-outbox/a//b: ") && push.output.contains("would fail: 1"))
            #expect(retry.status == 0 && retry.output.contains("about 0 messages"), "\(retry.output)\(retry.errors)")

            let documents = try json.output.split(separator: "\n").map { line in
                try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
            }
            let actions = documents.compactMap { $0["action"] as? String }
            #expect(actions.sorted() == ["leave", "purge", "summary", "transfer", "transfer"])
            #expect(actions.last == "summary")
        }
    }

    /// Every path with its size, mode and time.
    private static func state(of tree: URL) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: tree.path).sorted().map { path in
            let attributes = try FileManager.default.attributesOfItem(atPath: tree.appendingPathComponent(path).path)
            let time = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
            return "\(path) \(attributes[.size] ?? 0) \(attributes[.posixPermissions] ?? 0) \(time)"
        }
    }

    /// Every object with its ETag and metadata, and how many messages there are.
    private static func state(of world: CommandLineWorld) async throws -> [String] {
        var lines: [String] = []
        for bucket in [CommandLineWorld.inbox, CommandLineWorld.outbox] {
            for key in try await world.keys(bucket) {
                let info = try await world.s3.headObject(S3ReadRequest(S3Address(bucket: bucket, key: key)))
                lines.append(
                    "\(bucket)/\(key) \(info.etag) \(info.lastModifiedEpochSeconds ?? 0) \(info.attributes.metadata)")
            }
        }
        return lines
    }
}
