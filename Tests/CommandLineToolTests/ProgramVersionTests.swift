import Foundation
import SFTPLambdaCore
import TestKit
import Testing

@testable import CommandLineTool

/// `--version` says what `CHANGELOG.md` says: its newest entry is headed `## VERSION - DATE`, or `## VERSION - unreleased`.
@Suite struct ProgramVersionTests {
    @Test func theVersionIsThatOfTheNewestEntryOfTheChangelog() throws {
        let page = try String(
            contentsOf: StandIn.packageRoot.appendingPathComponent("CHANGELOG.md"), encoding: .utf8)
        let heading = try #require(page.split(separator: "\n").first { $0.hasPrefix("## ") })
        let words = heading.dropFirst(3).split(separator: " ")
        try #require(words.count == 3 && words[1] == "-", "\(heading)")
        let isReleased = words[2] != "unreleased"
        #expect(ProgramVersion.text == "\(words[0])\(isReleased ? "" : "-unreleased")")
        #expect(words[0].split(separator: ".").compactMap { Int($0) }.count == 3)
    }
}
