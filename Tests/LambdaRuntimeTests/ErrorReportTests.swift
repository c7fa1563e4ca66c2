import Foundation
import Testing

@testable import LambdaRuntime

@Suite struct ErrorReportTests {
    private struct Body: Decodable, Equatable {
        var errorMessage: String
        var errorType: String
        var stackTrace: [String]
    }

    private static func decoded(_ report: ErrorReport) throws -> Body {
        try JSONDecoder().decode(Body.self, from: Data(report.body))
    }

    @Test func bodyIsReadBackAsItWas() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...30, using: &generator) {
                // Half of them from where escaping matters, half from all of Unicode.
                let highest: UInt32 = Bool.random(using: &generator) ? 0xA0 : 0x10FFFF
                guard let scalar = Unicode.Scalar(UInt32.random(in: 0...highest, using: &generator)) else { continue }
                text.append(scalar)
            }
            let message = String(text)
            let body = try Self.decoded(ErrorReport(type: message, message: message))
            #expect(Array(body.errorMessage.unicodeScalars) == Array(text), "\(message.debugDescription)")
            #expect(Array(body.errorType.unicodeScalars) == Array(text))
            #expect(body.stackTrace.isEmpty)
        }
    }

    @Test func controlCharactersAndQuotesAreEscaped() {
        let report = ErrorReport(type: "X", message: "\"\\\n\r\t\u{0}\u{1F}\u{7F}é\u{2028}")
        #expect(
            String(decoding: report.body, as: UTF8.self)
                == #"{"errorMessage":"\"\\\n\r\t\u0000\u001f\u007fé\u2028","errorType":"X","stackTrace":[]}"#)
    }

    @Test(arguments: [
        ("PartnerUnreachable", "Function.PartnerUnreachable"),
        ("Function.PartnerUnreachable", "Function.PartnerUnreachable"),
        ("Runtime.EventTooLarge", "Runtime.EventTooLarge"),
        ("Sandbox.Timedout", "Function.Unknown"), ("Function.", "Function.Unknown"),
        ("Function.lower", "Function.Unknown"), ("lower", "Function.Unknown"), ("A", "Function.Unknown"),
        ("", "Function.Unknown"), ("Ends\r\nX-Header: 1", "Function.Unknown"), ("Größe", "Function.Unknown"),
        ("Error42", "Function.Unknown"),
    ])
    func headerIsAlwaysACategoryAndAReason(type: String, header: String) {
        #expect(ErrorReport(type: type, message: "").headerValue == header)
    }

    @Test func longMessageIsCutBetweenCharacters() throws {
        let limit = ErrorReport.maximumMessageBytes
        let whole = String(repeating: "é", count: limit / 2)
        #expect(try Self.decoded(ErrorReport(type: "X", message: whole)).errorMessage == whole)
        let cut = try Self.decoded(ErrorReport(type: "X", message: "x" + whole)).errorMessage
        #expect(cut == "x" + String(repeating: "é", count: limit / 2 - 1) + "…")
    }
}
