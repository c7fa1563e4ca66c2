/// What is known of a request that is on the wire and not answered.
struct OutstandingRequest: Sendable {
    /// The flight it belongs to, and the item there that its reply answers or adds to.
    var flight: FlightID
    var item: Int
    /// Whether it is one of the many of a whole range.
    var isPartOfRange = false
    var expected: SFTPRequest.ExpectedReply
    var lane: Lane
    /// Of a READ or WRITE.
    var offset: UInt64 = 0
    var countBytes = 0
    /// Of a READ for the rest of a short answer: how long that answer was.
    var shortAnswerBytes = 0
}

/// Requests by their id. An id is the number of a slot and how often that slot has been used, so that a second reply
/// to the same id, or one to an id never given out, finds nothing.
struct RequestTable: Sendable {
    private static let slotBits: UInt32 = 12
    /// How many requests fit; more than may ever be outstanding (`EngineConstants.outstandingRequests`).
    static let capacity = 1 << Int(slotBits)

    private struct Slot {
        var useCount: UInt32 = 0
        var request: OutstandingRequest?
    }

    private var slots: [Slot] = []
    private var free: [Int] = []

    /// How many requests are outstanding.
    var count: Int { slots.count - free.count }

    /// All outstanding requests, in no order.
    var requests: some Sequence<OutstandingRequest> { slots.lazy.compactMap(\.request) }

    /// Notes a request and gives its id.
    mutating func insert(_ request: OutstandingRequest) -> UInt32 {
        let index: Int
        if let last = free.popLast() {
            index = last
        } else {
            precondition(slots.count < Self.capacity, "the limit on outstanding requests was not kept")
            index = slots.count
            slots.append(Slot())
        }
        slots[index].request = request
        return slots[index].useCount << Self.slotBits | UInt32(index)
    }

    /// Takes out the request of that id; nil when there is none.
    mutating func remove(_ id: UInt32) -> OutstandingRequest? {
        let index = Int(id & (1 << Self.slotBits - 1))
        guard index < slots.count, slots[index].useCount == id >> Self.slotBits else { return nil }
        guard let request = slots[index].request else { return nil }
        slots[index].request = nil
        slots[index].useCount = (slots[index].useCount + 1) & (UInt32.max >> Self.slotBits)
        free.append(index)
        return request
    }

    /// Forgets all.
    mutating func removeAll() {
        slots = []
        free = []
    }
}
