import TestKit
import Testing
import Transfers
import _StringProcessing

@testable import SFTPLambdaCore

@Suite struct SettingsKeyPatternTests {
    // Expectations are those of JavaScript's `key.replace(new RegExp(pattern), "")`.
    @Test(arguments: [
        ("^outbound/", "outbound/a/b.txt", "a/b.txt"), ("^outbound/", "x/outbound/a", "x/outbound/a"),
        ("outbound/", "x/outbound/outbound/a", "x/outbound/a"), ("^[^/]*/", "é/x/y", "x/y"),
        ("^\\/?in\\/", "in/x", "x"), ("a|ab", "xabc", "xbc"), ("ab|a", "xabc", "xc"), ("a*", "baa", "baa"),
        ("a+?", "baa", "ba"), ("a{2}", "aaa", "a"), ("a{2,}", "baaaa", "b"), ("a{1,2}?", "aaa", "aa"),
        ("(?:x|y)+z", "axyxzb", "ab"), ("(?<year>\\d{4})-", "d/2024-x", "d/x"), ("\\.tmp$", "a.tmp.tmp", "a.tmp"),
        ("$", "a", "a"), ("^", "a", "a"), ("\\bcat\\b", "concat cat", "concat "), ("\\Bcat", "cat concat", "cat con"),
        ("[a-c\\d_-]+", "x_a1-cz", "xz"), ("[]", "a", "a"), ("[^]", "ab", "b"), ("[\\]]", "a]b", "ab"),
        (".", "\n\rx", "\n\r"), ("\\s", "a\u{A0}b", "ab"), ("\\u0041\\x42", "xABy", "xy"), ("x{,2}", "ax{,2}b", "ab"),
        ("a{", "xa{y", "xy"), ("}]", "a}]b", "ab"), ("e", "e\u{301}x", "\u{301}x"), ("é", "e\u{301}", "e\u{301}"),
        ("(a*)*b", "aaab", ""), ("(^)*a", "ba", "b"), ("", "a", "a"), ("a||b", "b", "b"), ("😀", "a😀b", "ab"),
        ("[\\w-]+/", "my-dir/x", "x"), ("(|a)+b", "aab", ""), ("\\$\\{x\\}", "a${x}b", "ab"),
    ])
    func theFirstMatchIsCutOut(pattern: String, key: String, expected: String) throws {
        let stripped = try KeyPattern(pattern).stripped(from: key)
        #expect(Array(stripped.unicodeScalars) == Array(expected.unicodeScalars))
    }

