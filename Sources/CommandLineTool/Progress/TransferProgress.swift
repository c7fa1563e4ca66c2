/// How far a run has come: pure books, which are told what happens and asked what to show.
///
/// A file is found, begins to pass, and is settled. All that is kept of one is forgotten when it is settled.
struct TransferProgress: Sendable {
    /// A file that is being transferred.
    struct Current: Hashable, Sendable {
        /// Its path, or bucket and key.
        var name: String
        /// How much of it has passed.
        var doneBytes: UInt64
        /// Its size; nil where nobody says it.
        var sizeBytes: UInt64?
    }

    private struct File {
        var sizeBytes: UInt64?
        var doneBytes: UInt64 = 0
        /// When it was begun, in turns; nil while nothing of it passes.
        var turn: Int?
    }

    /// How many files are known of.
    private(set) var knownFiles = 0
    /// Whether no more will be found.
    private(set) var isAllFound = false
    /// How many files are done, those among them that turned out to need nothing.
    private(set) var doneFiles = 0
    /// How many things failed.
    private(set) var failedFiles = 0
    /// How many files were removed from the done directories.
    private(set) var removedFiles = 0
    /// All bytes that have passed, also those of files that failed later: for the rate.
    private(set) var passedBytes: UInt64 = 0
    /// Whether the run was asked to end.
    var isEnding = false

    /// The files that are not settled.
    private var files: [String: File] = [:]
    /// The sizes of all files that are done or not settled, as far as they are known.
    private var sizedBytes: UInt64 = 0
    /// How many files that are not settled are of a size that is not known.
    private var unsizedFiles = 0
    /// The sizes of those that are done, and of the others what has passed.
    private(set) var doneBytes: UInt64 = 0
    private var nextTurn = 0

    /// The bytes of all files that are known of; nil while the size of one is not known.
    var knownBytes: UInt64? { unsizedFiles == 0 ? sizedBytes : nil }

    /// How many files are not settled.
    var leftFiles: Int { files.count }

    /// How many bytes are still to pass; nil while that is not known.
    var leftBytes: UInt64? { isAllFound ? knownBytes.map { $0 - min($0, doneBytes) } : nil }

    /// How many files are being transferred.
    var currentCount: Int { files.values.count { $0.turn != nil } }

    /// Those that were begun first.
    func current(atMost count: Int) -> [Current] {
        let open = files.compactMap { name, file in file.turn.map { (turn: $0, name: name, file: file) } }
        return open.sorted { $0.turn < $1.turn }.prefix(count).map { _, name, file in
            Current(name: name, doneBytes: file.doneBytes, sizeBytes: file.sizeBytes)
        }
    }

    // MARK: What happens

    /// A file is to be transferred. One that is asked for again counts again, and is the same.
    mutating func found(_ name: String, sizeBytes: UInt64?) {
        knownFiles += 1
        if files[name] == nil { add(name, sizeBytes) }
    }

    /// No more files will be found.
    mutating func foundAll() { isAllFound = true }

    /// The content of a file begins to pass, perhaps anew.
    mutating func begins(_ name: String, sizeBytes: UInt64?, startBytes: UInt64) {
        if files[name] == nil { add(name, sizeBytes) }
        guard var file = files[name] else { return }
        if let sizeBytes, file.sizeBytes != sizeBytes {
            if let old = file.sizeBytes { sizedBytes -= old } else { unsizedFiles -= 1 }
            sizedBytes += sizeBytes
            file.sizeBytes = sizeBytes
        }
        doneBytes = doneBytes - file.doneBytes + startBytes
        file.doneBytes = startBytes
        file.turn = nextTurn
        nextTurn += 1
        files[name] = file
    }

    /// Bytes of a file have passed.
    mutating func passed(_ name: String, _ countBytes: Int) {
        let count = UInt64(max(0, countBytes))
        passedBytes += count
        guard files[name] != nil else { return }
        files[name]?.doneBytes += count
        doneBytes += count
    }

    /// Nothing of the file passes any more. What becomes of it is told apart from this.
    mutating func ended(_ name: String) { files[name]?.turn = nil }

    /// A file is done.
    mutating func done(_ name: String) {
        doneFiles += 1
        settle(name, isDone: true)
    }

    /// Nothing is done with a file, and that is no failure: counts as done where it was to be transferred.
    mutating func left(_ name: String) {
        guard files[name] != nil else { return }
        doneFiles += 1
        settle(name, isDone: false)
    }

    /// Something failed: a file, a directory, or what has no name at all.
    mutating func failed(_ name: String?) {
        failedFiles += 1
        if let name { settle(name, isDone: false) }
    }

    /// A file was removed from a done directory.
    mutating func removed() { removedFiles += 1 }

    private mutating func add(_ name: String, _ sizeBytes: UInt64?) {
        files[name] = File(sizeBytes: sizeBytes)
        if let sizeBytes { sizedBytes += sizeBytes } else { unsizedFiles += 1 }
    }

    /// Of one that is done its size counts; of another one nothing, so that the rest adds up.
    private mutating func settle(_ name: String, isDone: Bool) {
        guard let file = files.removeValue(forKey: name) else { return }
        doneBytes -= file.doneBytes
        if let size = file.sizeBytes { sizedBytes -= size } else { unsizedFiles -= 1 }
        guard isDone else { return }
        let size = file.sizeBytes ?? file.doneBytes
        doneBytes += size
        sizedBytes += size
    }
}
