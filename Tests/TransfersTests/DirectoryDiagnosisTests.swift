import TestKit
import Testing

@testable import Transfers

/// A source directory that cannot be listed is told with what there is in its place.
@Suite struct DirectoryDiagnosisTests {
    private static func reason(
        _ directory: String, _ fixture: PullFixture = tree(), tap: PortTap = PortTap()
    ) throws -> String {
        var fixture = fixture
        fixture.plan.sourceDirectory = RemotePath(directory)
        let summary = try fixture.run(tap: tap)
        #expect(summary.failures.map(\.path) == [RemotePath(directory).description] && !summary.isListingComplete)
        return summary.failures.first?.reason ?? ""
    }

    private static func tree() -> PullFixture {
        let fixture = PullFixture()
        fixture.put("Outgoing/a", "x")
        fixture.put("archive/b", "x")
        fixture.put("readme.txt", "x")
        return fixture
    }

    @Test func whatStandsBesideAMissingDirectoryIsNamed() throws {
        let reason = try Self.reason("/in/outgoing")
        #expect(reason.hasPrefix("SFTP_SOURCE_DIR (/in/outgoing) does not exist ("), "\(reason)")
        #expect(reason.contains("); /in holds Outgoing/, archive/, readme.txt: correct SFTP_SOURCE_DIR"), "\(reason)")
    }

    @Test func theNearestDirectoryThatExistsIsTheOneToShow() throws {
        #expect(try Self.reason("/in/archive/2026/11").contains("; /in/archive holds b: "))
        #expect(try Self.reason("/nowhere/at/all").contains("; / holds in/: "))
    }

    @Test func theLoginDirectoryIsCalledSo() async throws {
        let fixture = Self.tree()
        let failure = RemoteFailure(.notFound, "OPENDIR")
        let files = fixture.pull().files
        let diagnosis = await DirectoryDiagnosis(of: .source, failure, at: "nowhere", on: files)
        #expect(diagnosis?.problem == .missing)
        #expect(diagnosis?.finding.contains("the login directory holds ") == true, "\(diagnosis?.finding ?? "")")
    }

    @Test func aFileIsNoDirectory() throws {
        let reason = try Self.reason("/in/readme.txt")
        #expect(reason.contains("SFTP_SOURCE_DIR (/in/readme.txt) is no directory"), "\(reason)")
        #expect(reason.hasSuffix("set SFTP_SOURCE_DIR to the directory that holds the files"), "\(reason)")
    }

    @Test func aDirectoryThatMayNotBeReadIsToldSo() throws {
        let tap = tapOn(.before, "remote.openDirectory") { $0.path == "/in" ? .failRemote(.denied) : .proceed }
        let reason = try Self.reason("/in", tap: tap)
        #expect(reason.contains("SFTP_SOURCE_DIR (/in) may not be listed"), "\(reason)")
        #expect(reason.contains("ask the partner to let this account list"), "\(reason)")
    }

    /// Whatever else fails meanwhile, the run says at least what it said before.
    @Test(arguments: ["remote.attributes", "remote.openDirectory", "remote.next"])
    func aDiagnosisThatFailsTakesNothingAway(operation: String) throws {
        let tap = tapOn(.before, operation) { call in
            operation == "remote.openDirectory" && call.path == "/in/outgoing" ? .proceed : .failRemote(.connectionLost)
        }
        let reason = try Self.reason("/in/outgoing", tap: tap)
        #expect(reason.contains("SFTP_SOURCE_DIR (/in/outgoing) does not exist"), "\(reason)")
    }

    @Test func manyNamesAreCutShort() throws {
        let fixture = Self.tree()
        for number in 100..<400 { fixture.put("file-\(number)", "x") }
        let reason = try Self.reason("/in/outgoing", fixture)
        #expect(reason.contains("Outgoing/, archive/, file-100, "), "\(reason)")
        #expect(reason.contains("file-117 and 283 more: "), "\(reason)")
    }

    /// Also where there is something to say of the path: it is not what has failed.
    @Test func otherFailuresAreLeftAsTheyAre() async {
        for reason in [RemoteFailure.Reason.connectionLost, .cancelled, .unsupported] {
            for path in ["/in", "/in/readme.txt"] as [RemotePath] {
                let files = Self.tree().pull().files
                let diagnosis = await DirectoryDiagnosis(of: .source, RemoteFailure(reason, "m"), at: path, on: files)
                #expect(diagnosis == nil, "\(reason) of \(path)")
            }
        }
        let failed = RemoteFailure(.failed, "m")
        let files = Self.tree().pull().files
        #expect(await DirectoryDiagnosis(of: .source, failed, at: "/in", on: files)?.problem == nil)
    }

    @Test func aTargetDirectoryThatIsMissingIsToldWithWhatIsThere() async {
        let tree = InMemoryTree(clock: ManualClock())
        tree.makeDirectory("/out")
        let destination = InMemoryDestination(tree)
        func diagnosis(_ path: RemotePath, _ reason: RemoteFailure.Reason) async -> String? {
            await DirectoryDiagnosis(missingTarget: RemoteFailure(reason, "OPEN"), at: path, on: destination)?
                .description
        }
        #expect(
            await diagnosis("/in/deep", .notFound)
                == "SFTP_TARGET_DIR (/in/deep) does not exist (OPEN); / holds out/: correct SFTP_TARGET_DIR, or ask the "
                + "partner to make the directory")
        // It is there, and something in it was missing.
        #expect(await diagnosis("/out", .notFound) == nil)
        #expect(await diagnosis("/in", .denied) == nil)
    }

    @Test func parentsOfPaths() {
        for (path, parent) in [
            ("a", "."), ("a/b", "a"), ("/a/b", "/a"), ("/a", "/"), ("/", nil), ("", nil), (".", nil), ("a/..", nil),
        ] as [(RemotePath, String?)] {
            #expect(path.directoryAbove?.description == parent, "\(path)")
        }
    }
}
