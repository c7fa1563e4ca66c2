import AWS
import Foundation
import TestKit
import Testing

/// What the programs write, in good runs and in failing ones, holds no secret: logs, errors, answers, messages of the
/// retry queue, arguments and core files.
@Suite(.serialized, .timeLimit(.minutes(5))) struct SecretsTests {
    private static let password = "p%ss w+rd/\"42\"&äö"
    private static let passphrase = "open % sesame+/\"7\""
    private static let otherPassword = "not the p@ssword/+1"
    private static let token = "FwoGZXIvYXdzEBYaD+session/token+=="
    private static let proxyPassword = "p%roxy w+rd/\"43\"&äö"
    private static let otherSecretKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

    /// A way to run, and what has to stand in what it wrote: that shows that it came as far as it should.
    private struct Run {
        var name: String
        var function = "push"
        /// Nil: the notification of an object.
        var event: String?
        var settings: [String: String]
        var sign: String
    }

    @Test func nothingThatIsWrittenHoldsASecret() async throws {
        let keys = try Keys()
        var traces = SecretTraces()
        for (name, key) in keys.all { traces.add(name, key: key) }
        for (name, secret) in [
            ("the password", Self.password), ("the passphrase", Self.passphrase),
            ("another password", Self.otherPassword), ("the session token", Self.token),
            ("another secret access key", Self.otherSecretKey), ("the proxy's password", Self.proxyPassword),
            ("the proxy's login", "acme:\(Self.proxyPassword)"),
        ] { traces.add(name, secret) }

        let world = try PushWorld(
            sshd: { options in
                options.authorizedKeys = [keys.publicLine]
                options.password = Self.password
            },
            secrets: { server in
                func document(_ fields: [String: String]) throws -> String {
                    String(decoding: try JSONEncoder().encode(fields), as: UTF8.self)
                }
                return [
                    "good": try document([
                        "Username": server.user, "PrivateKey": keys.encrypted, "Passphrase": Self.passphrase,
                        "Password": Self.password,
                    ]),
                    "wrong": try document([
                        "Username": server.user, "PrivateKey": keys.strange, "Password": Self.otherPassword,
                    ]),
                    "cut": String(try document(["Password": Self.password, "PrivateKey": keys.encrypted]).dropLast(9)),
                    "list": "[\"\(Self.otherPassword)\"]",
                    "proxied": try document([
                        "Username": server.user, "Password": Self.password,
                        "Proxy": Self.proxy("http", port: server.port),
                    ]),
                    "badly proxied": try document([
                        "Username": server.user, "Password": Self.password, "Proxy": Self.proxy("http"),
                    ]),
                ]
            })
        traces.add("the secret access key", world.aws.secretAccessKey)
        traces.add("the key of the server's user", key: try world.serverKey())
        try await world.run {
            for (number, run) in Self.runs(keys, serverPort: world.serverPort).enumerated() {
                let version = try await world.put("file-\(number)", sampleBytes(100))
                // In turn, so that both forms of lines and both ends of the levels are seen.
                let extra = [
                    "AWS_LAMBDA_LOG_FORMAT": number % 2 == 0 ? "JSON" : "Text", "AWS_LAMBDA_LOG_LEVEL": "TRACE",
                ]
                let function = try world.start(run.function, settings: run.settings.merging(extra) { $1 })
                let event = try run.event ?? PushWorld.notification(of: version)
                let written = try await Self.written(by: function, on: event)
                #expect(written.contains(run.sign), "\(run.name):\n\(written.suffix(3000))")
                #expect(traces.found(in: written) == [], "\(run.name)")
                function.stop()
            }
            let messages = try await world.sqs.receiveMessages(from: world.queue, waitSeconds: 0).messages
            #expect(!messages.isEmpty)
            #expect(traces.found(in: messages.map(\.body).joined()) == [])
        }
    }

    /// A proxy that wants a password; without a port no such thing can be.
    private static func proxy(_ kind: String, port: Int? = nil) -> String {
        let password = proxyPassword.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        return "\(kind)://acme:\(password)@127.0.0.1" + (port.map { ":\($0)" } ?? "")
    }

    private static func runs(_ keys: Keys, serverPort: Int) -> [Run] {
        let noKey = ["SFTP_PRIVATE_KEY": ""]
        let withPassphrase = ["SFTP_PRIVATE_KEY": keys.encrypted, "SFTP_PRIVATE_KEY_PASSPHRASE": passphrase]
        return [
            Run(name: "a key with its passphrase", settings: withPassphrase, sign: #""delivered":1"#),
            Run(
                name: "a password", settings: noKey.merging(["SFTP_PASSWORD": password]) { $1 },
                sign: #""delivered":1"#),
            Run(
                name: "a secret", settings: noKey.merging(["SFTP_SECRET_ID": "good"]) { $1 }, sign: #""delivered":1"#),
            Run(
                name: "pull", function: "pull",
                settings: withPassphrase.merging(
                    ["SFTP_SOURCE_DIR": ".", "SFTP_TARGET_S3_BUCKET": PushWorld.bucket]) { $1 },
                sign: #""transferred":"#),
            Run(
                name: "a key that the server does not know", settings: ["SFTP_PRIVATE_KEY": keys.strange],
                sign: "was refused"),
            Run(
                name: "a wrong password", settings: noKey.merging(["SFTP_PASSWORD": otherPassword]) { $1 },
                sign: "was refused"),
            Run(
                name: "a wrong passphrase",
                settings: withPassphrase.merging(["SFTP_PRIVATE_KEY_PASSPHRASE": otherPassword]) { $1 },
                sign: "cannot be decrypted"),
            Run(
                name: "no passphrase", settings: ["SFTP_PRIVATE_KEY": keys.encrypted],
                sign: "SFTP_PRIVATE_KEY_PASSPHRASE"),
            Run(
                name: "half a key", settings: ["SFTP_PRIVATE_KEY": String(keys.strange.prefix(200))],
                sign: "SFTP_PRIVATE_KEY"),
            Run(
                name: "a key without its frame",
                settings: ["SFTP_PRIVATE_KEY": keys.strange.split(separator: "\n")[1...3].joined(separator: "\n")],
                sign: "SFTP_PRIVATE_KEY"),
            Run(
                name: "a damaged frame",
                settings: [
                    "SFTP_PRIVATE_KEY": keys.strange.replacing("BEGIN OPENSSH PRIVATE KEY-----", with: "BEGIN ")
                ],
                sign: "SFTP_PRIVATE_KEY holds no private key"),
            Run(
                name: "the key as host key", settings: ["SFTP_HOST_KEY": keys.strange],
                sign: "SFTP_HOST_KEY cannot be used (line"),
            Run(
                name: "another host key",
                settings: withPassphrase.merging(["SFTP_HOST_KEY": "SHA256:" + String(repeating: "A", count: 43)]) {
                    $1
                },
                sign: "No credential was sent"),
            Run(
                name: "a secret with a login that is refused",
                settings: noKey.merging(["SFTP_SECRET_ID": "wrong"]) { $1 }, sign: "was refused"),
            Run(
                name: "a secret that is cut off", settings: noKey.merging(["SFTP_SECRET_ID": "cut"]) { $1 },
                sign: "SFTP_SECRET_ID"),
            Run(
                name: "a secret that is a list", settings: noKey.merging(["SFTP_SECRET_ID": "list"]) { $1 },
                sign: "SFTP_SECRET_ID"),
            Run(
                name: "AWS refuses the signature",
                settings: withPassphrase.merging(["AWS_SECRET_ACCESS_KEY": otherSecretKey]) { $1 },
                sign: "HeadObject partner-files/file-16: 403"),
            Run(
                name: "AWS refuses the token",
                settings: withPassphrase.merging(
                    ["AWS_SECRET_ACCESS_KEY": otherSecretKey, "AWS_SESSION_TOKEN": token]) { $1 },
                sign: "RetryQueueUnavailable"),
            Run(
                name: "a SOCKS5 proxy that is none", settings: ["SFTP_PROXY": proxy("socks5", port: serverPort)],
                sign: "looks like SSH"),
            Run(
                name: "an HTTP proxy that is none", settings: ["SFTP_PROXY": proxy("http", port: serverPort)],
                sign: "looks like SSH"),
            Run(
                name: "a proxy with a fault",
                settings: ["SFTP_PROXY": "http://acme:\(proxyPassword)@127.0.0.1:\(serverPort)"], sign: "SFTP_PROXY"),
            Run(name: "a proxy without a port", settings: ["SFTP_PROXY": proxy("socks5")], sign: "names no port"),
            Run(
                name: "a proxy of another kind", settings: ["SFTP_PROXY": proxy("https", port: serverPort)],
                sign: "TLS to a proxy is not spoken"),
            Run(
                name: "a proxy of a secret", settings: noKey.merging(["SFTP_SECRET_ID": "proxied"]) { $1 },
                sign: "The secret proxied holds"),
            Run(
                name: "a proxy of a secret, without a port",
                settings: noKey.merging(["SFTP_SECRET_ID": "badly proxied"]) { $1 },
                sign: "has a Proxy that names no port"),
            Run(
                name: "a check through a proxy that is none", event: #"{"action":"check"}"#,
                settings: noKey.merging(["SFTP_SECRET_ID": "proxied"]) { $1 }, sign: "looks like SSH"),
        ]
    }

    /// Everything that a function wrote while it worked on an event, and what others can see of its process.
    private static func written(by function: PushedFunction, on event: String) async throws -> String {
        let outcome = try await function.outcome(of: event)
        let seen = try await function.api.requests()
        var parts = [outcome.text, outcome.log, await function.log]
        parts += seen.flatMap { [$0.path, $0.body] + $0.headers.map { "\($0.key): \($0.value)" } }
        if let process = try await function.api.functionState().processID {
            parts.append(try proc(process, "cmdline"))
            parts.append(try proc(process, "comm"))
            // No child could be given a secret, because there is none.
            for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task") {
                #expect(try proc(process, "task/\(thread)/children") == "")
            }
        }
        return parts.joined(separator: "\n")
    }

    private static func proc(_ process: Int32, _ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: "/proc/\(process)/\(name)")), as: UTF8.self)
    }

    /// A program that dies leaves no core file, though the system would write one.
    @Test func programThatDiesLeavesNoCoreFile() async throws {
        let restore = raiseCoreLimit()
        defer { restore() }
        let world = try PushWorld()
        try await world.run {
            // Else Swift's own program for crashes, which is in no zip, looks into it first.
            let push = try world.start("push", settings: ["SWIFT_BACKTRACE": "enable=no"])
            _ = try await push.invoke(PushWorld.notification(of: world.put("a", sampleBytes(10))))
            let process = try await push.processID()
            let limits = try Self.proc(process, "limits").split(separator: "\n")
            let core = try #require(limits.first { $0.hasPrefix("Max core file size") })
            #expect(core.split(separator: " ").dropFirst(4).prefix(2) == ["1", "1"])
            try await push.signal(SIGABRT)
            try await waitUntil("it is gone") { try await push.api.functionState().processID != process }
            #expect(try Self.coreFiles(in: world.folder.url) == [])
        }
    }

    /// That a program without that limit leaves one, where the system writes core files beside the program.
    @Test(.enabled(if: writesCoreFiles, "this system gives core files to a program, or writes none"))
    func programWithoutTheLimitLeavesACoreFile() throws {
        let restore = raiseCoreLimit()
        defer { restore() }
        let folder = try TemporaryFolder()
        #expect(throws: ToolFailure.self) {
            try Tool.run("/bin/sh", "-c", "cd '\(folder.url.path)' && sh -c 'kill -ABRT $$'; exit 1")
        }
        #expect(try Self.coreFiles(in: folder.url) != [])
    }

    private static let writesCoreFiles: Bool = {
        // A system without that file writes none.
        let pattern = (try? String(contentsOfFile: "/proc/sys/kernel/core_pattern", encoding: .utf8)) ?? "|"
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
        return pattern.hasPrefix("core") && limit.rlim_max > 1 << 24
    }()

    /// As far as it goes: children inherit it.
    /// - Returns: what sets it as it was.
    private func raiseCoreLimit() -> () -> Void {
        let core = __rlimit_resource_t(RLIMIT_CORE.rawValue)
        var before = rlimit()
        getrlimit(core, &before)
        var raised = rlimit(rlim_cur: before.rlim_max, rlim_max: before.rlim_max)
        setrlimit(core, &raised)
        return { [before] in
            var limit = before
            setrlimit(core, &limit)
        }
    }

    private static func coreFiles(in folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix("core") }
    }

    /// Every variable that makes some other program believe any certificate: none makes ours.
    @Test func noVariableSwitchesTheVerificationOff() async throws {
        let folder = try TemporaryFolder()
        let pair = try Self.certificate(in: folder)
        let server = try StandIn(
            "https_server.py", ["--certificate", pair.certificate, "--key", pair.key], workFolder: folder.url)
        defer { server.stop() }
        let world = try PushWorld()
        try await world.run {
            let endpoint = "https://localhost:\(try #require(server.ready["port"]))"
            let push = try world.start(
                "push",
                settings: [
                    "AWS_ENDPOINT_URL": endpoint, "CURL_CA_BUNDLE": "", "CURL_INSECURE": "1", "SSL_NO_VERIFY": "1",
                    "SSL_VERIFY": "0", "NODE_TLS_REJECT_UNAUTHORIZED": "0", "PYTHONHTTPSVERIFY": "0",
                    "GIT_SSL_NO_VERIFY": "true", "AWS_CA_BUNDLE": "", "SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": "",
                    "AWS_NO_VERIFY_SSL": "1", "CURL_HOME": folder.url.path, "HOME": folder.url.path,
                    // Honoured by the curl command and by OpenSSL's defaults, and not by us.
                    "SSL_CERT_DIR": folder.url.path,
                ])
            let outcome = try await push.outcome(of: PushWorld.notification(of: world.put("a", sampleBytes(10))))
            #expect(outcome.text.contains("RetryQueueUnavailable"), "\(outcome.text)")
            let log = await push.log
            #expect(log.contains("certificate"), "\(log.suffix(2000))")
            // No request has got through the handshake.
            let seen = try String(contentsOf: server.log, encoding: .utf8)
            #expect(!seen.contains("HTTP/1.1") && seen.contains("127.0.0.1"), "\(seen)")
        }
    }

    private static func certificate(in folder: TemporaryFolder) throws -> (certificate: String, key: String) {
        let base = folder.url.appendingPathComponent("untrusted").path
        try Tool.run(
            "/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "\(base).key",
            "-out", "\(base).crt")
        try Data("insecure\n".utf8).write(to: folder.url.appendingPathComponent(".curlrc"))
        return ("\(base).crt", "\(base).key")
    }

    @Test func searchFindsASecretInEveryForm() throws {
        let keys = try Keys()
        var traces = SecretTraces()
        traces.add("the password", Self.password)
        traces.add("the key", key: keys.strange)
        let encoded = [
            Self.password, Self.password.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "",
            String(decoding: try JSONEncoder().encode(["password": Self.password]), as: UTF8.self),
            String(decoding: try JSONEncoder().encode(["password": Self.password]), as: UTF8.self)
                .replacing("\\/", with: "/"),
            keys.strange, keys.strange.replacing("\n", with: "\\n"), keys.strange.replacing("\n", with: ""),
        ]
        for text in encoded { #expect(!traces.found(in: "before \(text) behind").isEmpty, "\(text)") }
        for before in ["", "a", "ab"] {
            let text = Data("\(before)\(Self.password) behind".utf8).base64EncodedString()
            #expect(!traces.found(in: text).isEmpty, "\(text)")
        }
        #expect(traces.found(in: keys.publicLine).isEmpty)
    }

    /// Keys of a test's own.
    private struct Keys {
        /// Of the user, with the passphrase.
        let encrypted: String
        let publicLine: String
        /// Nobody's, without a passphrase.
        let strange: String
        private let plain: String

        var all: [(String, String)] {
            [("the key", encrypted), ("the key, decrypted", plain), ("a strange key", strange)]
        }

        init() throws {
            let folder = try TemporaryFolder()
            func made(_ name: String, _ passphrase: String) throws -> String {
                let path = folder.url.appendingPathComponent(name).path
                try Tool.run(
                    "/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-a", "4", "-N", passphrase, "-C", name, "-f", path)
                return path
            }
            let path = try made("own", "")
            plain = try String(contentsOfFile: path, encoding: .utf8)
            publicLine = try String(contentsOfFile: "\(path).pub", encoding: .utf8).trimmingCharacters(in: .newlines)
            try Tool.run(
                "/usr/bin/ssh-keygen", "-q", "-p", "-a", "4", "-P", "", "-N", SecretsTests.passphrase, "-f", path)
            encrypted = try String(contentsOfFile: path, encoding: .utf8)
            strange = try String(contentsOfFile: try made("strange", ""), encoding: .utf8)
        }
    }
}
