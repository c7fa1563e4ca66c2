/// Keys arrive in environment variables and secrets in many shapes: with `\n` spelt out for line ends, with CRLF, in
/// quotes, indented, or on one line because the line ends were lost. This brings them back into theirs.
enum KeyText {
    /// The text of a private key, one line end after each line. What is no key comes out as no key: whether it can be
    /// used, the SSH library says.
    static func privateKey(_ text: String) -> String {
        var lines = Self.lines(text)
        if lines.count == 1 { lines = rebuilt(lines[0]) ?? lines }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Lines of host keys: one to a line, without empty ones.
    static func hostKeys(_ text: String) -> String {
        lines(text).filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// The lines, each without white space around it. Neither key format holds a backslash, so every `\n` is a line end.
    private static func lines(_ text: String) -> [String] {
        var text = text.trimmingWhiteSpace()
        for quote in ["\"", "'"] where text.count > 1 && text.hasPrefix(quote) && text.hasSuffix(quote) {
            text = String(text.dropFirst().dropLast()).trimmingWhiteSpace()
        }
        // Scalars, because CRLF is one Character.
        var unescaped = String.UnicodeScalarView()
        var isEscaped = false
        for scalar in text.unicodeScalars {
            switch (isEscaped, scalar) {
            case (true, "n"), (true, "r"): unescaped.append("\n")
            case (true, _): unescaped.append(contentsOf: ["\\", scalar])
            case (false, "\\"): break
            case (false, _): unescaped.append(scalar == "\r" ? "\n" : scalar)
            }
            isEscaped = !isEscaped && scalar == "\\"
        }
        if isEscaped { unescaped.append("\\") }
        let lines = unescaped.split(separator: "\n", omittingEmptySubsequences: false)
            .map { String($0).trimmingWhiteSpace() }
        return withoutDoubledEnds(lines)
    }

    /// CRLF became two line ends above. An empty line means something only after the headers of an encrypted PEM key
    /// (RFC 1421, section 4.4), so the others are dropped.
    private static func withoutDoubledEnds(_ lines: [String]) -> [String] {
        var kept: [String] = []
        for line in lines where !line.isEmpty {
            if let last = kept.last, isHeader(last), !isHeader(line) { kept.append("") }
            kept.append(line)
        }
        return kept
    }

    /// A key on one line, `-----BEGIN … KEY----- base64 -----END … KEY-----`, with its line ends again. Nil when it is
    /// none.
    private static func rebuilt(_ line: String) -> [String]? {
        let dashes = "-----"
        let parts = line.split(separator: dashes, omittingEmptySubsequences: true)
        guard parts.count == 3, parts[0].hasPrefix("BEGIN "), parts[2].hasPrefix("END ") else { return nil }
        var lines = [dashes + parts[0] + dashes]
        var words = parts[1].split(separator: " ")[...]
        while words.count >= 2, let name = words.first, name.hasSuffix(":") {
            lines.append(words.removeFirst() + " " + words.removeFirst())
        }
        if lines.count > 1 { lines.append("") }
        let body = Array(words.joined().utf8)
        for start in stride(from: 0, to: body.count, by: lineBytes) {
            lines.append(String(decoding: body[start..<min(start + lineBytes, body.count)], as: UTF8.self))
        }
        return lines + [dashes + parts[2] + dashes]
    }

    /// The line length of PEM (RFC 7468, section 2).
    private static let lineBytes = 64

    private static func isHeader(_ line: String) -> Bool {
        line.hasPrefix("Proc-Type:") || line.hasPrefix("DEK-Info:")
    }
}
