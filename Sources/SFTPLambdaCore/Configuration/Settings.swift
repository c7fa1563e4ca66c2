import SFTP
import Transfers

/// Every setting there is. What a function does with them stands in `ConnectionSettings`, `PullSettings` and
/// `PushSettings`.
enum Settings {
    /// The declarations in the order of the documentation.
    static var declarations: [SettingDeclaration] {
        [
            host.declaration, port.declaration, user.declaration, privateKey.declaration,
            privateKeyPassphrase.declaration, password.declaration, secretID.declaration, hostKey.declaration,
            proxy.declaration, readyTimeoutSeconds.declaration, legacyAlgorithms.declaration,
            keepaliveSeconds.declaration, maximumFilesInFlight.declaration, maximumBytesPerSecond.declaration,
            flowName.declaration,
            sourceDirectory.declaration, targetBucket.declaration, targetPrefix.declaration,
            afterPull.declaration, doneDirectory.declaration, fileRetentionDays.declaration,
            minimumFileAgeSeconds.declaration, steadySeconds.declaration, readyMarker.declaration,
            include.declaration, exclude.declaration,
            targetDirectory.declaration, sourceStrip.declaration, targetName.declaration, retryQueue.declaration,
            pushTimeoutSeconds.declaration, fileMode.declaration, directoryMode.declaration, allowInPlace.declaration,
        ]
    }

    /// The names of all settings.
    static var names: [String] { declarations.map(\.name) }

    private static let all = Set(LambdaFunction.allCases)
    private static let pull: Set<LambdaFunction> = [.pull]
    private static let pushes: Set<LambdaFunction> = [.push, .pushRetry]
}

// The connection.
extension Settings {
    static let host = Setting.required(
        "SFTP_HOST", all, expected: "a host name or an IPv4 or IPv6 address", example: "sftp.example.com",
        summary: "The partner's SFTP server.",
        parse: { (text) throws(SettingProblem) in try ServerHost(text) })

    static let port = Setting.optional(
        "SFTP_PORT", all, fallback: 22, fallbackText: "22", expected: "a whole number from 1 to 65535",
        example: "2222", summary: "Its port.", parse: SettingParsers.wholeNumber(1...65_535))

    static let user = Setting.required(
        "SFTP_USER", all, unless: "the secret of SFTP_SECRET_ID holds `Username`", expected: "the name to log in with",
        example: "acme", summary: "The user to log in as.", parse: SettingParsers.oneLine)

    static let privateKey = Setting.required(
        "SFTP_PRIVATE_KEY", all, unless: "SFTP_PASSWORD or SFTP_SECRET_ID is set",
        expected: "the text of a private key (its content, not a file's name), in PEM or OpenSSH form",
        example: "'-----BEGIN OPENSSH PRIVATE KEY-----\\n…\\n-----END OPENSSH PRIVATE KEY-----'", isSecret: true,
        summary: "The private key to log in with: ed25519, ecdsa or RSA, in PEM or OpenSSH form. Line ends may be "
            + "spelt `\\n`. All variables of a function together may have 4 KB: a large RSA key belongs in the secret "
            + "of SFTP_SECRET_ID.",
        parse: SettingParsers.privateKey)

    static let privateKeyPassphrase = Setting.optional(
        "SFTP_PRIVATE_KEY_PASSPHRASE", all, fallbackText: "none", expected: "the passphrase of SFTP_PRIVATE_KEY",
        example: "'correct horse battery staple'", isSecret: true,
        summary: "The passphrase of the private key, if it has one. Taken as it stands, white space included.",
        parse: SettingParsers.secret)

    static let password = Setting.optional(
        "SFTP_PASSWORD", all, fallbackText: "none", expected: "the password of SFTP_USER", example: "'…'",
        isSecret: true,
        summary: "The password to log in with, alone or besides a key. Taken as it stands, white space included.",
        parse: SettingParsers.secret)

    static let secretID = Setting.optional(
        "SFTP_SECRET_ID", all, fallbackText: "none", expected: "the name or ARN of a secret in AWS Secrets Manager",
        example: "sftp/acme",
        summary: "A secret in AWS Secrets Manager: a JSON object with any of `Username`, `PrivateKey`, `Passphrase`, "
            + "`Password` and `HostKey` (text, or a list of texts), as AWS Transfer Family names them, and `Proxy`, as "
            + "SFTP_PROXY. What it holds goes before the variable of the same meaning. Read once by each process, and again "
            + "after the server or the proxy refused the login or the server showed another host key.",
        parse: SettingParsers.oneLine)

