import Foundation
import TestKit
import Testing

/// pull and push as programs against servers that are not OpenSSH's, and against a second S3: odd files both ways, byte
/// by byte. `docs/interoperability.md` says what differs.
@Suite(.serialized, .timeLimit(.minutes(5))) struct InteroperabilityTests {
    @Test(arguments: [PartnerServer.Kind.proftpd, .rclone, .asyncssh])
    func oddFilesGoBothWays(kind: PartnerServer.Kind) async throws {
        try await goBothWays(InteroperabilityWorld(kind, .lean))
    }

    @Test func oddFilesGoBothWaysOverSeaweedFS() async throws {
        try await goBothWays(InteroperabilityWorld(.openSSH, .seaweedFS))
    }

    /// rclone writes control characters as other ones, and takes the two ways of writing é for one: see the page.
    private static func isKept(_ name: String, by kind: PartnerServer.Kind) -> Bool {
        guard kind == .rclone else { return true }
        return !name.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x301 }
    }

    private func goBothWays(_ world: InteroperabilityWorld) async throws {
        let files =
            (OddFiles.all + [("deep/er/and deeper.txt", sampleBytes(28))])
            .filter { Self.isKept($0.name, by: world.server.kind) }
        try FileManager.default.createDirectory(
            at: world.tree.appendingPathComponent("outgoing/deep/er"), withIntermediateDirectories: true)
        try await world.run {
            for file in files { try await world.put(file.name, file.bytes) }
            let pulled = try await world.invoke("pull").joined()
            #expect(pulled.contains("\"transferred\":\(files.count)"), "\(pulled.prefix(2000))")
            #expect(pulled.contains("\"failed\":0"), "\(pulled.prefix(2000))")
            for file in files {
                let object = try await world.object(InteroperabilityWorld.inbox, "in/\(file.name)")
                let isStored = object == file.bytes
                #expect(isStored, "\(file.name) has \(object?.count ?? -1) bytes")
                let parts = file.name.split(separator: "/")
                let done = (parts.dropLast() + [".done"] + parts.suffix(1)).joined(separator: "/")
                let isDone = try await world.read("outgoing/\(done)") == file.bytes
                #expect(isDone, "\(file.name)")
                #expect(try await world.read("outgoing/\(file.name)") == nil)
            }
            try await push(files, to: world)
            let left = try FileManager.default.subpathsOfDirectory(atPath: world.tree.path)
            #expect(left.filter { $0.contains(".part") } == [], "no temporary file is left")
        }
    }

    private func push(_ files: [(name: String, bytes: [UInt8])], to world: InteroperabilityWorld) async throws {
        var versions: [PushWorld.Version] = []
        for file in files { versions.append(try await world.store(file.name, file.bytes)) }
        // The second time all names are taken by older files.
        for round in 1...2 {
            let answer = try await world.invoke("push", [PushWorld.notification(of: versions)]).joined()
            #expect(answer.contains("\"delivered\":\(versions.count)"), "\(round): \(answer.prefix(2000))")
            for version in versions {
                let isWhole = try await world.read("incoming/\(version.key)") == version.bytes
                #expect(isWhole, "\(version.key)")
                #expect(try await world.isMarked(version.key), "\(version.key)")
            }
            for index in versions.indices where round == 1 {
                versions[index] = try await world.store(versions[index].key, sampleBytes(100 + index, salt: 9))
            }
        }
    }
}
