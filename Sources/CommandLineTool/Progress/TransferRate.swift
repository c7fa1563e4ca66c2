/// How fast a run is, from what it had done at moments not long ago.
struct TransferRate: Sendable {
    private struct Sample {
        var seconds: Double
        var bytes: UInt64
        var files: Int
    }

    private var samples: [Sample] = []

    /// What is longer ago does not count.
    static let windowSeconds = 15.0
    /// Before there is as much to look back on, nothing is said.
    static let leastSeconds = 1.0

    /// Notes how much was done by then: all bytes that have passed, and the files that are done.
    mutating func add(atSeconds seconds: Double, bytes: UInt64, files: Int) {
        samples.append(Sample(seconds: seconds, bytes: bytes, files: files))
        samples.removeAll { $0.seconds < seconds - Self.windowSeconds }
    }

    /// Bytes a second; nil while nothing can be said.
    var bytesPerSecond: Double? { perSecond { Double($0.bytes) } }

    /// How long the rest takes at this rate; nil when that cannot be said.
    ///
    /// Large files take the time of their bytes, and small ones that of their round trips: whichever is longer counts.
    func secondsLeft(bytes: UInt64, files: Int) -> Double? {
        guard let bytesPerSecond, let filesPerSecond = perSecond({ Double($0.files) }) else { return nil }
        guard bytes == 0 || bytesPerSecond > 0 else { return nil }
        let forBytes = bytes == 0 ? 0 : Double(bytes) / bytesPerSecond
        let forFiles = filesPerSecond > 0 ? Double(files) / filesPerSecond : 0
        guard forBytes > 0 || forFiles > 0 else { return nil }
        // With one large file among the last, no file is done for a long time: then its bytes tell more.
        return bytes == 0 ? forFiles : filesPerSecond >= Self.manyFilesPerSecond ? max(forBytes, forFiles) : forBytes
    }

    private static let manyFilesPerSecond = 1.0

    private func perSecond(_ value: (Sample) -> Double) -> Double? {
        guard let first = samples.first, let last = samples.last, last.seconds - first.seconds >= Self.leastSeconds
        else { return nil }
        return (value(last) - value(first)) / (last.seconds - first.seconds)
    }
}
