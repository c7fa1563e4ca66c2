import AWS
import Foundation
import TestKit
import Testing

/// `--check` against real servers: what a stranger needs to get a flow to work, and nothing left behind.
struct CheckTests {
    /// What `--check --json` writes, as far as tests ask.
    private struct Report: Decodable {
        struct Step: Decodable {
            var name: String
            var outcome: String
            var milliseconds: Int?
        }
        struct Server: Decodable {
            var software: String
            var hostKey: String
            var methods: [String]
            var method: String
            var algorithms: [String: String]
            var extensions: [String]
        }
        var isUsable: Bool
        var server: Server?
        var steps: [Step]

        init(_ run: FinishedProgram) throws { try self.init(run.output) }

        init(_ text: String) throws { self = try JSONDecoder().decode(Report.self, from: Data(text.utf8)) }

        /// The names of the steps with this outcome.
        func steps(_ outcome: String) -> [String] { steps.filter { $0.outcome == outcome }.map(\.name) }
    }

    private static let connecting = [
        "look up the name", "connect", "agree on algorithms", "host key", "log in", "start SFTP",
    ]
    private static let working = [
        "make a directory", "write a file", "set a file's time", "rename", "rename over a file", "remove",
    ]

    @Test func aWorkingFlowIsShownWithAllThatItRestsOn() async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/file", "stays")
        try await world.store("k", "object")
        try await world.run {
            let object = S3Address(bucket: CommandLineWorld.outbox, key: "k")
            let before = try await world.s3.headObject(S3ReadRequest(object))
            let files = try FileManager.default.subpathsOfDirectory(atPath: world.tree.path).sorted()
            let run = try await world.finish("pull", ["--check"])
            #expect(run.status == 0, "\(run.output)\(run.errors)")
            for words in [
                "SFTP_HOST_KEY='\(world.server.hostKey)'", world.server.hostKeyFingerprint, "SSH-2.0-OpenSSH",
                "key exchange", "publickey", "posix-rename@openssh.com", "pull can work.",
            ] { #expect(run.output.contains(words), "\(words) in\n\(run.output)") }
            #expect(!run.output.contains("FAILS") && !run.output.contains("skipped"), "\(run.output)")
            let keyID = try #require(world.aws.environment["AWS_ACCESS_KEY_ID"])
            #expect(run.output.contains("access key ending in \(keyID.suffix(4)), region") && keyID.count > 4)
            #expect(!run.output.contains(keyID), "\(run.output)")

            let report = try Report(try await world.finish("pull", ["--check", "--json"]))
            #expect(report.isUsable && report.server?.hostKey == world.server.hostKey)
            #expect(report.server?.methods.contains("publickey") == true && report.server?.method == "publickey")
            #expect(report.server?.algorithms.count == 6)
            let steps = [
                "AWS credentials", "store in the bucket", "give an upload up", "list checkpoints", "look at an object",
            ]
            #expect(report.steps("works") == steps + Self.connecting + ["list SFTP_SOURCE_DIR"] + Self.working)
            #expect(report.steps.allSatisfy { $0.milliseconds != nil })

            let push = try Report(try await world.finish("push", ["--check", "--json", "s3://acme-outbox/k"]))
            let pushSteps = [
                "AWS credentials", "look at s3://acme-outbox/k", "mark s3://acme-outbox/k", "retry queue",
            ]
            #expect(push.isUsable)
            // The mark was tried in such a way that nothing came of it.
            let after = try await world.s3.headObject(S3ReadRequest(object))
            #expect(after.etag == before.etag && after.attributes == before.attributes)
            #expect(after.lastModifiedEpochSeconds == before.lastModifiedEpochSeconds)
            #expect(push.steps("works") == pushSteps + Self.connecting + ["list SFTP_TARGET_DIR"] + Self.working)
            let retry = try Report(try await world.finish("pushRetry", ["--check", "--json"]))
            #expect(retry.isUsable && retry.steps("works").contains("retry queue"))

            #expect(try FileManager.default.subpathsOfDirectory(atPath: world.tree.path).sorted() == files)
            #expect(try await world.keys(CommandLineWorld.inbox) == [])
            #expect(try await world.s3.listMultipartUploads(bucket: CommandLineWorld.inbox).items.count == 0)
        }
    }

