import CLibCrypto

/// MD5 (RFC 1321), which SQS uses to tell a message that changed on its way. It protects against nothing else.
enum MD5 {
    private static let digestBytes = 16

    /// The digest in lower-case hexadecimal; nil where libcrypto has no MD5, as in its FIPS mode.
    static func hexadecimal(_ bytes: [UInt8]) -> String? {
        var isDone = false
        let digest = [UInt8](unsafeUninitializedCapacity: digestBytes) { buffer, count in
            var length: UInt32 = 0
            isDone = EVP_Digest(bytes, bytes.count, buffer.baseAddress, &length, EVP_md5(), nil) == 1
            count = isDone ? Int(length) : 0
        }
        return isDone ? Text.hexadecimal(digest) : nil
    }

    /// Whether bytes have a digest that was given; true where there is no MD5 to compare with.
    static func matches(_ bytes: [UInt8], _ given: String) -> Bool {
        guard let own = hexadecimal(bytes) else { return true }
        return own == Text.lowercasedASCII(given)
    }
}
