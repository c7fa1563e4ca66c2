import Foundation
import TestKit
import Testing

@testable import JSON

/// What is written is JSON, says what was meant, and always looks the same.
@Suite struct JSONTextTests {
    private func string(_ text: String, maximumBytes: Int = .max) -> String {
        var json = JSONText(maximumStringBytes: maximumBytes)
        json.append(string: text)
        return String(decoding: json.bytes, as: UTF8.self)
    }

    @Test func textIsEscapedWhereJSONDemandsItOrALineCouldLie() {
        for (text, json) in [
            ("", #""""#), ("a/b é東😀", #""a/b é東😀""#), ("\"\\", #""\"\\""#), ("\n\r\t", #""\n\r\t""#),
            ("\u{0}\u{8}\u{1F}\u{7F}", #""\u0000\u0008\u001f\u007f""#),
            ("\u{80}\u{9F}\u{A0}", "\"\\u0080\\u009f\u{A0}\""),
            ("\u{2028}\u{2029}\u{2030}", "\"\\u2028\\u2029\u{2030}\""),
            ("\u{200D}\u{200E}\u{202E}\u{2066}\u{FEFF}", "\"\u{200D}\\u200e\\u202e\\u2066\\ufeff\""),
            ("\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}", "\"\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}\""),
            ("e\u{301}", "\"e\u{301}\""),
        ] {
            #expect(string(text).utf8.elementsEqual(json.utf8), "\(json)")
        }
    }

    /// As a whole string, and one by one as a line of text has them.
    @Test func everyScalarIsReadAsItWasWritten() throws {
        for value in UInt32(0)...0x10FFFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            var json = JSONText()
            json.append(string: String(scalar))
            let read = try JSONValue(parsing: json.bytes).text
            guard read.map({ Array($0.unicodeScalars) }) == [scalar] else {
                Issue.record("U+\(String(value, radix: 16)) is read as \(String(describing: read))")
                return
            }
            var alone = JSONText()
            alone.append(scalar)
            guard json.bytes == [0x22] + alone.bytes + [0x22] else {
                Issue.record("U+\(String(value, radix: 16)) is written in two ways")
                return
            }
        }
    }

    @Test func escapesAreTheUnitsOfUTF16() {
        #expect(JSONText.unicodeEscape("\u{0}") == #"\u0000"#)
        #expect(JSONText.unicodeEscape("\u{FFFE}") == #"\ufffe"#)
        #expect(JSONText.unicodeEscape("😀") == #"\ud83d\ude00"#)
    }

    @Test func aStringIsCutBetweenCharactersAndSaysSo() {
        for (text, maximumBytes, json) in [
            ("abc", 3, #""abc""#), ("abcd", 3, #""abc…""#), ("aé", 2, #""a…""#), ("aé", 3, #""aé""#), ("😀", 3, #""…""#),
            ("\n\n\n", 2, #""\n\n…""#), ("x", 0, #""…""#), ("", 0, #""""#),
        ] {
            #expect(string(text, maximumBytes: maximumBytes) == json)
        }
        var json = JSONText(maximumStringBytes: 1)
        json.append(string: "a")
        #expect(!json.isCut)
        json.append(string: "bc")
        #expect(json.isCut)
    }

    @Test func membersComeInOrderAndNilIsLeftOut() {
        var json = JSONText()
        json.object {
            $0.member("b", "x")
            $0.member("none", String?.none)
            $0.member("a", Optional(-1))
            $0.member("empty") { _ in }
            $0.member("in") { $0.member("big", UInt64.max) }
            $0.member("list", [true, false])
            $0.member("no list", [String]())
        }
        #expect(
            String(decoding: json.bytes, as: UTF8.self)
                == #"{"b":"x","a":-1,"empty":{},"in":{"big":18446744073709551615},"list":[true,false],"no list":[]}"#)
        let names = ["b": 1, "a": 2, "é": 3, "aa": 4, "B": 5, "{": 6]
        #expect(String(decoding: names.jsonBytes, as: UTF8.self) == #"{"B":5,"a":2,"aa":4,"b":1,"{":6,"é":3}"#)
    }

    /// A value that has no other end than to be written and read again.
    private indirect enum Value: JSONWritable {
        case object([(name: String, value: Value)])
        case array([Value])
        case text(String)
        case number(Int64)
        case bool(Bool)
        case null

        static func random(depth: Int, using random: inout SeededGenerator) -> Value {
            let count = Int.random(in: 0...4, using: &random)
            switch Int.random(in: (depth > 0 ? 0 : 2)...5, using: &random) {
            case 0:
                return .object(
                    (0..<count).map { _ in (text(using: &random), .random(depth: depth - 1, using: &random)) })
            case 1: return .array((0..<count).map { _ in .random(depth: depth - 1, using: &random) })
            case 2: return .text(text(using: &random))
            case 3: return .number(Int64.random(in: .min ... .max, using: &random))
            case 4: return .bool(Bool.random(using: &random))
            default: return .null
            }
        }

        /// Short scalars and rare ones as often as others.
        static func text(using random: inout SeededGenerator) -> String {
            var text = ""
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                let highest: UInt32 = [0x22, 0x7F, 0x7FF, 0xFFFF, 0x10FFFF].randomElement(using: &random) ?? 0x7F
                if let scalar = Unicode.Scalar(UInt32.random(in: 0...highest, using: &random)) {
                    text.unicodeScalars.append(scalar)
                }
            }
            return text
        }

        func write(to text: inout JSONText) {
            switch self {
            case .object(let members): text.object { text in for (name, value) in members { text.member(name, value) } }
            case .array(let elements): elements.write(to: &text)
            case .text(let string): string.write(to: &text)
            case .number(let number): number.write(to: &text)
            case .bool(let bool): bool.write(to: &text)
            case .null: text.append(raw: "null")
            }
        }

        func isSame(_ read: JSONValue) -> Bool {
            switch (self, read.content) {
            case (.object(let members), .object(let found)):
                members.count == found.count
                    && zip(members, found).allSatisfy {
                        $0.name.utf8.elementsEqual($1.name.utf8) && $0.value.isSame($1.value)
                    }
            case (.array(let elements), .array(let found)):
                elements.count == found.count && zip(elements, found).allSatisfy { $0.isSame($1) }
            case (.text(let text), .text(let found)): text.utf8.elementsEqual(found.utf8)
            case (.number(let number), .number): String(number).utf8.elementsEqual(read.source)
            case (.bool(let bool), .bool(let found)): bool == found
            case (.null, .null): true
            default: false
            }
        }
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        var random = SeededGenerator(seed: 23)
        for _ in 0..<3000 {
            let value = Value.random(depth: 5, using: &random)
            let bytes = value.jsonBytes
            let read = try JSONValue(parsing: bytes)
            #expect(value.isSame(read), "\(String(decoding: bytes, as: UTF8.self))")
            #expect(Array(read.source) == bytes)
            // Foundation's objects have no two members of one name, and take what is canonically the same for one.
            _ = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
        }
    }
}
