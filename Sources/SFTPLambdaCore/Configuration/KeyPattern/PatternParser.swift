/// Reads the syntax of regular expressions (ECMA-262, "Patterns"). Where browsers let sloppy patterns pass (Annex B),
/// so does this, except for escapes of letters that mean nothing: they are mistakes.
struct PatternParser {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0

    /// Deeper groups than this are refused, before the recursion could use up the stack.
    private static let maximumDepth = 50
    private static let maximumCount = 1000

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    mutating func parse() throws(SettingProblem) -> PatternTree {
        let tree = try alternatives()
        guard next == nil else { throw problem("has a ) without its (") }
        return tree
    }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func take() -> Unicode.Scalar? {
        guard let scalar = next else { return nil }
        position += 1
        return scalar
    }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        return true
    }

    private func problem(_ text: String) -> SettingProblem {
        SettingProblem("\(text) (at character \(min(position, scalars.count) + 1) of the expression)")
    }

    private mutating func alternatives() throws(SettingProblem) -> PatternTree {
        var trees = [try sequence()]
        while take("|") { trees.append(try sequence()) }
        return trees.count == 1 ? trees[0] : .alternatives(trees)
    }

    private mutating func sequence() throws(SettingProblem) -> PatternTree {
        var trees: [PatternTree] = []
        while let scalar = next, scalar != "|", scalar != ")" { trees.append(try term()) }
        return trees.count == 1 ? trees[0] : trees.isEmpty ? .empty : .sequence(trees)
    }

    private mutating func term() throws(SettingProblem) -> PatternTree {
        let tree = try atom()
        let isAssertion = if case .assertion = tree { true } else { false }
        let start = position
        guard let (minimum, maximum) = try quantifier() else { return tree }
        guard !isAssertion else {
            position = start
            throw problem("repeats nothing")
        }
        let isGreedy = !take("?")
        if try quantifier() != nil { throw problem("repeats a repetition") }
        return .repeated(tree, minimum: minimum, maximum: maximum, isGreedy: isGreedy)
    }

    private mutating func atom() throws(SettingProblem) -> PatternTree {
        switch take() {
        case "^": return .assertion(.start)
        case "$": return .assertion(.end)
        case ".": return .scalar(.dot)
        case "(": return try group()
        case "[": return .scalar(try characterClass())
        case "\\": return try escape()
        case "*", "+", "?":
            position -= 1
            throw problem("repeats nothing")
        case let scalar?:
            if scalar == "{" {
                position -= 1
                guard try quantifier() == nil else { throw problem("repeats nothing") }
                position += 1
            }
            return .scalar(ScalarSet(scalar))
        case nil: return .empty
        }
    }

    /// `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`. A `{` that begins none of these stands for itself, and stays.
    private mutating func quantifier() throws(SettingProblem) -> (Int, Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        let start = position
        guard take("{"), let minimum = number() else {
            position = start
            return nil
        }
        var maximum: Int? = minimum
        if take(",") { maximum = number() }
        guard take("}") else {
            position = start
            return nil
        }
        guard minimum <= Self.maximumCount, (maximum ?? 0) <= Self.maximumCount else {
            throw problem("repeats more than \(Self.maximumCount) times")
        }
        guard maximum.map({ $0 >= minimum }) ?? true else { throw problem("repeats at most fewer times than at least") }
        return (minimum, maximum)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = next, ScalarSet.digit.contains(scalar) {
            position += 1
            // Beyond the limit the exact number does not matter.
            value = min((value ?? 0) * 10 + Int(scalar.value - 0x30), Self.maximumCount + 1)
        }
        return value
    }

    private mutating func group() throws(SettingProblem) -> PatternTree {
        if take("?") {
            switch take() {
            case ":": break
            case "<":
                if next == "=" || next == "!" { throw problem("looks behind, which is not possible here") }
                let start = position
                while let scalar = next, ScalarSet.word.contains(scalar) || scalar == "$" { position += 1 }
                guard position > start, take(">") else { throw problem("has a group with an unreadable name") }
            case "=", "!": throw problem("looks ahead, which is not possible here")
            default: throw problem("has an unknown kind of group")
            }
        }
        depth += 1
        guard depth <= Self.maximumDepth else { throw problem("has groups deeper than \(Self.maximumDepth)") }
        let tree = try alternatives()
        guard take(")") else { throw problem("has a ( without its )") }
        depth -= 1
        // A group of one assertion may be repeated, the assertion itself may not.
        if case .assertion = tree { return .sequence([tree]) }
        return tree
    }

    private mutating func escape() throws(SettingProblem) -> PatternTree {
        switch next {
        case "b":
            position += 1
            return .assertion(.wordBoundary)
        case "B":
            position += 1
            return .assertion(.notWordBoundary)
        case "k", "1", "2", "3", "4", "5", "6", "7", "8", "9":
            throw problem("refers back to a group, which is not possible here")
        default: return .scalar(try escapedSet())
        }
    }

    /// What follows a backslash, in a class or outside: one scalar, or a set of them.
    private mutating func escapedSet() throws(SettingProblem) -> ScalarSet {
        guard let scalar = take() else { throw problem("ends in a backslash") }
        switch scalar {
        case "d": return .digit
        case "D": return .digit.inverted
        case "w": return .word
        case "W": return .word.inverted
        case "s": return .space
        case "S": return .space.inverted
        case "t": return ScalarSet("\t")
        case "n": return ScalarSet("\n")
        case "r": return ScalarSet("\r")
        case "v": return ScalarSet("\u{0B}")
        case "f": return ScalarSet("\u{0C}")
        case "0": return ScalarSet("\0")
        case "x": return ScalarSet(try hexadecimal(digits: 2))
        case "u": return ScalarSet(try hexadecimal(digits: 4))
        default:
            guard !ScalarSet.word.contains(scalar) || scalar == "_" else {
                position -= 1
                throw problem("has an escape that means nothing here")
            }
            return ScalarSet(scalar)
        }
    }

    private mutating func hexadecimal(digits: Int) throws(SettingProblem) -> Unicode.Scalar {
        var value: UInt32 = 0
        for _ in 0..<digits {
            guard let digit = next.flatMap({ $0.isASCII ? Character($0).hexDigitValue : nil }) else {
                throw problem("has a \\x or \\u without its \(digits) hexadecimal digits")
            }
            position += 1
            value = value * 16 + UInt32(digit)
        }
        guard let scalar = Unicode.Scalar(value) else { throw problem("names half a character") }
        return scalar
    }

    private mutating func characterClass() throws(SettingProblem) -> ScalarSet {
        let isNegated = take("^")
        var sets: [ScalarSet] = []
        while !take("]") {
            let (low, single) = try classAtom()
            guard next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
                sets.append(low)
                continue
            }
            position += 1
            let (high, last) = try classAtom()
            if let single, let last {
                guard single.value <= last.value else { throw problem("has a range that runs backwards") }
                sets.append(ScalarSet([single.value...last.value]))
            } else {
                // A hyphen beside a set such as \d stands for itself (Annex B).
                sets += [low, ScalarSet("-"), high]
            }
        }
        let set = ScalarSet.union(sets)
        return isNegated ? set.inverted : set
    }

    /// One member of a class, and the scalar it is when it is one.
    private mutating func classAtom() throws(SettingProblem) -> (ScalarSet, Unicode.Scalar?) {
        guard let scalar = take() else { throw problem("has a [ without its ]") }
        guard scalar == "\\" else { return (ScalarSet(scalar), scalar) }
        if take("b") { return (ScalarSet("\u{08}"), "\u{08}") }
        let set = try escapedSet()
        return (set, set.single)
    }
}
