import SFTPLambdaCore
import TestKit
import Testing

@testable import CommandLineTool

/// `UPDATE_DOCS=1 swift test --filter CommandLineDocumentTests` writes the tables anew.
@Suite struct CommandLineDocumentTests {
    @Test func thePageHasTheOptionsAsDeclared() throws {
        var lines = ["| option | of | what it does |", "|---|---|---|"]
        for option in CommandOption.allCases {
            let functions = LambdaFunction.allCases.filter(option.functions.contains).map(\.rawValue)
            let all = functions.count == LambdaFunction.allCases.count
            lines.append(
                "| `\(option.synopsis)` | \(all ? "all" : functions.joined(separator: ", ")) | \(option.summary) |")
        }
        let text = lines.joined(separator: "\n")
        #expect(try DocumentSection(page: "docs/command-line.md", name: "options").updatedText(text) == text)
    }

    @Test func thePageHasTheStatusesAsDeclared() throws {
        let lines =
            ["| status | what it says |", "|---|---|"]
            + ExitStatus.allCases.map { "| \($0.rawValue) | \($0.summary) |" }
        let text = lines.joined(separator: "\n")
        #expect(try DocumentSection(page: "docs/command-line.md", name: "statuses").updatedText(text) == text)
    }
}
