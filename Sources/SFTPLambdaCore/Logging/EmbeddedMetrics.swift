import JSON
import Logging

/// Numbers for CloudWatch Metrics, sent as log lines that CloudWatch Logs recognises (Amazon CloudWatch User Guide,
/// "Specification: Embedded metric format").
public struct EmbeddedMetrics: Sendable, Hashable {
    /// The namespace of all metrics of ours.
    static let namespace = "sftp-lambda"

    /// A name and a value that tell one series of a metric from another. Each combination is billed as a metric of its
    /// own, so never a request id or a file name.
    public struct Dimension: Sendable, Hashable {
        let name: String
        let value: String

        /// Makes a dimension. CloudWatch takes values of 1 to 1,024 ASCII characters without control characters, not
        /// beginning with a colon: what does not fit is replaced by `?`, cut, or `-` when nothing is left.
        public init(_ name: String, _ value: String) {
            EmbeddedMetrics.check(name)
            self.name = name
            var ascii = value.unicodeScalars.prefix(1024)
                .map { (0x20..<0x7F).contains($0.value) ? UInt8(truncatingIfNeeded: $0.value) : UInt8(ascii: "?") }
            if ascii.first == UInt8(ascii: ":") { ascii[0] = UInt8(ascii: "?") }
            if ascii.allSatisfy({ $0 == UInt8(ascii: " ") }) { ascii = [UInt8(ascii: "-")] }
            self.value = String(decoding: ascii, as: UTF8.self)
        }
    }

    /// The units that we use, of those that CloudWatch knows (Amazon CloudWatch API Reference, MetricDatum).
    public enum Unit: String, Sendable {
        /// A number of things.
        case count = "Count"
        /// Bytes.
        case bytes = "Bytes"
        /// Bytes a second.
        case bytesPerSecond = "Bytes/Second"
        /// Seconds.
        case seconds = "Seconds"
        /// Milliseconds.
        case milliseconds = "Milliseconds"
        /// Hundredths.
        case percent = "Percent"
        /// No unit.
        case none = "None"
    }

    private struct Metric: Sendable, Hashable {
        var name: String
        var unit: Unit
        var value: Double
    }

    private let namespace: String
    private let dimensions: [Dimension]
    private let properties: [String: String]
    private var metrics: [Metric] = []

    /// More metrics than this go into another line.
    static let maximumMetricsPerLine = 100
    /// More dimensions than this are not possible.
    public static let maximumDimensions = 30
    /// The longest value of a property, in bytes.
    static let maximumPropertyBytes = 1024
    /// The most properties that are written.
    static let maximumProperties = 50

    /// Makes a set without metrics. Names are ours: one that CloudWatch would refuse is a bug.
    /// - Parameters:
    ///   - namespace: 1 to 255 ASCII characters.
    ///   - dimensions: at most 30, of different names.
    ///   - properties: fields beside the metrics, such as a request id: found in the logs, no part of the metric. A
    ///     property that has the name of a metric, of a dimension or of a field of ours is left out.
    public init(namespace: String, dimensions: [Dimension] = [], properties: [String: String] = [:]) {
        Self.check(namespace)
        precondition(dimensions.count <= Self.maximumDimensions, "too many dimensions")
        precondition(Set(dimensions.map(\.name)).count == dimensions.count, "two dimensions of one name")
        self.namespace = namespace
        self.dimensions = dimensions
        self.properties = properties
    }

    /// Adds a metric. A second one of the same name takes the first one's place. A value that is no finite number is
    /// left out: CloudWatch refuses it, and the line with it.
    public mutating func add(_ name: String, _ value: Double, _ unit: Unit = .count) {
        Self.check(name)
        precondition(!dimensions.contains { $0.name == name }, "a metric and a dimension of one name")
        metrics.removeAll { $0.name == name }
        guard value.isFinite else { return }
        metrics.append(Metric(name: name, unit: unit, value: value))
    }

    /// Adds a metric that is a whole number.
    public mutating func add(_ name: String, _ value: some BinaryInteger, _ unit: Unit = .count) {
        add(name, Double(value), unit)
    }

    /// The log lines, said to be of `level`: none without metrics.
    func lines(epochMilliseconds: Int64, level: Logger.Level = .info) -> [[UInt8]] {
        stride(from: 0, to: metrics.count, by: Self.maximumMetricsPerLine).map { start in
            line(metrics[start..<min(start + Self.maximumMetricsPerLine, metrics.count)], epochMilliseconds, level)
        }
    }

    /// One document. `level` and `timestamp` are there because Lambda, when it filters by level, looks for them in
    /// every JSON line.
    private func line(_ metrics: ArraySlice<Metric>, _ epochMilliseconds: Int64, _ level: Logger.Level) -> [UInt8] {
        var line = JSONText(maximumStringBytes: Self.maximumPropertyBytes)
        line.append(raw: #"{"_aws":{"Timestamp":"#)
        line.append(literal: String(epochMilliseconds))
        line.append(raw: #","CloudWatchMetrics":[{"Namespace":"#)
        line.append(string: namespace)
        line.append(raw: #","Dimensions":[["#)
        for (index, dimension) in dimensions.enumerated() {
            if index > 0 { line.append(raw: ",") }
            line.append(string: dimension.name)
        }
        line.append(raw: #"]],"Metrics":["#)
        for metric in metrics {
            if metric != metrics.first { line.append(raw: ",") }
            line.append(raw: #"{"Name":"#)
            line.append(string: metric.name)
            line.append(raw: #","Unit":"#)
            line.append(string: metric.unit.rawValue)
            line.append(raw: "}")
        }
        line.append(raw: "]}]}")
        let texts =
            [("timestamp", Timestamp.rfc3339(epochMilliseconds: epochMilliseconds)), ("level", level.lambdaName)]
            + dimensions.map { ($0.name, $0.value) } + writtenProperties
        for (name, text) in texts {
            line.append(name: name)
            line.append(string: text)
        }
        for metric in metrics {
            line.append(name: metric.name)
            line.append(literal: Self.number(metric.value))
        }
        line.append(raw: "}")
        return line.bytes
    }

    private var writtenProperties: [(String, String)] {
        let taken = LogLine.reservedNames.union(dimensions.map(\.name)).union(metrics.map(\.name))
        return properties.filter { !taken.contains($0.key) }.sorted { $0.key < $1.key }
            .prefix(Self.maximumProperties).map { ($0.key, $0.value) }
    }

    /// A whole number without a fraction, as long as a Double tells one from the next.
    private static func number(_ value: Double) -> String {
        guard let whole = Int64(exactly: value), whole.magnitude <= 1 << 53 else { return value.description }
        return String(whole)
    }

    private static func check(_ name: String) {
        precondition(
            (1...250).contains(name.utf8.count) && name.utf8.allSatisfy { (0x20..<0x7F).contains($0) }
                && !name.hasPrefix(":") && !LogLine.reservedNames.contains(name),
            "a name that CloudWatch does not take: \(name)")
    }
}
