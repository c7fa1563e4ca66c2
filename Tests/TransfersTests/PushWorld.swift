import Synchronization
import TestKit

@testable import Transfers

/// A bucket, a server and pushes between them, in memory.
final class PushWorld: Sendable {
    /// What the bucket and the server do differently.
    struct Behaviour: Sendable {
        var source = InMemorySourceObjects.Behaviour()
        var server = InMemoryDestination.Behaviour()
        var allowsInPlace = false
        var targetName: TargetName?
        var maximumObjectsInFlight = PushPlan.mostObjectsInFlight
    }

    static let bucket = "bucket"
    let clock = ManualClock()
    let store: InMemoryObjectStore
    let tree: InMemoryTree
    let behaviour: Behaviour
    let queue: InMemoryRetryQueue
    let observer = FailureRecorder()
    private let sourceBehaviour: Mutex<InMemorySourceObjects.Behaviour>
    private let random = SeededBits()
    private let connectionsCount = Mutex(0)
    private let looksCount = Mutex(0)

    /// How often a server was connected to.
    var connections: Int { connectionsCount.withLock { $0 } }
    /// How often the store was asked for the current object.
    var looks: Int { looksCount.withLock { $0 } }

    init(_ behaviour: Behaviour = Behaviour(), queue tap: PortTap = PortTap()) {
        self.behaviour = behaviour
        store = InMemoryObjectStore(clock: clock)
        tree = InMemoryTree(clock: clock)
        queue = InMemoryRetryQueue(clock: clock, tap: tap)
        sourceBehaviour = Mutex(behaviour.source)
    }

    var plan: PushPlan {
        var plan = PushPlan(
            origin: "host:22:user", targetDirectory: "/in", allowsInPlace: behaviour.allowsInPlace,
            budgetBytes: 8 << 20,
            sha256: ReferenceSHA256.hexadecimal, randomBits: { [random] in random.next() })
        plan.targetName = behaviour.targetName
        plan.maximumObjectsInFlight = behaviour.maximumObjectsInFlight
        return plan
    }

    /// A push of one object, in a function of its own.
    func push(_ key: String, event content: [UInt8]? = nil, tap: PortTap = PortTap()) async -> PushOutcome {
        guard let key = ObjectKey(key) else { return .failed(PushFailure(.refused, "no key")) }
        let etag = content.flatMap { ETag(InMemoryObjectStore.etag(of: $0)) }
        return await push(PushRequest(ObjectEvent(bucket: Self.bucket, key: key, etag: etag)), tap: tap)
    }

    /// A push of what a request asks for, in a function of its own.
    func push(_ request: PushRequest, tap: PortTap = PortTap()) async -> PushOutcome {
        let counting = PortTap { [self] call in
            if call.operation == "store.current" && call.moment == .before { looksCount.withLock { $0 += 1 } }
            return await tap.pass(call.moment, call.operation, call.path)
        }
        let server = ServerAccess(connect: connect(true, counting))
        return await ObjectPush(
            plan: plan, objects: objects(counting), server: server, budget: ByteBudget(totalBytes: plan.budgetBytes),
            clock: clock
        ).run(request)
    }

    /// What is left to do of a request, as it is read from the message on the retry queue; nil when nothing is.
    func leftOver(of request: PushRequest, _ outcome: PushOutcome) -> PushRequest? {
        RetryEntry.entries(of: request, outcome, at: clock.now).first.flatMap { entry in
            IncomingEvent(Array(entry.message.body.utf8)).requests.first
        }
    }

    // MARK: Whole functions

    /// A push function.
    /// - Parameter queueTap: of its client of the queue; nil: that of the world.
    func flow(isReachable: Bool = true, tap: PortTap = PortTap(), queueTap: PortTap? = nil) -> PushFlow {
        PushFlow(
            plan: plan, objects: objects(tap), connect: connect(isReachable, tap),
            queue: queueTap.map { queue.client(tap: $0) } ?? queue, clock: clock, observer: observer)
    }

