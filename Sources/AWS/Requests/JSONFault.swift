/// What is wrong with JSON that cannot be decoded, in words that quote nothing of it: it may hold secrets.
enum JSONFault {
    /// The words for an error of `JSONDecoder`, whose own text would quote the JSON.
    static func words(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context): "\(name(context.codingPath + [key])) is missing"
        case DecodingError.typeMismatch(let type, let context): "\(name(context.codingPath)) is no \(type)"
        case DecodingError.valueNotFound(_, let context): "\(name(context.codingPath)) is null"
        default: "it is not JSON"
        }
    }

    private static func name(_ path: [any CodingKey]) -> String {
        path.isEmpty ? "the whole" : path.map(\.stringValue).joined(separator: ".")
    }
}