    static let hostKey = Setting.optional(
        "SFTP_HOST_KEY", all, fallbackText: "any host key is taken, with a warning that names the line to set",
        expected: "known_hosts lines, public keys or SHA256: fingerprints, one to a line",
        example: "'SHA256:AAAA…'",
        summary: "The server's host keys, of which it must show one before any credential is sent: known_hosts lines, "
            + "bare public keys or `SHA256:` fingerprints, one to a line; line ends may be spelt `\\n`.",
        parse: { (text) throws(SettingProblem) in text })

    static let proxy = Setting.optional(
        "SFTP_PROXY", all, fallbackText: "none: the server is reached directly",
        expected: "socks5://host:port or http://host:port, with user:password@ before the host if need be",
        example: "'socks5://proxy.example.com:1080'", isSecret: true,
        summary:
            "A proxy through which the server is reached: `socks5://` (SOCKS version 5) or `http://` (the method CONNECT), "
            + "then `user:password@` if it asks for them, host and port. Special characters in user and password are "
            + "percent-encoded; both are sent to the proxy as they are. The proxy looks up SFTP_HOST. Requests to AWS do "
            + "not go through it.",
        parse: { (text) throws(SettingProblem) in try ProxyURL.parse(text) })

    static let readyTimeoutSeconds = Setting.optional(
        "SFTP_SSH_READY_TIMEOUT_SECONDS", all, fallback: 20, fallbackText: "20",
        expected: "a whole number of seconds from 1 to 900", example: "20",
        summary: "How long connecting and logging in may take, from the look-up of the name until SFTP answers.",
        parse: SettingParsers.wholeNumber(1...maximumInvocationSeconds))

    static let legacyAlgorithms = Setting.optional(
        "SFTP_LEGACY_ALGORITHMS", all, fallback: [], fallbackText: "none",
        expected: "names separated by commas, of \(LegacyAlgorithm.all.map(\.name).joined(separator: ", "))",
        example: "diffie-hellman-group14-sha1,hmac-sha1",
        summary: "Weak algorithms that a server may still be talked to with, when it has none that is safe: exactly "
            + "those named are added. The error of a server that needs one names the value to set. Names, separated by "
            + "commas: \(LegacyAlgorithm.all.map { "`\($0.name)`" }.joined(separator: ", ")).",
        parse: SettingParsers.legacyAlgorithms)

    static let keepaliveSeconds = Setting.optional(
        "SFTP_KEEPALIVE_SECONDS", all, fallback: 30, fallbackText: "30",
        expected: "a whole number of seconds from 5 to 300, or 0 for never", example: "15",
        summary:
            "When nothing has come from the server for so long, it is asked whether it is still there: so neither a firewall "
            + "nor a server with a limit for idle connections ends one while S3 is slow. After three questions in a row "
            + "without an answer the connection counts as lost. 0: it is never asked.",
        parse: SettingParsers.keepaliveSeconds)

    static let maximumFilesInFlight = Setting.optional(
        "SFTP_MAX_FILES_IN_FLIGHT", all, fallback: 768, fallbackText: "768, and 16 for push and pushRetry",
        expected: "a whole number from 1 to 768", example: "8",
        summary:
            "How many files may be in flight at once, all over one connection: opened, transferred or on their way to their "
            + "last name. push and pushRetry never have more than 16. Fewer spare a weak server, and far away they take longer.",
        parse: SettingParsers.wholeNumber(1...768))

    static let maximumBytesPerSecond = Setting.optional(
        "SFTP_MAX_BYTES_PER_SECOND", all, fallbackText: "whatever the line carries",
        expected: "a whole number of bytes from 65536 to 10000000000, or 0 for no limit", example: "5000000",
        summary:
            "How many bytes a second may pass over the connection, in each direction, those of SSH itself included. Each "
            + "invocation has a connection of its own: how many run at once is a matter of reserved concurrency.",
        parse: SettingParsers.bytesPerSecond)
    static let flowName = Setting.optional(
        "SFTP_FLOW_NAME", all, fallbackText: "the function's name without `-pull`, `-push` or `-pushRetry` at its end",
        expected: "a name on one line", example: "acme",
        summary: "The name of this flow, which every log line carries as `flow`: it tells one partner from others "
            + "where the logs of several are read together.",
        parse: SettingParsers.oneLine)

    /// No Lambda invocation runs longer.
    private static let maximumInvocationSeconds = 900
}

