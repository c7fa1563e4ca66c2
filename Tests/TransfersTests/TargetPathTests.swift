import TestKit
import Testing

@testable import Transfers

/// Where an object goes (rule U1).
@Suite struct TargetPathTests {
    /// Cuts out the first occurrence of a text.
    private struct Cut: KeyStrip {
        let piece: String

        func parts(of key: String) -> (before: String, after: String)? {
            let (key, piece) = (Array(key.utf8), Array(piece.utf8))
            for place in 0..<(max(0, key.count - piece.count) + 1) where key[place...].starts(with: piece) {
                return (
                    String(decoding: key[..<place], as: UTF8.self),
                    String(decoding: key[(place + piece.count)...], as: UTF8.self)
                )
            }
            return nil
        }
    }

    private func target(
        _ key: String, _ directory: RemotePath = "/out", cutting piece: String? = nil
    ) throws -> TargetPath {
        try TargetPath(of: try #require(ObjectKey(key)), below: directory, strip: piece.map { Cut(piece: $0) })
    }

    private func refusal(_ key: String, cutting piece: String? = nil) throws -> String? {
        let key = try #require(ObjectKey(key))
        do throws(TargetPathFailure) {
            _ = try TargetPath(of: key, below: "/out", strip: piece.map { Cut(piece: $0) })
            return nil
        } catch {
            return error.reason
        }
    }

    @Test(arguments: [
        ("a.txt", "/out/a.txt"), ("a/b c/ü+%.txt", "/out/a/b c/ü+%.txt"), ("...", "/out/..."), ("a\\b", "/out/a\\b"),
        (" ", "/out/ "), (".done/x", "/out/.done/x"), ("a\nb", "/out/a\nb"), ("-rf", "/out/-rf"),
    ])
    func pathIsTargetDirectoryAndKey(_ key: String, _ path: String) throws {
        let target = try target(key)
        #expect(target.path == RemotePath(path))
        #expect(target.kind != .directory)
    }

    @Test func parentsAreNamedFromTheOutside() throws {
        let target = try target("a/b/c.txt")
        #expect(target.directories == ["/out/a", "/out/a/b"])
        #expect(target.parent == "/out/a/b")
        #expect(target.kind == .file(try #require(RemoteName(bytes: Array("c.txt".utf8)))))
        #expect(try self.target("c.txt").directories.isEmpty)
        #expect(try self.target("c.txt").parent == "/out")
    }

    @Test func targetDirectoryCanBeTheLoginDirectoryOrTheRoot() throws {
        #expect(try target("a/b", "").path == "a/b")
        #expect(try target("a/b", "").directories == ["a"])
        #expect(try target("b", "").parent == "")
        #expect(try target("a/b", "/").path == "/a/b")
        #expect(try target("a/b", "out/").path == "out/a/b")
    }

    @Test func keyThatEndsInASlashMakesADirectory() throws {
        let target = try target("a/b/")
        #expect(target.kind == .directory)
        #expect(target.path == "/out/a/b")
        #expect(target.directories == ["/out/a", "/out/a/b"])
        try target.check(sizeBytes: 0)
        #expect(throws: TargetPathFailure.self) { try target.check(sizeBytes: 1) }
        try self.target("a/b").check(sizeBytes: .max)
    }

    @Test(arguments: [
        "../x", "a/../x", "a/..", "..", ".", "./a", "a/./b", "a//b", "/a", "//a", "/", "//", "a//", "a/b//", "a\0b",
        "\0",
        "a/../", "./", "../",
    ])
    func pathThatLeadsElsewhereOrIsAnotherKeysIsRefused(_ key: String) throws {
        #expect(try refusal(key) != nil)
    }

    @Test func longNameIsRefusedByItsBytes() throws {
        #expect(try refusal(String(repeating: "ü", count: 127) + "a") == nil)
        #expect(try refusal(String(repeating: "ü", count: 128)) != nil)
        #expect(try refusal("a/" + String(repeating: "x", count: 256) + "/b") != nil)
    }

    @Test func nameOfATemporaryFileIsRefused() throws {
        let name = ".sftp-lambda.0123456789abcdef.a.txt.part"
        #expect(try refusal("a/" + name) != nil)
        #expect(try refusal(name + "/a") == nil)
    }

    @Test(arguments: [
        ("my-path/my-file", "my-path", "/out/my-file"), ("my-path/my-file", "my-path/", "/out/my-file"),
        ("in/tmp/x", "tmp", "/out/in/x"), ("in/tmp/x", "tmp/", "/out/in/x"), ("in/tmp/x", "/tmp", "/out/in/x"),
        ("a.csv.new", ".new", "/out/a.csv"), ("abc", "x", "/out/abc"), ("in-x/y", "-x", "/out/in/y"),
    ])
    func cutLeavesOneSlash(_ key: String, _ piece: String, _ path: String) throws {
        #expect(try target(key, cutting: piece).path == RemotePath(path))
    }

    @Test(arguments: [
        ("a/b", "b"), ("a", "a"), ("in//x", "zz"), ("in/..x/y", "x"), ("p//a", "p"), ("/a", ""), ("a//b", "a"),
        ("a/x.b/c", "xb"), ("x/../a", "zz"), ("a/x.x./b", "x"),
    ])
    func cutMakesNoPathThatLeadsElsewhere(_ key: String, _ piece: String) throws {
        let path = (try? target(key, cutting: piece))?.path  // What is refused leads nowhere.
        let segments = path.map { $0.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) } ?? []
        #expect(!segments.dropFirst().contains { RemoteName(bytes: Array($0)) == nil })
        #expect(path == nil || path?.bytes.starts(with: Array("/out/".utf8)) == true)
        if ["in//x", "in/..x/y", "p//a", "/a", "a//b", "a", "a/b", "x/../a"].contains(key) { #expect(path == nil) }
    }

    @Test func cutCanLeaveTheTargetDirectoryItself() throws {
        for piece in ["my-path", "my-path/"] {
            let target = try target("my-path/", cutting: piece)
            #expect(target.kind == .directory && target.path == "/out" && target.directories.isEmpty)
        }
    }

    @Test func whatPullStoresPushCanPush() throws {
        var random = SeededGenerator(seed: 3)
        let scalars: [Unicode.Scalar] = ["a", ".", " ", "ü", "😀", "\n", "%", "+", "\\", "\"", "\u{301}", "*"]
        for _ in 0..<500 {
            let names = (0..<Int.random(in: 1...3, using: &random)).compactMap { _ in
                var name = String.UnicodeScalarView()
                for _ in 0..<Int.random(in: 1...8, using: &random) {
                    name.append(scalars.randomElement(using: &random) ?? "a")
                }
                return RemoteName(bytes: Array(String(name).utf8))
            }
            let path = names.reduce(RemotePath("")) { $0.appending($1) }
            guard !path.bytes.isEmpty else { continue }
            let key = try KeyMapping(prefix: "").key(forRelative: path.bytes)
            #expect(try TargetPath(of: key, below: "").path == path)
        }
    }
}

/// The names under which files are written (rule U3).
@Suite struct TemporaryNameTests {
    private func name(_ text: String) throws -> RemoteName { try #require(RemoteName(bytes: Array(text.utf8))) }

    @Test func nameTellsTheTargetAndTheAttempt() throws {
        let temporary = TemporaryName.name(for: try name("a b.csv"), randomBits: 0xAB)
        #expect(temporary.description == ".sftp-lambda.00000000000000ab.a b.csv.part")
        #expect(TemporaryName.isOurs(temporary))
        #expect(TemporaryName.name(for: try name("a b.csv"), randomBits: 0xAC) != temporary)
        #expect(TemporaryName.isOurs(TemporaryName.name(for: try name("x"), randomBits: .max)))
        let now = UnixTime(seconds: 1_800_000_000)
        let timed = TemporaryName.name(for: try name("x"), randomBits: TemporaryName.bits(at: now, random: .max))
        #expect(TemporaryName.began(timed) == now)
        #expect(TemporaryName.began(try name("x")) == nil)
        let (same, other) = (try name("x"), try name("y"))
        #expect(TemporaryName.isOurs(timed, for: same) && !TemporaryName.isOurs(timed, for: other))
    }

    @Test(arguments: ["x", "ü", "€", "😀", "a😀", "ab😀", "abc😀", "\u{301}"])
    func longNameIsShortenedBetweenCharacters(_ piece: String) throws {
        for bytes in 200...255 {
            var text = ""
            while (text + piece).utf8.count <= bytes { text += piece }
            let temporary = TemporaryName.name(for: try name(text), randomBits: 1)
            #expect((250...255).contains(temporary.bytes.count) || text.utf8.count + 35 == temporary.bytes.count)
            #expect(String(validating: temporary.bytes, as: UTF8.self) != nil)
            #expect(TemporaryName.isOurs(temporary))
        }
    }

    @Test func nameThatIsNotUTF8IsShortenedToo() throws {
        let temporary = TemporaryName.name(
            for: try #require(RemoteName(bytes: Array(repeating: 0x80, count: 255))), randomBits: 1)
        #expect(temporary.bytes.count == 255 && TemporaryName.isOurs(temporary))
    }

    @Test(arguments: [
        "a.csv", ".done", ".sftp-lambda.", ".sftp-lambda.0123456789abcdef.part", ".sftp-lambda.0123456789abcdef..part",
        ".sftp-lambda.0123456789ABCDEF.a.part", ".sftp-lambda.0123456789abcde.a.part",
        "x.sftp-lambda.0123456789abcdef.a.part",
        ".sftp-lambda.0123456789abcdef.a.par", ".sftp-lambda.0123456789abcdefa.part",
    ])
    func otherNamesAreNotOurs(_ text: String) throws { #expect(!TemporaryName.isOurs(try name(text))) }

    @Test func pullNeverTakesATemporaryFile() throws {
        let fixture = PullFixture()
        fixture.put(".sftp-lambda.0123456789abcdef.a.csv.part", "half")
        fixture.put("sub/.sftp-lambda.0123456789abcdef.b.csv.part", "half")
        fixture.put("a.csv", "whole")
        let summary = try fixture.run()
        #expect(summary.transferred == 1)
        #expect(summary.left == ["temporary": 2])
        #expect(fixture.remoteText("sub/.sftp-lambda.0123456789abcdef.b.csv.part") == "half")
    }
}
