import Glibc

/// A private key as people paste it into a setting, made whole: literal `\n`, CRLF, quotation marks around it and
/// lost line breaks do no harm. What is inside is looked at as far as it is not encrypted, so that a fault is found
/// before the server is bothered, and is named.
public final class PrivateKeyText: Sendable {
    /// How the key is written down.
    public enum Form: String, Sendable {
        /// `BEGIN OPENSSH PRIVATE KEY`
        case openSSH = "OpenSSH"
        /// `BEGIN RSA PRIVATE KEY`
        case pkcs1 = "PKCS #1"
        /// `BEGIN EC PRIVATE KEY`
        case sec1 = "SEC 1"
        /// `BEGIN PRIVATE KEY` or `BEGIN ENCRYPTED PRIVATE KEY`
        case pkcs8 = "PKCS #8"
    }

    /// How the key is written down.
    public let form: Form
    /// Whether a passphrase is needed.
    public let isEncrypted: Bool
    /// The kind of key as SSH names it, such as `ssh-rsa`; nil when it is hidden by the encryption.
    public let keyType: String?
    /// The fingerprint of its public key, as `ssh-keygen -l` prints it; nil when the form does not show it.
    public let fingerprint: String?
    /// The key in lines of 64 characters, as libssh2 reads it. Wiped when this object goes.
    let pem: SecretBytes

    /// Reads a private key.
    /// - Throws: `SFTPError` of step `.authentication`, reason `.invalidConfiguration`, that says what is wrong with
    ///   it. No part of the key is in it.
    public init(_ text: String) throws(SFTPError) {
        let armor = try PrivateKeyArmor(text)
        let content = try PrivateKeyContent(armor)
        form = content.form
        isEncrypted = content.isEncrypted
        keyType = content.keyType
        fingerprint = content.publicKey?.fingerprint
        pem = SecretBytes(armor.lines)
    }

    /// Such as `ssh-ed25519 SHA256:…`, for messages.
    var name: String {
        let kind = keyType ?? "a kind hidden by its encryption"
        return fingerprint.map { "\(kind) \($0)" } ?? kind
    }
}

/// Bytes that are wiped when their owner goes.
final class SecretBytes: @unchecked Sendable {
    // Proof for @unchecked: the buffer is filled before `init` returns and changed only by `deinit`, when nobody
    // else has a reference; between the two it is only read. It is our own allocation, so no copy of it is shared.
    private let buffer: UnsafeMutableRawBufferPointer

    /// Copies text, and ends it with a zero byte that does not count.
    init(_ text: String) {
        let utf8 = Array(text.utf8)
        buffer = .allocate(byteCount: utf8.count + 1, alignment: 16)
        buffer.copyBytes(from: utf8)
        buffer[utf8.count] = 0
    }

    /// The number of bytes.
    var count: Int { buffer.count - 1 }

    /// Lends the bytes as a C string.
    func withCString<Result>(_ body: (UnsafePointer<CChar>) throws(SFTPError) -> Result) throws(SFTPError) -> Result {
        guard let start = buffer.baseAddress else {
            preconditionFailure("a buffer of at least one byte has an address")
        }
        return try body(UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self))
    }

    /// Copies the bytes and the zero byte behind them.
    func copy(to target: UnsafeMutableRawPointer) {
        if let start = buffer.baseAddress { target.copyMemory(from: start, byteCount: buffer.count) }
    }

    deinit {
        if let start = buffer.baseAddress { explicit_bzero(start, buffer.count) }
        buffer.deallocate()
    }
}
