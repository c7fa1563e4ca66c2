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
        var senders: [(Element, CheckedContinuation<Void, Never>)] = []
        var takers: [CheckedContinuation<Element?, Never>] = []

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
    private let state = Mutex(State())

    init(limit: Int) { self.limit = limit }

    /// Hands one element over, or waits until there is room for it.
    func send(_ element: Element) async {
        await withCheckedContinuation { continuation in
            let taker: CheckedContinuation<Element?, Never>?
            let isTaken: Bool
            (taker, isTaken) = state.withLock { state in
                precondition(!state.isFinished, "nothing is sent after the end")
                if let taker = state.takers.popLast() { return (taker, true) }
                if state.elements.count - state.head < limit {
                    state.elements.append(element)
                    return (nil, true)
                }
                state.senders.append((element, continuation))
                return (nil, false)
            }
            taker?.resume(returning: element)
            if isTaken { continuation.resume() }
        }
    }

    /// The next element, or nil when the queue is finished and empty.
    func next() async -> Element? {
        await withCheckedContinuation { continuation in
            let sender: CheckedContinuation<Void, Never>?
            let element: Element?
            let isAnswered: Bool
            (element, sender, isAnswered) = state.withLock { state in
                if let element = state.popElement() {
                    guard !state.senders.isEmpty else { return (element, nil, true) }
                    let (waiting, sender) = state.senders.removeFirst()
                    state.elements.append(waiting)
                    return (element, sender, true)
                }
                if state.isFinished { return (nil, nil, true) }
                state.takers.append(continuation)
                return (nil, nil, false)
            }
            sender?.resume()
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
