import TextForms

/// One object that somebody wants to be pushed: what S3, EventBridge, the retry queue or a person said of it.
///
/// It says that something happened to the object, not what the object is: push asks S3 for that.
public struct ObjectEvent: Hashable, Sendable {
    /// The bucket.
    public var bucket: String
    /// The object's key, decoded.
    public var key: ObjectKey
    /// The version's ETag, if the event names it.
    public var etag: ETag?
    /// The version, on versioned buckets. Only logged: push sends the current one.
    public var versionID: String?
    /// Orders the events of one key, see `Sequencer`.
    public var sequencer: Sequencer?
    /// The size that the event names.
    public var sizeBytes: UInt64?
    /// The bucket's region, if the event names it.
    public var awsRegion: String?
    /// The object has been delivered already, and only lacks its mark (rule U8).
    public var delivered: Delivery?
    /// The object is sent whatever its mark says: an earlier push failed after it had touched the file on the server.
    public var mustSend: Bool
    /// What an earlier push has brought to the server of it.
    public var partial: PartialFile?

    /// Makes an event.
    public init(
        bucket: String, key: ObjectKey, etag: ETag? = nil, versionID: String? = nil, sequencer: Sequencer? = nil,
        sizeBytes: UInt64? = nil, awsRegion: String? = nil, delivered: Delivery? = nil,
        mustSend: Bool = false, partial: PartialFile? = nil
    ) {
        self.bucket = bucket
        self.key = key
        self.etag = etag
        self.versionID = versionID
        self.sequencer = sequencer
        self.sizeBytes = sizeBytes
        self.awsRegion = awsRegion
        self.delivered = delivered
        self.mustSend = mustSend
        self.partial = partial
    }

    /// What is put on the retry queue when an object was delivered and cannot be marked (rule U8). The version that was
    /// sent takes the place of the one that the event named: it is what this event led to.
    public func delivered(_ etag: ETag, to destination: Destination) -> ObjectEvent {
        var event = self
        event.etag = etag
        event.versionID = nil
        event.sizeBytes = nil
        event.delivered = Delivery(etag: etag, destinationSHA256: destination.sha256)
        event.mustSend = false
        event.partial = nil
        return event
    }

    /// What is put on the retry queue when a push failed: with `mustSend` it had touched the file on the server.
    func sendingAgain(_ mustSend: Bool) -> ObjectEvent {
        var event = self
        event.mustSend = self.mustSend || mustSend
        return event
    }
}

extension ObjectEvent {
    /// What is put on the retry queue when a push has left a file to be gone on with; nil leaves what was said before.
    func goingOn(with partial: PartialFile?) -> ObjectEvent {
        var event = self
        event.partial = partial ?? self.partial
        return event
    }
}

/// What was delivered, and where to: if the settings change while a message waits, it must not lead to a mark for a
/// server that has never seen the object.
public struct Delivery: Hashable, Sendable {
    /// The version that was sent.
    public var etag: ETag
    /// `Destination.sha256` of where it was sent.
    public var destinationSHA256: String

    /// Makes a delivery.
    public init(etag: ETag, destinationSHA256: String) {
        self.etag = etag
        self.destinationSHA256 = destinationSHA256
    }
}

/// What orders the events of one key: hexadecimal digits, of which the shorter are filled up with zeros on the right and
/// then compared as text (Amazon S3 User Guide, "Event message structure"). Those of different keys mean nothing to one
/// another.
public struct Sequencer: Hashable, Sendable, Comparable {
    /// The digits as they came.
    public let text: String

    /// Makes a sequencer, or nil when the text is not one.
    public init?(_ text: String) {
        guard (1...Self.maximumBytes).contains(text.utf8.count),
            text.utf8.allSatisfy({ Hexadecimal.value($0) != nil })
        else { return nil }
        self.text = text
    }

    /// The longest that is taken; S3's have 16 to 32 digits.
    public static let maximumBytes = 128

    /// Without the zeros on the right and with digits in one case: equal exactly when neither is before the other.
    private var significant: [UInt8] {
        let digits = text.utf8.compactMap(Hexadecimal.value)
        return Array(digits[..<((digits.lastIndex { $0 != 0 } ?? -1) + 1)])
    }

    /// Earlier is less.
    public static func < (first: Sequencer, second: Sequencer) -> Bool {
        first.significant.lexicographicallyPrecedes(second.significant)
    }

    /// Whether neither is before the other.
    public static func == (first: Sequencer, second: Sequencer) -> Bool { first.significant == second.significant }

    /// Hashes what `==` compares.
    public func hash(into hasher: inout Hasher) { hasher.combine(significant) }
}
