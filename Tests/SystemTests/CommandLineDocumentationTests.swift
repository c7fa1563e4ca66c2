import Foundation
import TestKit
import Testing

/// Every command of pull, push and pushRetry in the pages, run as it stands there. The other commands of the pages are
/// run by `Tests/DeploymentTests/test_commands.py`, which knows these by how their blocks begin.
struct CommandLineDocumentationTests {
    /// How a block begins that is run here.
    private static let beginning = "set -a; . ./acme.env; set +a\n"

    /// The pages with such blocks, by their paths from the package's folder.
    private static let pages: [String] = {
        let manager = FileManager.default
        let folders = ["", "docs/", "examples/"].flatMap { folder in
            // A folder that is not there gives no page, and then the test below fails.
            ((try? manager.contentsOfDirectory(atPath: StandIn.packageRoot.path + "/" + folder)) ?? [])
                .map { folder + $0 }
        }
        return folders.filter { $0.hasSuffix(".md") && (try? toolBlocks($0))?.isEmpty == false }.sorted()
    }()

    @Test func thePagesAreFound() {
        #expect(Set(Self.pages).isSuperset(of: ["README.md", "docs/command-line.md"]))
    }

    @Test(arguments: pages)
    func everyCommandWorks(page: String) async throws {
        let world = try CommandLineWorld()
        let blocks = try Self.toolBlocks(page)
        let folder = try TemporaryFolder()
        try Self.writeSettings(of: world, into: folder.url)
        try await world.put("outgoing/reports/may.csv", "may")
        for name in ["june", "july"] { try await world.store("reports/\(name).csv", name) }
        try await world.run {
            for block in blocks {
                let script = "cd \"$1\" && \(block)"
                let run = try await RunningProgram.start(
                    "/bin/sh", ["-e", "-c", script, "sh", folder.url.path],
                    environment: [
                        "PATH": "\(try BuiltProgram.url("pull").deletingLastPathComponent().path):/usr/bin:/bin",
                        "HOME": world.folder.url.path,
                    ]
                ).finish(withinSeconds: 60)
                #expect(run.status == 0, "\(page): \(block)\n\(run.output)\(run.errors)")
            }
            if page == "README.md" {
                #expect(try await world.keys(CommandLineWorld.inbox) == ["reports/may.csv"])
                #expect(world.read("outgoing/reports/.done/may.csv") == "may")
            }
            if page == "docs/command-line.md" { try await expectWhatTheCommandsDo(world, folder.url) }
        }
    }

    private func expectWhatTheCommandsDo(_ world: CommandLineWorld, _ folder: URL) async throws {
        #expect(try Self.toolBlocks("docs/command-line.md").count >= 6)
        #expect(world.read("incoming/reports/june.csv") == "june" && world.read("incoming/reports/july.csv") == "july")
        #expect(try await world.keys(CommandLineWorld.inbox) == ["reports/may.csv"])
        let result = folder.appendingPathComponent("result.json")
        #expect(try String(contentsOf: result, encoding: .utf8).contains(#""transferred":0"#))
    }

    /// Writes `acme.env`. The key is given in the way that the README gives it: read from a file when the settings are.
    private static func writeSettings(of world: CommandLineWorld, into folder: URL) throws {
        let name = "SFTP_PRIVATE_KEY"
        let readme = try String(contentsOf: StandIn.packageRoot.appendingPathComponent("README.md"), encoding: .utf8)
        let keyLine = try #require(readme.split(separator: "\n").first { $0.hasPrefix("\(name)=") })
        let keys = world.folder.url.appendingPathComponent(".ssh")
        try FileManager.default.createDirectory(at: keys, withIntermediateDirectories: true)
        try Data(try #require(world.settings[name]).utf8).write(to: keys.appendingPathComponent("acme-key"))
        let others = world.settings.filter { $0.key != name }
            .map { "\($0.key)='\($0.value.replacingOccurrences(of: "'", with: "'\\''"))'\n" }
        try Data((others.joined() + keyLine + "\n").utf8).write(to: folder.appendingPathComponent("acme.env"))
    }

    /// The blocks of a page that are run here.
    private static func toolBlocks(_ page: String) throws -> [String] {
        let text = try String(contentsOf: StandIn.packageRoot.appendingPathComponent(page), encoding: .utf8)
        return blocks(of: text).filter { $0.hasPrefix(beginning) }
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
}
