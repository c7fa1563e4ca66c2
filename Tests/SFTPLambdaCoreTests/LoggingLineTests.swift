import Foundation
import JSON
import Logging
import TestKit
import Testing

@testable import SFTPLambdaCore

/// Names that an attacker would give to a file.
let hostileTexts = [
    "a\nb", "a\r\nb", "\u{2028}\u{2029}\u{85}", "\u{0}\u{1}\u{1F}\u{7F}\u{9B}31m", "\"},{\"level\":\"FATAL\"", "\\",
    "\\u0041",
    "\u{202E}gpj.exe", "x=y level=ERROR", "😀é e\u{301}", String(decoding: [0xFF, 0xFE, 0x41, 0xC3], as: UTF8.self),
    "\u{FEFF}", "\t", "", " ", "\u{10FFFF}\u{FFFE}",
]

@Suite struct LoggingLineTests {
    private func line(
        _ message: String = "message", level: Logger.Level = .info, metadata: Logger.Metadata = [:]
    ) -> LogLine {
        LogLine(epochMilliseconds: 1_767_323_045_678, level: level, message: message, label: "pull", metadata: metadata)
    }

    private func object(_ bytes: [UInt8]) throws -> [String: Any] {
        let value = try JSONSerialization.jsonObject(with: Data(bytes))
        return try #require(value as? [String: Any])
    }

