import TextForms

/// The host keys that the partner's server may show: the value of SFTP_HOST_KEY.
///
/// Entries stand on lines of their own, or are divided by a literal `\n` or a comma. Each is one of
/// - a line of known_hosts: `sftp.example.com ssh-ed25519 AAAA…`, also with `[host]:port`, several hosts or a hashed
///   host. The host is not compared, because the whole setting is for one server;
/// - a public key, with or without its type and a comment: `ssh-ed25519 AAAA… comment`, `AAAA…`;
/// - a fingerprint: `SHA256:…`, also inside a line of `ssh-keygen -l`;
/// - `@revoked` before a line or key: that key is refused, even if another entry names it.
///
/// Lines that begin with `#` are comments.
public struct HostKeyPolicy: Sendable, Hashable {
    /// Keys that are accepted.
    private(set) var keys: [PublicKey] = []
    /// SHA-256 digests of keys that are accepted.
    private(set) var digests: [[UInt8]] = []
    /// Keys that are refused whatever else is said.
    private(set) var revoked: [PublicKey] = []

    /// Any host key is taken, with a warning that says how to change that.
    public static let unset = HostKeyPolicy()

    private init() {}

    /// Whether any host key is taken.
    public var isUnset: Bool { keys.isEmpty && digests.isEmpty }

    /// Reads the setting. An empty text is `unset`.
    /// - Throws: `SFTPError` of step `.hostKey` that says which entry is wrong, and what was expected there.
    public init(parsing text: String) throws(SFTPError) {
        let lines = text.replacingAll("\\r\\n", with: "\n").replacingAll("\\n", with: "\n")
            .split(omittingEmptySubsequences: false) { $0.isNewline }
        for (index, line) in lines.enumerated() {
            let trimmed = line.trimmingSpacesAndQuotes
            if trimmed.isEmpty || trimmed.hasPrefix("#") { continue }
            try add(line: trimmed, number: index + 1)
        }
        guard revoked.isEmpty || !isUnset else {
            throw SFTPError(
                .hostKeyUnreadable, seen: "it names only revoked keys", remedy: "add the key that the server has now")
        }
    }

    /// What to make of the key that a server shows.
    enum Verdict: Equatable {
        case accepted
        case unknown
        case revoked
    }

    /// Compares the server's key with the entries.
    func verdict(on key: PublicKey, sha256 digest: [UInt8]) -> Verdict {
        if revoked.contains(key) { return .revoked }
        return keys.contains(key) || digests.contains(digest) ? .accepted : .unknown
    }

    /// The fingerprints of what is accepted, for messages.
    var expectedFingerprints: [String] {
        keys.map { "\($0.type) \($0.fingerprint)" } + digests.map { Digest.fingerprint(sha256: $0) }
    }

    /// The order in which to ask the server for its host keys: those that are expected first, so that a server with
    /// several shows the one we know. The others follow, so that a server that has changed its key is told apart
    /// from one that cannot be talked to.
    /// - Parameter legacy: what is switched on besides. Behind an expected key's own algorithms, if it is one of them:
    ///   else a server that has a second key would show that.
    func algorithmPreference(legacy: [String] = []) -> [String] {
        let expected = keys.flatMap { key in key.signatureAlgorithms + legacy.filter { $0 == key.type } }
        var seen: Set<String> = []
        return (expected + Self.standardAlgorithms + legacy).filter { seen.insert($0).inserted }
    }

    /// Whether an RSA key is expected.
    var expectsRSA: Bool { keys.contains { $0.type == PublicKey.rsaType } }

    private static let standardAlgorithms = [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "rsa-sha2-512",
        "rsa-sha2-256",
    ]

