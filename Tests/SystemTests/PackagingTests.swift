import Foundation
import TestKit
import Testing

/// What stands in the zips. They are made by `make test`, which says where they are.
@Suite(.enabled(if: BuildProducts.zips != nil, "make test makes the zips and runs these tests"))
struct PackagingTests {
    /// One entry of a zip, as Python's own reader sees it.
    private struct Entry: Decodable {
        var name: String
        var mode: Int
        var time: [Int]
        var extraBytes: Int
        var system: Int
    }

    private static let listing = """
        import json, sys, zipfile
        print(json.dumps([
            {"name": e.filename, "mode": e.external_attr >> 16, "time": e.date_time, "extraBytes": len(e.extra),
             "system": e.create_system}
            for e in zipfile.ZipFile(sys.argv[1]).infolist()]))
        """

    private func entries(of zip: URL) throws -> [Entry] {
        let text = try Tool.run("/usr/bin/python3", "-c", Self.listing, zip.path)
        return try JSONDecoder().decode([Entry].self, from: Data(text.utf8))
    }

    private func isLoader(_ name: String) -> Bool { name.hasPrefix("ld-linux-") }

    @Test(arguments: BuildProducts.functions)
    func zipHoldsBootstrapProgramAndTheLibrariesItNeeds(function: String) throws {
        let zip = try BuildProducts.zip(function)
        let names = try entries(of: zip).map(\.name)
        let libraries = names.filter { $0.hasPrefix("lib/") }.map { String($0.dropFirst("lib/".count)) }
        #expect(names.sorted() == names)
        let others = names.filter { !$0.hasPrefix("lib/") && !$0.hasPrefix("licenses/") }
        #expect(others == ["bootstrap", function])
        #expect(libraries.filter(isLoader).count == 1)

        // Nothing is missing, and nothing is there that nobody asks for.
        let root = try EmptyRoot(unpacking: zip)
        defer { withExtendedLifetime(root) {} }
        let unpacked = root.url.appendingPathComponent("var/task")
        var needed: Set<String> = []
        for name in names where name == function || name.hasPrefix("lib/") {
            needed.formUnion(try BuildProducts.neededLibraries(of: unpacked.appendingPathComponent(name)))
        }
        #expect(needed.subtracting(libraries) == [])
        #expect(Set(libraries.filter { !isLoader($0) }).subtracting(needed) == [])
    }

