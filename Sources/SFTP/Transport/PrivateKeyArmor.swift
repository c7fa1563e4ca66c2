import TextForms

/// The outside of a private key: the marks at its beginning and end, the header lines, and the base64 between them.
struct PrivateKeyArmor {
    /// What stands in the marks, such as `OPENSSH PRIVATE KEY`.
    let label: String
    /// The header lines of RFC 1421, such as `Proc-Type: 4,ENCRYPTED`.
    let headers: [String]
    /// The base64, in one piece.
    let base64: String
    /// What the base64 holds.
    let bytes: [UInt8]

    private static let lineLength = 64
    private static let headerNames = ["Proc-Type:", "DEK-Info:"]
    private static let privateLabels = [
        "OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY",
    ]

    /// The key with its line breaks in place.
    var lines: String {
        var text = "-----BEGIN \(label)-----\n"
        if !headers.isEmpty { text += headers.joined(separator: "\n") + "\n\n" }
        var rest = base64[...]
        while !rest.isEmpty {
            text += rest.prefix(Self.lineLength) + "\n"
            rest = rest.dropFirst(Self.lineLength)
        }
        return text + "-----END \(label)-----\n"
    }

    /// Takes the key apart.
    init(_ text: String) throws(SFTPError) {
        let text = String(
            text.replacingAll("\\r", with: "").replacingAll("\\n", with: "\n").replacingAll("\r", with: "\n")
                .trimmingSpacesAndQuotes)
        try Self.refuseOtherThings(text)
        guard let (label, afterBegin) = Self.mark("BEGIN", in: text[...]) else { throw SFTPError(.keyIsNone) }
        guard let known = Self.privateLabels.first(where: { $0.filter { $0 != " " } == label.filter { $0 != " " } })
        else { throw SFTPError(.keyIsNone, seen: Self.shown(label)) }
        guard let (body, endLabel) = Self.body(of: afterBegin) else {
            throw SFTPError(.keyCutOff, seen: "the line `-----END \(known)-----` is missing")
        }
        guard endLabel.filter({ $0 != " " }) == known.filter({ $0 != " " }) else {
            throw SFTPError(.keyDamaged, seen: "it begins as \(known) but ends as \(Self.shown(endLabel))")
        }
        self.label = known
        (headers, base64) = Self.divide(body)
        guard let bytes = Base64.decode(base64) else {
            throw SFTPError(
                .keyDamaged,
                seen: "what stands between its first and last line is not base64, or a part of it is missing")
        }
        self.bytes = bytes
    }

    /// Labels of other things that are pasted by mistake (RFC 7468 and OpenSSL's pem.h).
    private static let otherLabels = [
        "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE", "CERTIFICATE REQUEST", "DSA PRIVATE KEY", "EC PARAMETERS",
        "DH PARAMETERS", "PGP PRIVATE KEY BLOCK", "PGP PUBLIC KEY BLOCK", "SSH2 ENCRYPTED PRIVATE KEY",
    ]

    /// A label for messages. One that is not known is not shown: where a mark is damaged, the key itself stands there.
    private static func shown(_ label: String) -> String {
        (privateLabels + otherLabels).contains(label) ? "a \(label)" : "what is called otherwise"
    }

    /// What else is pasted by mistake, by how it begins.
    private static let otherBeginnings: [(text: String, problem: ServerProblem)] = [
        ("PuTTY-User-Key-File", .keyIsPuTTY), ("---- BEGIN SSH2 ENCRYPTED PRIVATE", .keyIsOfSSH2),
        ("---- BEGIN", .keyIsPublic), ("-----BEGIN PUBLIC", .keyIsPublic), ("-----BEGIN RSA PUBLIC", .keyIsPublic),
        ("ssh-", .keyIsPublic), ("ecdsa-sha2-", .keyIsPublic), ("sk-", .keyIsPublic),
        ("-----BEGIN CERTIFICATE", .keyIsCertificate), ("-----BEGIN DSA PRIVATE", .keyOfOtherKind),
        // `-----BEGIN` in base 64.
        ("LS0tLS1CRUdJTi", .keyIsEncoded),
    ]

    private static let fileBeginnings = ["/", "~", "./", "../", "file:", "$HOME"]
    private static let fileEndings = [".pem", ".key", ".ppk", "id_rsa", "id_ecdsa", "id_ed25519"]

    private static func refuseOtherThings(_ text: String) throws(SFTPError) {
        if text.isEmpty { throw SFTPError(.keyIsNone, seen: "it is empty") }
        if let other = otherBeginnings.first(where: { text.hasPrefix($0.text) }) {
            let isCertificate = text.prefix { !$0.isWhitespace }.hasSuffix("-cert-v01@openssh.com")
            throw SFTPError(
                isCertificate ? .keyIsCertificate : other.problem,
                seen: other.problem == .keyOfOtherKind ? "a DSA key, which today's servers refuse" : "")
        }
        let isOneWord = !text.contains(where: \.isWhitespace)
        if isOneWord, fileBeginnings.contains(where: text.hasPrefix) || fileEndings.contains(where: text.hasSuffix) {
            throw SFTPError(.keyIsFileName)
        }
    }

    /// Finds `-----WORD label-----`, and returns the label and what follows.
    private static func mark(_ word: String, in text: Substring) -> (label: String, rest: Substring)? {
        let opening = "-----\(word)"
        guard let start = text.firstPlace(of: opening)?.upperBound,
            let end = text[start...].firstPlace(of: "-----")
        else { return nil }
        return (String(text[start..<end.lowerBound].trimmingSpacesAndQuotes), text[end.upperBound...])
    }

    private static func body(of text: Substring) -> (body: Substring, endLabel: String)? {
        guard let end = text.firstPlace(of: "-----END"), let (label, _) = mark("END", in: text[end.lowerBound...])
        else { return nil }
        return (text[..<end.lowerBound], label)
    }

    /// Divides headers from base64. With the line breaks lost, only the words are left to go by.
    private static func divide(_ body: Substring) -> (headers: [String], base64: String) {
        var headers: [String] = []
        var base64 = ""
        var words = body.split(whereSeparator: \.isWhitespace)[...]
        while let word = words.popFirst() {
            if headerNames.contains(String(word)), let value = words.popFirst() {
                headers.append("\(word) \(value)")
            } else {
                base64 += word
            }
        }
        return (headers, base64)
    }
}
