import HTTP
import JSON

@testable import AWS

/// What AWS answers.
enum AnswerFuzzing {
    /// The longest text that says why a call failed, without its subject.
    private static let longestErrorBytes = 16 * 1_024

    // MARK: SQS

    static func queue(_ bytes: [UInt8]) throws {
        try read(SQSWire.Nothing.self, bytes)
        try read(SQSWire.BatchAnswer<SQSWire.Sent>.self, bytes)
        try read(SQSWire.BatchAnswer<SQSWire.Done>.self, bytes)
        try read(SQSWire.Attributes.self, bytes)
        if let url = try read(SQSWire.QueueURL.self, bytes) {
            let region = SQSQueue(url: url.QueueUrl).region
            try must(region.map(AWSRegion.isValid) ?? true, "\(url.QueueUrl) leads to the region \(region ?? "")")
        }
        for message in try read(SQSWire.Received.self, bytes)?.Messages ?? [] { try check(message) }
        let response = HTTPResponse(status: 400, body: HTTPResponseBody(bytes: []))
        try check(ServiceFailure(response, json: bytes))
    }

    @discardableResult private static func read<Answer: JSONReadable>(
        _ type: Answer.Type, _ bytes: [UInt8]
    ) throws -> Answer? {
        do { return try Answer(parsing: bytes) } catch {
            try must(isOfOneLine("\(error)"), "the fault is not of one line: \(error)")
            try must("\(error)".utf8.count <= longestErrorBytes, "a fault of \("\(error)".utf8.count) bytes")
            return nil
        }
    }

    /// A message with the digest of its body is read, and with a byte more in its body it is not.
    private static func check(_ message: SQSWire.Message) throws {
        if case .failure(let fault) = message.checked() {
            try must(isOfOneLine(fault.reason), "the reason is not of one line: \(fault.reason)")
        }
        guard let body = message.Body, let digest = MD5.hexadecimal(Array(body.utf8)) else { return }
        var whole = message
        whole.MD5OfBody = digest
        whole.MD5OfMessageAttributes = nil
        if case .success(let read) = whole.checked() {
            try must(read.body.utf8.elementsEqual(body.utf8), "the body is another one")
            for (name, attribute) in read.attributes {
                let again = SQSWire.Attribute(attribute).attribute
                try must(again == attribute, "\(name) becomes another attribute")
            }
            whole.MD5OfMessageAttributes = MD5.hexadecimal(AttributeDigest.input(read.attributes))
            if case .failure(let fault) = whole.checked() {
                throw FuzzFinding(description: "its own digest is not that of its attributes: \(fault.reason)")
            }
            _ = (read.receiveCount, read.sentEpochMilliseconds)
        }
        whole.Body = body + "x"
        if case .success = whole.checked() { throw FuzzFinding(description: "another body has the same digest") }
    }

    // MARK: S3

    static func listings(_ bytes: [UInt8]) throws {
        // What is no XML is refused; the target `xml` is about that.
        guard let root = try? XMLElement.parse(bytes) else { return }
        let marker = S3UploadMarker(key: "a", uploadID: "b")
        try check(S3Client.objects(in: root, after: "token")) { $0 != "token" && !$0.isEmpty }
        try check(S3Client.parts(in: root, after: 7)) { $0 > 7 }
        try check(S3Client.uploads(in: root, bucket: "partner-files", after: marker)) { $0 != marker }
        var failure = ServiceFailure(HTTPResponse(status: 400, body: HTTPResponseBody(bytes: [])))
        failure.add(root)
        try check(failure)
        // Keys that are encoded come out as they went in.
        for key in root.all("Contents").compactMap({ $0.value("Key") }) {
            let encoded = Text.percentEncoded(key.utf8)
            try must(
                Text.percentDecoded(encoded.utf8, plusIsSpace: true).elementsEqual(key.utf8),
                "\(key) becomes another key")
        }
    }

    /// A listing goes on from another place than it began at, or it would have no end.
    private static func check<Item, Marker>(
        _ outcome: AttemptOutcome<S3Page<Item, Marker>>, isFurther: (Marker) -> Bool
    ) throws {
        switch outcome {
        case .success(let page):
            if let next = page.next { try must(isFurther(next), "the next page begins at \(next)") }
        case .malformed(let reason): try must(isOfOneLine(reason), "the reason is not of one line: \(reason)")
        case .refused, .lost, .corrupted: throw FuzzFinding(description: "a listing that is neither read nor malformed")
        }
    }

    // MARK: Errors

    static func check(_ failure: ServiceFailure) throws {
        var error = AWSError(
            .rejected, operation: "Operation", subject: "subject", status: failure.status, code: failure.code,
            message: failure.message ?? "", requestID: failure.requestID, hostID: failure.hostID)
        error.rightRegion = failure.region.flatMap { AWSRegion.isValid($0) ? $0 : nil }
        try must(isOfOneLine(error.description), "the error is not of one line: \(error)")
        try must(error.description.utf8.count <= longestErrorBytes, "an error of \(error.description.utf8.count) bytes")
        let verdict = failure.verdict(usedRegion: "eu-central-1", signedEpochSeconds: 1_772_360_130)
        if case .changeRegion = verdict {
            try must(failure.region != nil && failure.region != "eu-central-1", "to another region, but to which?")
        }
    }
}
