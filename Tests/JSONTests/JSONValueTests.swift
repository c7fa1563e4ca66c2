import Foundation
import TestKit
import Testing

@testable import JSON

/// What RFC 8259 says of a text that is JSON, and of one that is not.
@Suite struct JSONValueTests {
    /// The value in Foundation's terms.
    private func plain(_ value: JSONValue) throws -> Any {
        switch value.content {
        case .object(let members):
            return try Dictionary(members.map { ($0.name, try plain($0.value)) }) { _, last in last }
        case .array(let elements): return try elements.map { try plain($0) }
        case .text(let text): return text
        case .bool(let bool): return bool
        case .null: return NSNull()
        case .number:
            return try JSONSerialization.jsonObject(with: Data(value.source), options: .fragmentsAllowed)
        }
    }

    private func expectSame(_ json: String) throws {
        let ours = try plain(try JSONValue(parsing: Array(json.utf8)))
        let theirs = try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
        func canonical(_ value: Any) throws -> Data {
            try JSONSerialization.data(withJSONObject: [value], options: [.sortedKeys])
        }
        #expect(try canonical(ours) == canonical(theirs), "\(json)")
    }

    @Test func documentsAreReadAsFoundationReadsThem() throws {
        for json in EventFixtures.good.map(\.json) + EventFixtures.nothing.map(\.json) { try expectSame(json) }
        for json in [
            "0", "-0", "1e5", "-1.25E-2", "true", "false", "null", "\"\"", #""\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00""#,
            " [ ] ", "[1 , [2,{\"a\":[]}]]", "\t{\r\n\"a\" : 1 }\n", "\"é😀\u{7F}\"", "1E+2", "0.0", "10.01e-05", "{}",
            #"{"":""}"#, #"["\u0000\uFFFF\uD7FF\uE000\uDBFF\uDFFF"]"#, "\"\u{2028}\u{2029}\u{FFFE}\"", "[[[]],[]]",
        ] { try expectSame(json) }
    }

    @Test func everyEscapeIsRead() throws {
        func text(_ json: String) throws -> String? { try JSONValue(parsing: Array(json.utf8)).text }
        #expect(try text(#""a\"b\\c\/d\be\ff\ng\rh\ti""#) == "a\"b\\c/d\u{8}e\u{C}f\ng\rh\ti")
        #expect(try text(#""\u0041\u00DF\u00df\u6771\u0000""#) == "A\u{DF}\u{DF}\u{6771}\u{0}")
        #expect(try text(#""x\uD800\uDC00y\uDBFF\uDFFFz""#) == "x\u{10000}y\u{10FFFF}z")
        #expect(try text(#""\\u0041""#) == #"\u0041"#)
    }

