/// A request that has been found fit to send, in the form that the transfer needs.
struct RequestPlan: Sendable {
    let url: String
    let destination: RequestURL
    /// The path and the query, as they stand in the URL.
    let target: String
    let method: HTTPMethod
    /// In curl's form: `Name: value`; `Name;` for an empty value; `Name:` to suppress what curl would add.
    let headerLines: [String]
    let body: HTTPRequestBody
    let limits: HTTPLimits

    /// What errors call this request: the method and where it goes, never the path or the query.
    var label: String { "\(method.rawValue) \(destination.hostAndPort)" }

    /// Whether the request says `Content-Length`, be it 0 (RFC 9110, 8.6).
    var announcesBody: Bool { body.lengthBytes > 0 || method == .put || method == .post || method.rawValue == "PATCH" }

    /// Checks a request.
    /// - Throws: `HTTPError` of kind `.invalidRequest`.
    init(_ request: HTTPRequest) throws(HTTPError) {
        guard Self.isToken(request.method.rawValue) else {
            throw HTTPError(.invalidRequest, "the method is not a token")
        }
        url = request.url
        destination = try RequestURL(request.url)
        target = RequestURL.target(of: request.url)
        method = request.method
        body = request.body
        limits = request.limits
        guard body.lengthBytes == 0 || method != .head else {
            throw HTTPError(.invalidRequest, "\(method.rawValue) \(destination.hostAndPort): HEAD cannot have a body")
        }
        guard body.lengthBytes <= UInt64(Int64.max) else {
            throw HTTPError(.invalidRequest, "\(method.rawValue) \(destination.hostAndPort): the body is too long")
        }
        headerLines = try Self.headerLines(request, label: "\(method.rawValue) \(destination.hostAndPort)")
    }

    private static func headerLines(_ request: HTTPRequest, label: String) throws(HTTPError) -> [String] {
        var lines: [String] = []
        for field in request.headers {
            guard isToken(field.name) else {
                throw HTTPError(.invalidRequest, "\(label): a header has a name that is not a token")
            }
            guard !field.value.utf8.contains(where: { $0 == 0x0D || $0 == 0x0A || $0 == 0 }) else {
                throw HTTPError(.invalidRequest, "\(label): the value of \(field.name) holds CR, LF or NUL")
            }
            let isEmpty = field.value.utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 }
            lines.append(isEmpty ? "\(field.name);" : "\(field.name): \(field.value)")
        }
        guard request.headers["Transfer-Encoding"] == nil else {
            throw HTTPError(.invalidRequest, "\(label): bodies are sent with Content-Length, not Transfer-Encoding")
        }
        let lengths = request.headers.values(of: "Content-Length")
        guard lengths.isEmpty || lengths == [String(request.body.lengthBytes)] else {
            throw HTTPError(.invalidRequest, "\(label): Content-Length is not the body's \(request.body.lengthBytes)")
        }
        // libcurl adds these two by itself; nothing may be on the wire that the caller has not signed or asked for.
        for name in ["Accept", "Expect"] where request.headers[name] == nil { lines.append("\(name):") }
        return lines
    }

    /// RFC 9110, 5.6.2.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}
