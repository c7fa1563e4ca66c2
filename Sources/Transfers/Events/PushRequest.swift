/// One object to be pushed, with every event of this invocation that asks for it.
///
/// A burst of events of one key needs one push, since push sends the current version. But all of them are kept: an
/// older one may be a second try, whose first has written an older copy late (rule U2), and what fails is queued record
/// by record (rule U7).
public struct PushRequest: Hashable, Sendable {
    /// The events, the newest last; never empty.
    public let events: [ObjectEvent]
    /// The messages of an SQS batch that they came in; empty when the function was not invoked with one.
    public let itemIDs: [String]

    /// The newest event.
    public let newest: ObjectEvent

    /// The bucket.
    public var bucket: String { newest.bucket }
    /// The key.
    public var key: ObjectKey { newest.key }
    /// Where the object is.
    public var address: ObjectAddress { ObjectAddress(bucket: bucket, key: key) }

    /// Whether the object is sent whatever its mark says (`ObjectEvent.mustSend`).
    public var mustSend: Bool { events.contains { $0.mustSend } }

    /// The same request, which believes no mark.
    var sendingAgain: PushRequest {
        PushRequest(events: events.map { $0.sendingAgain(true) }, newest: newest.sendingAgain(true), itemIDs: itemIDs)
    }

    /// The same request, with another file to go on with; nil leaves what was said before.
    func goingOn(with partial: PartialFile?) -> PushRequest {
        guard partial != nil else { return self }
        let newest = newest.goingOn(with: partial)
        return PushRequest(
            events: events.map { $0 == self.newest ? newest : $0 }, newest: newest, itemIDs: itemIDs)
    }

    /// Makes a request of one event.
    public init(_ event: ObjectEvent, itemIDs: [String] = []) {
        events = [event]
        newest = event
        self.itemIDs = itemIDs
    }

    private init(events: [ObjectEvent], newest: ObjectEvent, itemIDs: [String]) {
        self.events = events
        self.newest = newest
        self.itemIDs = itemIDs
    }

    /// One request for each object, in the order in which the objects are first named. Equal events become one.
    static func collapsing(_ arrived: [(event: ObjectEvent, itemID: String?)]) -> [PushRequest] {
        struct Object: Hashable {
            let bucket: String
            let key: ObjectKey
        }
        var order: [Object] = []
        var groups: [Object: [(event: ObjectEvent, itemID: String?)]] = [:]
        for item in arrived {
            let object = Object(bucket: item.event.bucket, key: item.event.key)
            if groups[object] == nil { order.append(object) }
            groups[object, default: []].append(item)
        }
        return order.compactMap { object in
            let group = groups[object] ?? []
            let events = ordered(unique(group.map(\.event)))
            guard let newest = events.last else { return nil }
            return PushRequest(events: events, newest: newest, itemIDs: unique(group.compactMap(\.itemID)))
        }
    }

    /// By sequencer, the newest last. An event without one says nothing of its age and goes before all that have one;
    /// those that cannot be told apart stay in the order in which they came.
    private static func ordered(_ events: [ObjectEvent]) -> [ObjectEvent] {
        events.enumerated().sorted { first, second in
            switch (first.element.sequencer, second.element.sequencer) {
            case (let earlier?, let later?) where earlier != later: earlier < later
            case (nil, _?): true
            case (_?, nil): false
            default: first.offset < second.offset
            }
        }.map(\.element)
    }

    private static func unique<Value: Hashable>(_ values: [Value]) -> [Value] {
        var seen: Set<Value> = []
        return values.filter { seen.insert($0).inserted }
    }
}