    /// A pushRetry function.
    /// - Parameter reachableTimes: so many connections the server takes, all functions of this world together.
    func retryFlow(
        isReachable: Bool = true, reachableTimes: Int = .max, tap: PortTap = PortTap(), queueTap: PortTap? = nil,
        deadlineUptimeSeconds: Double? = nil
    ) -> RetryFlow {
        RetryFlow(
            plan: plan, objects: objects(tap), connect: connect(isReachable, tap, times: reachableTimes),
            queue: queueTap.map { queue.client(tap: $0) } ?? queue, clock: clock, observer: observer,
            deadlineUptimeSeconds: deadlineUptimeSeconds)
    }

    /// Changes what the bucket does from now on.
    func source(_ change: (inout InMemorySourceObjects.Behaviour) -> Void) { sourceBehaviour.withLock { change(&$0) } }

    private func objects(_ tap: PortTap) -> InMemorySourceObjects {
        InMemorySourceObjects(store.client(tap: tap), behaviour: sourceBehaviour.withLock { $0 })
    }

    private func connect(
        _ isReachable: Bool, _ tap: PortTap, times: Int = .max
    ) -> @Sendable () async throws(RemoteFailure) -> any RemoteDestination {
        { [self] () throws(RemoteFailure) in
            let number = connectionsCount.withLock { count in
                count += 1
                return count
            }
            guard isReachable, number <= times else { throw RemoteFailure(.connectionLost, "connect: refused") }
            switch await tap.pass(.before, "remote.connect", "") {
            case .proceed, .failStore, .failQueue: break
            case .failRemote(let reason): throw RemoteFailure(reason, "connect: failed by the test")
            case .fail, .disconnect, .crash: throw RemoteFailure(.connectionLost, "connect: failed by the test")
            }
            return InMemoryDestination(tree, behaviour: behaviour.server, tap: tap)
        }
    }

    /// Whether the current object carries a mark of its content for the path.
    func isMarked(_ key: String, at path: RemotePath) -> Bool {
        guard let object = store.current(key), let mark = SyncMark(metadata: object.metadata) else { return false }
        let identity = Destination.identity(origin: plan.origin, path: path)
        let destination = Destination(origin: plan.origin, sha256: ReferenceSHA256.hexadecimal(identity))
        guard let sent = ETag(InMemoryObjectStore.etag(of: object.bytes)) else { return false }
        return mark.counts(for: destination) && mark.etags.contains(sent)
    }
}

/// Remembers what failed.
final class FailureRecorder: PushObserver {
    struct Failure: Equatable {
        var subject: PushSubject
        var errorClass: String
    }

    private struct State {
        var failures: [Failure] = []
        /// How often the objects that failed had been tried.
        var attempts: [Int?] = []
        var warnings: [String] = []
        var receipts: [PushReceipt] = []
    }

    private let state = Mutex(State())
    private let foundState = Mutex<(keys: [String], isAll: Bool)>(([], false))

    /// The keys of what was asked for; nil while more could come.
    var found: [String]? { foundState.withLock { $0.isAll ? $0.keys : nil } }

    func found(_ object: ObjectAddress) { foundState.withLock { $0.keys.append(object.key.text) } }
    func foundAll() { foundState.withLock { $0.isAll = true } }

    var failures: [Failure] { state.withLock { $0.failures } }
    var attempts: [Int?] { state.withLock { $0.attempts } }
    var warnings: [String] { state.withLock { $0.warnings } }
    var receipts: [PushReceipt] { state.withLock { $0.receipts } }

    /// What was told so far is not told of what follows.
    func forget() { state.withLock { $0 = State() } }

    func delivered(_ receipt: PushReceipt) { state.withLock { $0.receipts.append(receipt) } }
    func marked(_ object: ObjectAddress) {}
    func ignored(_ item: IncomingEvent.Ignored) {}
    func skipped(_ object: ObjectAddress, because reason: PushDecision.Reason) {}
    func failed(_ subject: PushSubject, _ account: FailureAccount) {
        state.withLock { state in
            state.failures.append(Failure(subject: subject, errorClass: account.errorClass))
            if case .object = subject { state.attempts.append(account.attempt) }
        }
    }
    func warning(_ message: String, because reason: String) { state.withLock { $0.warnings.append(message) } }
}
