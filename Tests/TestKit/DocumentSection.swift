import Foundation

/// A part of a page that a test writes: what stands between the lines `<!-- NAME -->` and `<!-- /NAME -->`.
public struct DocumentSection: Sendable {
    private let page: URL
    private let begin: String
    private let end: String

    /// Names a section of a page, whose path counts from the package's folder.
    public init(page: String, name: String) {
        self.page = StandIn.packageRoot.appendingPathComponent(page)
        begin = "<!-- \(name) -->\n"
        end = "\n<!-- /\(name) -->"
    }

    /// What stands there.
    public var text: String {
        get throws {
            let content = try String(contentsOf: page, encoding: .utf8)
            return String(content[try range(in: content)])
        }
    }

    private func range(in content: String) throws -> Range<String.Index> {
        guard let start = content.range(of: begin)?.upperBound,
            let stop = content.range(of: end, range: start..<content.endIndex)?.lowerBound
        else { throw MissingSection(description: "\(page.lastPathComponent) has no section \(begin)") }
        return start..<stop
    }

    /// What stands there; with `UPDATE_DOCS=1` in the environment the text is put there before.
    public func updatedText(_ text: String) throws -> String {
        guard ProcessInfo.processInfo.environment["UPDATE_DOCS"] == "1" else { return try self.text }
        let content = try String(contentsOf: page, encoding: .utf8)
        let range = try range(in: content)
        try (content[..<range.lowerBound] + text + content[range.upperBound...])
            .write(to: page, atomically: true, encoding: .utf8)
        return text
    }
}

/// A page that lacks the lines between which a section stands.
public struct MissingSection: Error, CustomStringConvertible {
    /// Which one.
    public let description: String
}
