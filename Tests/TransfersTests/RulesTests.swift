import TestKit
import Testing

@testable import Transfers

/// Part plan, key mapping, paths, names and keys.
@Suite struct RulesTests {
    @Test func planChangesAtEightMebibytes() {
        let part = UInt64(PartPlan.partBytes)
        #expect(PartPlan(sizeBytes: 0) == .whole(sizeBytes: 0))
        #expect(PartPlan(sizeBytes: part) == .whole(sizeBytes: PartPlan.partBytes))
        #expect(PartPlan(sizeBytes: part + 1) == .parts(count: 2, sizeBytes: part + 1))
        #expect(PartPlan(sizeBytes: 2 * part) == .parts(count: 2, sizeBytes: 2 * part))
        #expect(PartPlan(sizeBytes: 2 * part + 1) == .parts(count: 3, sizeBytes: 2 * part + 1))
        #expect(PartPlan(sizeBytes: PartPlan.maximumBytes) == .parts(count: 10_000, sizeBytes: PartPlan.maximumBytes))
        #expect(PartPlan(sizeBytes: PartPlan.maximumBytes + 1) == nil)
        #expect(PartPlan(sizeBytes: .max) == nil)
    }

    @Test func partsCoverTheFileOnce() {
        let part = UInt64(PartPlan.partBytes)
        for sizeBytes in [part + 1, 2 * part - 1, 2 * part, 2 * part + 1, 9 * part + 12345, PartPlan.maximumBytes] {
            guard case .parts(let count, _)? = PartPlan(sizeBytes: sizeBytes) else {
                Issue.record("no parts for \(sizeBytes)")
                continue
            }
            var next: UInt64 = 0
            for number in 1...count {
                let (offset, countBytes) = PartPlan.range(ofPart: number, sizeBytes: sizeBytes)
                guard offset == next, countBytes > 0, number == count || countBytes == PartPlan.partBytes else {
                    Issue.record("part \(number) of \(sizeBytes)")
                    break
                }
                next += UInt64(countBytes)
            }
            #expect(next == sizeBytes)
        }
    }

    @Test func keyIsPrefixAndPath() throws {
        let keys = KeyMapping(prefix: "from partner/")
        #expect(try keys.key(forRelative: Array("a/b ü+%.txt".utf8)).text == "from partner/a/b ü+%.txt")
        #expect(try KeyMapping(prefix: "").key(forRelative: Array("a".utf8)).text == "a")
        #expect(throws: KeyMappingFailure.self) { try keys.key(forRelative: [0x61, 0xFF]) }
        #expect(throws: KeyMappingFailure.self) { try keys.key(forRelative: [0xC0, 0xAF]) }  // overlong
        #expect(throws: KeyMappingFailure.self) { try keys.key(forRelative: [0xED, 0xA0, 0x80]) }  // surrogate
    }

    @Test func keyIsLimitedToItsBytesNotItsCharacters() throws {
        let keys = KeyMapping(prefix: "p/")
        #expect(try keys.key(forRelative: Array(String(repeating: "ü", count: 511).utf8)).text.utf8.count == 1024)
        #expect(throws: KeyMappingFailure.self) {
            try keys.key(forRelative: Array(String(repeating: "ü", count: 511).utf8) + [0x61])
        }
        #expect(ObjectKey("") == nil)
    }

    @Test func keysAndPathsAreComparedByTheirBytes() throws {
        let composed = try #require(ObjectKey("caf\u{E9}"))
        let decomposed = try #require(ObjectKey("cafe\u{301}"))
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(RemotePath("caf\u{E9}") != RemotePath("cafe\u{301}"))
    }

    @Test(arguments: ["", ".", "..", "a/b", "/", "a\0"])
    func nameThatLeadsElsewhereIsNone(_ text: String) {
        #expect(RemoteName(bytes: Array(text.utf8)) == nil)
    }

    @Test(arguments: ["...", "..a", ".done", " ", "-", "a\\b", "\u{FEFF}"])
    func oddNameIsOne(_ text: String) { #expect(RemoteName(bytes: Array(text.utf8)) != nil) }

    @Test func pathsAreJoinedWithOneSlash() throws {
        let name = try #require(RemoteName(bytes: Array("a".utf8)))
        #expect(RemotePath("/").appending(name) == RemotePath("/a"))
        #expect(RemotePath("").appending(name) == RemotePath("a"))
        #expect(RemotePath("/in//x/").appending(name) == RemotePath("/in/x/a"))
        #expect(RemotePath("").description == ".")
    }

    @Test(arguments: ["a", "ü.csv", "a.b.c", ".a", "a...b", "."])
    func replacedNameIsANameOfAtMost255Bytes(_ piece: String) throws {
        for count in [1, 2, 50, 51, 85, 127, 128, 255] {
            let bytes = Array(String(repeating: piece, count: count).utf8.prefix(255))
            guard let name = RemoteName(bytes: bytes) else { continue }
            let names = ReplacedName.names(for: name, at: UnixTime(seconds: 1_750_000_000))
            #expect(!names.isEmpty)
            #expect(Set(names).count == names.count && !names.contains(name))
            for new in names {
                #expect(new.bytes.count <= 255 && new.description.contains("replaced-1750000000"), "\(new)")
            }
        }
    }

    @Test func printableTextHoldsNoControlCharacters() {
        #expect(printable(Array("ü a\n\u{1B}[31m".utf8)) == "ü a\\x0a\\x1b[31m")
        #expect(printable([0x61, 0xFF, 0x0A]) == "a\\xff\\x0a")
        #expect(printable(Array("\u{85}".utf8)) == "\\x85")
    }

    @Test func ageCountsToTheSecond() {
        let now = UnixTime(seconds: 1000)
        let selection = Selection(minimumAgeSeconds: 60)
        func exception(_ seconds: Int64?) -> Selection.Exception? {
            let version = FileVersion(sizeBytes: 1, modified: seconds.map { UnixTime(seconds: $0) })
            return selection.exception(forRelative: [0x61], version: version, now: now)
        }
        #expect(exception(940) == nil)
        #expect(exception(941) == .young)
        #expect(exception(2000) == .young)
        #expect(exception(nil) == .ageUnknown)
        #expect(
            Selection().exception(
                forRelative: [0x61], version: FileVersion(sizeBytes: 1, modified: nil), now: now) == nil)
    }
}

