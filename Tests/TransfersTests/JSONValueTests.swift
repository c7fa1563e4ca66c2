import Foundation
import TestKit
import Testing

@testable import Transfers

/// The reader of JSON, against Foundation's.
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
            " [ ] ", "[1 , [2,{\"a\":[]}]]", "\t{\r\n\"a\" : 1 }\n", "\"é😀\u{7F}\"",
        ] { try expectSame(json) }
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

    @Test func depthIsLimited() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        _ = try JSONValue(parsing: nested(JSONValue.maximumDepth))
        #expect(throws: JSONFault.self) { try JSONValue(parsing: nested(JSONValue.maximumDepth + 2)) }
    }
}
