/// The metadata that says that an object has been delivered (rule U6).
///
/// - `synced`: `true`
/// - `synced-at`: when, in RFC 3339
/// - `synced-etag`: the ETag that was sent. Marking changes the ETag of multipart and KMS-encrypted objects, so this is
///   how the mark of a version is told from another version.
/// - `synced-to`: `Destination.sha256` of where it was sent
/// - `synced-modified`: when the content was stored, in RFC 3339. Marking stores the object anew; a path that tells the
///   time (`TargetName`) would be another one by that.
///
/// Where two flows push one bucket, each would take the other's mark for none, send again and mark again for ever. So a
/// mark keeps the destinations of the one before it, which stands for the same content: `synced-to` is a list, the
/// newest first, and so is `synced-etag`.
public struct SyncMark: Hashable, Sendable {
    /// Where the content has been sent; empty when the mark does not say it, which then counts for all.
    public let destinations: [String]
    /// The ETags that this content has had, the newest first.
    public let etags: [ETag]
    /// When it was marked, if it says so.
    public let time: UnixTime?
    /// When the content was stored, if it says so.
    private let contentTime: UnixTime?

    /// How many destinations and ETags a mark lists: as many flows may push one bucket. They take 870 of the 2,048 bytes
    /// that S3 allows for metadata.
    public static let maximumListed = 8
    /// How much later than `synced-at` a marked object of this size may have been stored: a minute for requests, their
    /// repetition and clocks, and a second for each 16 MiB, which the store copies to mark them.
    public static func maximumDelaySeconds(sizeBytes: UInt64) -> Int64 {
        let copySeconds = Int64(sizeBytes / copiedBytesPerSecond)
        return 60 + copySeconds
    }

    /// The store copies several times as fast.
    private static let copiedBytesPerSecond: UInt64 = 16 << 20

    private enum Name {
        static let synced = "synced"
        static let syncedAt = "synced-at"
        static let syncedETag = "synced-etag"
        static let syncedTo = "synced-to"
        static let syncedModified = "synced-modified"
        static let syncedFrom = "synced-from"
        /// That of the JavaScript system.
        static let synched = "synched"
    }

    /// Reads the mark from an object's metadata; nil when it has none.
    public init?(metadata: [String: String]) {
        guard metadata[Name.synced] == "true" || metadata[Name.synched] == "true" else { return nil }
        destinations = Self.list(metadata[Name.syncedTo])
        etags = Self.list(metadata[Name.syncedETag]).compactMap { ETag($0) }
        time = metadata[Name.syncedAt].flatMap { UnixTime(rfc3339: $0) }
        contentTime = metadata[Name.syncedModified].flatMap { UnixTime(rfc3339: $0) }
    }

    /// When the content of an object was stored: before any mark, which is a copy of the object with a time of its own.
    public static func contentTime(of head: ObjectSummary) -> UnixTime {
        guard let mark = SyncMark(metadata: head.metadata), mark.isOf(head) else { return head.lastModified }
        return mark.contentTime ?? head.lastModified
    }

    /// Whether the mark is that of the object it was found on. An object that was stored long after its mark's time is a
    /// copy, such as an older version that was brought back, or new content to which a tool gave the old metadata: its
    /// mark says nothing of what the server has now. A mark without time is believed.
    public func isOf(_ head: ObjectSummary) -> Bool {
        guard let time else { return true }
        return head.lastModified <= time + Self.maximumDelaySeconds(sizeBytes: head.sizeBytes)
    }

    /// Whether the mark counts for this destination. One that names no destination, such as those of the JavaScript
    /// system, counts for every one.
    public func counts(for destination: Destination) -> Bool {
        destinations.isEmpty || destinations.contains(destination.sha256)
    }

    /// An object's metadata with the mark for a destination. All else is kept.
    /// - Parameters:
    ///   - head: the object that was sent, as it is to be marked.
    ///   - contentTime: when that content was stored; nil for what the object says.
    ///   - now: the time of day. If the store's clock is ahead of it the store's time is taken: a mark that seemed older
    ///     than the object would not be believed (`isOf`), and the object sent and marked again and again.
    public static func marked(
        _ head: ObjectSummary, as destination: Destination, contentTime: UnixTime? = nil, now: UnixTime
    ) -> [String: String] {
        let older = SyncMark(metadata: head.metadata).flatMap { $0.isOf(head) ? $0 : nil }
        let sent = ETag(head.etag).map { [$0] } ?? []
        var metadata = head.metadata
        metadata[Name.synced] = "true"
        metadata[Name.syncedAt] = max(now, head.lastModified, head.storeTime ?? now).rfc3339
        metadata[Name.syncedETag] = listed(sent + (older?.etags ?? [])) { $0.text }
        metadata[Name.syncedTo] = listed([destination.sha256] + (older?.destinations ?? [])) { $0 }
        metadata[Name.syncedModified] = (contentTime ?? Self.contentTime(of: head)).rfc3339
        return metadata
    }

    /// Whether the object was pulled from this very server (rule P8).
    public static func isPulled(_ metadata: [String: String], from destination: Destination) -> Bool {
        metadata[Name.syncedFrom] == destination.origin
    }

    private static func list(_ text: String?) -> [String] {
        (text ?? "").utf8.split(separator: UInt8(ascii: ",")).prefix(maximumListed).map { item in
            String(decoding: item.drop { $0 == 0x20 }, as: UTF8.self)
        }
    }

    private static func listed<Item: Hashable>(_ items: [Item], _ text: (Item) -> String) -> String {
        var seen: Set<Item> = []
        return items.filter { seen.insert($0).inserted }.prefix(maximumListed).map(text).joined(separator: ",")
    }
}
