import Foundation
import TestKit
import Testing

@testable import SFTPLambdaCore

@Suite struct SettingsDocumentTests {
    /// `UPDATE_DOCS=1 swift test --filter SettingsDocumentTests` writes the page anew.
    @Test func thePageIsWhatTheDeclarationsSay() throws {
        let page = StandIn.packageRoot.appendingPathComponent("docs/settings.md")
        if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" {
            try FileManager.default.createDirectory(
                at: page.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(SettingsDocument.markdown.utf8).write(to: page)
        }
        #expect(try String(contentsOf: page, encoding: .utf8) == SettingsDocument.markdown)
    }

    @Test func theREADMEShowsTheSameTable() throws {
        let page = StandIn.packageRoot.appendingPathComponent("README.md")
        let table = SettingsDocument.table.joined(separator: "\n")
        var text = try String(contentsOf: page, encoding: .utf8)
        let start = try #require(text.range(of: "<!-- settings -->\n"))
        let end = try #require(text.range(of: "\n<!-- /settings -->"))
        if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" {
            text.replaceSubrange(start.upperBound..<end.lowerBound, with: table)
            try Data(text.utf8).write(to: page)
            return
        }
        #expect(text[start.upperBound..<end.lowerBound] == table)
    }

    @Test func everySettingHasOneRowOfFourCells() {
        for name in Settings.names {
            let rows = SettingsDocument.markdown.split(separator: "\n").filter { $0.hasPrefix("| `\(name)` |") }
            #expect(rows.count == 1)
            #expect(rows.first?.replacing("\\|", with: "").count { $0 == "|" } == 5)
        }
    }

    @Test(arguments: LambdaFunction.allCases)
    func helpNamesExactlyTheSettingsOfTheFunction(function: LambdaFunction) {
        let lines = SettingsDocument.help(for: function).split(separator: "\n").map(String.init)
        for declaration in Settings.declarations {
            #expect(lines.contains("  \(declaration.name)") == declaration.functions.contains(function))
        }
    }
}
