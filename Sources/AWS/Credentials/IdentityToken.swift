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
}