/// How fast a run is, and what it dares to begin (rule P7).
@Suite struct PaceTests {
    /// They come first in most trees, and a large file beside them would be left to a later run again and again.
    @Test func smallFilesSayNothingOfHowFastALargeOneComes() {
        var pace = Pace(deadlineUptimeSeconds: 60)
        pace.began(atUptimeSeconds: 0)
        for _ in 0..<20 { pace.finished(bytes: 23, afterSeconds: 0.26) }
        #expect(pace.canFinish(sizeBytes: UInt64(PartPlan.partBytes) + 1, now: 0.3))
    }

    @Test func withoutADeadlineEverythingMayBegin() {
        #expect(Pace(deadlineUptimeSeconds: nil).canFinish(sizeBytes: .max, now: 1e9))
    }

    @Test func beforeTheFirstFileOnlyTheDeadlineCounts() {
        let pace = Pace(deadlineUptimeSeconds: 100)
        #expect(pace.canFinish(sizeBytes: .max, now: 99))
        #expect(!pace.canFinish(sizeBytes: 0, now: 100))
    }

    @Test func limitOfTheRateIsKnownBeforeTheFirstFile() {
        let pace = Pace(deadlineUptimeSeconds: 100, maximumBytesPerSecond: 1000)
        #expect(pace.isWithinLimit(bytes: 49_000, now: 50))
        #expect(!pace.isWithinLimit(bytes: 51_000, now: 50))
        #expect(!pace.isWithinLimit(bytes: 0, now: 101))
        #expect(Pace(deadlineUptimeSeconds: nil, maximumBytesPerSecond: 1).isWithinLimit(bytes: .max, now: 50))
        #expect(Pace(deadlineUptimeSeconds: 100).isWithinLimit(bytes: .max, now: 50))
        var parts = PartPace(
            deadlineUptimeSeconds: 100, maximumBytesPerSecond: 1000, openingSeconds: 0.1, beganUptimeSeconds: 0)
        #expect(parts.mayBegin(partBytes: 40_000, underWayBytes: 40_000, isLast: false, now: 10))
        #expect(!parts.mayBegin(partBytes: 40_000, underWayBytes: 60_000, isLast: false, now: 10))
        #expect(parts.fits(leftBytes: 90_001, now: 10) == false)
        #expect(parts.fits(leftBytes: 80_000, now: 10) == nil, "how fast it really comes is not known")
        // However fast the first bytes came.
        parts.stored(40_000)
        #expect(!parts.mayBegin(partBytes: 95_000, underWayBytes: 0, isLast: false, now: 10))
    }

    @Test func largeFileNeedsTimeForItsBytes() {
        var pace = Pace(deadlineUptimeSeconds: 1000)
        pace.began(atUptimeSeconds: 0)
        pace.finished(bytes: 8_000_000, afterSeconds: 8)
        // A megabyte a second, and 8 s for a file: 100 MB take 108 s, and half as much again to be safe.
        #expect(pace.canFinish(sizeBytes: 100_000_000, now: 8))
        #expect(!pace.canFinish(sizeBytes: 1_000_000_000, now: 8))
        #expect(pace.canFinish(sizeBytes: 1, now: 980))
        #expect(!pace.canFinish(sizeBytes: 1, now: 995))
    }
}
