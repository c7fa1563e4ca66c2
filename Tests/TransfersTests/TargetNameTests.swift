import TestKit
import Testing

@testable import Transfers

/// How files are called at the partner's (SFTP_TARGET_NAME).
struct TargetNameTests {
    /// 2026-03-01T10:05:30Z
    private static let stored = UnixTime(seconds: 1_772_359_530)

    private func path(_ template: String, _ key: String, at time: UnixTime = stored) throws -> String {
        let target = try TargetPath(
            of: try #require(ObjectKey(key)), below: "/out", name: try TargetName(template), storedAt: time)
        return String(decoding: target.path.bytes, as: UTF8.self)
    }

    private func refusal(_ template: String) -> String? {
        do throws(TargetNameFailure) {
            _ = try TargetName(template)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test(arguments: [
        ("{path}", "a/b.csv", "/out/a/b.csv"), ("{name}", "b.csv", "/out/b.csv"),
        ("{dir}{name}", "a/c/b.csv", "/out/a/c/b.csv"), ("{dir}{name}", "b", "/out/b"),
        ("{dir}{stem}-1{ext}", "a/b.tar.gz", "/out/a/b.tar-1.gz"), ("{stem}x{ext}", ".profile", "/out/.profilex"),
        ("{stem}x{ext}", "a.", "/out/ax."), ("{stem}x{ext}", "a", "/out/ax"), ("{stem}x{ext}", "..a", "/out/.x.a"),
        ("ACME/{dir}in/{{{name}}}", "q/b", "/out/ACME/q/in/{b}"),
        ("{dir}{year}/{month}/{day}/{name}", "a/b", "/out/a/2026/03/01/b"),
        ("{stem}_{date}T{time}Z{ext}", "b.csv", "/out/b_20260301T100530Z.csv"),
        ("{hour}:{minute}:{second} {name}", "ü b", "/out/10:05:30 ü b"), ("{name}", "a\nb", "/out/a\nb"),
    ])
    func placeholdersStandForPartsOfTheKeyAndOfTheTime(_ template: String, _ key: String, _ path: String) throws {
        #expect(try self.path(template, key) == path)
    }

    @Test func directoriesAboveTheFileAreThoseOfTheTemplate() throws {
        let target = try TargetPath(
            of: try #require(ObjectKey("a/b")), below: "/out", name: try TargetName("{dir}{year}/{name}.x"),
            storedAt: Self.stored)
        #expect(target.directories == ["/out/a", "/out/a/2026"] && target.parent == "/out/a/2026")
        #expect(target.kind == .file(try #require(RemoteName(bytes: Array("b.x".utf8)))))
    }

    @Test func keysThatMakeDirectoriesKeepTheirPath() throws {
        #expect(try path("{stem}_{date}{ext}", "a/b/") == "/out/a/b")
    }

    /// Where two objects would be one file, one would replace the other and both would be marked.
    @Test(arguments: [
        "latest.csv", "{date}{time}.csv", "{dir}", "{dir}{ext}", "{stem}", "{stem}.xml", "{ext}", "{dir}x{ext}",
        "{ext}{stem}", "{name}{dir}", "{name}{name}", "{stem}/{name}", "{path}{ext}", "{dir}{path}", "{stem}/{ext}",
        "{stem}a/b{ext}",
    ])
    func templateThatCannotTellTwoObjectsApartIsRefused(_ template: String) {
        #expect(refusal(template) != nil)
    }

    @Test(arguments: [
        "/{name}", "{name}/", "a//{name}", "../{name}", "./{name}", "{dir}../{name}", "{dir}/{name}", "x{dir}{name}",
        "{date}{path}", "{name", "name}", "{name}}", "{NAME}", "{ name}", "{}", "", "{name}\u{7B}",
    ])
    func templateThatIsNoPathOrHasAnOddBraceIsRefused(_ template: String) {
        #expect(refusal(template) != nil)
    }

    @Test func faultSaysWhatAndWhere() {
        #expect(
            refusal("{name}_{dat}")
                == "has the placeholder {dat} at character 8, which is none of {path} {dir} {name} {stem} {ext} {date} "
                + "{time} {year} {month} {day} {hour} {minute} {second}")
        #expect(refusal("ö{name}}x")?.contains("a } at character 8 without") == true)
        #expect(refusal("{{{name}x{")?.contains("a { at character 10 without") == true)
        #expect(refusal("latest.csv")?.hasPrefix("holds nothing of the key") == true)
        #expect(refusal("{stem}.xml")?.hasPrefix("holds {stem} of the key, by which not every two") == true)
    }

    @Test(arguments: ["{name}", "{stem}_{date}{ext}", "{year}/{name}"])
    func keyWithADirectoryIsRefusedByNameWhereTheTemplateHasNoPlaceForIt(_ template: String) throws {
        let error = #expect(throws: TargetPathFailure.self) { try path(template, "a/c/b.csv") }
        #expect(error?.reason.contains("no {dir} for its directory a/c/") == true)
    }

    /// What a key could lead to is seen before other text stands beside it, and again after.
    @Test(arguments: [
        ("{dir}x{name}", "../b"), ("{dir}x{name}", "a//b"), ("{stem}x{ext}", ".."), ("{dir}x{name}", "a/./b"),
        ("x{name}", "/b"), ("{name}.", "."), ("x{name}", "a\0b"), ("x{name}", String(repeating: "a", count: 255)),
        (".sftp-lambda.0123456789abcdef.{name}.part", "b"),
    ])
    func keyOrPathThatLeadsElsewhereIsRefused(_ template: String, _ key: String) {
        #expect(throws: TargetPathFailure.self) { try path(template, key) }
    }

    @Test func timeWithoutFourDigitsForItsYearIsRefused() {
        #expect(throws: TargetPathFailure.self) {
            try path("{year}{name}", "b", at: UnixTime(seconds: 253_402_300_800))
        }
        #expect(throws: Never.self) { try path("{year}{name}", "b", at: UnixTime(seconds: 253_402_300_799)) }
        #expect(throws: Never.self) { try path("{name}", "b", at: UnixTime(seconds: 253_402_300_800)) }
    }

    /// Every key of a small alphabet, at two times, by templates of every form: the path tells the key.
    @Test func pathTellsTheKey() throws {
        let templates = [
            "{path}", "{dir}{name}", "{dir}{stem}{ext}", "{dir}{stem}.a{ext}", "{dir}{stem}.a.a{ext}.a",
            "{dir}a{stem}_{day}{ext}", "{dir}a/{stem}{ext}a", "{dir}{day}/a{name}", "{dir}{stem}a.{day}.{ext}/a",
            "{stem}.a{ext}", "a{name}a",
        ]
        let times = [Self.stored, Self.stored + 86_400 * 10]
        var keys = [""]
        var all: [String] = []
        for _ in 0..<6 {
            keys = keys.flatMap { key in ["a", ".", "/"].map { key + $0 } }
            all += keys.filter { !$0.hasSuffix("/") }
        }
        for template in templates {
            var owner: [String: String] = [:]
            for key in all {
                for time in times {
                    // What is refused replaces nothing.
                    guard let path = try? path(template, key, at: time) else { continue }
                    #expect(owner[path] ?? key == key, "\(template): \(key) and \(owner[path] ?? "") are \(path)")
                    owner[path] = key
                }
            }
            #expect(Set(owner.values).count >= 10, "\(template)")
        }
    }
}

/// Pushes whose files are called by a template that tells the time.
struct PushTargetNameTests {
    private static let content = Array("content".utf8)
    /// The clock of the world begins at 2025-06-15T15:06:40Z.
    private static let path: RemotePath = "/in/a/b_20250615T150640.csv"

