/// The tracing header of an invocation: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=1` (AWS X-Ray Developer
/// Guide, "Concepts", Tracing header).
enum TraceHeader {
    /// The longest id that is taken. X-Ray's have 35 characters.
    static let maximumIDBytes = 64

    /// The id of the trace, by which X-Ray finds it; nil when the header has none that is one.
    static func traceID(of header: String) -> String? {
        let name = "Root="
        for field in header.utf8.split(separator: UInt8(ascii: ";")) {
            let field = field.drop { $0 == UInt8(ascii: " ") }
            guard field.starts(with: name.utf8) else { continue }
            let id = field.dropFirst(name.utf8.count)
            guard (1...maximumIDBytes).contains(id.count), id.allSatisfy(isPartOfID) else { return nil }
            return String(decoding: id, as: UTF8.self)
        }
        return nil
    }

    private static func isPartOfID(_ byte: UInt8) -> Bool {
        switch UnicodeScalar(byte) {
        case "a"..."z", "A"..."Z", "0"..."9", "-": true
        default: false
        }
    }
}
