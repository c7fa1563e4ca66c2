import Synchronization

/// What `InterleavingExplorer` drives: some processes that share the ports' other sides.
public protocol InterleavingScenario: Sendable {
    /// A process from its beginning to its end; every step that matters to others passes the tap. Called again, with a
    /// new tap and `isRetry`, after a crash.
    func run(process: Int, isRetry: Bool, tap: PortTap) async

    /// Everything that the processes share, as text: two states that look the same are the same.
    var sharedState: String { get }

    /// What a process can learn of the shared state by this step, as text: two answers that look the same are the same.
    func observation(of operation: String) -> String

    /// Called when every process has ended.
    /// - Returns: what is wrong, or nil.
    func fault(afterCrashes crashes: Int) -> String?
}

/// Drives processes through every order of their steps, with a crash or a failure at any of them, and checks how each
/// ends.
///
/// The code runs on one thread and waits before every step until it is told to go on, so that an order of decisions
/// is a run that can be had again. The search goes depth first and takes no state twice: a state is what the processes
/// share, and what each of them has done and seen so far, which decides all that it will do.
public struct InterleavingExplorer: Sendable {
    /// How many crashes a run may have.
    public var maximumCrashes: Int
    /// How many steps of a run may fail: refused, or cut off by a lost connection before or after their effect.
    public var maximumFailures: Int
    /// The most runs; more end the search with an error.
    public var maximumRuns: Int
    private let processes: Int
    private let isStep: @Sendable (PortTap.Call) -> Bool
    private let canCrash: @Sendable (Int, PortTap.Call) -> Bool

    /// Makes an explorer.
    /// - Parameters:
    ///   - isStep: whether the call can be seen by other processes; calls that cannot are not held up.
    ///   - canCrash: whether the process may end at the call.
    public init(
        processes: Int, maximumCrashes: Int, maximumFailures: Int = 0, maximumRuns: Int = 1_000_000,
        isStep: @escaping @Sendable (PortTap.Call) -> Bool,
        canCrash: @escaping @Sendable (Int, PortTap.Call) -> Bool = { _, _ in true }
    ) {
        self.processes = processes
        self.maximumCrashes = maximumCrashes
        self.maximumFailures = maximumFailures
        self.maximumRuns = maximumRuns
        self.isStep = isStep
        self.canCrash = canCrash
    }

    /// What the search found.
    public struct Report: Sendable {
        /// Runs from the beginning.
        public var runs = 0
        /// Different states.
        public var states = 0
        /// Runs that came to their end, which were checked.
        public var ends = 0
        /// The first fault, with the steps that led to it.
        public var fault: String?
    }

    /// Searches everything, up to the first fault.
    public func explore(_ makeScenario: @escaping @Sendable () -> any InterleavingScenario) throws -> Report {
        var report = Report()
        var visited: Set<Int> = []
        var waiting: [[Choice]] = [[]]
        while let prefix = waiting.popLast() {
            guard report.runs < maximumRuns else {
                report.fault = "not finished after \(report.runs) runs"
                return report
            }
            report.runs += 1
            let run = Run(self, makeScenario(), prefix, visited)
            try DeterministicRun.run(whenIdle: { run.goOn() }) { await run.start() }
            let end = run.end()
            visited.formUnion(end.newStates)
            waiting += end.alternatives
            guard !end.wasCutShort else { continue }
            report.ends += 1
            if let fault = run.scenario.fault(afterCrashes: end.crashes) {
                report.fault = "\(fault)\n" + end.trace.joined(separator: "\n")
                break
            }
        }
        report.states = visited.count
        return report
    }

    /// Runs in orders that the seeds decide, with crashes: for what is too much to be searched. Up to the first fault.
    public func sample(
        seeds: Range<UInt64>, _ makeScenario: @escaping @Sendable () -> any InterleavingScenario
    ) throws -> Report {
        var report = Report()
        for seed in seeds {
            let run = Run(self, makeScenario(), [], [], order: SeededGenerator(seed: seed))
            try DeterministicRun.run(whenIdle: { run.goOn() }) { await run.start() }
            let end = run.end()
            report.runs += 1
            report.ends += 1
            report.states += end.trace.count
            if let fault = run.scenario.fault(afterCrashes: end.crashes) {
                report.fault = "seed \(seed): \(fault)\n" + end.trace.joined(separator: "\n")
                break
            }
        }
        return report
    }

