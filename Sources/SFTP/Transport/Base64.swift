import FoundationEssentials

/// Base64 (RFC 4648, section 4).
enum Base64 {
    /// With padding.
    static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    /// With or without padding; nil when a character or the length is wrong.
    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let digits = text.prefix { $0 != "=" }
        let paddingCount = text.count - digits.count
        let neededCount = (4 - digits.utf8.count % 4) % 4
        guard !digits.isEmpty, paddingCount == 0 || paddingCount == neededCount,
            text.dropFirst(digits.count).allSatisfy({ $0 == "=" })
        else { return nil }
        return Data(base64Encoded: digits + String(repeating: "=", count: neededCount)).map { [UInt8]($0) }
    }
}
