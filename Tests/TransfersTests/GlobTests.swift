import TestKit
import Testing
import Transfers

/// File name patterns.
@Suite struct GlobTests {
    @Test(arguments: [
        ("*.csv", "a.csv", true), ("*.csv", "x/y/a.csv", true), ("*.csv", "a.csv.tmp", false), ("*.csv", ".csv", true),
        ("a*b*c", "abc", true), ("a*b*c", "aXbYc", true), ("a*b*c", "aXcYb", false), ("*", "anything", true),
        ("?.txt", "a.txt", true), ("?.txt", ".txt", false), ("?.txt", "ab.txt", false),
        ("x/*.csv", "x/a.csv", true), ("x/*.csv", "x/y/a.csv", false), ("x/*.csv", "w/x/a.csv", false),
        ("/x/*.csv", "x/a.csv", true), ("/a", "a", true), ("/a", "x/a", false),
        ("**/a", "a", true), ("**/a", "x/a", true), ("**/a", "x/y/a", true), ("**/a", "xa", false),
        ("x/**/a", "x/a", true), ("x/**/a", "x/y/z/a", true), ("x/**/a", "xy/a", false),
        ("x/**", "x/a", true), ("x/**", "x/y/a", true), ("x/**", "x", false), ("x/**", "y/x", false),
        ("**", "x", true), ("a/b?c", "a/b/c", false), ("a/b[!x]c", "a/b/c", false), ("a/b*c", "a/b/c", false),
        ("[a-c]x", "bx", true), ("[a-c]x", "dx", false), ("[!a-c]x", "dx", true), ("[^a-c]x", "ax", false),
        ("[]]", "]", true), ("[!]]", "]", false), ("[a-]", "-", true), ("[-a]", "-", true), ("[a\\]", "\\", true),
        ("\\*", "*", true), ("\\*", "a", false), ("\\[a]", "[a]", true), ("A", "a", false), ("a.b", "aXb", false),
        ("caf?", "caf\u{E9}", false), ("caf??", "caf\u{E9}", true), ("caf*", "caf\u{E9}", true),
    ])
    func patternMatches(_ pattern: String, _ path: String, _ isMatch: Bool) throws {
        #expect(try Glob(pattern).matches(Array(path.utf8)) == isMatch)
    }

    @Test(arguments: ["", "[", "[a", "[]", "[!]", "a\\", "[b-a]", String(repeating: "a", count: 1025)])
    func brokenPatternIsRefused(_ pattern: String) {
        #expect(throws: GlobFailure.self) { try Glob(pattern) }
    }

    /// A matcher that tries everything would be at work for ages.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            (String(repeating: "a*", count: 100) + "b", String(repeating: "a", count: 255)),
            (String(repeating: "*", count: 1) + String(repeating: "?*", count: 100), String(repeating: "a", count: 90)),
            (String(repeating: "**/", count: 60) + "b", String(repeating: "a/", count: 200) + "a"),
        ])
    func hostilePatternTakesNoTime(_ pattern: String, _ path: String) throws {
        #expect(try !Glob(pattern).matches(Array(path.utf8)))
    }

    @Test func patternsAgreeWithAMatcherThatTriesEverything() throws {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<4000 {
            let pattern = (0..<Int.random(in: 1...7, using: &random)).map { _ in
                ["a", "b", "?", "*", "**", "/", "**/", "[ab]", "[!a]"].randomElement(using: &random) ?? ""
            }.joined()
            let path = (0..<Int.random(in: 1...7, using: &random)).map { _ in
                ["a", "b", "/"].randomElement(using: &random) ?? ""
            }.joined()
            let glob = try Glob(pattern)
            let expected = slowMatch(pattern, path)
            #expect(glob.matches(Array(path.utf8)) == expected, "\(pattern) with \(path)")
        }
    }

    private func slowMatch(_ pattern: String, _ path: String) -> Bool {
        let whole = pattern.contains("/")
        var pattern = Array(pattern)
        if pattern.first == "/" { pattern.removeFirst() }
        let subject =
            whole ? Array(path) : Array(path.split(separator: "/", omittingEmptySubsequences: false).last ?? "")
        return slowMatch(pattern[...], subject[...], isAtNameStart: true)
    }

    private func slowMatch(_ pattern: ArraySlice<Character>, _ path: ArraySlice<Character>, isAtNameStart: Bool) -> Bool
    {
        guard let first = pattern.first else { return path.isEmpty }
        let rest = pattern.dropFirst()
        switch first {
        case "*":
            let stars = pattern.prefix { $0 == "*" }.count
            let behind = pattern.dropFirst(stars)
            let isDouble = stars > 1
            if isDouble && isAtNameStart && behind.first == "/" {
                let next = behind.dropFirst()
                if slowMatch(next, path, isAtNameStart: false) { return true }
                for end in path.indices where path[end] == "/" {
                    if slowMatch(next, path[(end + 1)...], isAtNameStart: false) { return true }
                }
                return false
            }
            for count in 0...path.count {
                if !isDouble && path.prefix(count).contains("/") { return false }
                if slowMatch(behind, path.dropFirst(count), isAtNameStart: false) { return true }
            }
            return false
        case "?":
            return path.first.map { $0 != "/" } == true && slowMatch(rest, path.dropFirst(), isAtNameStart: false)
        case "[":
            let isNegated = rest.first == "!"
            let set = rest.prefix { $0 != "]" }.filter { $0 != "!" }
            guard let character = path.first, character != "/", set.contains(character) != isNegated else {
                return false
            }
            return slowMatch(rest.drop { $0 != "]" }.dropFirst(), path.dropFirst(), isAtNameStart: false)
        default:
            return path.first == first && slowMatch(rest, path.dropFirst(), isAtNameStart: first == "/")
        }
    }
}
