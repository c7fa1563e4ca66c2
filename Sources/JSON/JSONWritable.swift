/// What can be written as JSON.
public protocol JSONWritable: Sendable {
    /// Writes one value. An object's members come in an order that does not change from one run to the next.
    func write(to text: inout JSONText)
}

extension JSONWritable {
    /// The value as a text of its own, nothing cut.
    public var jsonBytes: [UInt8] {
        var text = JSONText()
        write(to: &text)
        return text.bytes
    }
}

extension JSONText {
    /// Appends an object whose members `write` appends.
    public mutating func object(_ write: (inout JSONText) -> Void) {
        append(raw: "{")
        write(&self)
        append(raw: "}")
    }

    /// Appends a member of an object. Nil leaves it out.
    public mutating func member(_ name: String, _ value: (some JSONWritable)?) {
        guard let value else { return }
        append(name: name)
        value.write(to: &self)
    }

    /// Appends a member that is an object itself, whose members `write` appends.
    public mutating func member(_ name: String, _ write: (inout JSONText) -> Void) {
        append(name: name)
        object(write)
    }
}

extension String: JSONWritable {
    /// Writes a string.
    public func write(to text: inout JSONText) { text.append(string: self) }
}

extension Bool: JSONWritable {
    /// Writes `true` or `false`.
    public func write(to text: inout JSONText) { text.append(literal: self ? "true" : "false") }
}

extension JSONWritable where Self: BinaryInteger {
    /// Writes a number.
    public func write(to text: inout JSONText) { text.append(literal: String(self)) }
}

extension Int: JSONWritable {}
extension Int64: JSONWritable {}
extension UInt64: JSONWritable {}

extension Array: JSONWritable where Element: JSONWritable {
    /// Writes an array.
    public func write(to text: inout JSONText) {
        text.append(raw: "[")
        for (index, element) in enumerated() {
            if index > 0 { text.append(raw: ",") }
            element.write(to: &text)
        }
        text.append(raw: "]")
    }
}

extension Dictionary: JSONWritable where Key == String, Value: JSONWritable {
    /// Writes an object, its members in the order of their names' bytes.
    public func write(to text: inout JSONText) {
        let members = sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        text.object { text in
            for (name, value) in members { text.member(name, value) }
        }
    }
}
