import TestKit
import Testing
import Transfers

/// Rules P1, P2, P6 and P8: a tree that nobody touches meanwhile.
@Suite struct PullTests {
    @Test func keyIsPrefixAndPathBelowTheSourceDirectory() throws {  // P1
        let fixture = PullFixture()
        fixture.put("a.txt", "one")
        fixture.put("deep/er/b.txt", "two")
        let summary = try fixture.run()
        #expect(fixture.storedText("a.txt") == "one")
        #expect(fixture.storedText("deep/er/b.txt") == "two")
        #expect(fixture.store.objects.count == 2)
        #expect(summary.transferred == 2)
        #expect(summary.bytes == 6)
        #expect(!summary.isFailure)
    }

    @Test(arguments: ["/", "", "/in/", "in"])
    func sourceDirectoryMayBeWrittenInAnyWay(_ directory: String) throws {  // P1
        var fixture = PullFixture()
        fixture.plan.sourceDirectory = RemotePath(directory)
        fixture.put("x/a.txt", "one")
        try fixture.run()
        let key = directory.contains("in") ? "x/a.txt" : "in/x/a.txt"
        #expect(fixture.storedText(key) == "one")
        #expect(fixture.remoteText("x/.done/a.txt") == "one")
    }

    @Test func namesThatLeadElsewhereAreNeverFollowed() throws {  // P1
        let fixture = PullFixture()
        fixture.put("a.txt", "one")
        fixture.tree.put("/etc/secret", Array("secret".utf8))
        let names = ["../etc/secret", "/etc/secret", "", "a\0b", "..", "."].map { Array($0.utf8) }
        fixture.tree.addListedNames(names, in: "/in")
        let summary = try fixture.run()
        #expect(fixture.store.objects.count == 1)
        #expect(summary.left == ["unsafeName": 4])
        #expect(fixture.tree.exists("/etc/secret"))
        #expect(!summary.isFailure)
    }

    @Test func composedAndDecomposedNamesBothArrive() throws {  // P1
        let fixture = PullFixture()
        fixture.put("caf\u{E9}", "composed")
        fixture.put("cafe\u{301}", "decomposed")
        let summary = try fixture.run()
        #expect(summary.transferred == 2)
        #expect(fixture.storedText("caf\u{E9}") == "composed")
        #expect(fixture.storedText("cafe\u{301}") == "decomposed")
        #expect(fixture.remoteText(".done/caf\u{E9}") == "composed")
        #expect(fixture.remoteText(".done/cafe\u{301}") == "decomposed")
    }

    @Test func oddNamesArrive() throws {  // P1
        let fixture = PullFixture()
        let names = [
            "with space", "plus+percent%20", "quote'\"", "back\\slash", "new\nline", "文件 🗂", "-dash", ".hidden",
            String(repeating: "n", count: 255), "done", ".done2", ".DONE",
        ]
        for name in names { fixture.put("directory ü/\(name)", name) }
        let summary = try fixture.run()
        #expect(summary.transferred == names.count)
        for name in names { #expect(fixture.storedText("directory ü/\(name)") == name) }
    }

    @Test func nameThatCannotBeAKeyFailsAloneAndStays() throws {  // P1, P6
        let fixture = PullFixture()
        fixture.put("good", "good")
        let latin = RemotePath(bytes: Array("/in/caf".utf8) + [0xE9])
        fixture.tree.put(latin, Array("latin".utf8), modified: PullFixture.longAgo)
        let long = (0..<5).map { _ in String(repeating: "d", count: 250) }.joined(separator: "/")
        fixture.put(long, "long")
        let summary = try fixture.run()
        #expect(summary.transferred == 1)
        #expect(summary.failed == 2)
        #expect(summary.isFailure)
        #expect(summary.failures.contains { $0.path == "/in/caf\\xe9" && $0.reason.contains("UTF-8") })
        #expect(summary.failures.contains { $0.path == "/in/\(long)" && $0.reason.contains("1024") })
        #expect(fixture.tree.read(latin) != nil)
        #expect(fixture.remoteText(long) == "long")
        #expect(fixture.storedText("good") == "good")
    }

    @Test func fileMovesToDoneOfItsOwnDirectory() throws {  // P2
        let fixture = PullFixture()
        fixture.put("a", "1")
        fixture.put("x/b", "2")
        fixture.put("x/y/c", "3")
        try fixture.run()
        #expect(
            fixture.tree.files() == [
                "/in/.done/a": Array("1".utf8), "/in/x/.done/b": Array("2".utf8), "/in/x/y/.done/c": Array("3".utf8),
            ])
    }

