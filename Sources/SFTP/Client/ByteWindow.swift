/// How many bytes may be under way at once. A single thing larger than the whole window passes when it is alone.
struct ByteWindow: Sendable {
    let limitBytes: Int
    private(set) var usedBytes = 0

    init(limitBytes: Int) { self.limitBytes = limitBytes }

    func admits(_ countBytes: Int) -> Bool { usedBytes == 0 || usedBytes + countBytes <= limitBytes }
    mutating func take(_ countBytes: Int) { usedBytes += countBytes }
    mutating func release(_ countBytes: Int) { usedBytes -= countBytes }
}
