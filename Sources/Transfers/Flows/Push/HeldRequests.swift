import Synchronization

/// What a run of pushRetry holds: of messages that ask for the same, one is pushed, and the others are removed at once.
///
/// Several events of one version, such as S3's second delivery of one, are pushed at the same time by functions that know
/// nothing of each other, and of a large object each leaves a file and a message. One message is as good as all of them:
/// it stays on the queue until its object is delivered, or given up, and it believes marks exactly as the others would.
final class HeldRequests: Sendable {
    /// The message that asks for the same.
    struct Repetition: Hashable, Sendable {
        /// The file that it goes on with, which is not to be removed for another message that names it too.
        let partialName: RemoteName?
    }

    /// What decides about an event, besides its place in time.
    private struct Request: Hashable {
        let bucket: String
        let key: ObjectKey
        let etag: ETag?
        let mustSend: Bool
    }

    private let held = Mutex<[String: ObjectEvent]>([:])

    /// Adds a message that was received, unless another one that is held asks for the same.
    /// - Parameter event: what it asks for; nil when that is more than one thing.
    /// - Returns: the other one; nil when it was added.
    func add(_ id: String, _ event: ObjectEvent?) -> Repetition? {
        guard let event, event.delivered == nil else { return nil }
        return held.withLock { held in
            if let other = held.values.first(where: { Self.covers($0, event) }) {
                return Repetition(partialName: other.partial?.name)
            }
            held[id] = event
            return nil
        }
    }

    /// Forgets a message that is held no more.
    func remove(_ id: String) { held.withLock { $0[id] = nil } }

    /// Whether pushing the first settles the second. A later event may be of a version that was stored since the first
    /// was pushed, and a file that has come further is not thrown away.
    private static func covers(_ first: ObjectEvent, _ second: ObjectEvent) -> Bool {
        guard request(first) == request(second) else { return false }
        let begunBytes = { (event: ObjectEvent) in event.partial?.position.offsetBytes ?? 0 }
        guard begunBytes(first) >= begunBytes(second) else { return false }
        guard let earlier = first.sequencer, let later = second.sequencer else {
            // Without an ETag too, nothing says that both are of one version.
            return request(first).etag != nil && first.sequencer == nil && second.sequencer == nil
        }
        return later == earlier || later < earlier
    }

    private static func request(_ event: ObjectEvent) -> Request {
        Request(
            bucket: event.bucket, key: event.key, etag: event.etag ?? event.partial?.etag, mustSend: event.mustSend)
    }
}
