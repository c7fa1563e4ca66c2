import Synchronization
public import Transfers

/// A queue in memory with SQS's rules: what is received is hidden for a time, and shown again until it is deleted or has
/// been received too often. It passes `RetryQueueContract`.
///
/// Operations ask the tap as `queue.count` and `queue.receive`, and message by message as `queue.send` (with the body as
/// path), `queue.delete` and `queue.hide` (with the id), each before and after its effect.
public final class InMemoryRetryQueue: RetryQueue {
    /// What queues do differently.
    public struct Behaviour: Sendable {
        /// After so many receives a message goes to the dead letters; nil: never.
        public var maximumReceives: Int?
        /// Every message is put there twice, as when the answer to the first request is lost.
        public var sendsTwice = false
        /// What `waitingCount` says in place of the truth, which it may be behind of.
        public var saysWaitingCount: Int?
        /// The largest message in bytes.
        public var maximumMessageBytes = 1 << 20

        /// A queue like Amazon SQS's, without a redrive policy.
        public init() {}
    }

    /// A message on the queue, as the test sees it.
    public struct Message: Sendable {
        /// The queue's name of it.
        public var id: String
        /// The body.
        public var body: String
        /// The attributes it was sent with; empty for what the test planted.
        public var attributes: [RetryMessage.Attribute]
        /// How often it has been received.
        public var receiveCount = 0
        /// When it was put there.
        public var sent: UnixTime
        var receipts: [String] = []
        var receivedAtUptimeSeconds: Double?
        var hiddenUntilUptimeSeconds = -Double.infinity
    }

    private struct State {
        var messages: [Message] = []
        var deadLetters: [Message] = []
        var behaviour: Behaviour
        var nextNumber = 1
        var operations: [String: Int] = [:]
        var refusedHides = 0
    }

    private let clock: ManualClock
    private let tap: PortTap
    private let shared: Shared

    /// The queue itself, which several clients can share.
    private final class Shared: Sendable {
        let state: Mutex<State>

        init(_ behaviour: Behaviour) { state = Mutex(State(behaviour: behaviour)) }
    }

    private static let maximumReceived = 10
    private static let maximumWaitSeconds = 20
    private static let maximumHiddenSeconds = 43_200

    /// Makes an empty queue. A receive that waits moves the clock.
    public init(clock: ManualClock = ManualClock(), behaviour: Behaviour = Behaviour(), tap: PortTap = PortTap()) {
        self.clock = clock
        self.tap = tap
        shared = Shared(behaviour)
    }

    private init(sharing other: InMemoryRetryQueue, tap: PortTap) {
        clock = other.clock
        shared = other.shared
        self.tap = tap
    }

    /// Another client of the same queue, with a tap of its own.
    public func client(tap: PortTap) -> InMemoryRetryQueue { InMemoryRetryQueue(sharing: self, tap: tap) }

    // MARK: What the test sees and does

    /// All messages that are there, hidden or not, in the order they came.
    public var messages: [Message] { shared.state.withLock { $0.messages } }
    /// What was received too often.
    public var deadLetters: [Message] { shared.state.withLock { $0.deadLetters } }
    /// How often each operation was called, by its name without `queue.`.
    public var operations: [String: Int] { shared.state.withLock { $0.operations } }
    /// How often a message could not be hidden: it was not held any more, or for longer than the queue permits.
    public var refusedHides: Int { shared.state.withLock { $0.refusedHides } }
    /// Messages that are hidden now.
    public var hiddenCount: Int {
        let now = clock.uptimeSeconds
        return shared.state.withLock { $0.messages.count { $0.hiddenUntilUptimeSeconds > now } }
    }

    /// Puts a message there as somebody else does.
    @discardableResult
    public func plant(_ body: String) -> String { add(body, []) }

    /// Changes what the queue does.
    public func behave(_ change: (inout Behaviour) -> Void) { shared.state.withLock { change(&$0.behaviour) } }

    /// Shows a hidden message again before its time, as SQS does now and then. Who holds it can still delete it.
    public func showAgain(_ id: String) {
        shared.state.withLock { state in
            for index in state.messages.indices where state.messages[index].id == id {
                state.messages[index].hiddenUntilUptimeSeconds = -.infinity
            }
        }
    }

    // MARK: The port

    /// See `RetryQueue`.
    public func waitingCount() async throws(QueueFailure) -> Int {
        count("count")
        try await step(.before, "count", "").get()
        let now = clock.uptimeSeconds
        let found = shared.state.withLock { state in
            state.behaviour.saysWaitingCount ?? state.messages.count { $0.hiddenUntilUptimeSeconds <= now }
        }
        try await step(.after, "count", "").get()
        return found
    }

    /// See `RetryQueue`.
    public func send(_ messages: [RetryMessage]) async -> [Int: QueueFailure] {
        await each("send", messages, \.body) { message throws(QueueFailure) in
            let size = message.attributes.reduce(message.body.utf8.count) { sum, attribute in
                sum + attribute.name.utf8.count + attribute.dataType.rawValue.utf8.count + attribute.value.utf8.count
            }
            let behaviour = shared.state.withLock { $0.behaviour }
            guard size <= behaviour.maximumMessageBytes, !message.body.isEmpty else {
                throw QueueFailure(.rejected, "send: a message of \(size) bytes")
            }
            for _ in 0..<(behaviour.sendsTwice ? 2 : 1) {
                add(message.body, message.attributes, delaySeconds: message.delaySeconds)
            }
        }
    }

