import SFTPLambdaCore
import Testing

@testable import CommandLineTool

/// What the display says, and that it fits.
@Suite struct ProgressTextTests {
    private static let mebibyte: UInt64 = 1 << 20

    /// Two files of five are done and two are under way, one of them with a name from elsewhere.
    private var progress: TransferProgress {
        var progress = TransferProgress()
        for number in 1...4 { progress.found("in/file-\(number)", sizeBytes: 10 * Self.mebibyte) }
        let odd = "in/report\u{1B}[2J \u{202E}june.csv"
        progress.found(odd, sizeBytes: 10 * Self.mebibyte)
        for number in 1...3 { progress.begins("in/file-\(number)", sizeBytes: 10 * Self.mebibyte, startBytes: 0) }
        progress.begins(odd, sizeBytes: 10 * Self.mebibyte, startBytes: 0)
        for number in 1...2 {
            progress.passed("in/file-\(number)", Int(10 * Self.mebibyte))
            progress.done("in/file-\(number)")
        }
        progress.passed("in/file-3", Int(Self.mebibyte))
        return progress
    }

    private var rate: TransferRate {
        var rate = TransferRate()
        rate.add(atSeconds: 0, bytes: 0, files: 0)
        rate.add(atSeconds: 2, bytes: 21 * Self.mebibyte, files: 1)
        return rate
    }

    @Test func theWholeAndTheFilesUnderWayAreShown() {
        var progress = progress
        let files = [
            "   10 %  10.0 MiB  in/file-3",
            "    0 %  10.0 MiB  in/report\\u{1b}[2J \\u{202e}june.csv",
        ]
        #expect(
            ProgressText.lines(progress, rate, .usual) == ["2 of 5+ files, 21.0 MiB of 50.0 MiB+, 10.5 MiB/s"] + files)
        progress.foundAll()
        progress.failed(nil)
        progress.isEnding = true
        #expect(
            ProgressText.lines(progress, rate, .usual).first
                == "2 of 5 files, 21.0 MiB of 50.0 MiB, 10.5 MiB/s, 3 s left, 1 failed, ending")
    }

    @Test func nothingIsSaidThatIsNotKnown() {
        var progress = TransferProgress()
        #expect(ProgressText.lines(progress, TransferRate(), .usual) == ["no files yet"])
        progress.found("b/k", sizeBytes: nil)
        #expect(ProgressText.lines(progress, TransferRate(), .usual) == ["0 of 1+ files"])
        progress.foundAll()
        progress.begins("b/k", sizeBytes: nil, startBytes: 0)
        progress.passed("b/k", 1536)
        let lines = ["0 of 1 file, 1.5 KiB", "          1.5 KiB  b/k"]
        #expect(ProgressText.lines(progress, TransferRate(), .usual) == lines)
        progress = TransferProgress()
        progress.foundAll()
        #expect(ProgressText.lines(progress, rate, .usual) == ["no files"])
    }

    /// A full last column makes some terminals go to the next line, and Ctrl-C is shown as two characters.
    @Test func noLineIsAsWideAsTheTerminalAndThereIsRoomForAll() {
        var progress = progress
        let name = "файл-é-" + String(repeating: "名", count: 30)
        for number in 0..<400 { progress.begins("目录/\(number)/\(name)", sizeBytes: 1, startBytes: 0) }
        progress.foundAll()
        progress.failed("x")
        for columns in 1...200 {
            for rows in [1, 2, 3, 4, 5, 24] {
                let lines = ProgressText.lines(progress, rate, .init(columns: columns, rows: rows))
                #expect(lines.count <= max(1, rows - 1), "\(rows) rows")
                let widest = lines.map { DisplayWidth.columns(of: $0) }.max() ?? 0
                #expect(widest <= max(1, columns - 3), "\(columns): \(lines)")
            }
        }
        let lines = ProgressText.lines(progress, rate, .usual)
        #expect(lines.count == 6 && lines.last == "  and 398 more")
    }

    @Test func whatMattersLeastIsLeftOutFirst() {
        var progress = progress
        progress.foundAll()
        progress.failed(nil)
        func first(_ columns: Int) -> String? {
            ProgressText.lines(progress, rate, .init(columns: columns, rows: 24)).first
        }
        #expect(first(60) == "2 of 5 files, 21.0 MiB of 50.0 MiB, 3 s left, 1 failed")
        #expect(first(40) == "2 of 5 files, 3 s left, 1 failed")
        #expect(first(26) == "2 of 5 files, 1 failed")
        #expect(first(20) == "2 of 5 files")
        #expect(first(8) == "2 of…")
    }

    @Test(arguments: [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (1536, "1.5 KiB"), (102_349, "100 KiB"), (1_047_553, "1.0 MiB"),
        (4_831_838_208, "4.5 GiB"), (1e30, "867361737988 EiB"),
    ])
    func bytesHaveThreeDigitsAndAUnit(bytes: Double, text: String) { #expect(ProgressText.byteCount(bytes) == text) }

    @Test(arguments: [
        (0.2, "1 s"), (59, "59 s"), (185, "3 min 5 s"), (7800, "2 h 10 min"), (3600 * 27, "1 d 3 h"),
        (.infinity, "11574 d 1 h"),
    ])
    func timesHaveTwoUnits(seconds: Double, text: String) { #expect(ProgressText.duration(seconds) == text) }

    // MARK: Width

    @Test func widthIsThatOfATerminal() {
        for (text, columns) in [("abc", 3), ("é", 1), ("e\u{301}", 1), ("目录", 4), ("한글", 4), ("😀", 2), ("файл", 4)] {
            #expect(DisplayWidth.columns(of: text) == columns, "\(text)")
        }
        #expect(DisplayWidth.cut("目录目录", toColumns: 4, keeping: .start) == "目…")
        #expect(DisplayWidth.cut("outgoing/june.csv", toColumns: 9, keeping: .end(indent: 0)) == "…june.csv")
        #expect(DisplayWidth.cut("  outgoing/june.csv", toColumns: 11, keeping: .end(indent: 2)) == "  …june.csv")
        // The accent of a letter that is cut off goes with it.
        #expect(DisplayWidth.cut("aaae\u{301}xyz", toColumns: 4, keeping: .end(indent: 0)) == "…xyz")
    }

    // MARK: When

    @Test func theDisplayIsForPeopleWhoHaveNotAskedForLines() throws {
        let text = LogOptions(format: .text)
        for arguments in [[], ["--json"]] {
            #expect(ProgressDisplay.isWanted(try Command(arguments, of: .pull), text), "\(arguments)")
        }
        for arguments in [["-v"], ["--no-progress"], ["-n"], ["--check"]] {
            #expect(!ProgressDisplay.isWanted(try Command(arguments, of: .pull), text), "\(arguments)")
        }
        #expect(!ProgressDisplay.isWanted(try Command([], of: .pull), LogOptions(format: .json)))
    }

    @Test func whatWasDrawnIsTakenAwayAlsoOnATerminalThatHasBecomeNarrower() {
        func erasure(_ widths: [Int], _ columns: Int) -> String {
            String(decoding: ProgressDisplay.erasure(ofWidths: widths, columns: columns), as: UTF8.self)
        }
        #expect(erasure([10], 80) == "\r\u{1B}[J")
        #expect(erasure([79, 20, 5], 80) == "\r\u{1B}[2A\u{1B}[J")
        #expect(erasure([79, 20, 0], 40) == "\r\u{1B}[3A\u{1B}[J")
    }
}
