/// Text that proves to a service who asks. It never enters an error.
enum IdentityToken {
    /// The token in a file, as it is now.
    /// - Parameter variable: what names the file, for errors.
    static func read(
        _ path: String, of variable: String, _ files: FileReader
    ) throws(CredentialsError) -> String {
        let content: [UInt8]?
        do throws(FileReadError) { content = try files.read(path) } catch {
            throw CredentialsError("\(variable): \(error)")
        }
        guard let content else { throw CredentialsError("\(variable): no file at \(printable(path))") }
        let token = Text.trimmed(String(decoding: content, as: UTF8.self))
        guard !token.isEmpty else { throw CredentialsError("\(variable): the file \(printable(path)) is empty") }
        return try checked(token, of: variable)
    }

    /// The token, if it can stand in a header and in a form.
    static func checked(_ token: String, of variable: String) throws(CredentialsError) -> String {
        guard token.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
            throw CredentialsError("\(variable): the token holds a line break or another control character")
        }
        return token
    }

    /// How much of a token may show: its beginning is much the same in all of a kind, and says nothing.
    static let harmlessBytes = 31

    /// Whether a text shows a piece of the token that is longer than `harmlessBytes`, or all of a shorter one. A text
    /// that was cut may end in the middle of the token.
    static func shows(_ text: String, pieceOf token: String) -> Bool {
        let length = min(harmlessBytes + 1, token.utf8.count)
        guard length > 0 else { return false }
        let pieces = Set(slices(of: token, length))
        return slices(of: text, length).contains(where: pieces.contains)
    }

    private static func slices(of text: String, _ length: Int) -> [ArraySlice<UInt8>] {
        let bytes = Array(text.utf8)
        guard bytes.count >= length else { return [] }
        return (0...bytes.count - length).map { bytes[$0..<$0 + length] }
    }
}
