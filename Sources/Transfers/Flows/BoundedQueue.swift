import Synchronization

/// Hands elements from producers to consumers; who sends into a full queue waits, and so does who asks an empty one.
///
/// The producer must call `finish` in the end, and the consumers must take elements until they get nil; then neither
/// side waits for ever, and cancellation needs no word here.
final class BoundedQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var head = 0
        var isFinished = false
        var isStretched = false
        var senders: [(Element, CheckedContinuation<Bool, Never>)] = []
        var takers: [CheckedContinuation<Element?, Never>] = []

        var count: Int { elements.count - head }

        mutating func popElement() -> Element? {
            guard head < elements.count else { return nil }
            defer {
                head += 1
                if head == elements.count || head >= 1024 {
                    elements.removeFirst(head)
                    head = 0
                }
            }
            return elements[head]
        }
    }

    private let limit: Int
    private let stretchedLimit: Int
    private let state = Mutex(State())

    /// Makes an empty queue.
    /// - Parameter stretchedLimit: how many elements it takes while it is stretched; the same if nil.
    init(limit: Int, stretchedLimit: Int? = nil) {
        self.limit = limit
        self.stretchedLimit = max(limit, stretchedLimit ?? limit)
    }

    /// Hands one element over, or waits until there is room for it. Nobody waits while the queue is stretched.
    /// - Returns: false when the element was not taken: the queue is stretched, and full all the same.
    func send(_ element: Element) async -> Bool {
        await withCheckedContinuation { continuation in
            let (taker, isTaken): (CheckedContinuation<Element?, Never>?, Bool?) = state.withLock { state in
                precondition(!state.isFinished, "nothing is sent after the end")
                if let taker = state.takers.popLast() { return (taker, true) }
                if state.count < (state.isStretched ? stretchedLimit : limit) {
                    state.elements.append(element)
                    return (nil, true)
                }
                guard !state.isStretched else { return (nil, false) }
                state.senders.append((element, continuation))
                return (nil, nil)
            }
            taker?.resume(returning: element)
            if let isTaken { continuation.resume(returning: isTaken) }
        }
    }

    /// Makes more room, up to `stretchedLimit`, and lets nobody wait for room; or goes back to the limit for those who
    /// send from now on.
    func stretch(_ isStretched: Bool) {
        let (taken, refused) = state.withLock { state in
            state.isStretched = isStretched
            guard isStretched else { return (state.senders.prefix(0), state.senders.prefix(0)) }
            defer { state.senders = [] }
            let count = min(state.senders.count, max(0, stretchedLimit - state.count))
            let taken = state.senders.prefix(count)
            state.elements += taken.map(\.0)
            return (taken, state.senders.dropFirst(count))
        }
        for (_, sender) in taken { sender.resume(returning: true) }
        for (_, sender) in refused { sender.resume(returning: false) }
    }

    /// The next element, or nil when the queue is finished and empty.
    func next() async -> Element? {
        await withCheckedContinuation { continuation in
            let sender: CheckedContinuation<Bool, Never>?
            let element: Element?
            let isAnswered: Bool
            (element, sender, isAnswered) = state.withLock { state in
                if let element = state.popElement() {
                    guard !state.senders.isEmpty, state.count < limit else { return (element, nil, true) }
                    let (waiting, sender) = state.senders.removeFirst()
                    state.elements.append(waiting)
                    return (element, sender, true)
                }
                if state.isFinished { return (nil, nil, true) }
                state.takers.append(continuation)
                return (nil, nil, false)
            }
            sender?.resume(returning: true)
            if isAnswered { continuation.resume(returning: element) }
        }
    }

    /// Says that nothing follows.
    func finish() {
        let takers = state.withLock { state in
            state.isFinished = true
            defer { state.takers = [] }
            return state.takers
        }
        for taker in takers { taker.resume(returning: nil) }
    }
}
