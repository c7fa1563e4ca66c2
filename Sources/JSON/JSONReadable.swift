/// What can be made of a JSON value. Members that nobody asks for are ignored.
public protocol JSONReadable: Sendable {
    /// Reads the value, which is not null.
    init(json: JSONValue) throws(JSONFieldFault)
}

/// Which field of a JSON text is not what it should be, and what is wrong with it. No value is quoted: it may be secret.
public struct JSONFieldFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with a field.
    public enum Problem: Hashable, Sendable {
        /// There is none.
        case missing
        /// It is null and must not be.
        case null
        /// It is of another kind than this one.
        case isNot(Kind)
    }

    /// The kinds of values that are asked for.
    public enum Kind: String, Sendable {
        /// Text.
        case string = "String"
        /// True or false.
        case bool = "Bool"
        /// A list.
        case array = "Array"
        /// Names and values.
        case object = "Object"
    }

    /// Names of members and places in arrays, from the outside to the field; none for the whole.
    public private(set) var path: [String]
    /// What is wrong with it.
    public let problem: Problem

    /// Makes a fault of the value itself.
    public init(_ problem: Problem) {
        path = []
        self.problem = problem
    }

    /// The same fault, seen from the value around it.
    func inside(_ name: String) -> JSONFieldFault {
        var fault = self
        fault.path.insert(name, at: 0)
        return fault
    }

    /// Such as `Messages.0.Body is no String`, on one line: names may be those of whoever wrote the text.
    public var description: String {
        let name = path.isEmpty ? "the whole" : path.map(Self.shown).joined(separator: ".")
        switch problem {
        case .missing: return "\(name) is missing"
        case .null: return "\(name) is null"
        case .isNot(let kind): return "\(name) is no \(kind.rawValue)"
        }
    }

    private static let shownScalars = 64

    private static func shown(_ name: String) -> String {
        let scalars = name.unicodeScalars
        let text = scalars.prefix(shownScalars)
            .map { JSONText.isMisleading($0) ? JSONText.unicodeEscape($0) : String($0) }.joined()
        return scalars.count > shownScalars ? text + "…" : text
    }
}

extension JSONReadable {
    /// Reads a text.
    /// - Throws: `JSONFault` or `JSONFieldFault`, whose descriptions quote nothing of the text.
    public init(parsing bytes: [UInt8]) throws {
        let json = try JSONValue(parsing: bytes)
        self = try json.read(as: Self.self)
    }
}

extension JSONValue {
    /// The member of this name.
    /// - Throws: when this is no object, or the member is missing, null or of another kind.
    public func required<Value: JSONReadable>(
        _ name: String, as type: Value.Type = Value.self
    ) throws(JSONFieldFault) -> Value {
        guard isObject else { throw JSONFieldFault(.isNot(.object)) }
        guard let value = member(name) else { throw JSONFieldFault(.missing).inside(name) }
        do throws(JSONFieldFault) { return try value.read(as: type) } catch { throw error.inside(name) }
    }

    /// The member of this name; nil when it is missing or null.
    /// - Throws: when this is no object, or the member is of another kind.
    public func optional<Value: JSONReadable>(
        _ name: String, as type: Value.Type = Value.self
    ) throws(JSONFieldFault) -> Value? {
        guard isObject else { throw JSONFieldFault(.isNot(.object)) }
        guard let value = self[name] else { return nil }
        do throws(JSONFieldFault) { return try value.read(as: type) } catch { throw error.inside(name) }
    }

    fileprivate func read<Value: JSONReadable>(as type: Value.Type) throws(JSONFieldFault) -> Value {
        if case .null = content { throw JSONFieldFault(.null) }
        return try Value(json: self)
    }
}

extension JSONValue: JSONReadable {
    /// The value itself.
    public init(json: JSONValue) { self = json }
}

extension String: JSONReadable {
    /// Reads text.
    public init(json: JSONValue) throws(JSONFieldFault) {
        guard let text = json.text else { throw JSONFieldFault(.isNot(.string)) }
        self = text
    }
}

extension Bool: JSONReadable {
    /// Reads true or false.
    public init(json: JSONValue) throws(JSONFieldFault) {
        guard case .bool(let value) = json.content else { throw JSONFieldFault(.isNot(.bool)) }
        self = value
    }
}

extension Array: JSONReadable where Element: JSONReadable {
    /// Reads a list, none of whose elements is null.
    public init(json: JSONValue) throws(JSONFieldFault) {
        guard let elements = json.elements else { throw JSONFieldFault(.isNot(.array)) }
        self = []
        reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            do throws(JSONFieldFault) { append(try element.read(as: Element.self)) } catch {
                throw error.inside("\(index)")
            }
        }
    }
}

extension Dictionary: JSONReadable where Key == String, Value: JSONReadable {
    /// Reads an object, none of whose values is null. Of members with one name the last counts.
    public init(json: JSONValue) throws(JSONFieldFault) {
        guard case .object(let members) = json.content else { throw JSONFieldFault(.isNot(.object)) }
        self = [:]
        for member in members {
            do throws(JSONFieldFault) { self[member.name] = try member.value.read(as: Value.self) } catch {
                throw error.inside(member.name)
            }
        }
    }
}
