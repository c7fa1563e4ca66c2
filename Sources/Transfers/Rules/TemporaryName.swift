/// The name under which a file is written before it is renamed (rule U3), beside its target, and under which pull sets
/// an older file in `.done` aside (`FileTransferReplacing.swift`):
/// `.sftp-lambda.` 16 hexadecimal digits `.` the target's name `.part`.
///
/// The first half of push's digits is the time at which the attempt began, in seconds since 1970: the file's own time is
/// soon that of the object, which may be years old.
///
/// With the dot in front and the other ending the partner's `*.csv` does not take it, and the target's name tells
/// people what it is. Pull never takes such a file.
public enum TemporaryName {
    /// The longest name in bytes.
    public static let maximumBytes = TargetPath.maximumNameBytes

    private static let prefix = Array(".sftp-lambda.".utf8)
    private static let suffix = Array(".part".utf8)
    private static let digitsCount = 16

    /// A name for one attempt.
    /// - Parameter randomBits: new for each attempt. The file is opened exclusively, so that the same bits twice cannot
    ///   mix two files.
    public static func name(for target: RemoteName, randomBits: UInt64) -> RemoteName {
        let digits = String(randomBits, radix: 16)
        let padded = String(repeating: "0", count: digitsCount - digits.utf8.count) + digits
        let frame = prefix + Array(padded.utf8) + [UInt8(ascii: ".")]
        let shown = shortened(target.bytes, toBytes: maximumBytes - frame.count - suffix.count)
        guard let name = RemoteName(bytes: frame + shown + suffix) else {
            preconditionFailure("a name with something before and behind it is a name")
        }
        return name
    }

    /// The bits of an attempt that begins now.
    public static func bits(at now: UnixTime, random: UInt64) -> UInt64 {
        UInt64(UInt32(truncatingIfNeeded: now.seconds)) << 32 | random & 0xFFFF_FFFF
    }

    /// When the attempt of that name began; nil when the name is none of ours.
    static func began(_ name: RemoteName) -> UnixTime? {
        guard isOurs(name) else { return nil }
        let digits = name.bytes.dropFirst(prefix.count).prefix(digitsCount / 2)
        return Int64(String(decoding: digits, as: UTF8.self), radix: 16).map { UnixTime(seconds: $0) }
    }

    /// Whether a name is one that an attempt to write this target can have.
    static func isOurs(_ name: RemoteName, for target: RemoteName) -> Bool {
        let behindDigits = prefix.count + digitsCount
        return isOurs(name)
            && name.bytes.dropFirst(behindDigits) == Self.name(for: target, randomBits: 0).bytes.dropFirst(behindDigits)
    }

    /// Whether a name is one that `name(for:randomBits:)` makes.
    public static func isOurs(_ name: RemoteName) -> Bool {
        isOurs(name.bytes[...])
    }

    static func isOurs(_ name: ArraySlice<UInt8>) -> Bool {
        guard name.count <= maximumBytes, name.starts(with: prefix) else { return false }
        let rest = name.dropFirst(prefix.count)
        let digits = rest.prefix(digitsCount)
        let shown = rest.dropFirst(digitsCount)
        return digits.count == digitsCount
            && digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
            && shown.first == UInt8(ascii: ".") && shown.count > 1 + suffix.count
            && shown.suffix(suffix.count) == suffix[...]
    }

    /// The first bytes, without half a character of UTF-8 at the end: some servers refuse names with one.
    /// - Precondition: `limit` is at least 4, or the bytes are no more than that.
    static func shortened(_ bytes: [UInt8], toBytes limit: Int) -> ArraySlice<UInt8> {
        guard bytes.count > limit else { return bytes[...] }
        // A character has at most three continuation bytes; where there are more, it is no UTF-8 in the first place.
        for end in stride(from: limit, to: limit - 4, by: -1) where bytes[end] & 0xC0 != 0x80 { return bytes[..<end] }
        return bytes[..<limit]
    }
}
