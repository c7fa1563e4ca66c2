import Foundation
import Logging
import TestKit
import Testing

@testable import SFTP

/// The client over the real transport against every server that the tests know.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ClientServersTests {
    private func with(
        _ kind: PartnerServer.Kind, _ body: (PartnerServer, URL) async throws -> Void
    ) async throws {
        let temporary = try TemporaryFolder()
        let folder = temporary.url.appendingPathComponent("home")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let server = try PartnerServer(kind, folder: folder, workFolder: temporary.url)
        defer { server.stop() }
        do { try await body(server, folder) } catch {
            Issue.record("\(kind): \(error)\nthe server logged:\n\(server.log.suffix(2000))")
        }
    }

    private func connect(_ server: PartnerServer) async throws -> SFTPClient {
        let configuration = SSHConfiguration(
            host: server.host, port: UInt16(server.port), user: server.user,
            credentials: SSHCredentials(privateKey: server.privateKey),
            hostKeys: try HostKeyPolicy(parsing: server.hostKey))
        return try await SFTPClient.connect(configuration, logger: Logger(label: "tests"))
    }

    private func write(_ folder: URL, _ content: [UInt8], to name: String) throws {
        try Data(content).write(to: folder.appendingPathComponent(name))
    }

    private func reads(_ folder: URL, _ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appendingPathComponent(name)))
    }

    @Test(arguments: [PartnerServer.Kind.openSSH, .proftpd, .rclone, .asyncssh])
    func fileOf32MiBIsTheSameBothWays(kind: PartnerServer.Kind) async throws {
        try await with(kind) { server, folder in
            let content = ClientContentTests.content(32 << 20)
            try write(folder, content, to: "down")
            let client = try await connect(server)
            let source = try await client.open(path("down"), .read)
            let read = try await client.readVerifyingEnd(source, from: 0, countBytes: content.count)
            #expect(read.endsThere)
            #expect(try read.attributes.get().sizeBytes == UInt64(content.count))
            #expect(ClientContentTests.joined(read.pieces) == content)
            let target = try await client.open(path("up"), [.write, .create])
            let flight = client.submitWrite(target, at: 0, read.pieces, then: [.fstat(target), .close(target)])
            #expect(try await flight.reply(0) == .ok)
            #expect(try await flight.attributes(1).sizeBytes == UInt64(content.count))
            _ = try await flight.reply(2)
            #expect(try reads(folder, "up") == content)
            await client.close()
        }
    }

    @Test(arguments: [PartnerServer.Kind.openSSH, .proftpd, .rclone, .asyncssh])
    func directoryOf2000FilesIsListedWhole(kind: PartnerServer.Kind) async throws {
        try await with(kind) { server, folder in
            for number in 0..<2_000 { try write(folder, [], to: "file-\(number)") }
            let client = try await connect(server)
            let directory = try await client.openDirectory(path("."))
            var names: [String] = []
            while let batch = try await directory.next() {
                for entry in batch where entry.filename.first != UInt8(ascii: ".") {
                    names.append(text(entry.filename))
                    #expect(entry.kind == .file)
                }
            }
            directory.close()
            #expect(names.count == 2_000)
            #expect(Set(names) == Set((0..<2_000).map { "file-\($0)" }))
            await client.close()
        }
    }

    @Test(arguments: [PartnerServer.Kind.openSSH, .proftpd, .rclone, .asyncssh])
    func sixtyFourFilesAreInFlightOnOneConnection(kind: PartnerServer.Kind) async throws {
        try await with(kind) { server, folder in
            for number in 0..<64 { try write(folder, ClientContentTests.content(number * 3_001), to: "\(number)") }
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent(".done"), withIntermediateDirectories: true)
            let client = try await connect(server)
            let time = SFTPAttributes(times: .init(accessSeconds: 77, modificationSeconds: 77))
            // It tells of the file as it is when the answer is sent: docs/interoperability.md.
            let answersLate = kind == .rclone
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<64 {
                    group.addTask {
                        let (name, done) = (path("\(number)"), path(".done/\(number)"))
                        let handle = try await client.open(name, .read)
                        let read = try await client.readVerifyingEnd(handle, from: 0, countBytes: number * 3_001)
                        #expect(
                            read.endsThere
                                && ClientContentTests.joined(read.pieces) == ClientContentTests.content(number * 3_001))
                        let canReplace = client.supports(.posixRename)
                        let rename: SFTPRequest = canReplace ? .posixRename(name, to: done) : .rename(name, to: done)
                        let steps: [SFTPRequest] = [.close(handle), rename, .lstat(done)]
                        let setTime = SFTPRequest.setstat(done, time)
                        let move = client.submit(answersLate ? steps : steps + [setTime])
                        #expect(try await move.reply(0) == .ok)
                        #expect(try await move.reply(1) == .ok)
                        #expect(try await move.attributes(2) == read.attributes.get())
                        let timed = answersLate ? client.submit([setTime]) : move
                        #expect(try await timed.reply(answersLate ? 0 : 3) == .ok)
                    }
                }
                try await group.waitForAll()
            }
            for number in 0..<64 {
                #expect(try reads(folder, ".done/\(number)") == ClientContentTests.content(number * 3_001))
                #expect(try await client.stat(path(".done/\(number)")).times?.modificationSeconds == 77)
            }
            await client.close()
        }
    }

    @Test(arguments: [PartnerServer.Kind.openSSH, .proftpd, .rclone, .asyncssh])
    func namesAreBytes(kind: PartnerServer.Kind) async throws {
        try await with(kind) { server, folder in
            let client = try await connect(server)
            let allNames: [[UInt8]] = [
                path("with space"), path("\u{E9}"), path("e\u{301}"), path(String(repeating: "n", count: 200)),
                path(String(repeating: "é", count: 100)), path("line\nbreak"), [0x62, 0xFF, 0xFE, 0x80],
                path("a+b%20\"'\\"), path("-rf"), path("*"),
            ]
            // rclone gives other names to control characters and to what is no UTF-8, and takes both forms of é for one.
            let others: Set<[UInt8]> = [path("e\u{301}"), path("line\nbreak"), [0x62, 0xFF, 0xFE, 0x80]]
            let names = kind == .rclone ? allNames.filter { !others.contains($0) } : allNames
            for (index, name) in names.enumerated() {
                let handle = try await client.open(name, [.write, .create, .exclusive])
                try await client.write(handle, at: 0, [[UInt8](repeating: 1, count: index)])
                try await client.close(handle)
            }
            let directory = try await client.openDirectory(path("."))
            var found: [[UInt8]: UInt64] = [:]
            while let batch = try await directory.next() {
                for entry in batch where entry.kind == .file { found[entry.filename] = entry.attributes.sizeBytes }
            }
            directory.close()
            #expect(found.count == names.count)
            for (index, name) in names.enumerated() {
                #expect(found[name] == UInt64(index), "\(printableText(name))")
                #expect(try await client.lstat(name).sizeBytes == UInt64(index))
            }
            let error = await #expect(throws: SFTPError.self) { try await client.rmdir([0x62, 0xFF, 0xFE, 0x80]) }
            #expect(error?.message.hasPrefix(#"RMDIR "b\xff\xfe\x80": "#) == true)
            await client.close()
        }
    }
}