    @Test func doneIsMadeOnlyWhereItIsNeeded() throws {  // P2
        let fixture = PullFixture()
        fixture.tree.makeDirectory("/in/empty")
        fixture.put("x/a", "1")
        fixture.put("x/b", "2")
        let pull = fixture.pull()
        _ = try DeterministicRun.run { await pull.flow.run() }
        #expect(!fixture.tree.exists("/in/empty/.done"))
        #expect(!fixture.tree.exists("/in/.done"))
        #expect(pull.files.counters.operations["makeDirectory"] == 1)
    }

    @Test func nothingInDoneIsEverPulled() throws {  // P2
        let fixture = PullFixture()
        fixture.put(".done/old", "old")
        fixture.put("x/.done/deep/er", "old")
        fixture.put("new", "new")
        try fixture.run()
        try fixture.runAgain()
        #expect(fixture.store.objects.count == 1)
        #expect(fixture.remoteText(".done/old") == "old")
        #expect(fixture.remoteText("x/.done/deep/er") == "old")
    }

    @Test func fileInDoneIsReplaced() throws {  // P2
        let fixture = PullFixture()
        fixture.put("a", "first")
        try fixture.run()
        fixture.put("a", "second")
        try fixture.run()
        #expect(fixture.remoteText(".done/a") == "second")
        #expect(fixture.remote("a") == nil)
        #expect(fixture.store.versions("from/a").count == 2)
        #expect(fixture.storedText("a") == "second")
    }

    @Test func fileIsMovedOnlyWhenItIsStored() throws {  // P2
        let fixture = PullFixture()
        fixture.put("a", "one")
        let tap = tapOn(.before, "remote.rename") { _ in
            #expect(fixture.storedText("a") == "one")
            return .proceed
        }
        try fixture.run(tap: tap)
        #expect(fixture.remoteText(".done/a") == "one")
    }

    @Test func fileNamedDoneIsReported() throws {  // P2
        let fixture = PullFixture()
        fixture.put(".done", "in the way")
        fixture.put("a", "one")
        let summary = try fixture.run()
        #expect(summary.left == ["reservedName": 1])
        #expect(summary.failed == 1)
        #expect(fixture.remoteText("a") == "one")
        #expect(fixture.remoteText(".done") == "in the way")
    }

    @Test(arguments: [0, 1, 32_768, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 16 * 1024 * 1024])
    func contentArrivesWholeAtEverySize(_ count: Int) throws {  // P2
        let fixture = PullFixture()
        let bytes = sampleBytes(count, salt: 3)
        fixture.put("a", bytes)
        let summary = try fixture.run()
        #expect(isSame(fixture.stored("a") ?? [1], bytes))
        #expect(summary.bytes == UInt64(count))
        let operations = fixture.store.counters.operations
        #expect((operations["beginUpload"] ?? 0) == (count > 8 * 1024 * 1024 ? 1 : 0))
        #expect(fixture.store.openUploadsCount == 0)
        #expect(fixture.observer.seen.receipts.first?.object.sha256 == ReferenceSHA256.hexadecimal(bytes))
    }