    @Test func aLineHasTheFieldsThatLambdaReads() throws {
        let bytes = line("file pulled", level: .warning, metadata: ["path": "a/b.txt"]).json
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"timestamp":"2026-01-02T03:04:05.678Z","level":"WARN","message":"file pulled","logger":"pull","path":"a/b.txt"}"#
        )
    }

    @Test(arguments: hostileTexts) func hostileValuesStayInTheirField(text: String) throws {
        let metadata: Logger.Metadata = [
            "path": .string(text), text: "name", "list": [.string(text)], "nested": [text: .string(text)],
        ]
        let bytes = line(text, metadata: metadata).json
        #expect(bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        let object = try object(bytes)
        let isSame = { (value: Any?) in
            (value as? String).map { Array($0.utf8) == Array(text.utf8) } ?? false
        }
        #expect(isSame(object["message"]))
        #expect(isSame(object["path"]))
        #expect(isSame((object["list"] as? [String])?.first))
        #expect(isSame((object["nested"] as? [String: String])?.values.first))
        #expect(object[text] as? String == "name")
        #expect(object["level"] as? String == "INFO")
        #expect(object.count == 8)
    }

    @Test(arguments: hostileTexts) func hostileValuesCannotForgeALineOfText(text: String) throws {
        let bytes = line(text, metadata: ["path": .string(text), "z": "end"]).text
        let line = String(decoding: bytes, as: UTF8.self)
        #expect(bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        #expect(!line.unicodeScalars.contains(where: JSONText.isMisleading))
        #expect(line.hasPrefix("2026-01-02T03:04:05.678Z INFO "))
        #expect(line.hasSuffix(" z=end"))
        // What stands between is one plain word, or one string of JSON that holds the very text.
        let start = try #require(line.ranges(of: " path=").last?.upperBound)
        let value = line[start...].dropLast(" z=end".count)
        if value.hasPrefix("\"") {
            let decoded = try JSONDecoder().decode(String.self, from: Data(value.utf8))
            #expect(Array(decoded.utf8) == Array(text.utf8))
        } else {
            #expect(value == text)
            #expect(!value.contains(" ") && !value.isEmpty)
        }
    }

    @Test func textIsReadable() {
        let metadata: Logger.Metadata = [
            "bytes": .stringConvertible(12), "path": "a b.txt", "done": ["x", "y"], "to": "s3://b/k",
        ]
        #expect(
            String(decoding: line("file pulled", metadata: metadata).text, as: UTF8.self)
                == #"2026-01-02T03:04:05.678Z INFO file pulled bytes=12 done="[\"x\",\"y\"]" path="a b.txt" to=s3://b/k"#
        )
    }

    @Test func numbersAndBooleansStaySuch() throws {
        let metadata: Logger.Metadata = [
            "int": .stringConvertible(-5), "big": .stringConvertible(UInt64.max), "double": .stringConvertible(0.25),
            "small": .stringConvertible(1e-7), "nan": .stringConvertible(Double.nan), "yes": .stringConvertible(true),
            "byte": .stringConvertible(UInt8(7)), "text": .stringConvertible(Secret("hunter2")), "seven": "7",
        ]
        let text = String(decoding: line(metadata: metadata).json, as: UTF8.self)
        for part in [
            #""int":-5"#, #""big":18446744073709551615"#, #""double":0.25"#, #""small":1e-07"#, #""nan":"nan""#,
            #""yes":true"#, #""byte":7"#, #""text":"<redacted>""#, #""seven":"7""#,
        ] {
            #expect(text.contains(part))
        }
        _ = try object(Array(text.utf8))
    }

    @Test func metadataCannotOverwriteTheLinesOwnFields() throws {
        let metadata: Logger.Metadata = [
            "level": "FATAL", "timestamp": "1970", "message": "forged", "logger": "x",
            "_aws": ["CloudWatchMetrics": []],
            "truncated": "no", "metadata.level": "second",
        ]
        let bytes = line(metadata: metadata).json
        let object = try object(bytes)
        #expect(object["level"] as? String == "INFO")
        #expect(object["message"] as? String == "message")
        #expect(object["_aws"] == nil)
        #expect(
            Set(["FATAL", "second"])
                == Set(["metadata.level", "metadata.metadata.level"].compactMap { object[$0] as? String }))
        #expect(object.count == 4 + metadata.count)
        let names = String(decoding: bytes, as: UTF8.self).ranges(of: #""level":"#)
        #expect(names.count == 1)
    }

    @Test func levelsAreLambdasWords() {
        let words = Logger.Level.allCases.map(\.lambdaName)
        #expect(words == ["TRACE", "DEBUG", "INFO", "INFO", "WARN", "ERROR", "FATAL"])
    }

    @Test(arguments: [1000, 300_000]) func longValuesAreCutToAValidLine(length: Int) throws {
        for unit in ["x", "é", "\u{1}", "😀"] {
            let bytes = line(metadata: ["path": .string(String(repeating: unit, count: length)), "z": "kept"]).json
            #expect(bytes.count < LogLine.maximumBytes)
            let object = try object(bytes)
            #expect(object["z"] as? String == "kept")
            let isCut = (object["path"] as? String)?.hasSuffix("…") ?? false
            #expect(isCut == (object["truncated"] as? Bool ?? false))
            #expect(length > 1000 || !isCut)
            #expect(
                line(metadata: ["path": .string(String(repeating: unit, count: length))]).text.count
                    < LogLine.maximumBytes)
        }
    }

    @Test func tooManyFieldsAreLeftOutValidly() throws {
        var metadata: Logger.Metadata = [:]
        let value = String(repeating: "v", count: 50)
        for number in 0..<5000 { metadata["field\(number)"] = .string(value) }
        metadata["a"] = .array((0..<1000).map { .stringConvertible($0) })
        let bytes = line(metadata: metadata).json
        #expect(bytes.count < LogLine.maximumBytes)
        let object = try object(bytes)
        #expect(object["truncated"] as? Bool == true)
        #expect(object.count > 1000)
        #expect(line(metadata: metadata).text.count < LogLine.maximumBytes)
        let onlyOne = line(metadata: ["a": .array((0..<50_000).map { .stringConvertible($0) })]).json
        #expect(try self.object(onlyOne)["truncated"] as? Bool == true)
    }

    @Test func timestampsAgreeWithFoundation() {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        var random = SeededGenerator(seed: 7)
        // From the year 0 on, in days and random moments up to the year 9999, leap days among them.
        var moments: [Int64] = [0, -1, 951_782_400_000, 1_709_164_800_000, 4_107_542_399_999, 253_402_300_799_999]
        for _ in 0..<2000 {
            moments.append(Int64.random(in: -12_219_292_800_000...253_402_300_799_999, using: &random))
        }
        for moment in moments {
            // Parsed rather than formatted: the formatter rounds fractions of a Double.
            let text = Timestamp.rfc3339(epochMilliseconds: moment)
            let parsed = formatter.date(from: text).map { Int64(($0.timeIntervalSince1970 * 1000).rounded()) }
            #expect(parsed == moment, "\(text)")
            #expect(text.utf8.count == 24)
        }
    }
}
