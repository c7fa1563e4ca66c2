import JSON
import Logging

/// What one line of the log says, before it gets its form.
struct LogLine {
    var epochMilliseconds: Int64
    var level: Logger.Level
    var message: String
    var label: String
    var metadata: Logger.Metadata

    /// The longest line, in bytes with its line end. A CloudWatch Logs event of a Lambda function could long hold 256 KB;
    /// what is longer is split, and half an object is no JSON. Some room is left for what Lambda may add.
    static let maximumBytes = 255 * 1024
    /// The names that are the line's own. Metadata of such a name gets `metadata.` before it, so that nothing can pass
    /// itself off as another level, another logger, or metrics.
    static let reservedNames: Set<String> = ["timestamp", "level", "message", "logger", "truncated", "_aws"]

    /// One JSON object, never longer than `maximumBytes`: strings are cut until it fits, and then fields left out.
    var json: [UInt8] {
        let fields = self.fields
        var maximumStringBytes = 128 * 1024
        var line = json(fields, maximumStringBytes: maximumStringBytes)
        while line.count >= Self.maximumBytes && maximumStringBytes > 64 {
            maximumStringBytes /= 4
            line = json(fields, maximumStringBytes: maximumStringBytes)
        }
        var kept = fields.count
        while line.count >= Self.maximumBytes && kept > 0 {
            kept /= 2
            line = json(fields.prefix(kept), maximumStringBytes: maximumStringBytes, isShortened: true)
        }
        return line
    }

    /// `2026-01-02T03:04:05.678Z INFO message name=value …`. Values that hold more than plain characters are quoted, so
    /// that no name of a file can look like another field or another line.
    var text: [UInt8] {
        var line = JSONText(maximumStringBytes: 8 * 1024)
        line.append(literal: "\(timestamp) \(level.lambdaName) ")
        for scalar in message.unicodeScalars.prefix(Self.maximumTextMessageScalars) {
            if scalar == "\"" { line.append(raw: "\"") } else { line.append(scalar) }
        }
        for (name, value) in fields {
            guard line.bytes.count < Self.maximumBytes / 2 else {
                line.append(raw: " truncated=true")
                break
            }
            line.append(raw: " ")
            line.append(plain: name)
            line.append(raw: "=")
            switch value {
            case .string(let text): line.append(plain: text)
            case .stringConvertible(let value): line.append(plain: value.description)
            case .array, .dictionary:
                var nested = JSONText(maximumStringBytes: 1024)
                nested.append(value)
                line.append(plain: String(decoding: nested.bytes, as: UTF8.self))
            }
        }
        return line.bytes
    }

    private static let maximumTextMessageScalars = 8 * 1024

    private var timestamp: String { Timestamp.rfc3339(epochMilliseconds: epochMilliseconds) }

    /// The metadata in order, under names that are not the line's own.
    private var fields: [(name: String, value: Logger.MetadataValue)] {
        var used = Self.reservedNames
        return metadata.sorted { $0.key < $1.key }.map { key, value in
            var name = key
            while used.contains(name) { name = "metadata." + name }
            used.insert(name)
            return (name, value)
        }
    }

    private func json(
        _ fields: some Sequence<(name: String, value: Logger.MetadataValue)>, maximumStringBytes: Int,
        isShortened: Bool = false
    ) -> [UInt8] {
        var line = JSONText(maximumStringBytes: maximumStringBytes)
        line.append(raw: "{")
        for (name, value) in [
            ("timestamp", timestamp), ("level", level.lambdaName), ("message", message), ("logger", label),
        ] {
            line.append(name: name)
            line.append(string: value)
        }
        for (name, value) in fields {
            line.append(name: name)
            line.append(value)
        }
        if isShortened || line.isCut {
            line.append(name: "truncated")
            line.append(raw: "true")
        }
        line.append(raw: "}")
        return line.bytes
    }
}

extension JSONText {
    /// Appends text as it is when it holds only visible characters that part nothing, or else as a JSON string.
    mutating func append(plain text: String) {
        let isPlain = (1...maximumStringBytes).contains(text.utf8.count) && text.unicodeScalars.allSatisfy(Self.isPlain)
        if isPlain {
            append(literal: text)
        } else {
            append(string: text)
        }
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\"", "\\", "=": false
        default: !isMisleading(scalar) && !scalar.properties.isWhitespace
        }
    }
}