    @Test(arguments: BuildProducts.functions)
    func zipIsSmallAndItsEntriesSayNothingOfTheMachine(function: String) throws {
        let zip = try BuildProducts.zip(function)
        let size = try #require(FileManager.default.attributesOfItem(atPath: zip.path)[.size] as? Int)
        #expect(size < 8_000_000)
        for entry in try entries(of: zip) {
            let runs = entry.name == "bootstrap" || entry.name == function || entry.name.hasPrefix("lib/ld-linux-")
            if runs { #expect(entry.mode == 0o100755, "\(entry.name)") }
            #expect([0o100755, 0o100644].contains(entry.mode), "\(entry.name)")
            #expect(entry.time == [1980, 1, 1, 0, 0, 0], "\(entry.name)")
            #expect(entry.extraBytes == 0, "\(entry.name)")
            #expect(entry.system == 3, "\(entry.name)")
        }
    }

    @Test(arguments: BuildProducts.functions)
    func programLinksOurLibrariesStatically(function: String) throws {
        let root = try EmptyRoot(unpacking: BuildProducts.zip(function))
        defer { withExtendedLifetime(root) {} }
        let program = root.url.appendingPathComponent("var/task/\(function)")
        let needed = try BuildProducts.neededLibraries(of: program).filter { !isLoader($0) }
        #expect(needed.subtracting(BuildProducts.runtimeLibraries) == [])
        for (package, sign) in [("libssh2", "SSH-2.0-libssh2_"), ("libcrypto", "OpenSSL ")] {
            let version = try BuildProducts.version(ofPackage: package)
            #expect(try BuildProducts.file(program, holds: sign + version), "\(package) \(version)")
        }
        #expect(try !Tool.run("/usr/bin/readelf", "--sections", "--wide", program.path).contains(".symtab"))
    }

    /// The names of modules stand in a program that links them, stripped or not. Foundation came with 3.6 MB, the engine
    /// for regular expressions, which a single `replacing(_:with:)` links, with 1.1 MB.
    @Test(arguments: BuildProducts.functions)
    func programHoldsNeitherFoundationNorRegularExpressions(function: String) throws {
        let root = try EmptyRoot(unpacking: BuildProducts.zip(function))
        defer { withExtendedLifetime(root) {} }
        let program = root.url.appendingPathComponent("var/task/\(function)")
        #expect(try BuildProducts.file(program, holds: "SFTPLambdaCore"))
        for name in ["FoundationEssentials", "OrderedCollections", "_RegexParser"] {
            #expect(try !BuildProducts.file(program, holds: name), "\(name)")
        }
    }

    /// A line of `licenses/VERSIONS`: `NAME VERSION (LICENCE): FILE, FILE`.
    private struct Component {
        var name: String
        var version: String
        var files: [String]

        init(_ line: Substring) throws {
            let parts = try #require(line.wholeMatch(of: #/(\S+) (\S+) \((.+)\): (.+)/#))
            name = String(parts.1)
            version = String(parts.2)
            files = parts.4.split(separator: ", ").map(String.init)
        }
    }

    @Test(arguments: BuildProducts.functions)
    func zipHoldsTheLicencesOfAllThatIsNotOurs(function: String) throws {
        let root = try EmptyRoot(unpacking: BuildProducts.zip(function))
        defer { withExtendedLifetime(root) {} }
        let licenses = root.url.appendingPathComponent("var/task/licenses")
        var texts: [String: String] = [:]
        for file in try FileManager.default.contentsOfDirectory(atPath: licenses.path) {
            let bytes = try Data(contentsOf: licenses.appendingPathComponent(file))
            texts[file] = String(decoding: bytes, as: UTF8.self)
        }
        let versions = texts.removeValue(forKey: "VERSIONS")
        let components = try #require(versions).split(separator: "\n").map(Component.init)

        // zlib and zstd only where OpenSSL's archives need them.
        let libraries = StandIn.packageRoot.appendingPathComponent(".deps/lib").path
        let linked = ["libz.a": "zlib", "libzstd.a": "zstd"]
            .filter { FileManager.default.fileExists(atPath: "\(libraries)/\($0.key)") }
        let expected = ["curl", "glibc", "libgcc", "libssh2", "libstdc++", "openssl", "swift", "swift-log"]
        #expect(components.map(\.name) == (expected + linked.values).sorted())
        #expect(
            try components.first { $0.name == "libssh2" }?.version.hasPrefix(
                BuildProducts.version(ofPackage: "libssh2")) == true)

        // Every file is there, with every text that it refers to; and nothing else.
        var named = Set(components.flatMap(\.files))
        for text in texts.values {
            for reference in text.matches(of: #/\/usr\/share\/common-licenses\/([A-Za-z0-9.+-]*[A-Za-z0-9])/#) {
                named.insert(String(reference.1))
            }
        }
        #expect(Set(texts.keys) == named)
        let signs = [
            "curl": "Permission to use, copy, modify, and distribute this software",
            "libssh2": "Redistribution and use",
            "libgcc": "GCC RUNTIME LIBRARY EXCEPTION", "libstdc++": "GCC RUNTIME LIBRARY EXCEPTION",
            "glibc": "GNU Lesser", "LGPL-2.1": "GNU LESSER GENERAL PUBLIC LICENSE",
            "GPL-3": "GNU GENERAL PUBLIC LICENSE",
            "openssl": "Apache", "Apache-2.0": "Apache License", "swift": "Runtime Library Exception",
            "swift-log": "Apache License", "swift-log-NOTICE": "SwiftLog",
        ]
        for (file, sign) in signs { #expect(texts[file]?.contains(sign) == true, "\(file) has no \(sign)") }

        let list = try String(
            contentsOf: StandIn.packageRoot.appendingPathComponent("THIRD_PARTY.md"), encoding: .utf8)
        for component in components { #expect(list.contains("| \(component.name) |"), "THIRD_PARTY.md") }
    }

    @Test func packagingRefusesLibrariesThatAreTooOldOrWithoutLicence() throws {
        let root = try TemporaryFolder()
        let pkgconfig = root.url.appendingPathComponent(".deps/lib/pkgconfig")
        let licenses = root.url.appendingPathComponent(".deps/licenses")
        try FileManager.default.createDirectory(at: pkgconfig, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            at: root.url.appendingPathComponent("scripts"),
            withDestinationURL: StandIn.packageRoot.appendingPathComponent("scripts"))
        let description = "Name: libssh2\nDescription: old\nVersion: 1.11.0\nLibs:\n"
        try Data(description.utf8).write(to: pkgconfig.appendingPathComponent("libssh2.pc"))
        let package = root.url.appendingPathComponent("scripts/package").path

        let bare = #expect(throws: ToolFailure.self) { try Tool.run(package) }
        #expect(bare?.description.contains("or not its licence, in .deps: run scripts/deps") == true)
        try FileManager.default.createDirectory(at: licenses, withIntermediateDirectories: true)
        let old = #expect(throws: ToolFailure.self) { try Tool.run(package) }
        #expect(
            old?.description.contains("libssh2 1.11.0 cannot use RSA keys with today's servers: need 1.11.1") == true)
    }

    @Test(.enabled(if: EmptyRoot.obstacle == nil, "\(EmptyRoot.obstacle ?? "")"), arguments: BuildProducts.functions)
    func zipRunsInAnEmptyRoot(function: String) async throws {
        let root = try EmptyRoot(unpacking: BuildProducts.zip(function))
        let version = try await root.run("\(EmptyRoot.taskFolder)/bootstrap", ["--version"])
        #expect(version.status == 0 && version.output.hasPrefix("\(function) (sftp-lambda) "), "\(version.errors)")
        let run = try await root.run()
        // Whatever it says without settings: it is the program that says it, not the shell or the loader.
        #expect(!(126...127).contains(run.status), "\(run.errors)")
        #expect(run.status >= 0, "signal \(-run.status): \(run.errors)")
        #expect(!run.errors.contains("shared libraries"), "\(run.errors)")
        #expect(!run.output.isEmpty || !run.errors.isEmpty)
    }

    /// Nor does anything of the environment get in, such as the credentials of who deploys.
    @Test func sameBuildGivesTheSameZips() throws {
        let again = try TemporaryFolder()
        try Tool.run(
            "/usr/bin/env", "AWS_SECRET_ACCESS_KEY=not/for/the/zip", "SFTP_PASSWORD=nor this",
            "SFTP_PRIVATE_KEY=nor that",
            StandIn.packageRoot.appendingPathComponent("scripts/package").path, "--output", again.url.path)
        try expectTheSameZips(in: again.url)
    }

    @Test(.enabled(if: BuildProducts.longTests, "compiles everything again: SFTP_LAMBDA_LONG_TESTS=1 runs it"))
    func sameSourcesGiveTheSameZips() throws {
        let again = try TemporaryFolder()
        let script = StandIn.packageRoot.appendingPathComponent("scripts/package").path
        let scratch = again.url.appendingPathComponent("scratch").path
        try Tool.run(script, "--output", again.url.path, "--scratch-path", scratch)
        try expectTheSameZips(in: again.url)
    }

    private func expectTheSameZips(in folder: URL) throws {
        for function in BuildProducts.functions {
            let first = try Data(contentsOf: BuildProducts.zip(function))
            let second = try Data(contentsOf: folder.appendingPathComponent("\(function).zip"))
            // Compared outside of #expect, which would list the differences of megabytes for hours.
            let same = first == second
            #expect(same, "\(function).zip differs")
        }
    }
}
