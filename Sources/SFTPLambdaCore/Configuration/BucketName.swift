import Transfers

/// The name of a general purpose bucket, or the alias of an access point, which is used in its place.
public struct BucketName: Sendable, Hashable, CustomStringConvertible {
    /// The name.
    public let text: String

    /// The name.
    public var description: String { text }

    /// Checks a name (Amazon S3 User Guide, "General purpose bucket naming rules").
    init(_ value: String) throws(SettingProblem) {
        if value.hasPrefix("arn:") {
            throw SettingProblem("is an ARN; an access point goes by its alias, which ends in -s3alias")
        }
        if value.hasPrefix("s3://") {
            throw SettingProblem("is a URL; a directory in the bucket belongs in SFTP_TARGET_S3_PREFIX")
        }
        guard (3...63).contains(value.utf8.count) else {
            throw SettingProblem("has \(value.utf8.count) characters; bucket names have 3 to 63")
        }
        guard value.utf8.allSatisfy({ Self.isLetterOrDigit($0) || $0 == Self.hyphen || $0 == Self.dot }) else {
            throw SettingProblem(
                "is \(SettingParsers.shown(value)), but bucket names hold only small letters, digits, dots and hyphens")
        }
        guard let first = value.utf8.first, let last = value.utf8.last, Self.isLetterOrDigit(first),
            Self.isLetterOrDigit(last)
        else { throw SettingProblem("does not begin and end with a letter or digit") }
        let labels = value.utf8.split(separator: Self.dot, omittingEmptySubsequences: false)
        if labels.contains(where: \.isEmpty) { throw SettingProblem("holds two dots in a row") }
        let isNumbers = value.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == Self.dot }
        if labels.count == 4 && isNumbers { throw SettingProblem("has the form of an IP address") }
        for suffix in ["--x-s3", ".mrap", "--table-s3"] where value.hasSuffix(suffix) {
            throw SettingProblem(
                "ends in \(suffix): only general purpose buckets and their access point aliases work here")
        }
        text = value
    }

    private static let hyphen = UInt8(ascii: "-")
    private static let dot = UInt8(ascii: ".")

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte)
    }
}