    /// What becomes of a step.
    fileprivate enum Action: Hashable {
        case proceed, crashBefore, crashAfter, failBefore, failAfter, loseBefore, loseAfter

        var isCrash: Bool { self == .crashBefore || self == .crashAfter }

        /// What happens before the step's effect.
        var verdictBefore: PortTap.Verdict {
            switch self {
            case .proceed, .crashAfter, .failAfter, .loseAfter: .proceed
            case .crashBefore: .crash
            case .failBefore: .fail
            case .loseBefore: .disconnect
            }
        }

        /// What happens after it.
        var verdictAfter: PortTap.Verdict? {
            switch self {
            case .crashAfter: .crash
            case .failAfter: .fail
            case .loseAfter: .disconnect
            case .proceed, .crashBefore, .failBefore, .loseBefore: nil
            }
        }

        /// How an operation can fail. Those of the store fail one by one, those of a server with their connection too.
        static func failures(of operation: String) -> [Action] {
            if !operation.hasPrefix("remote.") {
                return operation.hasPrefix("store.") ? [.failBefore, .failAfter] : []
            }
            // The removal of the target is a step within an operation, and has no end of its own.
            return [.failBefore, .loseBefore] + (operation == "remote.removeTarget" ? [] : [.loseAfter])
        }

        /// Stands for the operation that ends next.
        static let anyOperation = ""

        /// The operation at whose end the verdict behind a step falls.
        func end(of operation: String) -> String {
            if isCrash { return Self.anyOperation }
            return operation == "remote.rename" ? "remote.replaceFile" : operation
        }
    }

    fileprivate struct Choice: Hashable {
        var waiter: Int
        var action: Action
    }

    private final class Run: Sendable {
        fileprivate struct Waiter {
            var process: Int
            var call: String
            var canCrash: Bool
            var continuation: CheckedContinuation<Action, Never>
        }

        fileprivate struct State {
            fileprivate var waiters: [Waiter] = []
            var history: [Int]
            var prefix: ArraySlice<Choice>
            var chosen: [Choice] = []
            /// Decides in a sample; nil in a search.
            var order: SeededGenerator?
            var newStates: Set<Int> = []
            var alternatives: [[Choice]] = []
            var trace: [String] = []
            var crashes = 0
            var failures = 0
            var wasCutShort = false
        }

        let scenario: any InterleavingScenario
        private let explorer: InterleavingExplorer
        private let visited: Set<Int>
        private let state: Mutex<State>

        init(
            _ explorer: InterleavingExplorer, _ scenario: any InterleavingScenario, _ prefix: [Choice],
            _ visited: Set<Int>, order: SeededGenerator? = nil
        ) {
            self.explorer = explorer
            self.scenario = scenario
            self.visited = visited
            state = Mutex(
                State(history: Array(repeating: 0, count: explorer.processes), prefix: prefix[...], order: order))
        }

        func start() async {
            await withTaskGroup { group in
                for process in 0..<explorer.processes {
                    group.addTask { await self.live(process) }
                }
            }
        }

        private func live(_ process: Int) async {
            var isRetry = false
            while true {
                let pending = Mutex<[String: PortTap.Verdict]>([:])
                let tap = PortTap { [self] call in
                    if call.moment == .after {
                        return pending.withLock { $0[Action.anyOperation] ?? $0.removeValue(forKey: call.operation) }
                            ?? .proceed
                    }
                    guard explorer.isStep(call) else { return .proceed }
                    let action = await decision(process, call)
                    if let after = action.verdictAfter {
                        pending.withLock { $0[action.end(of: call.operation)] = after }
                    }
                    return action.verdictBefore
                }
                await scenario.run(process: process, isRetry: isRetry, tap: tap)
                guard tap.isDead, !state.withLock({ $0.wasCutShort }) else { return }
                isRetry = true
            }
        }

