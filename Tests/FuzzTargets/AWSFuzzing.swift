@testable import AWS

enum AWSFuzzing {
    static func xml(_ bytes: [UInt8]) throws {
        var parser = XMLPullParser(bytes)
        var open: [String] = []
        var count = 0
        var isWellFormed = false
        do throws(XMLError) {
            while let event = try parser.next() {
                count += 1
                switch event {
                case .start(let name): open.append(name)
                case .end(let name): if open.popLast() != name { throw XMLError(description: "unbalanced") }
                case .text: if open.isEmpty { throw XMLError(description: "unbalanced") }
                }
                guard open.count <= XMLPullParser.maximumDepth + 1 else { throw XMLError(description: "unbalanced") }
            }
            isWellFormed = true
        } catch {
            try must(error.description != "unbalanced", "ends do not follow their beginnings, or too deep")
        }
        // A tag has three bytes at least, and an empty one gives two events.
        try must(count <= bytes.count, "\(count) events of \(bytes.count) bytes")
        if isWellFormed { try must(open.isEmpty, "\(open) are never closed") }
        // It has limits of its own: not all that is well formed is read.
        guard let root = try? XMLElement.parse(bytes) else { return }
        try must(isWellFormed, "\(root.name) is read where events end in an error")
    }
}
