import JSON
import Logging

extension JSONText {
    /// Appends a metadata value: numbers and booleans as such, lists and dictionaries as such, anything else as text.
    mutating func append(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): append(string: text)
        case .stringConvertible(let value):
            if let literal = Self.literal(value) {
                append(literal: literal)
            } else {
                append(string: value.description)
            }
        case .array(let values):
            append(raw: "[")
            for (index, value) in values.enumerated() {
                if index > 0 { append(raw: ",") }
                append(value)
            }
            append(raw: "]")
        case .dictionary(let values):
            append(raw: "{")
            for (name, value) in values.sorted(by: { $0.key < $1.key }) {
                append(name: name)
                append(value)
            }
            append(raw: "}")
        }
    }

    /// A value as a JSON literal; nil when it is to be text. JSON has no infinity and no NaN.
    private static func literal(_ value: any CustomStringConvertible) -> String? {
        switch value {
        case let value as Bool: value ? "true" : "false"
        case let value as any BinaryInteger: String(describing: value)
        case let value as Double: value.isFinite ? value.description : nil
        case let value as Float: value.isFinite ? value.description : nil
        default: nil
        }
    }
}
