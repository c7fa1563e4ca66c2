import TextForms

@testable import JSON
@testable import Transfers

enum EventFuzzing {
    // MARK: Events

    static func events(_ bytes: [UInt8]) throws {
        let incoming = IncomingEvent(bytes)
        for request in incoming.requests {
            try must(!request.events.isEmpty, "a request of no event")
            for event in request.events { try checkEncoding(event) }
        }
        for failure in incoming.failures {
            let message = RetryMessage(failure, time: UnixTime(seconds: 0), attempt: 1)
            try check(message)
            try must(isOfOneLine(failure.error.message), "not of one line: \(failure.error.message)")
        }
        for ignored in incoming.ignored {
            try must(isOfOneLine(ignored.name), "a name that is not of one line: \(ignored.name)")
        }
        if let itemIDs = incoming.batchItemIDs {
            let answer = try JSONValue(parsing: Array(IncomingEvent.batchAnswer(failedItemIDs: itemIDs).utf8))
            let items = answer["batchItemFailures"]?.elements ?? []
            try must(items.map { $0["itemIdentifier"]?.text } == itemIDs, "\(itemIDs) become \(items)")
        }
    }

    /// What goes to the retry queue comes back as the same event.
    private static func checkEncoding(_ event: ObjectEvent) throws {
        let reason = RetryMessage.Reason(errorClass: "c", errorText: "t", time: UnixTime(seconds: 0), attempt: 1)
        let message = RetryMessage(event, because: reason)
        try check(message)
        let again = IncomingEvent(Array(message.body.utf8))
        try must(again.failures.isEmpty && again.ignored.isEmpty, "\(event) becomes \(again)")
        try must(again.requests.map(\.events) == [[event]], "\(event) becomes \(again.requests)")
    }

    /// SQS refuses others (Amazon SQS API Reference, SendMessage).
    private static func check(_ message: RetryMessage) throws {
        try must(!message.body.isEmpty, "an empty message")
        for text in [message.body] + message.attributes.map(\.value) {
            for scalar in text.unicodeScalars {
                switch scalar.value {
                case 0x9, 0xA, 0xD, 0x20...0xD7FF, 0xE000...0xFFFD, 0x10000...0x10FFFF: break
                default: throw FuzzFinding(description: "a character that SQS refuses: \(scalar.value)")
                }
            }
        }
    }

    // MARK: JSON

    static func json(_ bytes: [UInt8]) throws {
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONValue(parsing: bytes)
        } catch {
            try must((0...bytes.count).contains(error.offsetBytes), "a fault at byte \(error.offsetBytes)")
            return
        }
        var text = JSONText()
        try write(value, to: &text)
        let again = try JSONValue(parsing: text.bytes)
        try must(isSame(value, again), "\(String(decoding: text.bytes, as: UTF8.self)) is another value")
        try must(isSame(value, try JSONValue(parsing: Array(value.source))), "the source is another value")
    }

    private static func write(_ value: JSONValue, to text: inout JSONText) throws {
        switch value.content {
        case .object(let members):
            text.append(raw: "{")
            for member in members {
                text.append(name: member.name)
                try write(member.value, to: &text)
            }
            text.append(raw: "}")
        case .array(let elements):
            text.append(raw: "[")
            for (index, element) in elements.enumerated() {
                if index > 0 { text.append(raw: ",") }
                try write(element, to: &text)
            }
            text.append(raw: "]")
        case .text(let string): text.append(string: string)
        case .number: text.append(literal: String(decoding: value.source, as: UTF8.self))
        case .bool(let isTrue): text.append(literal: isTrue ? "true" : "false")
        case .null: text.append(raw: "null")
        }
    }

    private static func isSame(_ one: JSONValue, _ other: JSONValue) -> Bool {
        switch (one.content, other.content) {
        case (.object(let ones), .object(let others)):
            ones.count == others.count
                && zip(ones, others).allSatisfy {
                    $0.name.utf8.elementsEqual($1.name.utf8) && isSame($0.value, $1.value)
                }
        case (.array(let ones), .array(let others)): ones.count == others.count && zip(ones, others).allSatisfy(isSame)
        case (.text(let one), .text(let other)): one.utf8.elementsEqual(other.utf8)
        case (.number, .number): one.source == other.source
        case (.bool(let one), .bool(let other)): one == other
        case (.null, .null): true
        default: false
        }
    }

    // MARK: Texts

    static func texts(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        try must(FormEncoding.decoded(FormEncoding.encoded(text)) == text, "form encoding changes \(text)")
        _ = FormEncoding.decoded(text)
        if !bytes.isEmpty { try must(Base64.decode(Base64.encode(bytes)) == bytes, "base64 changes \(bytes)") }
        if let decoded = Base64.decode(text) {
            try must(Base64.decode(Base64.encode(decoded)) == decoded, "base64 changes \(decoded)")
        }
        try must(isOfOneLine(printable(bytes)), "not of one line: \(printable(bytes))")
        if let etag = ETag(text) { try must(ETag(etag.text) == etag, "\(etag) changes") }
        try target(text)
    }

    /// Whatever the key, the path lies below the directory.
    private static func target(_ text: String) throws {
        guard let key = ObjectKey(text) else { return }
        do throws(TargetPathFailure) {
            let target = try TargetPath(of: key, below: RemotePath(bytes: Array("in".utf8)))
            let names = target.path.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            let isBelow =
                names.first.map(Array.init) == Array("in".utf8)
                && names.allSatisfy { !$0.isEmpty && $0 != Array("..".utf8)[...] && $0 != Array(".".utf8)[...] }
            guard isBelow, !target.path.bytes.contains(0) else { throw Self.astray }
        } catch {
            try must(error != astray, "\(text) leads elsewhere")
            try must(isOfOneLine(error.reason), "the reason is not of one line: \(error.reason)")
        }
    }

    private static let astray = TargetPathFailure("leads elsewhere")
}
