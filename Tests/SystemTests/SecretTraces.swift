import Foundation

/// Looks for secrets in what a program wrote, in the forms in which they could come to stand there.
struct SecretTraces {
    /// What to look for: the name of the secret, the form, and the text.
    private var signs: [(name: String, form: String, text: String)] = []

    /// A shorter piece says too little: it could stand there by accident.
    private static let leastBytes = 8

    /// Adds a secret of one line, such as a password.
    mutating func add(_ name: String, _ secret: String) {
        let bytes = Array(secret.utf8)
        precondition(bytes.count >= Self.leastBytes, "\(name) is too short to be looked for")
        signs.append((name, "plain", secret))
        signs.append((name, "percent-encoded", Self.percentEncoded(bytes, upper: true)))
        signs.append((name, "percent-encoded", Self.percentEncoded(bytes, upper: false)))
        signs.append((name, "form-encoded", Self.percentEncoded(bytes, upper: true).replacing("%20", with: "+")))
        // Ours leaves slashes as they are, others do not.
        signs.append((name, "in JSON", Self.json(secret)))
        signs.append((name, "in JSON", Self.json(secret).replacing("\\/", with: "/")))
        signs.append((name, "hexadecimal", bytes.map { String(format: "%02x", $0) }.joined()))
        // Within longer text, its base64 begins at one of three places; the ends depend on the neighbours.
        for before in 0..<3 {
            let text = Data([UInt8](repeating: 0, count: before) + bytes).base64EncodedString()
            let inner = text.dropFirst(before == 0 ? 0 : 4).prefix { $0 != "=" }.dropLast(2)
            signs.append((name, "base64", String(inner)))
        }
    }

    /// Adds a private key: each line of its secret part is one secret.
    mutating func add(_ name: String, key: String) {
        let lines = key.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("-----") }.map(String.init)
        // OpenSSH's form begins with the public part, which may be known: log lines name its fingerprint.
        for line in lines.suffix(max(1, lines.count - 2)) where line.utf8.count >= 16 { add(name, line) }
    }

    /// Where which secret stands in the text. The text around it, without the secret, is for the person who looks.
    func found(in text: String) -> [String] {
        signs.compactMap { sign in
            guard let place = text.range(of: sign.text) else { return nil }
            let before = text[..<place.lowerBound].suffix(120)
            return "\(sign.name) (\(sign.form)) behind: \(before)"
        }
    }

    private static func percentEncoded(_ bytes: [UInt8], upper: Bool) -> String {
        bytes.map { byte in
            let isPlain = UnicodeScalar(byte).properties.isAlphabetic && byte < 128 || (0x30...0x39).contains(byte)
            return isPlain ? String(UnicodeScalar(byte)) : String(format: upper ? "%%%02X" : "%%%02x", byte)
        }.joined()
    }

    private static func json(_ text: String) -> String {
        // A text is always JSON.
        let bytes = (try? JSONEncoder().encode([text])) ?? Data()
        return String(decoding: bytes.dropFirst(2).dropLast(2), as: UTF8.self)
    }
}