    /// See `RetryQueue`.
    public func receive(
        maximumCount: Int, waitSeconds: Int, hiddenSeconds: Int
    ) async throws(QueueFailure) -> [QueuedMessage] {
        count("receive")
        try await step(.before, "receive", "").get()
        var left = min(max(waitSeconds, 0), Self.maximumWaitSeconds)
        var received = take(maximumCount, hiddenSeconds)
        while received.isEmpty, left > 0 {
            clock.advance(seconds: 1)
            left -= 1
            received = take(maximumCount, hiddenSeconds)
        }
        try await step(.after, "receive", "").get()
        return received
    }

    /// See `RetryQueue`. An older receipt than the last one does nothing, and that is no failure.
    public func delete(_ messages: [QueuedMessage]) async -> [Int: QueueFailure] {
        await each("delete", messages, \.id) { message throws(QueueFailure) in
            shared.state.withLock { state in state.messages.removeAll { $0.receipts.last == message.receipt } }
        }
    }

    /// See `RetryQueue`.
    public func hide(_ messages: [QueuedMessage], forSeconds seconds: Int) async -> [Int: QueueFailure] {
        await each("hide", messages, \.id) { message throws(QueueFailure) in
            let now = clock.uptimeSeconds
            let isDone = shared.state.withLock { state in
                guard
                    let index = state.messages.firstIndex(where: {
                        $0.receipts.last == message.receipt && $0.hiddenUntilUptimeSeconds > now
                    }),
                    let received = state.messages[index].receivedAtUptimeSeconds,
                    (0...Self.maximumHiddenSeconds).contains(seconds),
                    now + Double(seconds) - received <= Double(Self.maximumHiddenSeconds)
                else { return false }
                state.messages[index].hiddenUntilUptimeSeconds = seconds == 0 ? -.infinity : now + Double(seconds)
                return true
            }
            if !isDone { shared.state.withLock { $0.refusedHides += 1 } }
            guard isDone else { throw QueueFailure(.rejected, "hide \(message.id): not in flight, or for too long") }
        }
    }

    // MARK: Steps

    @discardableResult
    private func add(_ body: String, _ attributes: [RetryMessage.Attribute], delaySeconds: Int = 0) -> String {
        let now = clock.uptimeSeconds
        return shared.state.withLock { state in
            defer { state.nextNumber += 1 }
            var message = Message(id: "m\(state.nextNumber)", body: body, attributes: attributes, sent: clock.now)
            if delaySeconds > 0 { message.hiddenUntilUptimeSeconds = now + Double(delaySeconds) }
            state.messages.append(message)
            return "m\(state.nextNumber)"
        }
    }

    private func take(_ maximumCount: Int, _ hiddenSeconds: Int) -> [QueuedMessage] {
        let now = clock.uptimeSeconds
        let most = min(max(maximumCount, 1), Self.maximumReceived)
        return shared.state.withLock { state in
            if let maximum = state.behaviour.maximumReceives {
                let isSpent = { (message: Message) in
                    message.receiveCount >= maximum && message.hiddenUntilUptimeSeconds <= now
                }
                state.deadLetters += state.messages.filter(isSpent)
                state.messages.removeAll(where: isSpent)
            }
            var received: [QueuedMessage] = []
            for index in state.messages.indices where received.count < most {
                guard state.messages[index].hiddenUntilUptimeSeconds <= now else { continue }
                var message = state.messages[index]
                message.receiveCount += 1
                message.receipts.append("\(message.id)-\(message.receiveCount)")
                message.receivedAtUptimeSeconds = now
                message.hiddenUntilUptimeSeconds = now + Double(min(max(hiddenSeconds, 0), Self.maximumHiddenSeconds))
                state.messages[index] = message
                received.append(
                    QueuedMessage(
                        id: message.id, receipt: message.receipts.last ?? "", body: Array(message.body.utf8),
                        receiveCount: message.receiveCount,
                        past: RetryMessage.Past(
                            attributes: { name in message.attributes.first { $0.name == name }?.value },
                            sent: message.sent)))
            }
            return received
        }
    }

    private func count(_ operation: String) { shared.state.withLock { $0.operations[operation, default: 0] += 1 } }

    private func each<Item>(
        _ operation: String, _ items: [Item], _ path: (Item) -> String, _ body: (Item) throws(QueueFailure) -> Void
    ) async -> [Int: QueueFailure] {
        guard !items.isEmpty else { return [:] }
        count(operation)
        var failures: [Int: QueueFailure] = [:]
        for (index, item) in items.enumerated() {
            do throws(QueueFailure) {
                try await step(.before, operation, path(item)).get()
                try body(item)
                try await step(.after, operation, path(item)).get()
            } catch {
                failures[index] = error
            }
        }
        return failures
    }

    private func step(_ moment: PortTap.Moment, _ name: String, _ path: String) async -> Result<Void, QueueFailure> {
        switch await tap.pass(moment, "queue.\(name)", path) {
        case .proceed, .failRemote, .failStore, .disconnect: break
        case .fail, .crash: return .failure(QueueFailure(.unavailable, "\(name): failed by the test"))
        case .failQueue(let reason): return .failure(QueueFailure(reason, "\(name): failed by the test"))
        }
        if moment == .before, Task.isCancelled { return .failure(QueueFailure(.cancelled, "\(name): cancelled")) }
        return .success(())
    }
}