    @Test func whatKeepsAFlowFromWorkingIsNamedWithWhatToDo() async throws {
        let world = try CommandLineWorld()
        let closed = try LocalSSHD(folder: world.tree, workFolder: world.folder.url)
        closed.stop()
        let otherKey = try CommandLineTests.strangeKey
        let mistaken = "SHA256:" + String(repeating: "A", count: 43)
        try await world.run {
            func expect(_ status: Int32, _ settings: [String: String], _ words: [String]) async throws {
                let run = try await world.finish("pull", ["--check"], settings: settings)
                #expect(run.status == status, "\(run.output)\(run.errors)")
                for words in words { #expect(run.output.contains(words), "\(words) in\n\(run.output)") }
                #expect(run.output.contains("pull cannot work: "))
            }
            try await expect(
                3, ["SFTP_HOST_KEY": mistaken],
                [
                    "FAILS    host key", "NOT the host key", "that is set, but shown now: '\(world.server.hostKey)'",
                    world.server.hostKeyFingerprint, mistaken, "No credential was sent",
                    "shown: ssh-ed25519 \(world.server.hostKeyFingerprint); expected: \(mistaken)",
                    "Ask the partner, by another way than this connection, whether the key was changed",
                    "works    agree on algorithms",
                ])
            #expect(!world.server.log.contains("Accepted"))
            try await expect(
                3, ["SFTP_PRIVATE_KEY": otherKey],
                [
                    "FAILS    log in", "works    host key", "it offers", "publickey",
                    "the user \(world.server.user) was",
                    "check SFTP_USER, and ask the partner whether this user may log in and has this key",
                    "the key given is ssh-ed25519 SHA256:", "tried: publickey",
                    "skipped  work in SFTP_SOURCE_DIR",
                ])
            try await expect(
                2, ["SFTP_PRIVATE_KEY": "-----BEGIN"],
                [
                    "FAILS    log in", "SFTP_PRIVATE_KEY holds no private key for SSH",
                    "to change it: it has to begin with `-----BEGIN … PRIVATE KEY-----`",
                ])
            try await expect(
                3, ["SFTP_PORT": "\(closed.port)"],
                [
                    "FAILS    connect", "refused", "check SFTP_HOST and SFTP_PORT", "The server was not reached.",
                    "works    look up the name",
                ])
            try await expect(
                1, ["SFTP_SOURCE_DIR": "nowhere"],
                [
                    "FAILS    list SFTP_SOURCE_DIR", "SFTP_SOURCE_DIR (nowhere) does not exist",
                    "the login directory holds incoming/, outgoing/", "to change it: correct SFTP_SOURCE_DIR",
                    "nothing can be pulled",
                ])
            try await expect(
                4, ["SFTP_TARGET_S3_BUCKET": "no-such-bucket"],
                [
                    "FAILS    store in the bucket", "NoSuchBucket", "check the bucket's name",
                    "works    rename over a file",
                ])
            try await expect(
                4, ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""],
                ["FAILS    AWS credentials", "set AWS_ACCESS_KEY_ID", "works    log in"])

            // Whoever answers would have the password. What there is to see is shown all the same.
            let password = ["SFTP_HOST_KEY": "", "SFTP_PRIVATE_KEY": "", "SFTP_PASSWORD": "not-to-be-sent"]
            try await expect(
                2, password,
                [
                    "without  host key", "FAILS    log in", "the password was not sent", "SFTP_HOST_KEY is not set",
                    "set SFTP_HOST_KEY, and check again: SFTP_HOST_KEY='\(world.server.hostKey)'", "key exchange",
                    "it offers",
                ])
            #expect(!world.server.log.contains("Failed password") && !world.server.log.contains("failure for"))

            let unset = try await world.finish("pull", ["--check"], settings: ["SFTP_HOST_KEY": ""])
            #expect(unset.status == 0, "\(unset.output)\(unset.errors)")
            #expect(unset.output.contains("without  host key"))
            #expect(unset.output.contains("set SFTP_HOST_KEY='\(world.server.hostKey)'"), "\(unset.output)")
            // The table says it, and the log need not say it once more.
            #expect(unset.errors.isEmpty, "\(unset.errors)")
        }
    }

