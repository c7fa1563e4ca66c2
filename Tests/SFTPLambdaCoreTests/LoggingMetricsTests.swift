import Foundation
import TestKit
import Testing

@testable import SFTPLambdaCore

@Suite struct LoggingMetricsTests {
    /// The parts of the specification's JSON schema.
    private struct Document: Decodable {
        struct Metadata: Decodable {
            var Timestamp: Int64
            var CloudWatchMetrics: [Directive]
        }
        struct Directive: Decodable {
            var Namespace: String
            var Dimensions: [[String]]
            var Metrics: [Definition]
        }
        struct Definition: Decodable {
            var Name: String
            var Unit: String
        }
        var _aws: Metadata
    }

    private func parsed(_ line: [UInt8]) throws -> (document: Document, root: [String: Any]) {
        #expect(MetricDocument.faults(line) == [])
        let root = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
        return (try JSONDecoder().decode(Document.self, from: Data(line)), try #require(root))
    }

    @Test func aDocumentHasAllThatTheSpecificationAsksFor() throws {
        var metrics = EmbeddedMetrics(
            namespace: "SFTPLambda",
            dimensions: [.init("FunctionName", "acme-pull"), .init("Host", "sftp.example.com")],
            properties: ["requestId": "r-1"])
        metrics.add("FilesPulled", 3)
        metrics.add("BytesPulled", UInt64(1) << 40, .bytes)
        metrics.add("Duration", 12.5, .milliseconds)
        metrics.add("FilesPulled", 4)
        let lines = metrics.lines(epochMilliseconds: 1_767_323_045_678)
        #expect(lines.count == 1)
        let (document, root) = try parsed(try #require(lines.first))
        #expect(document._aws.Timestamp == 1_767_323_045_678)
        let directive = try #require(document._aws.CloudWatchMetrics.first)
        #expect(document._aws.CloudWatchMetrics.count == 1)
        #expect(directive.Namespace == "SFTPLambda")
        #expect(directive.Dimensions == [["FunctionName", "Host"]])
        #expect(directive.Metrics.map(\.Name) == ["BytesPulled", "Duration", "FilesPulled"])
        #expect(directive.Metrics.map(\.Unit) == ["Bytes", "Milliseconds", "Count"])
        #expect(root["FunctionName"] as? String == "acme-pull")
        #expect(root["Host"] as? String == "sftp.example.com")
        #expect(root["FilesPulled"] as? Int == 4)
        #expect(root["BytesPulled"] as? Int == 1_099_511_627_776)
        #expect(root["Duration"] as? Double == 12.5)
        #expect(root["requestId"] as? String == "r-1")
        #expect(root["timestamp"] as? String == "2026-01-02T03:04:05.678Z")
        #expect(root["level"] as? String == "INFO")
        #expect(root.count == 9)
    }

    @Test func moreThanAHundredMetricsGoIntoSeveralLines() throws {
        var metrics = EmbeddedMetrics(namespace: "N", dimensions: [.init("D", "v")])
        for number in 0..<250 { metrics.add("M\(number)", number) }
        let lines = metrics.lines(epochMilliseconds: 0)
        var names: [String] = []
        for line in lines {
            let (document, root) = try parsed(line)
            let own = document._aws.CloudWatchMetrics[0].Metrics.map(\.Name)
            #expect(own.count <= 100)
            #expect(own.allSatisfy { root[$0] is Int })
            #expect(root["D"] as? String == "v")
            names += own
        }
        #expect(lines.count == 3)
        #expect(names == (0..<250).map { "M\($0)" })
    }

    /// The check itself: what CloudWatch would not take, or take for something else.
    @Test(arguments: [
        ("{", "no JSON"), ("{}", "_aws is missing"),
        (#"{"_aws":{"Timestamp":"now","CloudWatchMetrics":[]}}"#, "Timestamp"),
        (
            #"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[["D"]],"Metrics":[]}]}}"#,
            "dimension D"
        ),
        (
            #"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[[]],"Metrics":[{"Name":"M"}]}]},"#
                + #""M":"1"}"#, "M is no number"
        ),
        (
            #"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[[]],"Metrics":[{"Name":"M","#
                + #""Unit":"Files"}]}]},"M":1}"#, "unit of M"
        ),
    ])
    func documentThatIsNoneIsToldSo(line: String, fault: String) {
        #expect(MetricDocument.faults(line.utf8).contains { $0.contains(fault) })
    }

    @Test func withoutDimensionsThereIsOneEmptySet() throws {
        var metrics = EmbeddedMetrics(namespace: "N")
        metrics.add("M", 1)
        let (document, _) = try parsed(try #require(metrics.lines(epochMilliseconds: 0).first))
        #expect(document._aws.CloudWatchMetrics[0].Dimensions == [[]])
    }

    @Test func nothingIsWrittenWithoutMetricsOrForValuesThatAreNoNumbers() {
        var metrics = EmbeddedMetrics(namespace: "N")
        #expect(metrics.lines(epochMilliseconds: 0).isEmpty)
        metrics.add("A", Double.nan)
        metrics.add("B", Double.infinity)
        #expect(metrics.lines(epochMilliseconds: 0).isEmpty)
    }

    @Test(arguments: hostileTexts) func dimensionValuesAreWhatCloudWatchTakes(text: String) throws {
        for value in [text, ":" + text, String(repeating: text + "x", count: 2000)] {
            var metrics = EmbeddedMetrics(namespace: "N", dimensions: [.init("D", value)], properties: ["p": value])
            metrics.add("M", 1)
            let (_, root) = try parsed(try #require(metrics.lines(epochMilliseconds: 0).first))
            let dimension = try #require(root["D"] as? String)
            #expect((1...1024).contains(dimension.utf8.count))
            #expect(dimension.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
            #expect(!dimension.hasPrefix(":"))
            #expect(dimension.contains { $0 != " " })
        }
    }

    @Test func propertiesNeverTakeTheNameOfAMetricDimensionOrFieldOfOurs() throws {
        var metrics = EmbeddedMetrics(
            namespace: "N", dimensions: [.init("D", "v")],
            properties: ["M": "x", "D": "x", "_aws": "x", "level": "x", "ok": String(repeating: "y", count: 5000)])
        metrics.add("M", 1)
        let line = try #require(metrics.lines(epochMilliseconds: 0).first)
        let (_, root) = try parsed(line)
        #expect(root["M"] as? Int == 1)
        #expect(root["D"] as? String == "v")
        #expect(root["level"] as? String == "INFO")
        #expect((root["ok"] as? String)?.utf8.count == EmbeddedMetrics.maximumPropertyBytes + "…".utf8.count)
        #expect(root.count == 6)
    }
}
