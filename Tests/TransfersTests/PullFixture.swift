import Synchronization
import TestKit
import Testing
import Transfers

/// A partner's server, a bucket and a clock, and pulls between them.
struct PullFixture: Sendable {
    let clock: ManualClock
    let tree: InMemoryTree
    let store: InMemoryObjectStore
    let observer = RecordingObserver()
    var plan: PullPlan
    /// Decides what is purged first; goes on from run to run.
    let random = SharedRandom(seed: 1)
    var behaviour = InMemoryRemoteFiles.Behaviour()

    /// The age of what the partner has put before the test begins.
    static let longAgo = UnixTime(seconds: 1_749_000_000)

    init() {
        let clock = ManualClock()
        self.clock = clock
        tree = InMemoryTree(clock: clock)
        store = InMemoryObjectStore(clock: clock)
        tree.makeDirectory("/in")
        plan = PullPlan(
            sourceDirectory: "/in", keys: KeyMapping(prefix: "from/"), selection: Selection(), retentionDays: 0,
            origin: "sftp.example.com:22:partner", budgetBytes: 32 * 1024 * 1024,
            sha256: ReferenceSHA256.hexadecimal)
    }

    /// Puts a file into the source directory.
    func put(_ name: String, _ bytes: [UInt8], modified: UnixTime = longAgo) {
        tree.put("/in" / name, bytes, modified: modified)
    }

    func put(_ name: String, _ text: String, modified: UnixTime = longAgo) {
        put(name, Array(text.utf8), modified: modified)
    }

    /// What is at a place below the source directory.
    func remote(_ name: String) -> [UInt8]? { tree.read("/in" / name) }

    func remoteText(_ name: String) -> String? { remote(name).map { String(decoding: $0, as: UTF8.self) } }

    /// The current object.
    func stored(_ name: String) -> [UInt8]? { store.current("from/\(name)")?.bytes }

    func storedText(_ name: String) -> String? { stored(name).map { String(decoding: $0, as: UTF8.self) } }

    /// A connection and a bucket that pass a tap.
    func pull(tap: PortTap = PortTap(), gauge: ByteGauge? = nil) -> Pull {
        let files = InMemoryRemoteFiles(tree, behaviour: behaviour, tap: tap, gauge: gauge)
        let client = store.client(tap: tap, gauge: gauge)
        let random = random
        let flow = PullFlow(plan: plan, files: files, store: client, clock: clock, observer: observer) {
            random.int(in: 0...($0 - 1))
        }
        return Pull(flow: flow, files: files)
    }

    /// One pull, with its connection.
    struct Pull: Sendable {
        let flow: PullFlow
        let files: InMemoryRemoteFiles
    }

    /// Pulls once, step by step in the same order every time, and checks that nothing is left open.
    @discardableResult
    func run(
        tap: PortTap = PortTap(), seed: UInt64? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> PullSummary {
        let pull = pull(tap: tap)
        let summary = try DeterministicRun.run(seed: seed) { await pull.flow.run() }
        expectNothingOpen(pull.files, sourceLocation: sourceLocation)
        return summary
    }

    func expectNothingOpen(_ files: InMemoryRemoteFiles, sourceLocation: SourceLocation = #_sourceLocation) {
        let counters = files.counters
        #expect(counters.openFiles == 0, "a file was left open", sourceLocation: sourceLocation)
        #expect(counters.openDirectories == 0, "a listing was left open", sourceLocation: sourceLocation)
        #expect(counters.misuses.isEmpty, sourceLocation: sourceLocation)
    }

    /// Pulls once more when some time has passed; nothing fails.
    func runAgain(_ context: String = "", sourceLocation: SourceLocation = #_sourceLocation) throws {
        clock.advance(seconds: 600)
        let summary = try run(sourceLocation: sourceLocation)
        #expect(summary.failures.isEmpty, "\(context)", sourceLocation: sourceLocation)
        #expect(summary.remaining == 0, "\(context)", sourceLocation: sourceLocation)
        #expect(summary.isListingComplete, "\(context)", sourceLocation: sourceLocation)
    }
}

/// Remembers what a flow told.
final class RecordingObserver: TransferObserver {
    struct Left: Sendable, Hashable {
        let path: RemotePath
        let word: String
    }