    @Test func whatStandsBeforeTheServerIsNamedWithWhatToDo() async throws {
        let world = try CommandLineWorld()
        let closed = try LocalSSHD(folder: world.tree, workFolder: world.folder.url)
        closed.stop()
        try await world.run {
            func check(_ settings: [String: String]) async throws -> String {
                let run = try await world.finish("pull", ["--check"], settings: settings)
                #expect(run.status == 3, "\(run.output)\(run.errors)")
                #expect(!(run.output + run.errors).contains("pass-word"), "\(run.output)\(run.errors)")
                return run.output
            }
            // It speaks SSH, and is no proxy.
            let server = try await check(["SFTP_PROXY": "socks5://user:pass-word@127.0.0.1:\(world.server.port)"])
            #expect(server.contains("FAILS    connect") && server.contains("looks like SSH"), "\(server)")
            #expect(server.contains("to change it: check SFTP_PROXY: it may name the server itself"), "\(server)")
            let none = try await check(["SFTP_PROXY": "http://user:pass-word@127.0.0.1:\(closed.port)"])
            #expect(none.contains("the proxy 127.0.0.1 port \(closed.port) refuses the connection"), "\(none)")
            #expect(none.contains("to change it: check SFTP_PROXY, that the proxy runs"), "\(none)")
            let name = try await check(["SFTP_HOST": "localhost", "SFTP_PORT": "\(closed.port)"])
            #expect(name.contains(#/works    look up the name .*127\.0\.0\.1:\d/#), "\(name)")
        }
    }

    /// What is wrong with the secret's content is no matter of permissions, and without a login nothing else is tried.
    @Test func aSecretThatCannotBeUsedIsNamedOnce() async throws {
        let world = try CommandLineWorld(secrets: ["cut": "{", "nobody": "{}"])
        try await world.run {
            for (secret, words, status) in [
                ("cut", "SFTP_SECRET_ID names a secret that is not JSON", Int32(2)),
                ("nobody", "SFTP_USER is not set, and the secret of SFTP_SECRET_ID holds no Username", 2),
                ("none", "a name means a secret in eu-central-1", 4),
            ] {
                let settings = ["SFTP_SECRET_ID": secret, "SFTP_USER": "", "SFTP_PRIVATE_KEY": ""]
                let run = try await world.finish("pull", ["--check"], settings: settings)
                #expect(run.status == status, "\(run.output)\(run.errors)")
                #expect(run.output.contains("FAILS    read the secret"), "\(run.output)")
                #expect(run.output.components(separatedBy: words).count == 2, "\(run.output)")
                #expect(run.output.contains("skipped  connect and log in"), "\(run.output)")
                #expect(run.output.contains("pull cannot work: read the secret fails."), "\(run.output)")
                #expect(run.output.contains("GetSecretValue") == (secret == "none"), "\(run.output)")
            }
        }
    }