    /// What is wrong, and the byte where it is.
    @Test(arguments: [
        ("", "it ends too early", 0), ("  ", "it ends too early", 2), ("[", "it ends too early", 1),
        ("[1", "an array does not end", 2), ("[1,", "it ends too early", 3), ("[1,]", "a value is missing", 3),
        ("[,1]", "a value is missing", 1), ("[1 2]", "an array does not end", 3), ("]", "a value is missing", 0),
        ("{", "a name is missing", 1), ("{1:2}", "a name is missing", 1), ("{'a':1}", "a name is missing", 1),
        (#"{"a"}"#, "a colon is missing", 4), (#"{"a":}"#, "a value is missing", 5),
        (#"{"a":1,}"#, "a name is missing", 7), (#"{"a":1"#, "an object does not end", 6),
        (#"{"a" 1}"#, "a colon is missing", 5), (#"{"a":1 "b":2}"#, "an object does not end", 7),
        ("nul", "an unknown word", 0), ("True", "a value is missing", 0), ("tru", "an unknown word", 0),
        ("nulll", "something follows the value", 4), ("NaN", "a value is missing", 0),
        ("Infinity", "a value is missing", 0), ("-Infinity", "a value is missing", 1), ("-", "it ends too early", 1),
        ("+1", "a value is missing", 0), ("01", "something follows the value", 1),
        ("-01", "something follows the value", 2), ("00", "something follows the value", 1),
        ("1.", "it ends too early", 2), (".5", "a value is missing", 0), ("1.e1", "a value is missing", 2),
        ("1e", "it ends too early", 2), ("1e+", "it ends too early", 3), ("1e5.0", "something follows the value", 3),
        ("0x10", "something follows the value", 1), ("1_000", "something follows the value", 1),
        ("1 2", "something follows the value", 2), ("[] []", "something follows the value", 3),
        ("\"", "text does not end", 1), (#""\"#, "text does not end", 2), (#""\""#, "text does not end", 3),
        (#""\x41""#, "an unknown escape", 2), (#""\'""#, "an unknown escape", 2),
        (#""\U0041""#, "an unknown escape", 2),
        (#""\u12G4""#, "an escape has too few digits", 5), (#""\u123""#, "an escape has too few digits", 6),
        (#""\u+041""#, "an escape has too few digits", 3),
        (#""\uD800""#, "half a character is escaped", 7), (#""\uDC00""#, "half a character is escaped", 7),
        (#""\uD800x""#, "half a character is escaped", 7), (#""\uD800\n""#, "half a character is escaped", 8),
        (#""\uD800\uD800""#, "half a character is escaped", 13),
        (#""\uD800\u0041""#, "half a character is escaped", 13),
        ("\"a\u{0}\"", "text holds a control character", 2), ("\"\n\"", "text holds a control character", 1),
        ("\"\u{1F}\"", "text holds a control character", 1), ("{\"\t\":1}", "text holds a control character", 2),
        ("\u{FEFF}1", "a value is missing", 0), ("\u{A0}1", "a value is missing", 0),
        ("\u{B}1", "a value is missing", 0), ("1\u{0}", "something follows the value", 1),
        ("/**/1", "a value is missing", 0), ("[1]//", "something follows the value", 3),
    ]) func whatIsNotJSONIsRefusedWithItsPlace(json: String, reason: String, offsetBytes: Int) {
        let fault = #expect(throws: JSONFault.self) { try JSONValue(parsing: Array(json.utf8)) }
        #expect(fault == JSONFault(reason: reason, offsetBytes: offsetBytes), "\(json)")
    }

    /// RFC 3629: overlong forms, surrogates, what lies above U+10FFFF, lone and missing followers.
    @Test(
        arguments: [
            [0xFF], [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
            [0xF0, 0x80, 0x80, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98],
        ] as [[UInt8]]) func whatIsNotUTF8IsRefusedAtItsByte(wrong: [UInt8])
    {
        let before = Array(#"{"é😀":""#.utf8)
        let fault = #expect(throws: JSONFault.self) { try JSONValue(parsing: before + wrong + Array(#""}"#.utf8)) }
        #expect(fault == JSONFault(reason: "it is not UTF-8", offsetBytes: before.count))
        let end = #expect(throws: JSONFault.self) { try JSONValue(parsing: before + wrong) }
        #expect(end?.offsetBytes == before.count)
    }

    @Test func valueKnowsItsBytes() throws {
        let value = try JSONValue(parsing: Array(#"{ "a" : [ 1.50 ,{"b": "\u0041"} ] }"#.utf8))
        let elements = try #require(value["a"]?.elements)
        #expect(elements.map { String(decoding: $0.source, as: UTF8.self) } == ["1.50", #"{"b": "\u0041"}"#])
        #expect(elements.last?["b"]?.text == "A")
    }

    @Test func lastOfEqualNamesCountsAndNullIsNothing() throws {
        let value = try JSONValue(parsing: Array(#"{"a":1,"a":2,"b":null,"caf\u00e9":3,"cafe\u0301":4}"#.utf8))
        #expect(value["a"]?.unsignedInteger == 2)
        #expect(value["b"] == nil && value["c"] == nil)
        #expect(value["caf\u{E9}"]?.unsignedInteger == 3)
    }

    @Test func wholeNumbersAreReadToTheirLimit() throws {
        for (json, number) in [
            ("0", 0), ("18446744073709551615", UInt64.max), ("18446744073709551616", nil), ("-1", nil), ("1.0", nil),
            ("1e2", nil), (#""1""#, nil),
        ] as [(String, UInt64?)] {
            #expect(try JSONValue(parsing: Array(json.utf8)).unsignedInteger == number, "\(json)")
        }
    }

    @Test func depthIsLimited() throws {
        func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
            Array((String(repeating: open, count: depth) + "0" + String(repeating: close, count: depth)).utf8)
        }
        for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
            _ = try JSONValue(parsing: nested(JSONValue.maximumDepth, open, close))
            for depth in [JSONValue.maximumDepth + 1, 100_000] {
                let fault = #expect(throws: JSONFault.self) { try JSONValue(parsing: nested(depth, open, close)) }
                #expect(fault?.reason == "it is nested deeper than 64 levels")
                #expect(fault?.offsetBytes == (JSONValue.maximumDepth + 1) * open.utf8.count)
            }
        }
    }

    @Test func aDocumentThatIsCutAnywhereIsRefused() throws {
        let whole = #"{"a":[1,-2.5e+3,true,false,null,"x\n\uD83D\uDE00é😀"],"b":{"c":{}},"d":[[]]}"#
        _ = try JSONValue(parsing: Array(whole.utf8))
        for document in [whole] + EventFixtures.good.map(\.json) {
            let bytes = Array(document.utf8)
            let end = (bytes.lastIndex { $0 > 0x20 } ?? 0) + 1
            for count in 0..<end {
                let fault = #expect(throws: JSONFault.self) { try JSONValue(parsing: Array(bytes.prefix(count))) }
                #expect((0...count).contains(fault?.offsetBytes ?? -1))
            }
        }
    }

    /// Whatever stands there, the reader ends, and says the same as Foundation where both are to say something.
    @Test func aDocumentWithAnyByteChangedIsReadOrRefused() throws {
        var random = SeededGenerator(seed: 11)
        let document = Array(#"{"a":[1,-2.5e+3,true,null,"x\n\uD83D\uDE00é"],"b":{"c":"d"}}"#.utf8)
        for _ in 0..<20_000 {
            var bytes = document
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            do throws(JSONFault) {
                let value = try JSONValue(parsing: bytes)
                #expect(String(validating: value.source, as: UTF8.self) != nil)
            } catch {
                #expect((0...bytes.count).contains(error.offsetBytes))
            }
        }
    }
}
