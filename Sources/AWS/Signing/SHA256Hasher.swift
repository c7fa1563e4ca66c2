import CLibCrypto
import TextForms

/// Computes a SHA-256 (FIPS 180-4) over bytes given piece by piece.
///
/// One caller at a time; the type is not `Sendable`. The functions of libcrypto used here cannot fail; that they work on
/// a plain struct is what lets a digest be saved and gone on with by another process.
public final class SHA256Hasher {
    /// The length of a digest in bytes.
    public static let digestBytes = 32

    private var context = SHA256_CTX()

    /// Begins a digest.
    public init() { begin() }

    /// Goes on where another hasher stood.
    public init(resuming state: SHA256State) {
        begin()
        withUnsafeMutableBytes(of: &context.h) { $0.copyBytes(from: state.words.flatMap(Self.nativeBytes)) }
        // FIPS 180-4 counts bits, in two words here.
        let countBits = state.countBytes << 3
        context.Nl = UInt32(truncatingIfNeeded: countBits)
        context.Nh = UInt32(truncatingIfNeeded: countBits >> 32)
        // What is no whole block waits in front of what comes.
        withUnsafeMutableBytes(of: &context.data) { $0.copyBytes(from: state.rest) }
        context.num = UInt32(state.rest.count)
    }

    /// What another hasher needs to go on.
    public var state: SHA256State {
        let words = withUnsafeBytes(of: context.h) { Array($0.bindMemory(to: UInt32.self)) }
        let rest = withUnsafeBytes(of: context.data) { Array($0.prefix(Int(context.num))) }
        let countBits = UInt64(context.Nh) << 32 | UInt64(context.Nl)
        return SHA256State(words: words, rest: rest, countBytes: countBits >> 3)
    }

    private func begin() { precondition(SHA256_Init(&context) == 1, "libcrypto has no SHA-256") }

    private static func nativeBytes(_ word: UInt32) -> [UInt8] { withUnsafeBytes(of: word) { Array($0) } }

    /// Adds bytes.
    public func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// Adds part of an array.
    public func update(_ bytes: ArraySlice<UInt8>) { bytes.withUnsafeBytes { update($0) } }

    /// The digest of everything that was added. The hasher then begins anew.
    public func finalize() -> [UInt8] {
        let digest = [UInt8](unsafeUninitializedCapacity: Self.digestBytes) { buffer, count in
            precondition(SHA256_Final(buffer.baseAddress, &context) == 1, "SHA-256 failed")
            count = Self.digestBytes
        }
        begin()
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
        precondition(SHA256_Update(&context, base, bytes.count) == 1, "SHA-256 failed")
    }
}

/// Where a SHA-256 stands: the eight words of FIPS 180-4, section 6.2, behind the whole blocks of 64 bytes, what came
/// behind those, and the count.
public struct SHA256State: Hashable, Sendable {
    /// The eight words.
    public let words: [UInt32]
    /// The bytes behind the last whole block: fewer than 64.
    public let rest: [UInt8]
    /// How many bytes have been added.
    public let countBytes: UInt64

    /// The length of a block in bytes.
    public static let blockBytes: UInt64 = 64
    /// A SHA-256 is defined up to so many bytes.
    private static let maximumBytes: UInt64 = 1 << 61

    fileprivate init(words: [UInt32], rest: [UInt8], countBytes: UInt64) {
        self.words = words
        self.rest = rest
        self.countBytes = countBytes
    }

    /// The state in one word of text: the words in hexadecimal, a colon, the count, and behind another colon the rest in
    /// hexadecimal, if there is one.
    public var text: String {
        Text.hexadecimal(words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } })
            + ":\(countBytes)" + (rest.isEmpty ? "" : ":" + Text.hexadecimal(rest))
    }

    /// Reads what `text` wrote; nil for anything else.
    public init?(text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), parts[0].count == 64, (1...19).contains(parts[1].count),
            parts[1].allSatisfy({ (0x30...0x39).contains($0) }),
            let count = UInt64(String(decoding: parts[1], as: UTF8.self)), count < Self.maximumBytes,
            let words = Self.numbers(parts[0], digits: 8)
        else { return nil }
        rest = parts.count == 3 ? (Self.numbers(parts[2], digits: 2) ?? []).map { UInt8(truncatingIfNeeded: $0) } : []
        guard UInt64(rest.count) == count % Self.blockBytes, parts.count == (rest.isEmpty ? 2 : 3) else { return nil }
        self.words = words
        countBytes = count
    }

    /// Hexadecimal numbers of so many digits each; nil when it is something else.
    private static func numbers(_ text: Substring.UTF8View, digits count: Int) -> [UInt32]? {
        var numbers: [UInt32] = []
        var rest = text
        while !rest.isEmpty {
            let digits = rest.prefix(count).compactMap(Hexadecimal.value)
            guard digits.count == count else { return nil }
            numbers.append(digits.reduce(0) { $0 << 4 | UInt32($1) })
            rest = rest.dropFirst(count)
        }
        return numbers
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
