import CLibCrypto

/// Computes a SHA-256 (FIPS 180-4) over bytes given piece by piece.
///
/// One caller at a time; the type is not `Sendable`. Every failure of libcrypto that is possible here (no memory, no
/// SHA-256 in the library) leaves nothing to go on with, so it ends the process as Swift's own allocations do.
public final class SHA256Hasher {
    /// The length of a digest in bytes.
    public static let digestBytes = 32

    private let context: OpaquePointer

    /// Begins a digest.
    public init() {
        guard let context = EVP_MD_CTX_new() else { preconditionFailure("libcrypto has no memory for a digest") }
        self.context = context
        precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "libcrypto has no SHA-256")
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes.
    public func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// Adds part of an array.
    public func update(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { update($0) } }

    /// The digest of everything that was added. The hasher then begins anew.
    public func finalize() -> [UInt8] {
        let digest = [UInt8](unsafeUninitializedCapacity: Self.digestBytes) { buffer, count in
            var length: UInt32 = 0
            precondition(EVP_DigestFinal_ex(context, buffer.baseAddress, &length) == 1, "SHA-256 failed")
            count = Int(length)
        }
        precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "libcrypto has no SHA-256")
        return digest
    }

    /// A digest in lower-case hexadecimal.
    public static func hexadecimal(_ digest: [UInt8]) -> String { Text.hexadecimal(digest) }

    /// The digest of bytes.
    public static func digest(_ bytes: some Sequence<UInt8>) -> [UInt8] { digest(pieces: [Array(bytes)]) }

    /// The digest of pieces, one after the other, without joining them.
    public static func digest(pieces: [[UInt8]]) -> [UInt8] {
        let hasher = SHA256Hasher()
        for piece in pieces { hasher.update(piece) }
        return hasher.finalize()
    }

    private func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        precondition(EVP_DigestUpdate(context, base, bytes.count) == 1, "SHA-256 failed")
    }
}

/// HMAC with SHA-256 (RFC 2104).
enum HMACSHA256 {
    /// The code of a message under a key.
    static func code(key: [UInt8], message: some Sequence<UInt8>) -> [UInt8] {
        let message = Array(message)
        return [UInt8](unsafeUninitializedCapacity: SHA256Hasher.digestBytes) { buffer, count in
            var length: UInt32 = 0
            let result = HMAC(
                EVP_sha256(), key, Int32(key.count), message, message.count, buffer.baseAddress, &length)
            precondition(result != nil, "HMAC failed")
            count = Int(length)
        }
    }
}
