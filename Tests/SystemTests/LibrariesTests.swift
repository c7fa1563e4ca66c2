import Foundation
import TestKit
import Testing

/// Both ways of linking, and where the sources of .deps come from.
struct LibrariesTests {
    @Test(.enabled(if: BuildProducts.systemBuild != nil, "make test builds that way and runs this test"))
    func pullBuildsWithTheSystemsOwnLibraries() throws {
        let build = try #require(BuildProducts.systemBuild)
        let needed = try BuildProducts.neededLibraries(of: build.appendingPathComponent("pull"))
        #expect(needed.isSuperset(of: ["libssh2.so.1", "libcurl.so.4", "libcrypto.so.3"]))
    }

    private func derived(_ files: [String: String]) throws -> String {
        let folder = try TemporaryFolder()
        for (name, text) in files {
            try Data(text.utf8).write(to: folder.url.appendingPathComponent(name))
        }
        return try Tool.run(
            StandIn.packageRoot.appendingPathComponent("scripts/debian-sources").path, "--release", "trixie",
            "--keyring", "/keys.gpg", folder.url.path)
    }

    private func entry(_ uri: String, _ suite: String) -> String {
        "Types: deb-src\nURIs: \(uri)\nSuites: \(suite)\nComponents: main\nSigned-By: /keys.gpg\n\n"
    }

    @Test func oneLineSourcesGiveTheSameMirrorsForTheOtherRelease() throws {
        let sources = """
            # deb http://commented.test/debian bookworm main
            deb [arch=amd64 signed-by=/some/key.gpg trusted=yes] http://mirror.test/debian/ bookworm main contrib # note
            deb-src http://mirror.test/debian bookworm main
            deb http://mirror.test/debian bookworm-updates main
            deb http://security.test/debian-security bookworm-security main
            deb http://mirror.test/debian bookworm-backports main
            deb cdrom:[Debian]/ bookworm main
            deb http://mirror.test/debian bookworm contrib
            deb https://elsewhere.test/apt nodistro main
            """
        #expect(
            try derived(["sources.list": sources])
                == entry("http://mirror.test/debian", "trixie") + entry("http://mirror.test/debian", "trixie-updates")
                + entry("http://security.test/debian-security", "trixie-security"))
    }

    @Test func stanzasGiveTheSameMirrorsForTheOtherRelease() throws {
        let sources = """
            Types: deb deb-src
            # a comment between the fields
            URIs: http://one.test/debian
              mirror+file:/etc/apt/mirrors.list
            Suites: stable stable-updates
            Components: main non-free-firmware
            Signed-By:
             -----BEGIN PGP PUBLIC KEY BLOCK-----
             .
             mQ==
             -----END PGP PUBLIC KEY BLOCK-----

            Enabled: no
            Types: deb
            URIs: http://disabled.test/debian
            Suites: bookworm
            Components: main
            """
        let suites = ["trixie", "trixie-updates"]
        let expected = suites.flatMap { suite in
            ["http://one.test/debian", "mirror+file:/etc/apt/mirrors.list"].map { entry($0, suite) }
        }
        #expect(try derived(["debian.sources": sources]) == expected.joined())
    }

    @Test func machineWithoutADebianMirrorIsToldSo() throws {
        let failure = #expect(throws: ToolFailure.self) {
            try derived([
                "ubuntu.list": "deb http://archive.test/ubuntu noble main\n", "notes.txt": "deb a stable main",
            ])
        }
        #expect(failure?.description.contains("none of this machine's apt sources is a Debian mirror") == true)
    }
}
