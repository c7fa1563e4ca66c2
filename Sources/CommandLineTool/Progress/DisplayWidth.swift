/// How wide text is on a terminal, in columns.
enum DisplayWidth {
    /// What is kept of text that is too wide.
    enum Kept: Hashable, Sendable {
        case start
        /// The end, which tells most of a path, behind so many columns of its beginning.
        case end(indent: Int)
    }

    private static let ellipsis = "…"

    /// The columns that the text takes. It holds no control characters.
    static func columns(of text: String) -> Int { text.unicodeScalars.reduce(0) { $0 + columns(of: $1) } }

    /// The text, or as much of it as fits with a mark for the rest.
    static func cut(_ text: String, toColumns limit: Int, keeping kept: Kept) -> String {
        guard columns(of: text) > limit else { return text }
        guard limit > 0 else { return "" }
        switch kept {
        case .start: return fitting(text.unicodeScalars, limit - 1) + ellipsis
        case .end(let indent):
            let start = text.unicodeScalars.prefix(min(indent, limit - 1))
            let room = limit - 1 - start.count
            var end: [Unicode.Scalar] = []
            var used = 0
            for scalar in text.unicodeScalars.dropFirst(start.count).reversed() {
                used += columns(of: scalar)
                guard used <= room else { break }
                end.append(scalar)
            }
            // A mark without the letter that it belongs to would go onto something else.
            while let last = end.last, columns(of: last) == 0 { end.removeLast() }
            return String(String.UnicodeScalarView(start)) + ellipsis + String(String.UnicodeScalarView(end.reversed()))
        }
    }

    private static func fitting(_ scalars: some Sequence<Unicode.Scalar>, _ limit: Int) -> String {
        var fitting = String.UnicodeScalarView()
        var used = 0
        for scalar in scalars {
            used += columns(of: scalar)
            guard used <= limit else { break }
            fitting.append(scalar)
        }
        return String(fitting)
    }

    /// 0 for marks that go onto what stands before them, 2 for what terminals show wide (Unicode Standard Annex 11:
    /// classes W and F), else 1.
    private static func columns(of scalar: Unicode.Scalar) -> Int {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return 0
        default: break
        }
        guard scalar.value >= firstWide else { return 1 }
        return wide.contains { $0.contains(scalar.value) } || scalar.properties.isEmojiPresentation ? 2 : 1
    }

    private static let firstWide: UInt32 = 0x1100
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
        0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
        0x17000...0x18CFF, 0x1AFF0...0x1B2FF, 0x20000...0x3FFFD,
    ]
}