// Server to S3.
extension Settings {
    static let sourceDirectory = Setting.required(
        "SFTP_SOURCE_DIR", pull, expected: "a directory on the server", example: "/outbox",
        summary: "The directory whose tree is pulled. Without a leading `/` it counts from the login directory; `.` is "
            + "the login directory itself.",
        parse: SettingParsers.directory)

    static let targetBucket = Setting.required(
        "SFTP_TARGET_S3_BUCKET", pull, expected: "the name of a bucket or the alias of an access point",
        example: "acme-inbox", summary: "The bucket that takes the files: its name, or the alias of an access point.",
        parse: { (text) throws(SettingProblem) in try BucketName(text) })

    static let targetPrefix = Setting.optional(
        "SFTP_TARGET_S3_PREFIX", pull, fallback: "", fallbackText: "none",
        expected: "the beginning of object keys", example: "acme/",
        summary: "Stands before every object key, as a folder: a `/` at the end is added if missing, one in front is "
            + "dropped. The rest of the key is the file's path below SFTP_SOURCE_DIR.",
        parse: SettingParsers.keyPrefix)

    static let afterPull = Setting.optional(
        "SFTP_AFTER_PULL", pull, fallback: AfterPull.done, fallbackText: "done", expected: "done, delete or keep",
        example: "done",
        summary:
            "What becomes of a file once it is stored. `done`: it moves to SFTP_DONE_DIR. `delete`: it moves there "
            + "too, and the first run an hour or more later removes it; two runs at once would lose content if it went "
            + "sooner. `keep`: nothing on the server is changed, and a file is pulled again only when its size or time "
            + "is not that in the metadata of its object, so objects have to stay as long as files do.",
        parse: SettingParsers.afterPull)

    static let doneDirectory = Setting.optional(
        "SFTP_DONE_DIR", pull, fallback: RemoteName.done, fallbackText: "`.done`",
        expected: "the name of a directory, without `/`", example: "processed",
        summary:
            "The directory for what was pulled: there is one of that name in each directory that files were pulled "
            + "from, and none of them is pulled itself. Whoever changes it names the old one in SFTP_EXCLUDE, or what stands "
            + "there is pulled again. With another name than `.done`, files there that have no object are never removed.",
        parse: SettingParsers.directoryName)

    static let fileRetentionDays = Setting.optional(
        "SFTP_FILE_RETENTION_DAYS", pull, fallback: 0, fallbackText: "0",
        expected: "a whole number of days from 0 to 36500", example: "30",
        summary:
            "Days after its transfer when a file in SFTP_DONE_DIR is deleted. 0 keeps it for ever. With SFTP_AFTER_PULL=done "
            + "only.",
        parse: SettingParsers.wholeNumber(0...36_500))

    static let minimumFileAgeSeconds = Setting.optional(
        "SFTP_MIN_FILE_AGE_SECONDS", pull, fallback: 0, fallbackText: "0",
        expected: "a whole number of seconds from 0 to 31536000", example: "60",
        summary:
            "A file that was changed less than so many seconds ago stays for the next run: its writer may not be "
            + "done.",
        parse: SettingParsers.wholeNumber(0...31_536_000))

    static let steadySeconds = Setting.optional(
        "SFTP_STEADY_SECONDS", pull, fallback: 0, fallbackText: "0",
        expected: "a whole number of seconds from 0 to 300", example: "5",
        summary:
            "A file is looked at a second time so many seconds after it was listed, and stays for the next run unless "
            + "its size and time are what they were. For servers whose clock is wrong, where SFTP_MIN_FILE_AGE_SECONDS "
            + "does not help. Each run that finds a file lasts that much longer, and one that finds thousands "
            + "as much again for each 1,400 of them.",
        parse: SettingParsers.wholeNumber(0...300))

    static let readyMarker = Setting.optional(
        "SFTP_READY_MARKER", pull, fallbackText: "no marker is asked for",
        expected: "a file name in which one * stands for the name of the file", example: "'*.done'",
        summary: "A file is pulled only once another, its marker, stands beside it: with `*.done`, `a.csv` waits for "
            + "`a.csv.done`. A marker older than its file does not count. Markers are not pulled; they go where their "
            + "files go.",
        parse: SettingParsers.readyMarker)

    static let include = Setting.optional(
        "SFTP_INCLUDE", pull, fallback: [], fallbackText: "every file",
        expected: "globs separated by commas or line ends", example: "'*.csv,reports/**'",
        summary:
            "Only files that match one of these globs are pulled. A glob without `/` is compared with the name alone, one "
            + "with `/` with the path below SFTP_SOURCE_DIR; `*` and `?` stay within a name, `**` does not.",
        parse: SettingParsers.globs)

