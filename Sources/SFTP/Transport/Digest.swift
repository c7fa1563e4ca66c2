import CLibCrypto
import TextForms

/// SHA-256, as fingerprints have it.
enum Digest {
    /// The 32 bytes of SHA-256; empty only when libcrypto has no memory.
    static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        var lengthBytes: UInt32 = 0
        guard EVP_Digest(bytes, bytes.count, &digest, &lengthBytes, EVP_sha256(), nil) == 1, lengthBytes == 32 else {
            return []
        }
        return digest
    }

    /// `SHA256:` and base64 without padding, as OpenSSH prints it.
    static func fingerprint(sha256 digest: [UInt8]) -> String {
        "SHA256:" + String(Base64.encode(digest).prefix { $0 != "=" })
    }

    /// The fingerprint of a public key in its wire form (RFC 4253, section 6.6).
    static func fingerprint(ofKey blob: [UInt8]) -> String { fingerprint(sha256: sha256(blob)) }
}