    private func world(_ template: String = "{dir}{stem}_{date}T{time}{ext}") throws -> PushWorld {
        var behaviour = PushWorld.Behaviour()
        behaviour.targetName = try TargetName(template)
        let world = PushWorld(behaviour)
        world.tree.makeDirectory("/in")
        world.store.plant("a/b.csv", Self.content)
        return world
    }

    /// A mark stores the object anew. By that time the path would be another one, no mark would ever count, and each
    /// would be an event that sends the object once more.
    @Test func markedObjectIsNotSentAgainAlthoughTheMarkHasStoredItAnew() async throws {
        let world = try world()
        world.clock.advance(seconds: 20)
        guard case .delivered(let receipt) = await world.push("a/b.csv", event: Self.content) else {
            return #expect(Bool(false), "it was not delivered")
        }
        #expect(receipt.path == Self.path && world.isMarked("a/b.csv", at: Self.path))
        world.clock.advance(seconds: 30)
        for event in [nil, Self.content] {
            guard case .skipped(.marked) = await world.push("a/b.csv", event: event) else {
                return #expect(Bool(false), "it was sent again")
            }
        }
        #expect(world.tree.files() == [Self.path: Self.content])
    }

    @Test func eachTryOfAnObjectIsForTheSameFile() async throws {
        let world = try world()
        world.clock.advance(seconds: 3)
        let request = PushRequest(ObjectEvent(bucket: PushWorld.bucket, key: try #require(ObjectKey("a/b.csv"))))
        let failed = await world.push(
            request, tap: PortTap { $0.operation == "store.setMetadata" && $0.moment == .before ? .fail : .proceed })
        let left = try #require(world.leftOver(of: request, failed))
        #expect(left.newest.delivered != nil)
        world.clock.advance(seconds: 86_400)
        guard case .marked = await world.push(left) else { return #expect(Bool(false), "it was sent again") }
        #expect(world.tree.files() == [Self.path: Self.content])
        guard case .skipped(.marked) = await world.push("a/b.csv") else { return #expect(Bool(false), "no mark") }
    }

    /// The mark of another flow has stored the object anew before this one sees it.
    @Test func anotherFlowsMarkDoesNotChangeThePath() async throws {
        let world = try world()
        let other = Destination(origin: "other:22:user", sha256: String(repeating: "b", count: 64))
        let object = try #require(world.store.current("a/b.csv"))
        world.clock.advance(seconds: 10)
        let head = ObjectSummary(
            etag: object.etag, sizeBytes: UInt64(object.bytes.count), lastModified: object.lastModified, metadata: [:])
        world.store.plant(
            "a/b.csv", Self.content, metadata: SyncMark.marked(head, as: other, now: world.clock.now))
        _ = await world.push("a/b.csv", event: Self.content)
        #expect(world.tree.files() == [Self.path: Self.content])
    }

    @Test func nextVersionIsAnotherFileWhereItsTimeIsAnother() async throws {
        let world = try world("{dir}{stem}_{day}{ext}")
        _ = await world.push("a/b.csv")
        world.clock.advance(seconds: 10)
        world.store.plant("a/b.csv", Array("2".utf8))
        _ = await world.push("a/b.csv")
        #expect(world.tree.files() == ["/in/a/b_15.csv": Array("2".utf8)], "on the same day it replaces it")
        world.clock.advance(seconds: 86_400)
        world.store.plant("a/b.csv", Array("3".utf8))
        _ = await world.push("a/b.csv")
        #expect(world.tree.files() == ["/in/a/b_15.csv": Array("2".utf8), "/in/a/b_16.csv": Array("3".utf8)])
    }

    @Test func keyOfADirectoryWithoutAPlaceFailsWithoutALookOrAConnection() async throws {
        let world = try world("{name}")
        guard case .failed(let failure) = await world.push("a/b.csv") else { return #expect(Bool(false), "it went") }
        #expect(failure.reason == .refused && world.connections == 0 && world.looks == 0)
    }

    @Test func previewNamesTheSamePath() async throws {
        let world = try world()
        world.clock.advance(seconds: 5)
        let planned = RecordedList<PlannedPush>()
        _ = await PushPreview(
            plan: world.plan, objects: InMemorySourceObjects(world.store.client(tap: PortTap())),
            files: InMemoryRemoteFiles(world.tree, tap: PortTap()), clock: world.clock, observer: world.observer,
            planned: { planned.add($0) }
        ).run(IncomingEvent(Array(#"{"Bucket":"bucket","Key":"a/b.csv"}"#.utf8)))
        #expect(planned.all.map(\.path) == [Self.path])
    }

    /// A file that was begun for a version goes on under that version's path; for a newer one it is removed, although
    /// the newer one goes elsewhere.
    @Test(arguments: [false, true]) func begunFileIsFoundByTheTimeOfItsVersion(isReplaced: Bool) async throws {
        let world = try world("{dir}{date}/{stem}_{time}{ext}")
        let bytes = sampleBytes(6 << 20, salt: 1)
        world.store.plant("a/b.csv", bytes)
        let request = PushRequest(ObjectEvent(bucket: PushWorld.bucket, key: try #require(ObjectKey("a/b.csv"))))
        let outcome = await world.push(
            request,
            tap: PortTap { call in
                call.operation == "remote.finish" && call.moment == .before ? .disconnect : .proceed
            })
        let left = try #require(world.leftOver(of: request, outcome))
        let partial = try #require(left.newest.partial)
        #expect(partial.contentTime == UnixTime(seconds: 1_750_000_000))
        #expect(world.tree.files(below: "/in").count == 1)
        world.clock.advance(seconds: 86_400)
        let newer = Array("newer".utf8)
        if isReplaced { world.store.plant("a/b.csv", newer) }
        guard case .delivered(let receipt) = await world.push(left) else { return #expect(Bool(false), "it failed") }
        let path: RemotePath = isReplaced ? "/in/a/20250616/b_150640.csv" : "/in/a/20250615/b_150640.csv"
        #expect(receipt.path == path)
        #expect(world.tree.files(below: "/in").keys.map { $0 } == [path])
        #expect(isSame(world.tree.read(path) ?? [], isReplaced ? newer : bytes))
    }

    /// Leftovers are looked for where objects were really put.
    @Test func leftoversAreLookedForInTheDirectoryThatTheTimeNames() async throws {
        let world = try world("{date}/{name}")
        world.store.plant("b.csv", Self.content)
        let day: Int64 = 86_400
        let bits = TemporaryName.bits(at: world.clock.now + -8 * day, random: 1)
        let name = TemporaryName.name(for: try #require(RemoteName(bytes: [0x61])), randomBits: bits)
        world.tree.makeDirectory("/in/20250615")
        let leftover = RemotePath("/in/20250615").appending(name)
        world.tree.put(leftover, Self.content, modified: world.clock.now + -8 * day)
        let event = ObjectEvent(bucket: PushWorld.bucket, key: try #require(ObjectKey("b.csv")))
        world.queue.plant(event.s3EventJSON)
        let summary = await world.retryFlow().run()
        #expect(summary.delivered == 1 && !world.tree.exists(leftover))
    }
}
