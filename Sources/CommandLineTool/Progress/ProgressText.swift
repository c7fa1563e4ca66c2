/// What the display of a run says, for a state and the size of a terminal. No line is as wide as the terminal, so that none
/// wraps, not even when a key is echoed behind it.
enum ProgressText {
    /// How many columns and rows there are.
    struct Size: Hashable, Sendable {
        var columns: Int
        var rows: Int

        /// What is assumed where the terminal does not say it.
        static let usual = Size(columns: 80, rows: 24)
    }

    /// How many files are shown by name.
    private static let maximumNames = 4
    /// What stands beside them: the line of the whole, the one that counts the rest, and one that stays free.
    private static let otherRows = 3
    /// What stays free at the end of a line: a terminal shows `^C` there, and one whose last column is taken may wrap.
    private static let freeColumns = 3
    /// Narrower terminals show names alone.
    private static let leastNumbersColumns = 50

    /// The lines, the first of which tells of the whole.
    static func lines(_ progress: TransferProgress, _ rate: TransferRate, _ size: Size) -> [String] {
        let columns = max(1, size.columns - freeColumns)
        var lines = [whole(progress, rate, columns)]
        let names = max(0, min(maximumNames, size.rows - otherRows))
        let current = progress.current(atMost: names)
        lines += current.map { line($0, columns) }
        let others = progress.currentCount - current.count
        if others > 0, !current.isEmpty {
            lines.append(DisplayWidth.cut("  and \(Printed.number(others)) more", toColumns: columns, keeping: .start))
        }
        return lines
    }

    // MARK: The whole

    /// A piece of the first line. Where there is no room, the pieces of the highest rank are left out first.
    private struct Piece {
        var text: String
        var rank: Int
    }

    private static func whole(_ progress: TransferProgress, _ rate: TransferRate, _ columns: Int) -> String {
        var pieces = [Piece(text: files(progress), rank: 0)]
        let bytes = bytes(progress)
        if !bytes.isEmpty { pieces.append(Piece(text: bytes, rank: 3)) }
        if let bytesPerSecond = rate.bytesPerSecond, progress.passedBytes > 0 {
            pieces.append(Piece(text: byteCount(bytesPerSecond) + "/s", rank: 4))
        }
        if let leftBytes = progress.leftBytes, progress.leftFiles > 0,
            let seconds = rate.secondsLeft(bytes: leftBytes, files: progress.leftFiles)
        {
            pieces.append(Piece(text: duration(seconds) + " left", rank: 2))
        }
        if progress.failedFiles > 0 {
            pieces.append(Piece(text: "\(Printed.number(progress.failedFiles)) failed", rank: 1))
        }
        if progress.removedFiles > 0 {
            pieces.append(Piece(text: "\(Printed.number(progress.removedFiles)) removed", rank: 5))
        }
        if progress.isEnding { pieces.append(Piece(text: "ending", rank: 1)) }
        func line() -> String { pieces.map(\.text).joined(separator: ", ") }
        while DisplayWidth.columns(of: line()) > columns, pieces.count > 1,
            let last = pieces.indices.max(by: { pieces[$0].rank < pieces[$1].rank })
        {
            pieces.remove(at: last)
        }
        return DisplayWidth.cut(line(), toColumns: columns, keeping: .start)
    }

    private static func files(_ progress: TransferProgress) -> String {
        guard progress.knownFiles > 0 else { return progress.isAllFound ? "no files" : "no files yet" }
        let more = progress.isAllFound ? "" : "+"
        let noun = progress.knownFiles == 1 && progress.isAllFound ? "file" : "files"
        return "\(Printed.number(progress.doneFiles)) of \(Printed.number(progress.knownFiles))\(more) \(noun)"
    }

    private static func bytes(_ progress: TransferProgress) -> String {
        let done = byteCount(Double(progress.doneBytes))
        guard let known = progress.knownBytes else { return progress.doneBytes > 0 ? done : "" }
        guard known > 0 else { return "" }
        return "\(done) of \(byteCount(Double(known)))\(progress.isAllFound ? "" : "+")"
    }

    // MARK: One file

    private static func line(_ file: TransferProgress.Current, _ columns: Int) -> String {
        let name = Printed.text(file.name)
        guard columns >= leastNumbersColumns else {
            return DisplayWidth.cut("  " + name, toColumns: columns, keeping: .end(indent: 2))
        }
        let share = file.sizeBytes.map { percent(file.doneBytes, of: $0) } ?? ""
        let size = byteCount(Double(file.sizeBytes ?? file.doneBytes))
        let numbers = "  \(Printed.padded(share, 5, onTheLeft: true))  \(Printed.padded(size, 8, onTheLeft: true))  "
        let room = columns - DisplayWidth.columns(of: numbers)
        return numbers + DisplayWidth.cut(name, toColumns: room, keeping: .end(indent: 0))
    }

    /// Never more than all, and all only when it is.
    private static func percent(_ done: UInt64, of all: UInt64) -> String {
        guard all > 0, done < all else { return "100 %" }
        return "\(Int(Double(done) / Double(all) * 100)) %"
    }

    // MARK: Numbers

    /// `999 B`, `1.5 KiB`, `312 MiB`: three digits at most.
    static func byteCount(_ bytes: Double) -> String {
        var value = max(0, bytes)
        var unit = 0
        // Before it would be rounded to four digits.
        while value >= 999.5, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        guard unit > 0, value < 99.95 else { return "\(UInt64(min(value, 1e18).rounded())) \(units[unit])" }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    private static let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]

    /// A time to come: `8 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`.
    static func duration(_ seconds: Double) -> String {
        let whole = Int(min(max(0, seconds.rounded(.up)), 1e9))
        switch whole {
        case ..<60: return "\(whole) s"
        case ..<3600: return "\(whole / 60) min \(whole % 60) s"
        case ..<86_400: return "\(whole / 3600) h \(whole % 3600 / 60) min"
        default: return "\(whole / 86_400) d \(whole % 86_400 / 3600) h"
        }
    }
}