    @Test func aTargetDirectoryThatIsNotThereIsNamedWithWhatIs() async throws {
        let world = try CommandLineWorld()
        try await world.store("k", "k")
        try await world.run {
            let nowhere = ["SFTP_TARGET_DIR": "nowhere/at-all"]
            let check = try await world.finish("push", ["--check"], settings: nowhere)
            #expect(check.status == 1, "\(check.output)\(check.errors)")
            let advice = "correct SFTP_TARGET_DIR, or ask the partner to make the directory"
            for words in [
                "SFTP_TARGET_DIR (nowhere/at-all) does not exist", "the login directory holds incoming/, outgoing/",
                "FAILS    write a file", "to change it: \(advice)",
            ] { #expect(check.output.contains(words), "\(words) in\n\(check.output)") }
            #expect(!check.output.contains("write permission"), "\(check.output)")
            let push = try await world.finish("push", ["s3://acme-outbox/k"], settings: nowhere)
            #expect(push.status == 1, "\(push.output)\(push.errors)")
            #expect(push.output.contains("SFTP_TARGET_DIR (nowhere/at-all) does not exist"), "\(push.output)")
            #expect(push.output.contains("holds incoming/, outgoing/: \(advice)"), "\(push.output)")
        }
    }

    @Test func aLambdaFunctionCanBeAskedToo() async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/file", "stays")
        try await world.run {
            for (program, directory) in [("pull", "SOURCE"), ("push", "TARGET"), ("pushRetry", "TARGET")] {
                let outcome = try await world.invoke(program, #"{"action": "check"}"#)
                #expect(outcome.functionError == nil, "\(outcome.text)")
                let report = try Report(outcome.text)
                #expect(report.isUsable && report.server?.hostKey == world.server.hostKey, "\(outcome.text)")
                let works = report.steps("works")
                #expect(works.suffix(7) == ["list SFTP_\(directory)_DIR"] + Self.working, "\(works)")
            }
            let refused = try await world.invoke(
                "pull", #"{"action":"check"}"#, settings: ["SFTP_TARGET_S3_BUCKET": "no-such-bucket"])
            #expect(refused.functionError == nil)
            #expect(
                try !Report(refused.text).isUsable && Report(refused.text).steps("fails") == ["store in the bucket"])
            let object = #"{"Bucket":"acme-outbox","Key":"none","action":"check"}"#
            let pushed = try await world.invoke("push", object)
            #expect(!pushed.text.contains("isUsable") && pushed.text.contains("gone"), "\(pushed.text)")
            let faulty = try await world.invoke("push", #"{"action":"check"}"#, settings: ["SFTP_PORT": "ssh"])
            #expect(faulty.functionError != nil && faulty.text.contains("SFTP_PORT"), "\(faulty.text)")

            // Nothing was pulled, and no message of this is on the queue.
            #expect(world.read("outgoing/file") == "stays")
            let retry = try await world.finish("pushRetry", ["--dry-run"])
            #expect(retry.output.contains("about 0 messages"), "\(retry.output)")
        }
    }

    @Test func aServerThatPermitsNoWritingIsToldFromOneThatRenamesOtherwise() async throws {
        var readOnly = LocalSSHD.Options()
        readOnly.configuration = ["ForceCommand internal-sftp -R"]
        let closed = try CommandLineWorld(sshd: readOnly)
        try await closed.run {
            let run = try await closed.finish("pull", ["--check"])
            #expect(run.status == 1, "\(run.output)\(run.errors)")
            #expect(run.output.contains("FAILS    make a directory") && run.output.contains("ermission denied"))
            #expect(run.output.contains("cannot be moved to .done"), "\(run.output)")
            // What only reads can work there, and what only writes cannot.
            let keeping = try await closed.finish("pull", ["--check"], settings: ["SFTP_AFTER_PULL": "keep"])
            #expect(keeping.status == 0, "\(keeping.output)")
            #expect(keeping.output.contains("skipped  write, rename and remove"))
            let push = try await closed.finish("push", ["--check"])
            #expect(push.status == 1 && push.output.contains("FAILS    write a file"), "\(push.output)")
        }
        let plain = try CommandLineWorld(sshd: .withoutPosixRename)
        try await plain.run {
            let run = try await plain.finish("push", ["--check"])
            #expect(run.status == 0, "\(run.output)\(run.errors)")
            #expect(run.output.contains("without  rename over a file"), "\(run.output)")
            #expect(run.output.contains("for a moment there is none under its name"))
            #expect(
                try FileManager.default.subpathsOfDirectory(atPath: plain.tree.path).sorted() == [
                    "incoming", "outgoing",
                ])
        }
    }
}
