import Glibc
import Synchronization

/// Runs asynchronous code on the calling thread alone, one step after the other, in an order that the seed decides:
/// the same seed is the same run, and another seed is another interleaving of whatever runs at the same time.
///
/// Swift's runtime lets a hook see every job that is handed to the shared pool (`swift_task_enqueueGlobal_hook`).
/// Jobs that come from the thread of a deterministic run stay on it, tasks that the code starts by itself included;
/// other threads notice nothing. The code must not wait for anything that another thread does, timers included.
public enum DeterministicRun {
    /// The code waits for something that nobody will do any more, or goes round in circles.
    public struct Stuck: Error, CustomStringConvertible {
        /// How many steps were taken.
        public let steps: Int
        /// Whether something was still ready to run.
        public let isRunning: Bool

        /// For the failing test.
        public var description: String {
            isRunning ? "still running after \(steps) steps" : "waits for ever after \(steps) steps"
        }
    }

    /// Runs the body to its end.
    /// - Parameters:
    ///   - seed: decides which of the ready steps is next; nil takes them as they come.
    ///   - whenIdle: asked when nothing is ready to run and the body has not ended: lets something go on that it holds
    ///     up, and says whether it did.
    public static func run<Value: Sendable>(
        seed: UInt64? = nil, maximumSteps: Int = 20_000_000, whenIdle: @Sendable () -> Bool = { false },
        _ body: @escaping @Sendable () async -> Value
    ) throws -> Value {
        _ = hook
        let ready = ReadyJobs()
        let thread = pthread_self()
        threads.withLock { $0[thread] = ready }
        defer { threads.withLock { $0[thread] = nil } }
        let result = ResultBox<Value>()
        Task {
            let value = await body()
            result.value.withLock { $0 = value }
        }
        var order = SeededGenerator(seed: seed ?? 0)
        var steps = 0
        while true {
            if let value = result.value.withLock({ $0 }) { return value }
            let isRunning = ready.runOne(isRandom: seed != nil, &order) || whenIdle()
            steps += 1
            guard isRunning, steps < maximumSteps else { throw Stuck(steps: steps, isRunning: isRunning) }
        }
    }

    private final class ResultBox<Value: Sendable>: Sendable {
        let value = Mutex<Value?>(nil)
    }

    private final class ReadyJobs: TaskExecutor {
        private let jobs = Mutex<[UnownedJob]>([])

        func enqueue(_ job: consuming ExecutorJob) { add(UnownedJob(job)) }

        func add(_ job: UnownedJob) { jobs.withLock { $0.append(job) } }

        /// Runs one job, if there is one.
        func runOne(isRandom: Bool, _ order: inout SeededGenerator) -> Bool {
            let job: UnownedJob? = jobs.withLock { jobs in
                guard !jobs.isEmpty else { return nil }
                return jobs.remove(at: isRandom ? Int.random(in: 0..<jobs.count, using: &order) : 0)
            }
            job?.runSynchronously(on: asUnownedTaskExecutor())
            return job != nil
        }
    }

    private typealias Original = @convention(thin) (UnownedJob) -> Void
    private typealias Hook = @convention(thin) (UnownedJob, Original) -> Void

    /// The threads on which a deterministic run is under way.
    private static let threads = Mutex<[pthread_t: ReadyJobs]>([:])

    /// Set once, and never taken away: it passes on what does not concern it.
    private static let hook: Void = {
        guard let symbol = dlsym(dlopen(nil, RTLD_NOW), "swift_task_enqueueGlobal_hook") else {
            preconditionFailure("this Swift runtime has no hook for global jobs")
        }
        symbol.assumingMemoryBound(to: Hook?.self).pointee = { job, original in
            if let ready = DeterministicRun.threads.withLock({ $0[pthread_self()] }) {
                ready.add(job)
            } else {
                original(job)
            }
        }
    }()
}

/// Random numbers that a seed decides (SplitMix64).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// Makes a generator.
    public init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 }

    /// The next number.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Random bits that a seed decides, for many at once.
public final class SeededBits: Sendable {
    private let generator: Mutex<SeededGenerator>

    /// Makes a source.
    public init(seed: UInt64 = 0) { generator = Mutex(SeededGenerator(seed: seed)) }

    /// The next 64 bits.
    public func next() -> UInt64 { generator.withLock { $0.next() } }
}