        private func decision(_ process: Int, _ call: PortTap.Call) async -> Action {
            await withCheckedContinuation { continuation in
                state.withLock { state in
                    state.waiters.append(
                        Waiter(
                            process: process, call: call.operation, canCrash: explorer.canCrash(process, call),
                            continuation: continuation))
                }
            }
        }

        /// Lets one step go on. False when nobody waits.
        func goOn() -> Bool {
            let shared = scenario.sharedState
            let next: (Waiter, Action, dead: [Waiter])? = state.withLock { state in
                guard !state.waiters.isEmpty else { return nil }
                let choice = choose(&state, shared)
                let waiter = state.waiters.remove(at: choice.waiter)
                state.chosen.append(choice)
                var hasher = Hasher()
                // Of what was before a crash, nobody knows anything.
                if !choice.action.isCrash {
                    hasher.combine(state.history[waiter.process])
                    hasher.combine(waiter.call)
                    hasher.combine(scenario.observation(of: waiter.call))
                    hasher.combine(choice.action)
                }
                state.history[waiter.process] = hasher.finalize()
                state.trace.append("\(waiter.process): \(waiter.call) \(choice.action)   \(shared)")
                guard choice.action.isCrash else {
                    if choice.action != .proceed { state.failures += 1 }
                    return (waiter, choice.action, [])
                }
                // Whatever else the process was about to do ends with it.
                state.crashes += 1
                let dead = state.waiters.filter { $0.process == waiter.process }
                state.waiters.removeAll { $0.process == waiter.process }
                return (waiter, choice.action, dead)
            }
            guard let (waiter, action, dead) = next else { return false }
            waiter.continuation.resume(returning: action)
            for other in dead { other.continuation.resume(returning: .crashBefore) }
            return true
        }

        private func choose(_ state: inout State, _ shared: String) -> Choice {
            if let choice = state.prefix.popFirst() { return choice }
            if state.order != nil { return chooseAtRandom(&state) }
            var hasher = Hasher()
            hasher.combine(shared)
            hasher.combine(state.history)
            hasher.combine(state.crashes)
            hasher.combine(state.failures)
            for waiter in state.waiters {
                hasher.combine(waiter.process)
                hasher.combine(waiter.call)
            }
            let signature = hasher.finalize()
            let isKnown = visited.contains(signature) || !state.newStates.insert(signature).inserted
            // What follows has been seen: the run is brought to its end in the shortest way, and does not count.
            if state.wasCutShort || isKnown {
                state.wasCutShort = true
                return Choice(waiter: 0, action: .crashBefore)
            }
            let choices = choices(state)
            state.alternatives += choices.dropFirst().map { state.chosen + [$0] }
            return choices[0]
        }

        /// All that can happen next; never empty.
        private func choices(_ state: State) -> [Choice] {
            state.waiters.indices.flatMap { index in
                let canCrash = state.waiters[index].canCrash && state.crashes < explorer.maximumCrashes
                let crashes: [Action] = canCrash ? [.crashBefore, .crashAfter] : []
                let canFail = state.failures < explorer.maximumFailures
                let failures = canFail ? Action.failures(of: state.waiters[index].call) : []
                return ([.proceed] + crashes + failures).map { Choice(waiter: index, action: $0) }
            }
        }

        /// One in so many steps of a sample is a crash or a failure, while there may be one.
        private static let stepsPerFault = 8

        private func chooseAtRandom(_ state: inout State) -> Choice {
            var order = state.order ?? SeededGenerator(seed: 0)
            defer { state.order = order }
            let wantsFault = Int.random(in: 0..<Self.stepsPerFault, using: &order) == 0
            let choices = choices(state)
            let wanted = choices.filter { ($0.action != .proceed) == wantsFault }
            return wanted.randomElement(using: &order) ?? choices[Int.random(in: 0..<choices.count, using: &order)]
        }

        func end() -> State { state.withLock { $0 } }
    }
}
