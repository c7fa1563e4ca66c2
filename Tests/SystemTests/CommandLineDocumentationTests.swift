import Foundation
import TestKit
import Testing

/// Every command of `docs/command-line.md`, run as it stands there.
struct CommandLineDocumentationTests {
    @Test func everyCommandOfThePageWorks() async throws {
        let world = try CommandLineWorld()
        let page = StandIn.packageRoot.appendingPathComponent("docs/command-line.md")
        let blocks = try Self.blocks(of: String(contentsOf: page, encoding: .utf8))
        #expect(blocks.count >= 6)
        let folder = try TemporaryFolder()
        try Data(Self.environmentFile(world.settings).utf8)
            .write(to: folder.url.appendingPathComponent("acme.env"))
        try await world.put("outgoing/reports/may.csv", "may")
        for name in ["june", "july"] { try await world.store("reports/\(name).csv", name) }
        try await world.run {
            for block in blocks {
                let script = "cd \"$1\" && \(block)"
                let run = try await RunningProgram.start(
                    "/bin/sh", ["-e", "-c", script, "sh", folder.url.path],
                    environment: [
                        "PATH": "\(try BuiltProgram.url("pull").deletingLastPathComponent().path):/usr/bin:/bin"
                    ]
                ).finish(withinSeconds: 60)
                #expect(run.status == 0, "\(block)\n\(run.output)\(run.errors)")
            }
            #expect(
                world.read("incoming/reports/june.csv") == "june" && world.read("incoming/reports/july.csv") == "july")
            #expect(try await world.keys(CommandLineWorld.inbox) == ["reports/may.csv"])
            let result = folder.url.appendingPathComponent("result.json")
            #expect(try String(contentsOf: result, encoding: .utf8).contains(#""transferred":0"#))
        }
    }

    /// What stands between the lines ```sh and ```.
    private static func blocks(of page: String) -> [String] {
        var blocks: [String] = []
        var block: [String]?
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
            if line == "```sh" {
                block = []
            } else if line == "```", let lines = block {
                blocks.append(lines.joined(separator: "\n"))
                block = nil
            } else {
                block?.append(String(line))
            }
        }
        return blocks
    }

    private static func environmentFile(_ settings: [String: String]) -> String {
        settings.map { "\($0.key)='\($0.value.replacingOccurrences(of: "'", with: "'\\''"))'\n" }.joined()
    }
}
