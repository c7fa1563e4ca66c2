/// In which pieces a file is stored (decision 4): whole up to 8 MiB, beyond that in parts of 8 MiB.
///
/// A piece is held in memory until the store has confirmed it, so that a retry can send it again.
public enum PartPlan: Hashable, Sendable {
    /// One request.
    case whole(sizeBytes: Int)
    /// A multipart upload; all parts but the last have `partBytes`.
    case parts(count: Int, sizeBytes: UInt64)

    /// The size of a part.
    public static let partBytes = 8 * 1024 * 1024
    /// The most parts an upload may have (Amazon S3 User Guide, "Amazon S3 multipart upload limits").
    public static let maximumParts = 10_000
    /// The largest file these parts can carry: 78 GiB, more than one invocation of 15 minutes can move.
    public static let maximumBytes = UInt64(partBytes) * UInt64(maximumParts)

    /// The plan for a size, or nil when it is too large.
    public init?(sizeBytes: UInt64) {
        guard sizeBytes <= Self.maximumBytes else { return nil }
        if sizeBytes <= UInt64(Self.partBytes) {
            self = .whole(sizeBytes: Int(sizeBytes))
        } else {
            let count = (sizeBytes + UInt64(Self.partBytes) - 1) / UInt64(Self.partBytes)
            self = .parts(count: Int(count), sizeBytes: sizeBytes)
        }
    }

    /// How long the first parts of a file are, up to this number of them; nil when it has fewer.
    public static func sizes(ofFirst count: Int, partBytes: Int, sizeBytes: UInt64) -> [UInt64]? {
        var left = sizeBytes
        var sizes: [UInt64] = []
        for _ in 0..<count {
            guard left > 0 else { return nil }
            sizes.append(min(left, UInt64(partBytes)))
            left -= min(left, UInt64(partBytes))
        }
        return sizes
    }

    /// Why a file has no plan, as the end of a sentence about it.
    static func refusal(sizeBytes: UInt64) -> String {
        "it has \(sizeBytes) bytes; 10,000 parts of 8 MiB carry at most \(maximumBytes) (78 GiB)"
    }

    /// Where the part with this number (from 1) begins, and how long it is.
    public static func range(ofPart number: Int, sizeBytes: UInt64) -> (offset: UInt64, countBytes: Int) {
        precondition(number >= 1, "parts count from 1")
        let offset = UInt64(number - 1) * UInt64(partBytes)
        precondition(offset < sizeBytes, "no part begins behind the end")
        return (offset, Int(min(UInt64(partBytes), sizeBytes - offset)))
    }
}
