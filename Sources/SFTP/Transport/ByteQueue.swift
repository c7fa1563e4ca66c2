/// Bytes that wait to go out, first in first out, without a copy of the rest for each piece that leaves.
struct ByteQueue {
    /// Behind this many bytes that have left, the rest moves to the front.
    private static let compactionBytes = 256 * 1_024

    /// The bytes, those that have left included. Appending to it appends to the queue.
    var storage: [UInt8] = []
    /// How many bytes of `storage` have left already.
    private(set) var consumedBytes = 0

    /// How many bytes wait.
    var count: Int { storage.count - consumedBytes }

    /// Whether nothing waits.
    var isEmpty: Bool { count == 0 }

    /// The bytes that wait.
    func withPending<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        storage.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[consumedBytes...])) }
    }

    /// Lets the first bytes go.
    mutating func consume(_ sizeBytes: Int) {
        precondition(sizeBytes <= count, "more bytes leave a queue than are in it")
        consumedBytes += sizeBytes
        if consumedBytes == storage.count {
            storage.removeAll(keepingCapacity: true)
            consumedBytes = 0
        } else if consumedBytes >= Self.compactionBytes, consumedBytes > storage.count / 2 {
            storage.removeFirst(consumedBytes)
            consumedBytes = 0
        }
    }

    /// Drops everything.
    mutating func removeAll() {
        storage = []
        consumedBytes = 0
    }
}
