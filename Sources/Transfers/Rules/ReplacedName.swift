/// Names for a version whose own name has gone to a newer one: the file's own with `replaced-SECONDS` in it.
enum ReplacedName {
    /// Every such name, within 255 bytes, the plainest first: with the mark before the extension, so that `*.csv` takes
    /// `a.replaced-17.csv`, before what may be a longer one (`.tar.gz`), at the end and at the beginning. Which of them
    /// the settings take, the caller sees.
    static func names(for name: RemoteName, at time: UnixTime) -> [RemoteName] {
        let bytes = name.bytes
        let mark = "replaced-\(time.seconds)"
        let dots = bytes.indices.filter { $0 > 0 && bytes[$0] == UInt8(ascii: ".") }
        var names: [[UInt8]] = []
        for place in dots.reversed() + [bytes.count] {
            let tail = Array(".\(mark)".utf8) + bytes[place...]
            let limit = TemporaryName.maximumBytes - tail.count
            guard place <= limit || limit >= shortestHeadBytes else { continue }
            names.append(TemporaryName.shortened(Array(bytes[..<place]), toBytes: limit) + tail)
        }
        names.append(Array("\(mark).".utf8) + bytes)
        return names.filter { $0.count <= TemporaryName.maximumBytes }.compactMap { RemoteName(bytes: $0) }
    }

    /// With fewer bytes of the name before the mark it would tell nobody anything.
    private static let shortestHeadBytes = 8
}
