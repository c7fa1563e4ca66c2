/// What push does with an object, given what S3 says of it (rules U2 and U8).
public enum PushDecision: Hashable, Sendable {
    /// The current version is sent.
    case send
    /// It has been delivered; only the mark is missing (rule U8).
    case markOnly
    /// It stays as it is.
    case nothingToDo(Reason)

    /// Why there is nothing to do.
    public enum Reason: String, Sendable, CaseIterable {
        /// There is no such object any more.
        case gone
        /// It was pulled from this very server.
        case pulled
        /// It is marked for this destination.
        case marked
        /// It says how far a pull has come with a file (`Checkpoint`), and is nobody else's business.
        case checkpoint
        /// Another message asks for the same version and is being pushed.
        case repeated
    }

    /// Decides.
    ///
    /// A mark settles a request only if every event of it is settled: one that names a version which is neither the
    /// current one nor one that the mark knows may be the second try of a push that has written an older copy late. One
    /// whose first try has failed after it touched the file on the server is not settled by any mark.
    /// - Parameter head: what S3 says of the current object; nil when there is none.
    public static func decide(
        _ request: PushRequest, head: ObjectSummary?, destination: Destination
    ) -> PushDecision {
        guard let head else { return .nothingToDo(.gone) }
        if SyncMark.isPulled(head.metadata, from: destination) { return .nothingToDo(.pulled) }
        if request.mustSend { return .send }
        let mark = SyncMark(metadata: head.metadata).flatMap { $0.isOf(head) ? $0 : nil }
        guard request.events.allSatisfy({ $0.etag.map { isVersion($0, of: head) } ?? true }) else { return .send }
        if let mark, mark.counts(for: destination) { return .nothingToDo(.marked) }
        let isDelivered = request.events.contains { event in
            guard let delivered = event.delivered else { return false }
            return delivered.destinationSHA256 == destination.sha256 && isVersion(delivered.etag, of: head)
        }
        return isDelivered ? .markOnly : .send
    }

    /// What is left to do after an object was sent (rule U5), by another look at it.
    public enum AfterSending: Hashable, Sendable {
        /// It carries the mark already: another function has set it.
        case settled
        /// It is still what was sent, and needs the mark.
        case mark
        /// It is another version, which has to be sent, whatever its mark says: the one just written may have replaced
        /// it on the server.
        case sendAgain
        /// It was deleted meanwhile; the server keeps what it has.
        case gone
    }

    /// Decides after sending the version with the ETag `sent`.
    public static func afterSending(
        _ sent: ETag, head: ObjectSummary?, destination: Destination
    ) -> AfterSending {
        guard let head else { return .gone }
        guard isVersion(sent, of: head) else { return .sendAgain }
        guard let mark = SyncMark(metadata: head.metadata), mark.isOf(head), mark.counts(for: destination) else {
            return .mark
        }
        return .settled
    }

    /// Whether the ETag is the object's, or one that it had before it was marked: the same content.
    public static func isVersion(_ etag: ETag, of head: ObjectSummary) -> Bool {
        if ETag(head.etag) == etag { return true }
        guard let mark = SyncMark(metadata: head.metadata), mark.isOf(head) else { return false }
        return mark.etags.contains(etag)
    }
}
