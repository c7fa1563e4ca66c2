import Testing
public import Transfers

/// What the port `RetryQueue` promises, as checks that every implementation must pass: the one in memory and the one
/// over SQS.
public struct RetryQueueContract: Sendable {
    /// Every promise has a name, and wants an empty queue of that name, or at least of its own.
    public enum Promise: String, CaseIterable, Sendable {
        case emptyQueueGivesNothing, messagesArriveAsTheyWereSent, manyMessagesArrive, longestMessageArrives
        case delayedMessagesComeLater
        case receivedAreHidden, hiddenComeAgainWhenTheTimeIsUp, handedBackComeAtOnce, hidingCanBeExtended
        case deletedAreGone, olderReceiptsHideNothing, failuresAreToldByIndex, nothingIsAskedOfNothing
        case receivedTooOftenGoesToTheDeadLetters, cancelledCallsSaySo
    }

    /// A queue that lets a message go to the dead letters once it has been received `maximumReceives` times, if the
    /// promise is `receivedTooOftenGoesToTheDeadLetters`.
    public struct Subject: Sendable {
        /// The queue.
        public var queue: any RetryQueue
        /// The bodies of the dead letters, seen past the implementation that is checked.
        public var deadLetters: @Sendable () async throws -> [String]
        /// Whether it delays single messages, as FIFO queues do not.
        public var delaysMessages: Bool

        /// Makes a subject.
        public init(
            queue: any RetryQueue, delaysMessages: Bool = true,
            deadLetters: @escaping @Sendable () async throws -> [String]
        ) {
            self.queue = queue
            self.delaysMessages = delaysMessages
            self.deadLetters = deadLetters
        }
    }

    /// After so many receives the queue of that promise gives a message up.
    public static let maximumReceives = 2
    /// The longest body that every queue takes, with room for attributes.
    private static let longestBytes = 250_000

    private let subject: Subject
    private var queue: any RetryQueue { subject.queue }

    /// Sets the checks of one promise up.
    public init(_ subject: Subject) { self.subject = subject }

    /// Checks one promise.
    public func check(_ promise: Promise) async throws {
        switch promise {
        case .emptyQueueGivesNothing:
            #expect(try await queue.waitingCount() == 0)
            #expect(try await receive().isEmpty)
        case .messagesArriveAsTheyWereSent: try await messagesArriveAsTheyWereSent()
        case .manyMessagesArrive: try await manyMessagesArrive()
        case .longestMessageArrives: try await longestMessageArrives()
        case .delayedMessagesComeLater: try await delayedMessagesComeLater()
        case .receivedAreHidden: try await receivedAreHidden()
        case .hiddenComeAgainWhenTheTimeIsUp: try await hiddenComeAgainWhenTheTimeIsUp()
        case .handedBackComeAtOnce: try await handedBackComeAtOnce()
        case .hidingCanBeExtended: try await hidingCanBeExtended()
        case .deletedAreGone: try await deletedAreGone()
        case .olderReceiptsHideNothing: try await olderReceiptsHideNothing()
        case .failuresAreToldByIndex: try await failuresAreToldByIndex()
        case .nothingIsAskedOfNothing:
            #expect(await queue.send([]).isEmpty)
            #expect(await queue.delete([]).isEmpty)
            #expect(await queue.hide([], forSeconds: 5).isEmpty)
        case .receivedTooOftenGoesToTheDeadLetters: try await receivedTooOftenGoesToTheDeadLetters()
        case .cancelledCallsSaySo: try await cancelledCallsSaySo()
        }
    }

    /// A message of that body.
    public static func message(_ body: String) throws -> RetryMessage {
        // What is no event goes to the queue as it came.
        let failure = try #require(IncomingEvent(Array(body.utf8)).failures.first)
        return RetryMessage(failure, time: UnixTime(seconds: 1_700_000_000), attempt: 1)
    }

    private func receive(
        _ maximumCount: Int = 10, waitSeconds: Int = 0, hiddenSeconds: Int = 600
    ) async throws -> [QueuedMessage] {
        try await queue.receive(maximumCount: maximumCount, waitSeconds: waitSeconds, hiddenSeconds: hiddenSeconds)
    }

    private func sendOne(_ body: String = "one") async throws {
        #expect(await queue.send([try Self.message(body)]).isEmpty)
    }

    private func receiveOne(hiddenSeconds: Int = 600) async throws -> QueuedMessage {
        try #require(try await receive(waitSeconds: 10, hiddenSeconds: hiddenSeconds).first)
    }

    private func messagesArriveAsTheyWereSent() async throws {
        let body = "no event: {\"key\": \"a b/é 日本 😀\",\n\t\"q\": \"\\\"\"} <&>"
        try await sendOne(body)
        #expect(try await queue.waitingCount() == 1)
        let message = try await receiveOne()
        #expect(String(decoding: message.body, as: UTF8.self) == body)
        #expect(message.receiveCount == 1 && !message.id.isEmpty && !message.receipt.isEmpty)
        #expect(message.past == RetryMessage.Past(attempts: 1, since: UnixTime(seconds: 1_700_000_000)))
        #expect(message.attempt == 2)
    }

