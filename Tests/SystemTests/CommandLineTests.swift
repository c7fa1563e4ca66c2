import Foundation
import TestKit
import Testing

/// The programs as tools of the command line: what they do, what they write where, and how they end.
struct CommandLineTests {
    @Test func filesGoBothWays() async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/a b.txt", "one")
        try await world.put("outgoing/below/c.txt", "two")
        try await world.store("up.txt", "three")
        try await world.store("dir/up.txt", "four")
        try await world.run {
            let pull = try await world.finish("pull")
            #expect(pull.status == 0, "\(pull.errors)")
            #expect(pull.output.hasPrefix("2 files transferred, 6 bytes, in "), "\(pull.output)")
            #expect(pull.output.split(separator: "\n").count == 1)
            #expect(pull.errors.contains("file transferred") && pull.errors.contains("path=\"outgoing/a b.txt\""))
            #expect(try await world.keys(CommandLineWorld.inbox) == ["a b.txt", "below/c.txt"])
            #expect(world.read("outgoing/.done/a b.txt") == "one")

            let push = try await world.finish(
                "push", ["--json", "s3://acme-outbox/up.txt", "s3://acme-outbox/dir/up.txt"])
            #expect(push.status == 0, "\(push.errors)")
            #expect(try ToolResult(push).delivered == 2)
            #expect(world.read("incoming/up.txt") == "three" && world.read("incoming/dir/up.txt") == "four")

            let again = try await world.finish("push", ["s3://acme-outbox/up.txt"])
            #expect(again.status == 0 && again.output.contains("nothing to do: 1 (1 marked)"), "\(again.output)")
            let retry = try await world.finish("pushRetry", ["--json"])
            #expect(try retry.status == 0 && ToolResult(retry).delivered == 0, "\(retry.errors)")
        }
    }

    @Test func eventsComeFromAFileOrStandardInput() async throws {
        let world = try CommandLineWorld()
        for key in ["one", "two"] { try await world.store(key, key) }
        try await world.run {
            let file = world.folder.url.appendingPathComponent("event.json")
            try Data(#"{"Bucket": "acme-outbox", "Key": "one"}"#.utf8).write(to: file)
            let first = try await world.finish("push", ["--event", file.path])
            #expect(first.status == 0 && world.read("incoming/one") == "one", "\(first.errors)")
            let second = try await world.finish(
                "push", ["--event", "-"], input: #"{"Bucket": "acme-outbox", "Key": "two"}"#)
            #expect(second.status == 0 && world.read("incoming/two") == "two", "\(second.errors)")

            let garbage = try await world.finish("push", ["--event", "-"], input: "no event")
            #expect(garbage.status == 2 && garbage.errors.contains("not JSON"), "\(garbage.errors)")
            let missing = try await world.finish("push", ["--event", "/nowhere"])
            #expect(missing.status == 2 && missing.errors.contains("'/nowhere': No such file"), "\(missing.errors)")
        }
    }

    /// Whoever asks for the end while the event is still to come must not wait for it.
    @Test func aSignalEndsTheWaitForAnEvent() async throws {
        let world = try CommandLineWorld()
        try await world.run {
            let pipe = world.folder.url.appendingPathComponent("events")
            try #require(mkfifo(pipe.path, 0o600) == 0)
            // Held open, so that its end does not come.
            let writer = try FileHandle(forUpdating: pipe)
            defer { try? writer.close() }
            let inputs: [(String, URL?)] = [("-", pipe), (pipe.path, nil)]
            for (name, input) in inputs {
                let program = try world.start("push", ["--event", name], input: input)
                try await waitUntil("the signal is listened for") { try Self.catches(SIGINT, program.processID) }
                kill(program.processID, SIGINT)
                let run = try await program.finish(withinSeconds: 60)
                #expect(run.status == 130, "\(run.errors)")
                // Ended at once, it could not say so.
                #expect(run.errors.contains("'\(name)': it was cut off before its end had come"), "\(run.errors)")
            }
        }
    }

    /// Whether a process has a handler for the signal (proc(5), "SigCgt").
    private static func catches(_ signal: Int32, _ processID: Int32) throws -> Bool {
        let status = try String(contentsOfFile: "/proc/\(processID)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }
        let mask = line.flatMap { UInt64($0.split(separator: "\t").last ?? "", radix: 16) } ?? 0
        return mask & 1 << UInt64(signal - 1) != 0
    }

    @Test func whatFailsIsToldAndQueuedWhereThereIsAQueue() async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/good", "good")
        try await world.put(Array("outgoing/".utf8) + [0xFF], "no key")
        try await world.run {
            let pull = try await world.finish("pull")
            #expect(pull.status == 1, "\(pull.errors)")
            #expect(pull.output.hasPrefix("1 file transferred"))
            #expect(pull.output.contains("failed: 1\n  outgoing/\\xff: "), "\(pull.output)")

            try await world.store("a//b", "two keys could become one path")
            let queued = try await world.finish("push", ["--json", "s3://acme-outbox/a//b"])
            let result = try ToolResult(queued)
            #expect(queued.status == 1 && result.failed == 1 && result.queued == 1, "\(queued.output)")
            let alone = try await world.finish(
                "push", ["s3://acme-outbox/a//b"], settings: ["SFTP_RETRY_QUEUE_NAME": ""])
            #expect(alone.status == 1 && alone.output.contains("not on the retry queue: 1"), "\(alone.output)")
            let retry = try await world.finish("pushRetry")
            #expect(retry.status == 1 && retry.output.contains("messages received: 1"), "\(retry.output)")
        }
    }

    @Test func theStatusSaysWhatHasToBeMended() async throws {
        let world = try CommandLineWorld()
        try await world.store("k", "k")
        // Its port is closed then.
        let strange = try LocalSSHD(folder: world.tree, workFolder: world.folder.url)
        let otherKey = try Self.strangeKey
        strange.stop()
        try await world.run {
            func expect(
                _ status: Int32, _ words: String, of program: String, _ arguments: [String] = [],
                _ settings: [String: String] = [:]
            ) async throws {
                let run = try await world.finish(program, arguments, settings: settings)
                #expect(run.status == status, "\(program) \(arguments): \(run.output)\(run.errors)")
                #expect((run.errors + run.output).contains(words), "\(program): \(run.output)\(run.errors)")
            }
            try await expect(2, "--help says how it is called", of: "pull", ["--nonsense"])
            try await expect(2, "SFTP_SOURCE_DIR is not set", of: "pull", [], ["SFTP_SOURCE_DIR": ""])
            try await expect(2, "SFTP_RETRY_QUEUE_NAME is not set", of: "pushRetry", [], ["SFTP_RETRY_QUEUE_NAME": ""])
            try await expect(
                2, "AWS_REGION is not set, and no profile of the AWS tools names a region", of: "pull", [],
                ["AWS_REGION": ""])
            try await expect(2, "SFTP_PRIVATE_KEY", of: "pull", [], ["SFTP_PRIVATE_KEY": "no key"])
            let refused = ["SFTP_PORT": "\(strange.port)"]
            let mistaken = ["SFTP_HOST_KEY": "SHA256:" + String(repeating: "A", count: 43)]
            for (program, arguments) in [("pull", []), ("push", ["s3://acme-outbox/k"])] {
                try await expect(3, "refused", of: program, arguments, refused)
                try await expect(3, world.server.hostKeyFingerprint, of: program, arguments, mistaken)
                try await expect(3, "was refused", of: program, arguments, ["SFTP_PRIVATE_KEY": otherKey])
            }
            let nobody = ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""]
            try await expect(4, "AWS_ACCESS_KEY_ID is not set", of: "pull", [], nobody)
            try await expect(4, "secret of SFTP_SECRET_ID", of: "pull", [], ["SFTP_SECRET_ID": "no/such/secret"])
            try await expect(4, "retry queue", of: "pushRetry", [], ["SFTP_RETRY_QUEUE_NAME": "no-such-queue"])
        }
    }

    /// An event may be older than its object's end; a name that somebody gave is mistaken.
    @Test func anObjectThatIsNamedAndNotThereIsAFailure() async throws {
        let world = try CommandLineWorld()
        try await world.store("there", "object")
        try await world.run {
            let objects = ["s3://acme-outbox/there", "s3://acme-outbox/ther", "s3://no-bucket/there"]
            let planned = try await world.finish("push", ["--dry-run"] + objects)
            #expect(planned.status == 1 && planned.output.contains("no such bucket: 2"), "\(planned.output)")
            let push = try await world.finish("push", objects)
            #expect(push.status == 1 && push.output.hasPrefix("1 file transferred"), "\(push.output)")
            let lines = push.output.split(separator: "\n")
            #expect(lines.dropLast(2).last == "no such object, or no such bucket: 2", "\(push.output)")
            #expect(Set(lines.suffix(2)) == ["  s3://acme-outbox/ther", "  s3://no-bucket/there"], "\(push.output)")
            let json = try await world.finish(
                "push", ["--json", objects[1]], settings: ["AWS_LAMBDA_LOG_LEVEL": "WARN"])
            #expect(try json.status == 1 && ToolResult(json).skipped == ["gone": 1], "\(json.output)")
            // The result has numbers alone: the log has the name.
            let named = json.errors.split(separator: "\n").filter { $0.contains("no such object, or no such bucket") }
            #expect(named.count == 1 && named[0].contains("key=ther"), "\(json.errors)")
            let event = #"{"Bucket": "acme-outbox", "Key": "ther"}"#
            let late = try await world.finish("push", ["--event", "-"], input: event)
            #expect(late.status == 0 && late.output.contains("(1 gone)"), "\(late.output)")
            #expect(!late.errors.contains("no such object"), "\(late.errors)")
        }
    }

    /// A refused login has the secret read again: when it cannot be read then, no setting is wrong.
    @Test func aSecretThatCannotBeReadAgainIsNoFaultOfTheSettings() async throws {
        let world = try CommandLineWorld()
        try await world.store("k", "object")
        let login = try JSONSerialization.data(withJSONObject: ["PrivateKey": try Self.strangeKey])
        let answer = try JSONSerialization.data(
            withJSONObject: ["Name": "acme", "SecretString": String(decoding: login, as: UTF8.self)])
        let refused = Array(#"{"__type": "ResourceNotFoundException", "Message": "no such secret"}"#.utf8)
        let secrets = try ScriptedHTTPServer(answering: {
            $0.number == 0 ? .init(200, body: Array(answer)) : .init(400, body: refused)
        })
        defer { secrets.stop() }
        try await world.run {
            let push = try await world.finish(
                "push", ["s3://acme-outbox/k"],
                settings: [
                    "SFTP_PRIVATE_KEY": "", "SFTP_SECRET_ID": "acme", "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets.url,
                ])
            #expect(secrets.requests.count == 2)
            let failed = push.errors.split(separator: "\n").filter { $0.contains("object failed") }
            #expect(failed.count == 1 && failed[0].contains("errorClass=connection"), "\(push.errors)")
            #expect(failed.first?.contains("the secret of SFTP_SECRET_ID") == true, "\(push.errors)")
        }
    }

    /// In a pod of EKS whose service account has a role.
    @Test func aServiceAccountOfKubernetesBringsTheCredentials() async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/file", "content")
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJl"
        let file = world.folder.url.appendingPathComponent("token")
        try Data(token.utf8).write(to: file)
        let refusing = try ScriptedHTTPServer(answering: { _ in
            let words = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
            let error = "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>\(words)</Message></Error>"
            return .init(403, body: Array("<ErrorResponse>\(error)</ErrorResponse>".utf8))
        })
        defer { refusing.stop() }
        try await world.run {
            let settings = [
                "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_WEB_IDENTITY_TOKEN_FILE": file.path,
                "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/local",
            ]
            let denied = try await world.finish(
                "pull", ["-v"], settings: settings.merging(["AWS_ENDPOINT_URL_STS": refusing.url]) { $1 })
            #expect(denied.status == 4 && denied.errors.contains("trust policy of the role"), "\(denied.errors)")
            #expect(refusing.requests.first?.text.hasSuffix("WebIdentityToken=\(token)") == true)
            let pull = try await world.finish("pull", ["-v"], settings: settings)
            #expect(pull.status == 0 && pull.output.hasPrefix("1 file transferred"), "\(pull.errors)")
            #expect(![denied, pull].contains { ($0.errors + $0.output).contains(token) })
        }
    }

    /// A key that nobody has entered for anybody.
    static var strangeKey: String {
        get throws {
            let folder = try TemporaryFolder()
            let file = folder.url.appendingPathComponent("key")
            try Tool.run("/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file.path)
            return try String(contentsOf: file, encoding: .utf8)
        }
    }

    @Test func errorsAreJSONWhereTheResultIs() async throws {
        let run = try await BuiltProgram.start("pull", ["--json"], environment: ["AWS_REGION": "eu-central-1"])
            .finish(withinSeconds: 30)
        let result = try ToolResult(run)
        #expect(run.status == 2 && result.errorType == "InvalidSettings")
        #expect(result.errorMessage?.contains("SFTP_HOST is not set") == true)
        #expect(run.errors.contains("SFTP_HOST is not set"))
    }

    @Test(
        arguments: [
            ("pull", ["SFTP_SOURCE_DIR", "SFTP_TARGET_S3_BUCKET"]), ("push", []),
            ("pushRetry", ["SFTP_RETRY_QUEUE_NAME"]),
        ])
    func allThatIsMissingIsNamedAtOnce(program: String, own: [String]) async throws {
        let run = try await BuiltProgram.start(program, program == "push" ? ["s3://b/k"] : [], environment: [:])
            .finish(withinSeconds: 30)
        #expect(run.status == 2)
        for name in ["AWS_REGION", "SFTP_HOST", "SFTP_USER", "SFTP_PRIVATE_KEY"] + own {
            #expect(run.errors.contains("\n- \(name) is not set"), "\(name) in\n\(run.errors)")
        }
        #expect(run.errors.contains("\(4 + own.count) settings cannot be used:"), "\(run.errors)")
    }

    /// Whoever collects the log reads JSON alone, and finds there why a run could not be done, whatever else is left out.
    @Test(arguments: [("INFO", "ERROR"), ("ERROR", "ERROR"), ("FATAL", "FATAL")])
    func aRunThatCannotBeDoneIsALineOfAJSONLog(least: String, level: String) async throws {
        let settings = [
            "AWS_REGION": "eu-central-1", "AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": least,
            "SFTP_FLOW_NAME": "acme",
        ]
        let run = try await BuiltProgram.start("pull", environment: settings).finish(withinSeconds: 30)
        #expect(run.status == 2 && run.output.isEmpty)
        let lines = run.errors.split(separator: "\n")
        #expect(lines.count == 1, "\(run.errors)")
        let fields = try #require(
            try JSONSerialization.jsonObject(with: Data((lines.first ?? "").utf8)) as? [String: Any])
        #expect(fields["level"] as? String == level && fields["message"] as? String == "the run failed")
        #expect(fields["errorType"] as? String == "InvalidSettings" && fields["flow"] as? String == "acme")
        #expect((fields["errorMessage"] as? String)?.contains("SFTP_HOST is not set") == true)
        #expect((fields["requestId"] as? String)?.isEmpty == false)
    }

    @Test(arguments: ["pull", "push", "pushRetry"])
    func helpAndVersionNeedNoSetting(program: String) async throws {
        let help = try await BuiltProgram.start(program, ["--help"], environment: [:]).finish(withinSeconds: 30)
        #expect(help.status == 0 && help.errors.isEmpty)
        #expect(help.output.hasPrefix("Usage:\n  \(program) ") && help.output.contains("SFTP_HOST"))
        let version = try await BuiltProgram.start(program, ["--version"], environment: [:]).finish(withinSeconds: 30)
        #expect(version.status == 0 && version.output.hasPrefix("\(program) (sftp-lambda) "))
        #expect(version.output.contains("libssh2 ") && version.output.contains("OpenSSL"), "\(version.output)")
    }

    @Test(arguments: [Int32(SIGINT), Int32(SIGTERM)])
    func aSignalEndsTheRunInAnOrderlyWay(signal: Int32) async throws {
        let world = try CommandLineWorld()
        try await world.put("outgoing/file", "content")
        try await world.run {
            // A store that never answers: the file is read, and is on its way when the signal comes.
            let silent = try SilentListener()
            let program = try world.start(
                "pull", ["-v"], settings: ["AWS_ENDPOINT_URL": "http://127.0.0.1:\(silent.port)"])
            try await waitUntil("the file is on its way") { silent.hasConnection }
            kill(program.processID, signal)
            let run = try await program.finish(withinSeconds: 20)
            #expect(run.status == 128 + signal, "\(run.errors)")
            #expect(run.output.contains("remaining for the next run: 1"), "\(run.output)")
            #expect(world.read("outgoing/file") == "content")
        }
    }
}
