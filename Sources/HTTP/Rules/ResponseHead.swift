/// The head of a response, put together from the lines that libcurl hands over one by one.
struct ResponseHead: Sendable {
    /// More than any server of ours sends: S3 allows 2 KB of user metadata, CloudFront and proxies add a few KB.
    static let maximumBytes = 64 * 1024

    /// The status code of the head that is being read.
    private(set) var status = 0
    /// Its fields so far, in order, duplicates kept.
    private(set) var headers = HTTPHeaders()
    private var sizeBytes = 0
    private var fields: [HTTPHeaders.Field] = []

    /// What a line has led to.
    enum Progress: Sendable, Equatable {
        /// More lines follow.
        case incomplete
        /// The head of the final response is whole.
        case complete
        /// The lines are no HTTP head, or too many.
        case malformed(String)
    }

    /// Takes one line, with its line end.
    mutating func take(_ line: UnsafeRawBufferPointer) -> Progress {
        sizeBytes += line.count
        guard sizeBytes <= Self.maximumBytes else {
            return .malformed("the head of the response is larger than \(Self.maximumBytes) bytes")
        }
        let content = Self.trimmingEnd(line)
        if content.starts(with: "HTTP/".utf8) { return begin(content) }
        guard !content.isEmpty else {
            // An interim response (1xx) says nothing yet: the final one follows (RFC 9110, 15.2).
            guard status >= 200 else { return .incomplete }
            headers = HTTPHeaders(fields)
            return .complete
        }
        add(content)
        return .incomplete
    }

    private mutating func begin(_ line: Slice<UnsafeRawBufferPointer>) -> Progress {
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard words.count >= 2, words[1].count == 3, let code = Int(String(decoding: words[1], as: UTF8.self)) else {
            return .malformed("the status line of the response is malformed")
        }
        status = code
        fields = []
        return .incomplete
    }

    private mutating func add(_ line: Slice<UnsafeRawBufferPointer>) {
        if line.first == 0x20 || line.first == 0x09 {
            // obs-fold (RFC 9112, 5.2): the line goes on with the value above.
            guard let last = fields.indices.last else { return }
            fields[last].value += " " + Self.text(line)
        } else if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
            let name = Self.text(line[..<colon])
            fields.append(HTTPHeaders.Field(name: name, value: Self.text(line[(colon + 1)...])))
        }
    }

    private static func trimmingEnd(_ line: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer> {
        var content = line[...]
        while let last = content.last, last == 0x0D || last == 0x0A { content = content.dropLast() }
        return content
    }

    /// UTF-8 where it is that, else ISO-8859-1, which is what RFC 9110 (5.5) says of old: no byte is lost.
    private static func text(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        let start = bytes.drop(while: isSpace)
        let end = start.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? start.startIndex
        let value = start[start.startIndex..<end]
        if let text = String(validating: value, as: UTF8.self) { return text }
        var text = ""
        text.unicodeScalars.append(contentsOf: value.map { Unicode.Scalar($0) })
        return text
    }
}
