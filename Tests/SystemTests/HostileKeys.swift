/// A key that would lead elsewhere if it were believed, and what push does with it.
struct HostileKey: Sendable {
    var key: String
    /// The key for people.
    var shown: String
    /// What the log says; nil when the object is delivered.
    var refusal: String?

    private static let elsewhere = "its path has the name . or .. or one with NUL: it could lead elsewhere"
    private static let empty = "its path has an empty name"

    static let all = [
        Self(key: "../up", shown: "`../up`", refusal: elsewhere),
        Self(key: "a/../../up", shown: "`a/../../up`", refusal: elsewhere),
        Self(key: "a/./b", shown: "`a/./b`", refusal: elsewhere),
        Self(key: "..", shown: "`..`", refusal: elsewhere),
        Self(key: "up\0down", shown: "`up`, NUL, `down`", refusal: elsewhere),
        Self(key: "/etc/passwd", shown: "`/etc/passwd`", refusal: empty),
        Self(key: "a//b", shown: "`a//b`", refusal: empty),
        Self(
            key: "a/" + String(repeating: "n", count: 256), shown: "a name of 256 bytes",
            refusal: "its path has a name of 256 bytes, more than 255"),
        Self(
            key: ".sftp-lambda.0123456789abcdef.x.part", shown: "the name of a temporary file of ours",
            refusal: "its name is one of those that are kept for temporary files"),
        Self(key: "a\\..\\b", shown: "`a\\..\\b`"),
        Self(
            key: "a\n{\"level\":\"INFO\",\"message\":\"forged\"}\n", shown: "a line feed, and behind it a line of a log"
        ),
        Self(
            key: "../\n{\"level\":\"INFO\",\"message\":\"forged\"}\n", shown: "`../`, and behind it a line of a log",
            refusal: elsewhere),
        Self(key: "tab\tline\nfeed\u{1B}[2J", shown: "tab, line feed and escape sequence"),
        Self(
            key: [255, 255, 255, 254, 1].map { String(repeating: "n", count: $0) }.joined(separator: "/"),
            shown: "1,024 bytes, in names of up to 255"),
    ]
}