    private func manyMessagesArrive() async throws {
        let bodies = (0..<23).map { "\($0) " + String(repeating: "x", count: 30_000) }
        #expect(await queue.send(try bodies.map { try Self.message($0) }).isEmpty)
        #expect(try await queue.waitingCount() == 23)
        var received: [QueuedMessage] = []
        while received.count < 23 {
            let some = try await receive(7, waitSeconds: 10)
            try #require((1...7).contains(some.count))
            received += some
        }
        #expect(Set(received.map { String(decoding: $0.body, as: UTF8.self) }) == Set(bodies))
        #expect(Set(received.map(\.id)).count == 23 && Set(received.map(\.receipt)).count == 23)
        #expect(await queue.hide(received, forSeconds: 900).isEmpty)
        #expect(await queue.delete(received).isEmpty)
        #expect(try await queue.waitingCount() == 0)
    }

    private func longestMessageArrives() async throws {
        let body = String(repeating: "long ", count: Self.longestBytes / 5)
        try await sendOne(body)
        #expect(try await receiveOne().body.count == body.utf8.count)
    }

    private func receivedAreHidden() async throws {
        try await sendOne()
        _ = try await receiveOne()
        #expect(try await receive().isEmpty)
        #expect(try await queue.waitingCount() == 0)
    }

    private func hiddenComeAgainWhenTheTimeIsUp() async throws {
        try await sendOne()
        let first = try await receiveOne(hiddenSeconds: 1)
        let second = try await receiveOne()
        #expect(second.id == first.id && second.receipt != first.receipt && second.receiveCount == 2)
        #expect(second.body == first.body)
    }

    /// A queue that cannot delay it takes it all the same.
    private func delayedMessagesComeLater() async throws {
        let key = try #require(ObjectKey("a"))
        let message = RetryMessage(
            ObjectEvent(bucket: "bucket", key: key),
            because: RetryMessage.Reason(
                errorClass: "c", errorText: "t", time: UnixTime(seconds: 1_700_000_000), attempt: 1), delaySeconds: 2)
        #expect(await queue.send([message]).isEmpty)
        if subject.delaysMessages { #expect(try await receive().isEmpty) }
        #expect(try await receiveOne().receiveCount == 1)
    }

    private func handedBackComeAtOnce() async throws {
        try await sendOne()
        for count in 1...3 {
            let message = try await receiveOne()
            #expect(message.receiveCount == count)
            #expect(await queue.hide([message], forSeconds: 0).isEmpty)
        }
    }

    private func hidingCanBeExtended() async throws {
        try await sendOne()
        let message = try await receiveOne(hiddenSeconds: 1)
        #expect(await queue.hide([message], forSeconds: 600).isEmpty)
        #expect(try await receive(waitSeconds: 2).isEmpty)
        #expect(await queue.hide([message], forSeconds: 0).isEmpty)
        #expect(try await receiveOne().receiveCount == 2)
    }

    private func deletedAreGone() async throws {
        try await sendOne()
        let message = try await receiveOne()
        #expect(await queue.delete([message]).isEmpty)
        #expect(try await receive(waitSeconds: 1).isEmpty)
        let failures = await queue.hide([message], forSeconds: 0)
        #expect(failures.mapValues(\.reason) == [0: .rejected])
    }

    private func olderReceiptsHideNothing() async throws {
        try await sendOne()
        let message = try await receiveOne()
        #expect(await queue.hide([message], forSeconds: 0).isEmpty)
        let failures = await queue.hide([message], forSeconds: 600)
        #expect(failures.mapValues(\.reason) == [0: .rejected])
        #expect(try await receive(waitSeconds: 1).count == 1)
    }

    private func failuresAreToldByIndex() async throws {
        let bodies = (0..<12).map { $0 == 3 ? String(repeating: "y", count: (1 << 20) + 1) : "\($0)" }
        let unsent = await queue.send(try bodies.map { try Self.message($0) })
        #expect(unsent.mapValues(\.reason) == [3: .rejected])
        var received: [QueuedMessage] = []
        while received.count < 11 {
            let some = try await receive(waitSeconds: 10)
            try #require(!some.isEmpty)
            received += some
        }
        #expect(await queue.hide([received[10]], forSeconds: 0).isEmpty)
        let unhidden = await queue.hide(received, forSeconds: 600)
        #expect(unhidden.mapValues(\.reason) == [10: .rejected])
    }

    private func receivedTooOftenGoesToTheDeadLetters() async throws {
        try await sendOne("poison")
        for count in 1...Self.maximumReceives {
            let message = try await receiveOne()
            #expect(message.receiveCount == count)
            #expect(await queue.hide([message], forSeconds: 0).isEmpty)
        }
        #expect(try await receive().isEmpty)
        #expect(try await subject.deadLetters() == ["poison"])
        #expect(try await queue.waitingCount() == 0)
    }

    private func cancelledCallsSaySo() async throws {
        let message = try Self.message("never")
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            let failures = await queue.send([message, message])
            #expect(failures.mapValues(\.reason) == [0: .cancelled, 1: .cancelled])
            do throws(QueueFailure) {
                _ = try await queue.receive(maximumCount: 1, waitSeconds: 20, hiddenSeconds: 1)
                Issue.record("it received")
            } catch {
                #expect(error.reason == .cancelled, "\(error)")
            }
        }
        task.cancel()
        await task.value
        #expect(try await queue.waitingCount() == 0)
    }
}
