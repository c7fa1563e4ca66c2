public import Transfers

/// A regular expression whose first match is cut out of object keys (SFTP_SOURCE_S3_REGEXP_STRIP), in JavaScript's
/// syntax (ECMA-262, "RegExp (Regular Expression) Objects"), since the settings of the JavaScript system must mean here
/// what they meant there.
///
/// Keys come from whoever may write to the bucket, and a back-tracking matcher can take longer than the universe on
/// one of them. This one tries all ways at once (a Pike machine): a match takes at most the number of scalars of the
/// key times the number of instructions of the pattern, both bounded. What would need back-tracking (look-around, back
/// references) is refused when the setting is read. Patterns and keys are compared scalar by scalar, where JavaScript
/// without flags compares UTF-16 units: they differ only in halves of characters beyond U+FFFF.
public struct KeyPattern: Sendable, Hashable {
    /// The expression as it was given.
    public let text: String

    private let program: [PatternInstruction]

    /// Compiles an expression.
    init(_ text: String) throws(SettingProblem) {
        guard text.utf8.count <= Self.maximumBytes else {
            throw SettingProblem("has \(text.utf8.count) bytes, more than \(Self.maximumBytes)")
        }
        var parser = PatternParser(text)
        let tree = try parser.parse()
        var compiler = PatternCompiler()
        try compiler.compile(tree)
        self.text = text
        program = compiler.program + [.match]
    }

    /// The longest expression, in bytes.
    static let maximumBytes = 1024

    /// The key without the first match of the expression; the key itself when nothing matches.
    public func stripped(from key: String) -> String {
        parts(of: key).map { $0.before + $0.after } ?? key
    }
}

extension KeyPattern: KeyStrip {
    /// What stands before and after the first match of the expression; nil when nothing matches.
    public func parts(of key: String) -> (before: String, after: String)? {
        let scalars = Array(key.unicodeScalars)
        guard let match = PatternMachine(program).firstMatch(in: scalars) else { return nil }
        var (before, after) = (String.UnicodeScalarView(), String.UnicodeScalarView())
        before.append(contentsOf: scalars[..<match.lowerBound])
        after.append(contentsOf: scalars[match.upperBound...])
        return (String(before), String(after))
    }
}

/// One step of a compiled pattern.
enum PatternInstruction: Sendable, Hashable {
    /// Takes one scalar of the set.
    case scalar(ScalarSet)
    /// Goes on only where this holds.
    case assertion(PatternAssertion)
    /// Goes on at both places; a match by way of the first is preferred.
    case split(Int, Int)
    /// Goes on elsewhere.
    case jump(Int)
    /// The pattern has matched.
    case match
}

/// What can be asked of a place between two scalars.
enum PatternAssertion: Sendable, Hashable {
    case start
    case end
    case wordBoundary
    case notWordBoundary
}

/// Runs a program over a key, all ways at once and in order of preference, so that it finds the match that a
/// back-tracking matcher would find.
struct PatternMachine {
    private let program: [PatternInstruction]

    init(_ program: [PatternInstruction]) { self.program = program }

    /// A way that has come as far as the instruction `next`, having begun at `start`.
    private struct Way {
        var next: Int
        var start: Int
    }

    /// The leftmost match; of those that begin there, the one that the pattern prefers.
    func firstMatch(in key: [Unicode.Scalar]) -> Range<Int>? {
        var ways: [Way] = []
        var found: Range<Int>?
        // The place at which an instruction was last reached: reaching it again, by a way less preferred, is in vain.
        var reached = Array(repeating: -1, count: program.count)
        for place in 0...key.count {
            var here: [Way] = []
            for way in ways { follow(way, at: place, in: key, into: &here, reached: &reached) }
            if found == nil { follow(Way(next: 0, start: place), at: place, in: key, into: &here, reached: &reached) }
            if here.isEmpty && found != nil { break }
            ways = []
            steps: for way in here {
                switch program[way.next] {
                case .match:
                    found = way.start..<place
                    break steps
                case .scalar(let set):
                    guard place < key.count, set.contains(key[place]) else { continue }
                    ways.append(Way(next: way.next + 1, start: way.start))
                case .assertion, .split, .jump:
                    preconditionFailure("only ways that wait for a scalar or have matched are kept")
                }
            }
        }
        return found
    }

    /// Follows a way through everything that takes no scalar, and appends what it leads to in order of preference.
    private func follow(
        _ way: Way, at place: Int, in key: [Unicode.Scalar], into ways: inout [Way], reached: inout [Int]
    ) {
        var pending = [way.next]
        while let next = pending.popLast() {
            guard reached[next] != place else { continue }
            reached[next] = place
            switch program[next] {
            case .jump(let target): pending.append(target)
            case .split(let preferred, let other): pending += [other, preferred]
            case .assertion(let assertion):
                if Self.holds(assertion, at: place, in: key) { pending.append(next + 1) }
            case .scalar, .match: ways.append(Way(next: next, start: way.start))
            }
        }
    }

    private static func holds(_ assertion: PatternAssertion, at place: Int, in key: [Unicode.Scalar]) -> Bool {
        let isWordBefore = place > 0 && ScalarSet.word.contains(key[place - 1])
        let isWordAfter = place < key.count && ScalarSet.word.contains(key[place])
        switch assertion {
        case .start: return place == 0
        case .end: return place == key.count
        case .wordBoundary: return isWordBefore != isWordAfter
        case .notWordBoundary: return isWordBefore == isWordAfter
        }
    }
}
