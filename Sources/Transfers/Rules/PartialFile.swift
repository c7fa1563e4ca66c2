/// A temporary file that a push could not finish in its time, and what another push needs to go on with it. A message on
/// the retry queue carries it (`docs/retry-message.md`).
public struct PartialFile: Hashable, Sendable {
    /// Its name, beside the target: one that `TemporaryName` makes.
    public var name: RemoteName
    /// The version of the object that is in it.
    public var etag: ETag
    /// `Destination.sha256` of what it is going to be.
    public var destinationSHA256: String
    /// Up to where the server has confirmed it.
    public var position: ContentPosition
    /// How many attempts in a row have brought it no further.
    public var fruitlessAttempts: Int
    /// When that version was stored, where the target's path tells of it; nil where it does not.
    public var contentTime: UnixTime?

    /// Below this it is not worth the requests.
    static let minimumBytes: UInt64 = 4 << 20
    /// What counts as further.
    private static let progressBytes: UInt64 = 1 << 20
    /// After so many fruitless attempts it is sent from its beginning: then it is the queue's redrive policy that counts.
    private static let maximumFruitlessAttempts = 4

    /// How long the next attempt waits: not at all behind one that came further.
    var delaySeconds: Int {
        fruitlessAttempts == 0 ? 0 : RetryBackOff.seconds(afterReceives: fruitlessAttempts)
    }

    /// Makes a value; nil when a push can have made no file of this name.
    public init?(
        name: RemoteName, etag: ETag, destinationSHA256: String, position: ContentPosition, fruitlessAttempts: Int = 0,
        contentTime: UnixTime? = nil
    ) {
        guard TemporaryName.isOurs(name) else { return nil }
        self.name = name
        self.etag = etag
        self.destinationSHA256 = destinationSHA256
        self.position = position
        self.fruitlessAttempts = fruitlessAttempts
        self.contentTime = contentTime
    }

    /// Counts another attempt; nil when it is given up.
    /// - Parameter hasGoneOn: whether it went on with what the earlier one had left. One that began anew is fruitless,
    ///   however far it came: where a server keeps no unfinished files each would come about as far, for ever.
    func counted(after earlier: PartialFile?, hasGoneOn: Bool) -> PartialFile? {
        var counted = self
        guard let earlier else { return position.offsetBytes >= Self.minimumBytes ? counted : nil }
        if hasGoneOn, position.offsetBytes >= earlier.position.offsetBytes + Self.progressBytes {
            counted.fruitlessAttempts = 0
            return counted
        }
        counted.fruitlessAttempts = earlier.fruitlessAttempts + 1
        return counted.fruitlessAttempts <= Self.maximumFruitlessAttempts ? counted : nil
    }
}

/// A place in the content of an object, from which on it can be read.
public struct ContentPosition: Hashable, Sendable {
    /// How many bytes stand before it.
    public var offsetBytes: UInt64
    /// Where the digest of the whole stands there, in the store's own form.
    public var digest: String

    /// Makes a position.
    public init(offsetBytes: UInt64, digest: String) {
        self.offsetBytes = offsetBytes
        self.digest = digest
    }
}
