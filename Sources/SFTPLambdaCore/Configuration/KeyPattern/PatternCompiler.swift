/// A pattern as its parser understands it.
indirect enum PatternTree: Hashable {
    case empty
    case scalar(ScalarSet)
    case assertion(PatternAssertion)
    case sequence([PatternTree])
    /// The first alternative that leads to a match is preferred.
    case alternatives([PatternTree])
    /// Between `minimum` and `maximum` times; without a maximum, as often as it goes. Greedy prefers more.
    case repeated(PatternTree, minimum: Int, maximum: Int?, isGreedy: Bool)
}

/// Turns a tree into a program. Counted repetitions are written out, so the program has a limit.
struct PatternCompiler {
    private(set) var program: [PatternInstruction] = []

    /// The longest program: a key of 1,024 scalars then takes at most two million steps, some milliseconds.
    static let maximumInstructions = 2000

    mutating func compile(_ tree: PatternTree) throws(SettingProblem) {
        switch tree {
        case .empty: break
        case .scalar(let set): try append(.scalar(set))
        case .assertion(let assertion): try append(.assertion(assertion))
        case .sequence(let trees): for tree in trees { try compile(tree) }
        case .alternatives(let trees): try compile(alternatives: trees)
        case .repeated(let tree, let minimum, let maximum, let isGreedy):
            for _ in 0..<minimum {
                let start = program.count
                try compile(tree)
                // What compiles to nothing is not worth a repetition; a nest of them would never end.
                if program.count == start { break }
            }
            if let maximum {
                try compile(tree, upTo: maximum - minimum, isGreedy)
            } else {
                try compile(loop: tree, isGreedy)
            }
        }
    }

    private mutating func append(_ instruction: PatternInstruction) throws(SettingProblem) {
        guard program.count < Self.maximumInstructions else {
            throw SettingProblem("is too large once its counted repetitions are written out")
        }
        program.append(instruction)
    }

    private mutating func compile(alternatives trees: [PatternTree]) throws(SettingProblem) {
        var exits: [Int] = []
        for (index, tree) in trees.enumerated() {
            guard index < trees.count - 1 else {
                try compile(tree)
                break
            }
            let split = program.count
            try append(.split(0, 0))
            try compile(tree)
            exits.append(program.count)
            try append(.jump(0))
            program[split] = .split(split + 1, program.count)
        }
        for exit in exits { program[exit] = .jump(program.count) }
    }

    private mutating func compile(loop tree: PatternTree, _ isGreedy: Bool) throws(SettingProblem) {
        let split = program.count
        try append(.split(0, 0))
        try compile(tree)
        try append(.jump(split))
        program[split] = Self.split(into: split + 1, past: program.count, isGreedy)
    }

    private mutating func compile(_ tree: PatternTree, upTo count: Int, _ isGreedy: Bool) throws(SettingProblem) {
        var splits: [Int] = []
        for _ in 0..<count {
            splits.append(program.count)
            try append(.split(0, 0))
            try compile(tree)
        }
        for split in splits { program[split] = Self.split(into: split + 1, past: program.count, isGreedy) }
    }

    private static func split(into body: Int, past end: Int, _ isGreedy: Bool) -> PatternInstruction {
        isGreedy ? .split(body, end) : .split(end, body)
    }
}
