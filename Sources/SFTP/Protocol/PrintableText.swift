/// Bytes of the other side as text that is safe in a log and an error: valid UTF-8 stays, control characters and
/// other bytes become `\xNN`, quotes and backslashes get a backslash. At most `limitBytes` of them are shown.
func printableText(_ bytes: some Collection<UInt8>, limitBytes: Int = 1_024) -> String {
    let shown = Array(bytes.prefix(limitBytes))
    let text = String(decoding: shown, as: UTF8.self)
    var result = ""
    if text.utf8.elementsEqual(shown) {
        for scalar in text.unicodeScalars { appendPrintable(scalar, to: &result) }
    } else {
        for byte in shown {
            if byte < 0x80 {
                appendPrintable(UnicodeScalar(byte), to: &result)
            } else {
                appendEscape(byte, to: &result)
            }
        }
    }
    return bytes.count > limitBytes ? result + "…" : result
}

private func appendPrintable(_ scalar: UnicodeScalar, to text: inout String) {
    switch scalar.value {
    case 0..<0x20, 0x7F:
        appendEscape(UInt8(truncatingIfNeeded: scalar.value), to: &text)
    case 0x80...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF:
        // C1 controls, and what turns the direction of text or breaks lines: they could dress a name up as another.
        for byte in String(scalar).utf8 { appendEscape(byte, to: &text) }
    case 0x22, 0x5C:
        text += "\\"
        text.unicodeScalars.append(scalar)
    default:
        text.unicodeScalars.append(scalar)
    }
}

private func appendEscape(_ byte: UInt8, to text: inout String) {
    let digits = String(byte, radix: 16)
    text += digits.count == 1 ? "\\x0" + digits : "\\x" + digits
}