    @Test func objectCarriesOriginAndModificationTime() throws {  // P5, P8
        let fixture = PullFixture()
        fixture.put("a", Array("one".utf8), modified: UnixTime(seconds: 1_234_567_890))
        fixture.put("b", sampleBytes(8 * 1024 * 1024 + 1), modified: UnixTime(seconds: 1_234_567_891))
        try fixture.run()
        #expect(
            fixture.store.current("from/a")?.metadata
                == ["synced-from": "sftp.example.com:22:partner", "mtime": "1234567890"])
        #expect(
            fixture.store.current("from/b")?.metadata
                == ["synced-from": "sftp.example.com:22:partner", "mtime": "1234567891"])
    }

    @Test func movedFileHasTheTimeOfItsTransfer() throws {  // P5
        let fixture = PullFixture()
        fixture.put("a", "one")
        try fixture.run()
        #expect(fixture.tree.modified("/in/.done/a") == fixture.clock.now)
    }

    @Test func serverThatRefusesTimesIsWarnedOfOnce() throws {  // P5
        var fixture = PullFixture()
        fixture.behaviour.refusesTimes = .denied
        for number in 0..<20 { fixture.put("\(number)", "x") }
        let summary = try fixture.run()
        #expect(summary.transferred == 20)
        #expect(!summary.isFailure)
        #expect(fixture.observer.seen.warnings.count == 1)
        #expect(fixture.tree.modified("/in/.done/1") == PullFixture.longAgo)
    }

    @Test func linksAndSpecialFilesAreSkippedAndCounted() throws {  // P6
        let fixture = PullFixture()
        fixture.put("a", "one")
        fixture.tree.put("/elsewhere/secret", [1])
        fixture.tree.makeLink("/in/link", to: "/elsewhere/secret")
        fixture.tree.makeLink("/in/loop", to: "/in")
        fixture.tree.makeLink("/in/dangling", to: "/nothing")
        fixture.tree.makeSpecial("/in/pipe")
        let summary = try fixture.run()
        #expect(summary.left == ["symbolicLink": 3, "special": 1])
        #expect(summary.transferred == 1)
        #expect(!summary.isFailure)
        #expect(fixture.store.objects.count == 1)
    }

    @Test func kindsThatAListingHidesAreAskedFor() throws {  // P6
        let fixture = PullFixture()
        fixture.put("a", "one")
        fixture.put("never told", "two")
        fixture.tree.hideKind(of: "/in/never told")
        let summary = try fixture.run()
        #expect(fixture.storedText("a") == "one")
        #expect(summary.left == ["kindUnknown": 1])
    }

    @Test func sizesThatAListingOmitsAreAskedFor() throws {
        var fixture = PullFixture()
        fixture.behaviour.listingOmitsSizes = true
        fixture.behaviour.listingOmitsTimes = true
        fixture.put("a", "one")
        fixture.put("x/b", "")
        let summary = try fixture.run()
        #expect(summary.transferred == 2)
        #expect(fixture.storedText("a") == "one")
        #expect(fixture.storedText("x/b") == "")
    }

    @Test func serverThatNeverTellsSizesFailsByName() throws {  // P6
        var fixture = PullFixture()
        fixture.behaviour.listingOmitsSizes = true
        fixture.behaviour.omitsVersions = true
        fixture.put("a", "one")
        let summary = try fixture.run()
        #expect(summary.failures.map(\.path) == ["/in/a"])
        #expect(fixture.remoteText("a") == "one")
    }

    @Test func fileThatFailsStopsNoOther() throws {  // P6
        let fixture = PullFixture()
        for number in 0..<30 { fixture.put("\(number)", "x\(number)") }
        let tap = PortTap { call in
            switch (call.operation, call.path) {
            case ("remote.openFile", "/in/3"): .failRemote(.denied)
            case ("store.put", "from/4"): .failStore(.denied)
            case ("remote.rename", "/in/5"): .failRemote(.failed)
            case ("remote.read", "/in/6"): .fail
            default: .proceed
            }
        }
        let summary = try fixture.run(tap: tap)
        #expect(summary.transferred == 26)
        #expect(summary.failed == 4)
        #expect(Set(summary.failures.map(\.path)) == ["/in/3", "/in/4", "/in/5", "/in/6"])
        for number in 3...6 { #expect(fixture.remoteText("\(number)") == "x\(number)") }
        try fixture.runAgain()
        for number in 0..<30 { #expect(fixture.storedText("\(number)") == "x\(number)") }
    }

    @Test func directoryThatCannotBeListedStopsNoOther() throws {  // P6
        let fixture = PullFixture()
        fixture.put("locked/a", "a")
        fixture.put("open/b", "b")
        let tap = PortTap { call in
            call.operation == "remote.openDirectory" && call.path == "/in/locked" ? .failRemote(.denied) : .proceed
        }
        let summary = try fixture.run(tap: tap)
        #expect(summary.failures.map(\.path) == ["/in/locked"])
        #expect(fixture.storedText("open/b") == "b")
        #expect(!summary.isListingComplete)
    }

    @Test func missingSourceDirectoryFailsByName() throws {
        var fixture = PullFixture()
        fixture.plan.sourceDirectory = "/nowhere"
        let summary = try fixture.run()
        #expect(summary.failures.map(\.path) == ["/nowhere"])
        #expect(summary.isFailure)
    }

    @Test func failuresAreListedUpToALimitAndAllCounted() throws {  // P6
        let fixture = PullFixture()
        for number in 0..<500 { fixture.put("\(number)", "x") }
        let summary = try fixture.run(tap: tapOn(.before, "remote.openFile") { _ in .failRemote(.denied) })
        #expect(summary.failed == 500)
        #expect(summary.failures.count == PullSummary.maximumFailures)
    }

    @Test func serverWithOneOpenFileAtATimeFailsOnlyWhatItRefuses() throws {
        var fixture = PullFixture()
        fixture.behaviour.maximumOpenHandles = 1
        fixture.plan.maximumFilesInFlight = 1
        for number in 0..<20 { fixture.put("\(number)", "x") }
        #expect(try fixture.run().transferred == 20)
    }

    @Test func treesDeeperThanTheLimitAreReportedAndNotFollowed() throws {
        let fixture = PullFixture()
        let path = (0..<70).map { "\($0)" }.joined(separator: "/")
        fixture.put("\(path)/file", "deep")
        fixture.put("shallow", "x")
        let summary = try fixture.run()
        #expect(summary.failed == 1)
        #expect(fixture.storedText("shallow") == "x")
        #expect(fixture.remoteText("\(path)/file") == "deep")
    }
}
