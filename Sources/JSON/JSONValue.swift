/// A value of a JSON text (RFC 8259) that knows the bytes it was read from, so that what cannot be understood can be
/// passed on exactly as it came. It takes some memory for each value besides: who reads limits the size of the text.
public struct JSONValue: Sendable {
    /// What a value is. A number stays text: its `source`.
    public enum Content: Sendable {
        /// Members in the order of the text, all of them where a name comes more than once.
        case object([Member])
        /// The elements of an array.
        case array([JSONValue])
        /// A string without its quotes and escapes.
        case text(String)
        /// A number, which is in `source`.
        case number
        /// `true` or `false`.
        case bool(Bool)
        /// `null`.
        case null
    }

    /// A name and its value.
    public struct Member: Sendable {
        /// The name without its quotes and escapes.
        public let name: String
        /// The value.
        public let value: JSONValue
    }

    /// What the value is.
    public let content: Content
    /// The value as it stands in the text.
    public let source: ArraySlice<UInt8>

    /// How deep arrays and objects may lie in one another. An S3 event has six levels; each wrapper adds a few.
    public static let maximumDepth = 64

    /// Reads a text. The grammar is that of RFC 8259, strictly, in UTF-8 and without a byte order mark.
    public init(parsing bytes: [UInt8]) throws(JSONFault) {
        var parser = JSONParser(bytes)
        self = try parser.document()
    }

    init(_ content: Content, _ source: ArraySlice<UInt8>) {
        self.content = content
        self.source = source
    }

    /// The member of this name, if this is an object that has one. Of several the last counts, as in JavaScript. Null
    /// is as good as nothing: AWS writes either for what does not apply.
    public subscript(_ name: String) -> JSONValue? {
        guard let value = member(name) else { return nil }
        if case .null = value.content { return nil }
        return value
    }

    /// The member of this name, null or not. Names are compared by their bytes: `é` is not `e` with an accent.
    func member(_ name: String) -> JSONValue? {
        guard case .object(let members) = content else { return nil }
        return members.last { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }

    /// The string, if this is one.
    public var text: String? { if case .text(let text) = content { text } else { nil } }

    /// The elements, if this is an array.
    public var elements: [JSONValue]? { if case .array(let elements) = content { elements } else { nil } }

    /// Whether this is an object.
    public var isObject: Bool { if case .object = content { true } else { false } }

    /// The number, if this is one, whole, and not negative.
    public var unsignedInteger: UInt64? {
        guard case .number = content else { return nil }
        return UInt64(String(decoding: source, as: UTF8.self))
    }

    /// What kind of value this is, in JSON's own words.
    public var kind: String {
        switch content {
        case .object: "an object"
        case .array: "an array"
        case .text: "text"
        case .number: "a number"
        case .bool: "true or false"
        case .null: "null"
        }
    }
}

/// Why a text is not JSON, and where. Nothing of the text is quoted: it may hold secrets.
public struct JSONFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong there.
    public let reason: String
    /// Where, in bytes from the beginning.
    public let offsetBytes: Int

    /// Both, for people.
    public var description: String { "it is not JSON: \(reason), at byte \(offsetBytes)" }
}
