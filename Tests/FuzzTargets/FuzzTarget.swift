/// What reads bytes of others, each with what must be true of it whatever the bytes are.
///
/// The tests call it with the seeds, with what has been found, and with changes of both. That it neither crashes, nor runs for long, nor takes much memory is seen to by who calls it.
public enum FuzzTarget: String, CaseIterable, Sendable {
    /// SFTP packets, however the stream is cut into pieces.
    case packets
    /// What a server says before encryption begins.
    case opening
    /// What a proxy answers before the server is reached.
    case proxy
    /// S3's XML.
    case xml
    /// Listings and errors of S3, once they are XML.
    case listings
    /// Answers of SQS.
    case queue
    /// The heads of HTTP answers: objects of S3, invocations of the Runtime API.
    case head
    /// The files of the AWS tools, and credentials of a container.
    case credentials
    /// Events of Lambda.
    case events
    /// JSON texts.
    case json
    /// SFTP_PRIVATE_KEY
    case privateKey
    /// SFTP_HOST_KEY
    case hostKey
    /// SFTP_PROXY
    case proxyAddress
    /// The environment, and the secret of SFTP_SECRET_ID.
    case settings
    /// The patterns of SFTP_INCLUDE, SFTP_SOURCE_S3_REGEXP_STRIP and SFTP_READY_MARKER, and templates of SFTP_TARGET_NAME,
    /// with what they are compared with.
    case patterns
    /// Object keys and the small encodings.
    case texts
    /// How far pull has come with a file, as it stands in the bucket.
    case checkpoint
    /// What an object's metadata say of where it has been sent or comes from.
    case marks

    /// Works on an input.
    /// - Throws: `FuzzFinding` when something is not as it must be.
    public func run(_ bytes: [UInt8]) throws {
        switch self {
        case .packets: try SFTPFuzzing.packets(bytes)
        case .opening: try SFTPFuzzing.opening(bytes)
        case .proxy: try ProxyFuzzing.answers(bytes)
        case .xml: try AWSFuzzing.xml(bytes)
        case .listings: try AnswerFuzzing.listings(bytes)
        case .queue: try AnswerFuzzing.queue(bytes)
        case .head: try HeadFuzzing.head(bytes)
        case .credentials: try CredentialsFuzzing.credentials(bytes)
        case .events: try EventFuzzing.events(bytes)
        case .json: try EventFuzzing.json(bytes)
        case .privateKey: try SFTPFuzzing.privateKey(bytes)
        case .hostKey: try SFTPFuzzing.hostKey(bytes)
        case .proxyAddress: try ProxyFuzzing.address(bytes)
        case .settings: try SettingsFuzzing.settings(bytes)
        case .patterns: try SettingsFuzzing.patterns(bytes)
        case .texts: try EventFuzzing.texts(bytes)
        case .checkpoint: try KeptFuzzing.checkpoint(bytes)
        case .marks: try KeptFuzzing.marks(bytes)
        }
    }
}

/// Something that is not as it must be.
public struct FuzzFinding: Error, CustomStringConvertible {
    /// What, and of which input.
    public let description: String
}

/// Checks what must be true.
func must(_ isTrue: Bool, _ what: @autoclosure () -> String) throws {
    if !isTrue { throw FuzzFinding(description: what()) }
}

/// Whether a text of ours shows a piece of a secret: as many letters and digits of base64 in a row as no word of ours
/// has.
func shows(_ message: String, pieceOf secret: [UInt8]) -> Bool {
    let shown = Array(message.utf8)
    return secret.split { !isBase64($0) }.contains { run in
        run.count >= pieceBytes && holds(shown, Array(run.prefix(pieceBytes)))
    }
}

private let pieceBytes = 24

private func isBase64(_ byte: UInt8) -> Bool {
    switch UnicodeScalar(byte) {
    case "a"..."z", "A"..."Z", "0"..."9", "+", "/": true
    default: false
    }
}

private func holds(_ bytes: [UInt8], _ piece: [UInt8]) -> Bool {
    guard bytes.count >= piece.count else { return false }
    return (0...(bytes.count - piece.count)).contains { bytes[$0...].starts(with: piece) }
}

/// Whether a text can stand in a line of a log, or be shown on a terminal.
func isOfOneLine(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }
}

extension FuzzTarget {
    /// Throws what a target throws that finds something.
    public static func checkOfTheChecks() throws {
        let secret = Array("AAAAB3NzaC1yc2EAAAADAQABAAABgQC7".utf8)
        try must(shows("wrong: AAAAB3NzaC1yc2EAAAADAQABAAAB…", pieceOf: secret), "a secret is not seen")
        try must(!isOfOneLine("a\nb") && !isOfOneLine("\u{1B}[2J") && isOfOneLine("é"), "lines are not told apart")
        try must(false, "a finding")
    }
}