    private static let keyTypes: Set<String> = [
        "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    ]

    // MARK: Reading

    private struct Place {
        let line: Int
        let entry: Int
    }

    private mutating func add(line: Substring, number: Int) throws(SFTPError) {
        let pieces = line.split(separator: ",").map(\.trimmingSpacesAndQuotes)
        // The hosts of a known_hosts line are divided by commas too: such a piece is one word, and a key follows.
        var hostsPending = 0
        for (index, piece) in pieces.enumerated() where !piece.isEmpty {
            let place = Place(line: number, entry: index + 1)
            let isLast = index == pieces.count - 1
            let entryCount = keys.count + revoked.count + digests.count
            try add(entry: piece, place, mayBeHost: !isLast, afterHosts: hostsPending > 0)
            hostsPending = keys.count + revoked.count + digests.count == entryCount ? hostsPending + 1 : 0
        }
        if hostsPending > 0 { throw Self.fault(Place(line: number, entry: pieces.count), "it names hosts but no key") }
    }

    private mutating func add(
        entry: Substring, _ place: Place, mayBeHost: Bool, afterHosts: Bool
    ) throws(SFTPError) {
        var words = entry.split(whereSeparator: \.isWhitespace)
        var isRevoked = false
        if let marker = words.first, marker.hasPrefix("@") {
            guard marker == "@revoked" else {
                let shown = printableText(marker.utf8, limitBytes: 20)
                throw Self.fault(place, "\(shown) is not supported: name the host key itself, not its authority")
            }
            isRevoked = true
            words.removeFirst()
        }
        if let fingerprint = words.first(where: { $0.hasPrefix("SHA256:") }), !isRevoked {
            return digests.append(try Self.digest(fingerprint, place))
        }
        if let index = words.firstIndex(where: { Self.keyTypes.contains(String($0)) }) {
            let key = try Self.key(words.dropFirst(index + 1).first, type: String(words[index]), place)
            return isRevoked ? revoked.append(key) : keys.append(key)
        }
        if words.count <= 2, let word = words.first, word.hasPrefix("AAAA") {
            let key = try Self.key(word, type: nil, place)
            return isRevoked ? revoked.append(key) : keys.append(key)
        }
        if let fault = Self.knownFault(words) { throw Self.fault(place, fault) }
        if words.count == 1, mayBeHost, !isRevoked { return }
        if afterHosts { throw Self.fault(place, "no key follows its host names") }
        throw Self.fault(place, "it is none of these")
    }

    private static func knownFault(_ words: [Substring]) -> String? {
        if words.contains(where: { $0.hasSuffix("-cert-v01@openssh.com") }) { return "certificates are not supported" }
        if words.contains(where: { $0.hasPrefix("MD5:") || $0.split(separator: ":").count == 16 }) {
            return "MD5 fingerprints prove nothing"
        }
        if words.contains("ssh-dss") { return "DSA keys are not supported" }
        if words.contains(where: { $0.hasPrefix("-----BEGIN") }) { return "it is a PEM file" }
        return nil
    }

    private static func digest(_ word: Substring, _ place: Place) throws(SFTPError) -> [UInt8] {
        guard let digest = Base64.decode(word.dropFirst("SHA256:".count)), digest.count == 32 else {
            throw fault(place, "after SHA256: 43 characters of base64 have to follow")
        }
        return digest
    }

    private static func key(_ word: Substring?, type: String?, _ place: Place) throws(SFTPError) -> PublicKey {
        guard let word else { throw fault(place, "nothing follows \(type ?? "the type")") }
        guard let blob = Base64.decode(word), let key = PublicKey(blob: blob) else {
            throw fault(place, "the key's base64 is damaged or cut off")
        }
        guard type == nil || type == key.type else {
            throw fault(place, "it says \(type ?? "") before a key of type \(key.type)")
        }
        guard keyTypes.contains(key.type) else { throw fault(place, "keys of type \(key.type) are not supported") }
        guard isWhole(key) else { throw fault(place, "the key's base64 is damaged or cut off") }
        return key
    }

    /// Whether the key is made of whole strings only: base64 that was cut off still decodes.
    private static func isWhole(_ key: PublicKey) -> Bool {
        var reader = KeyBlobReader(key.blob)
        var count = 0
        while !reader.isAtEnd {
            guard reader.string() != nil else { return false }
            count += 1
        }
        return count == (key.type == "ssh-ed25519" ? 2 : 3)
    }

    private static func fault(_ place: Place, _ what: String) -> SFTPError {
        SFTPError(.hostKeyUnreadable, seen: "line \(place.line), entry \(place.entry): \(what)")
    }
}

extension StringProtocol {
    /// The text without the white space and the quotation marks around it, which settings often bring along.
    var trimmingSpacesAndQuotes: Substring {
        func isOuter(_ character: Character) -> Bool {
            character.isWhitespace || character == "\"" || character == "'" || character == "\u{FEFF}"
        }
        var text = Substring(self)
        while let first = text.first, isOuter(first) { text.removeFirst() }
        while let last = text.last, isOuter(last) { text.removeLast() }
        return text
    }
}
