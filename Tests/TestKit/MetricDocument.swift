import Foundation

/// A log line as CloudWatch reads metrics from it (Amazon CloudWatch User Guide, "Specification: Embedded metric format",
/// and for units and lengths the API Reference, MetricDatum and Dimension).
public enum MetricDocument {
    private static let units: Set<String> = [
        "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits",
        "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second",
        "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second",
        "Gigabits/Second", "Terabits/Second", "Count/Second", "None",
    ]
    private static let maximumLineBytes = 256 << 10

    /// What is wrong with a line; empty when it is a document as it should be.
    public static func faults(_ line: some Sequence<UInt8>) -> [String] {
        let data = Data(line)
        guard let root = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            return ["the line is no JSON object"]
        }
        var faults: [String] = []
        func check(_ isRight: Bool, _ fault: String) { if !isRight { faults.append(fault) } }
        check(data.count <= maximumLineBytes, "the line is longer than a log event")
        check(!data.contains(UInt8(ascii: "\n")), "it is more than one line")
        guard let metadata = root["_aws"] as? [String: Any] else { return faults + ["_aws is missing"] }
        check(Set(metadata.keys) == ["Timestamp", "CloudWatchMetrics"], "_aws has other members: \(metadata.keys)")
        check((metadata["Timestamp"] as? Int ?? -1) >= 0, "Timestamp is no whole number")
        guard let directives = metadata["CloudWatchMetrics"] as? [[String: Any]], !directives.isEmpty else {
            return faults + ["CloudWatchMetrics is no array of objects"]
        }
        for directive in directives { faults += Self.faults(directive, in: root) }
        return faults
    }

    private static func faults(_ directive: [String: Any], in root: [String: Any]) -> [String] {
        var faults: [String] = []
        func check(_ isRight: Bool, _ fault: String) { if !isRight { faults.append(fault) } }
        check(Set(directive.keys) == ["Namespace", "Dimensions", "Metrics"], "other members: \(directive.keys)")
        let namespace = directive["Namespace"] as? String ?? ""
        check((1...255).contains(namespace.utf8.count) && !namespace.hasPrefix(":"), "Namespace: \(namespace)")
        let sets = directive["Dimensions"] as? [[String]] ?? []
        check(!sets.isEmpty, "Dimensions holds no set")
        for name in sets.joined() {
            check((1...250).contains(name.utf8.count), "a dimension's name: \(name)")
            let value = root[name] as? String ?? ""
            check((1...1024).contains(value.utf8.count), "the dimension \(name) has no value that is a text")
        }
        check(sets.allSatisfy { $0.count <= 30 }, "a set has more than 30 dimensions")
        let metrics = directive["Metrics"] as? [[String: Any]] ?? []
        check((1...100).contains(metrics.count), "Metrics has \(metrics.count) elements")
        for metric in metrics {
            check(Set(metric.keys).isSubset(of: ["Name", "Unit", "StorageResolution"]), "a metric: \(metric.keys)")
            let name = metric["Name"] as? String ?? ""
            check((1...255).contains(name.utf8.count), "a metric's name: \(name)")
            check(units.contains(metric["Unit"] as? String ?? "None"), "the unit of \(name)")
            check((root[name] as? Double)?.isFinite == true || root[name] is Int, "the metric \(name) is no number")
            check(!sets.joined().contains(name), "\(name) is a metric and a dimension")
        }
        return faults
    }
}