    struct State {
        var receipts: [TransferReceipt] = []
        var left: [Left] = []
        var failures: [TransferFailure] = []
        var purged: [RemotePath] = []
        var warnings: [String] = []
        var found: [RemotePath: UInt64?] = [:]
        var isAllFound = false
        /// What was transferred before it was found.
        var unannounced: [RemotePath] = []
    }

    private let state = Mutex(State())

    var seen: State { state.withLock { $0 } }

    func found(_ path: RemotePath, sizeBytes: UInt64?) {
        state.withLock { _ = $0.found.updateValue(sizeBytes, forKey: path) }
    }
    func foundAll() { state.withLock { $0.isAllFound = true } }
    func transferred(_ receipt: TransferReceipt) {
        state.withLock { state in
            state.receipts.append(receipt)
            if state.found[receipt.path] == nil { state.unannounced.append(receipt.path) }
        }
    }
    func left(_ path: RemotePath, because reason: LeftReason) {
        state.withLock { $0.left.append(Left(path: path, word: reason.word)) }
    }
    func failed(_ failure: TransferFailure) { state.withLock { $0.failures.append(failure) } }
    func purged(_ path: RemotePath) { state.withLock { $0.purged.append(path) } }
    func warning(_ message: String, path: RemotePath?) { state.withLock { $0.warnings.append(message) } }
}

/// A tap that does something once, at the call with this index.
func tapAt(_ index: Int, _ act: @escaping @Sendable (PortTap.Call) -> PortTap.Verdict) -> PortTap {
    PortTap { call in call.index == index ? act(call) : .proceed }
}

/// A tap that does something at every call of an operation, on one side of it.
func tapOn(
    _ moment: PortTap.Moment, _ operation: String, _ act: @escaping @Sendable (PortTap.Call) async -> PortTap.Verdict
) -> PortTap {
    PortTap { call in
        call.operation == operation && call.moment == moment ? await act(call) : .proceed
    }
}

/// Remembers the call at which a test did something.
final class CallBox: Sendable {
    private let call = Mutex<PortTap.Call?>(nil)

    var text: String { call.withLock { $0?.description ?? "no call" } }

    var value: PortTap.Call? { call.withLock { $0 } }

    func set(_ call: PortTap.Call) { self.call.withLock { $0 = call } }
}

/// Remembers the calls of a run.
final class CallList: Sendable {
    private let calls = Mutex<[PortTap.Call]>([])

    var all: [PortTap.Call] { calls.withLock { $0 } }

    func add(_ call: PortTap.Call) { calls.withLock { $0.append(call) } }
}

/// What happened, line by line, for the test that fails.
final class StepLog: Sendable {
    private let lines = Mutex<[String]>([])

    var text: String { lines.withLock { $0.joined(separator: "\n") } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }
}

/// Random numbers that many tasks of one deterministic run take from.
final class SharedRandom: Sendable {
    private let generator: Mutex<SeededGenerator>

    init(seed: UInt64) { generator = Mutex(SeededGenerator(seed: seed)) }

    func int(in range: ClosedRange<Int>) -> Int { generator.withLock { Int.random(in: range, using: &$0) } }
}

/// A task that its own work cancels.
final class TaskBox: Sendable {
    private let task = Mutex<Task<PullSummary, Never>?>(nil)

    func set(_ task: Task<PullSummary, Never>) { self.task.withLock { $0 = task } }

    func cancel() { task.withLock { $0 }?.cancel() }
}

/// Counts up to a limit.
final class Counter: Sendable {
    private let count = Mutex(0)

    var value: Int { count.withLock { $0 } }

    /// Counts, and says how many were counted before; nil at the limit.
    func next(below limit: Int) -> Int? {
        count.withLock { count in
            guard count < limit else { return nil }
            defer { count += 1 }
            return count
        }
    }
}
