/// What a terminal shows: as much of ECMA-48 as the programs use. Everything else is remembered as a fault.
///
/// It wraps lines, and wraps them anew when it becomes narrower, as today's terminals do; what has scrolled up stays
/// part of it.
public struct TerminalScreen: Sendable {
    /// Control sequences that it does not know.
    public private(set) var faults: [String] = []

    private var columns: Int
    /// One string of characters to a row, and whether the next row goes on with it.
    private var rows: [(text: [Character], wraps: Bool)] = [([], false)]
    private var row = 0
    private var column = 0
    private var pending: [Unicode.Scalar] = []

    /// An empty screen.
    public init(columns: Int) { self.columns = columns }

    /// The lines that are not empty, as they were written: rows that were wrapped are one.
    public var lines: [String] {
        var lines: [String] = []
        var goesOn = false
        for row in rows {
            if goesOn { lines[lines.count - 1] += String(row.text) } else { lines.append(String(row.text)) }
            goesOn = row.wraps
        }
        return lines.filter { !$0.isEmpty }
    }

    /// The rows that are not empty.
    public var shownRows: [String] { rows.map { String($0.text) }.filter { !$0.isEmpty } }

    /// Makes it narrower or wider. Rows that no longer fit are wrapped.
    public mutating func resize(columns: Int) {
        self.columns = columns
        var index = 0
        while index < rows.count {
            if rows[index].text.count > columns {
                let rest = Array(rows[index].text[columns...])
                rows.insert((rest, rows[index].wraps), at: index + 1)
                rows[index] = (Array(rows[index].text[..<columns]), true)
                if row > index {
                    row += 1
                } else if row == index, column > columns {
                    row += 1
                    column -= columns
                }
            }
            index += 1
        }
    }

    /// Takes what a program has written.
    public mutating func take(_ text: String) {
        for scalar in text.unicodeScalars { take(scalar) }
    }

    private mutating func take(_ scalar: Unicode.Scalar) {
        if !pending.isEmpty { return takeSequence(scalar) }
        switch scalar {
        case "\u{1B}": pending = [scalar]
        case "\r": column = 0
        case "\n":
            rows[row].wraps = false
            goDown()
        case " "...: put(Character(scalar))
        default: faults.append("U+\(String(scalar.value, radix: 16))")
        }
    }

    /// Combining marks and wide characters are not what tests write.
    private mutating func put(_ character: Character) {
        if column >= columns {
            rows[row].wraps = true
            column = 0
            goDown()
        }
        while rows[row].text.count <= column { rows[row].text.append(" ") }
        rows[row].text[column] = character
        column += 1
    }

    private mutating func goDown() {
        row += 1
        if row == rows.count { rows.append(([], false)) }
    }

    private mutating func takeSequence(_ scalar: Unicode.Scalar) {
        pending.append(scalar)
        guard pending.count > 2 || scalar != "[" else { return }
        guard pending.count > 2, Self.finalBytes.contains(scalar) else {
            if pending.count > 16 || pending.count == 2 { endSequence(known: false) }
            return
        }
        let parameters = String(String.UnicodeScalarView(pending.dropFirst(2).dropLast()))
        switch (scalar, Int(parameters)) {
        case ("A", let count?): row = max(0, row - count)
        case ("J", nil) where parameters.isEmpty: eraseBelow()
        case ("K", nil) where parameters.isEmpty: eraseToTheRight()
        default: return endSequence(known: false)
        }
        endSequence(known: true)
    }

    private static let finalBytes: ClosedRange<Unicode.Scalar> = "@"..."~"

    private mutating func endSequence(known: Bool) {
        if !known { faults.append(pending.map { $0.escaped(asASCII: true) }.joined()) }
        pending = []
    }

    private mutating func eraseBelow() {
        eraseToTheRight()
        rows.removeSubrange((row + 1)...)
    }

    private mutating func eraseToTheRight() {
        if rows[row].text.count > column { rows[row].text.removeSubrange(column...) }
        rows[row].wraps = false
    }
}
