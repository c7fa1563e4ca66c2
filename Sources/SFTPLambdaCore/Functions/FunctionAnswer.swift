import FoundationEssentials

/// What a function answers.
enum FunctionAnswer {
    /// A summary as JSON, its members in the order of their names.
    static func json(_ summary: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return Array(try encoder.encode(summary))
    }
}