    @Test func pathIsClosedWhereThePieceWasCutOut() throws {
        // The JavaScript system joined what was left to the directory with one slash.
        for (pattern, key, path) in [
            ("my-path", "my-path/my-file", "/out/my-file"), ("tmp\\d*", "in/tmp7/x", "/out/in/x"),
            ("^[^/]+/", "in/x", "/out/x"), ("nothing", "in/x", "/out/in/x"),
        ] {
            let key = try #require(ObjectKey(key))
            let target = try TargetPath(of: key, below: RemotePath("/out"), strip: try KeyPattern(pattern))
            #expect(target.path == RemotePath(path))
        }
        // A match of nothing cuts nothing, so a slash in front is still refused.
        let key = try #require(ObjectKey("/x"))
        #expect(throws: TargetPathFailure.self) {
            try TargetPath(of: key, below: RemotePath("/out"), strip: try KeyPattern("^"))
        }
    }

    @Test(arguments: [
        ("(a", "without its )"), ("a)", "without its ("), ("[a", "without its ]"), ("*a", "repeats nothing"),
        ("^*", "repeats nothing"), ("{2}", "repeats nothing"), ("a**", "repeats a repetition"), ("a{3,2}", "fewer"),
        ("a{1001}", "more than 1000"), ("a\\", "ends in a backslash"), ("[b-a]", "backwards"), ("(?=a)", "ahead"),
        ("(?!a)", "ahead"), ("(?<=a)", "behind"), ("(?<!a)", "behind"), ("(a)\\1", "refers back"),
        ("\\k<a>", "refers back"),
        ("\\xZZ", "hexadecimal"), ("\\u{41}", "hexadecimal"), ("\\uD83D", "half a character"), ("\\q", "means nothing"),
        ("(?P<a>b)", "unknown kind"), ("(?<>a)x", "name"), ("(a{100}){100}", "too large"),
        (String(repeating: "(", count: 60) + String(repeating: ")", count: 60), "deeper than 50"),
        (String(repeating: "a", count: 1025), "bytes"),
    ])
    func whatCannotBeMatchedIsAFault(pattern: String, words: String) throws {
        let problem = try #require(throws: SettingProblem.self) { try KeyPattern(pattern) }
        #expect(problem.text.contains(words))
    }

    @Test func nestedEmptyRepetitionsCompileAtOnce() throws {
        var pattern = "(?:)"
        for _ in 0..<40 { pattern = "(?:\(pattern)){1000}" }
        #expect(try KeyPattern(pattern).stripped(from: "a") == "a")
    }

    @Test func aMatchTakesBoundedTimeOnTheWorstKeys() throws {
        let clock = ContinuousClock()
        let key = String(repeating: "a", count: 1023) + "!"
        for pattern in ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){30}$", "^(a?){400}a{400}b$", "([a-z]+)*X"] {
            let compiled = try KeyPattern(pattern)
            let time = clock.measure { #expect(compiled.stripped(from: key) == key, "\(pattern)") }
            // A back-tracking matcher needs longer than the age of the universe; the limit allows for debug builds,
            // and for a sanitizer.
            #expect(time < .seconds(Sanitizer.isOn ? 200 : 10), "\(pattern)")
        }
    }

    /// The standard library's matcher tracks back, and so prefers what JavaScript prefers.
    @Test func itAgreesWithABacktrackingMatcherOnRandomPatterns() throws {
        var random = SeededGenerator(seed: 42)
        var compared = 0
        for _ in 0..<4000 {
            let pattern = Self.randomPattern(depth: 3, using: &random)
            let other = try Regex(pattern).matchingSemantics(.unicodeScalar)
            let ours = try KeyPattern(pattern)
            for _ in 0..<3 {
                let key = String(
                    (0..<Int.random(in: 0...7, using: &random)).map { _ in
                        "ab/".randomElement(using: &random) ?? "a"
                    })
                var expected = key
                if let range = key.firstMatch(of: other)?.range { expected.removeSubrange(range) }
                #expect(ours.stripped(from: key) == expected, "/\(pattern)/ on \(key)")
                compared += 1
            }
        }
        #expect(compared == 12_000)
    }

    private static func randomPattern(depth: Int, using random: inout SeededGenerator) -> String {
        let part = { (random: inout SeededGenerator) -> String in
            guard depth > 0 else { return ["a", "b", "/", "[ab]", "[^a]", "."].randomElement(using: &random) ?? "a" }
            let inner = randomPattern(depth: depth - 1, using: &random)
            let atom = Bool.random(using: &random) ? "a" : "(?:\(inner))"
            switch Int.random(in: 0..<7, using: &random) {
            case 0: return atom + "*"
            case 1: return atom + "+?"
            case 2: return atom + "{1,2}"
            case 3: return atom + "?"
            case 4: return "(\(inner)|\(atom))"
            case 5: return inner
            default: return atom
            }
        }
        let parts = (0..<Int.random(in: 1...3, using: &random)).map { _ in part(&random) }.joined()
        let isAtStart = Int.random(in: 0..<8, using: &random) == 0
        let isAtEnd = Int.random(in: 0..<8, using: &random) == 0
        return (isAtStart ? "^" : "") + parts + (isAtEnd ? "$" : "")
    }
}