    static let exclude = Setting.optional(
        "SFTP_EXCLUDE", pull, fallback: [], fallbackText: "none",
        expected: "globs separated by commas or line ends", example: "'*.tmp,*.part'",
        summary: "Files that match one of these globs are left alone, even when SFTP_INCLUDE names them.",
        parse: SettingParsers.globs)
}

// S3 to server.
extension Settings {
    static let targetDirectory = Setting.optional(
        "SFTP_TARGET_DIR", pushes, fallback: RemotePath(""), fallbackText: "the login directory",
        expected: "a directory on the server", example: "/inbox",
        summary: "The directory that takes the files. Without a leading `/` it counts from the login directory.",
        parse: SettingParsers.directory)

    static let sourceStrip = Setting.optional(
        "SFTP_SOURCE_S3_REGEXP_STRIP", pushes, fallbackText: "the whole key is the path",
        expected: "a regular expression as JavaScript has them, without look-around and back references",
        example: "'^outbound/'",
        summary: "The first match of this regular expression is cut out of the object key; what is left is the path "
            + "below SFTP_TARGET_DIR. JavaScript's syntax, without look-around and back references.",
        parse: { (text) throws(SettingProblem) in try KeyPattern(text) })

    static let targetName = Setting.optional(
        "SFTP_TARGET_NAME", pushes, fallbackText: "what is left of the key",
        expected: "a path with placeholders, of \(TargetName.placeholders.joined(separator: " "))",
        example: "'{dir}{stem}_{date}{ext}'",
        summary:
            "How each file is called below SFTP_TARGET_DIR: a path with placeholders. Of the key, after "
            + "SFTP_SOURCE_S3_REGEXP_STRIP: `{path}`, all of it; `{dir}`, its directory with the `/` at the end, or nothing; "
            + "`{name}`, the rest; `{stem}` and `{ext}`, the name before its last dot, and from that dot on. Of the time at "
            + "which S3 got the object, in UTC: `{date}` and `{time}`, such as `20260131` and `235959`, or `{year}`, `{month}`, "
            + "`{day}`, `{hour}`, `{minute}`, `{second}`. That time stays the same however often the object is tried. No "
            + "two keys become one file: `{path}`, `{name}`, or `{stem}` and `{ext}` have to be there, and a key with a "
            + "directory fails by name where `{dir}` is missing.",
        parse: SettingParsers.targetName)

    static let retryQueue = Setting.required(
        "SFTP_RETRY_QUEUE_NAME", pushes, expected: "the name, URL or ARN of an SQS queue", example: "acme-retry",
        summary: "The queue for what could not be pushed: its name, URL or ARN. Each flow has its own.",
        parse: { (text) throws(SettingProblem) in try QueueReference(text) })

    static let pushTimeoutSeconds = Setting.optional(
        "SFTP_PUSH_TIMEOUT_SECONDS", pushes, fallback: 0, fallbackText: "0",
        expected: "a whole number of seconds from 0 to 900", example: "120",
        summary: "How long the push of one object may take before it goes to the retry queue. 0: as long as the "
            + "invocation allows.",
        parse: SettingParsers.wholeNumber(0...maximumInvocationSeconds))

    static let fileMode = Setting.optional(
        "SFTP_FILE_MODE", pushes, fallbackText: "what the server gives", expected: "an octal number from 0 to 777",
        example: "640",
        summary: "The permissions of every file that is written, whatever the server's umask. They hold from its "
            + "beginning, under its temporary name, on; until it is complete its owner may write it besides.",
        parse: SettingParsers.mode)

    static let directoryMode = Setting.optional(
        "SFTP_DIRECTORY_MODE", pushes, fallbackText: "what the server gives",
        expected: "an octal number from 300 to 777",
        example: "750",
        summary:
            "The permissions of every directory that is made; its owner has to be able to enter and write it. Those "
            + "that are there keep theirs.",
        parse: SettingParsers.directoryMode)

    static let allowInPlace = Setting.optional(
        "SFTP_ALLOW_IN_PLACE", pushes, fallback: false, fallbackText: "false", expected: "true or false",
        example: "true",
        summary: "Whether a file may be written under its final name when the server permits neither a temporary name "
            + "nor a rename. A transfer that breaks off then leaves half a file there.",
        parse: SettingParsers.boolean)
}
