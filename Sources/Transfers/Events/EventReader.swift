import JSON

/// Opens wrapper after wrapper until it finds records of S3.
struct EventReader {
    private(set) var events: [(event: ObjectEvent, itemID: String?)] = []
    private(set) var ignored: [IncomingEvent.Ignored] = []
    private(set) var failures: [IncomingEvent.Failure] = []
    private(set) var batchItemIDs: [String]?

    /// Reads JSON text: an invocation, a message's body, an SNS message.
    mutating func readText(_ bytes: [UInt8], wrappers: Int, itemID: String?) {
        guard bytes.count <= IncomingEvent.maximumBytes else {
            let limit = IncomingEvent.maximumBytes
            fail(EventError(.notJSON, "the event has \(bytes.count) bytes, more than \(limit)"), bytes, itemID)
            return
        }
        do {
            readEvent(try JSONValue(parsing: bytes), wrappers: wrappers, itemID: itemID)
        } catch {
            let place = "at byte \(error.offsetBytes) of \(bytes.count)"
            fail(EventError(.notJSON, "the event is not JSON: \(error.reason), \(place)"), bytes, itemID)
        }
    }

    /// Reads an event of any shape.
    private mutating func readEvent(_ value: JSONValue, wrappers: Int, itemID: String?) {
        guard wrappers <= IncomingEvent.maximumWrappers else {
            let limit = IncomingEvent.maximumWrappers
            fail(
                EventError(.wrappedTooDeep, "the event is inside more than \(limit) wrappers (SNS, SQS, on-failure)"),
                Array(value.source), itemID)
            return
        }
        if let records = value["Records"]?.elements {
            readRecords(records, wrappers: wrappers, itemID: itemID)
        } else if let payload = value["requestPayload"] ?? value["detail"]?["requestPayload"] {
            // Lambda's record of a failed invocation; EventBridge has it in the event's detail.
            readEvent(payload, wrappers: wrappers + 1, itemID: itemID)
        } else if value["detail-type"] != nil, value["source"]?.text == "aws.s3" {
            take(from: value, itemID) { value throws(EventError) in try S3Events.fromEventBridge(value) }
        } else if let message = value["Message"]?.text, value["Type"]?.text == "Notification" {
            readText(Array(message.utf8), wrappers: wrappers + 1, itemID: itemID)
        } else if value["Event"]?.text == "s3:TestEvent" {
            ignored.append(IncomingEvent.Ignored(reason: .testEvent, name: "s3:TestEvent", itemID: itemID))
        } else if let plain = S3Events.plainFields(of: value) {
            take(from: value, itemID) { _ throws(EventError) in try S3Events.fromPlain(plain) }
        } else {
            fail(S3Events.unknownShape(value), Array(value.source), itemID)
        }
    }

    private mutating func readRecords(_ records: [JSONValue], wrappers: Int, itemID: String?) {
        if records.isEmpty {
            ignored.append(IncomingEvent.Ignored(reason: .noRecords, name: "", itemID: itemID))
        }
        for record in records {
            if record["s3"] != nil {
                takeRecord(record, itemID)
            } else if let message = record["Sns"]?["Message"]?.text {
                readText(Array(message.utf8), wrappers: wrappers + 1, itemID: itemID)
            } else if let body = record["body"]?.text {
                readText(
                    Array(body.utf8), wrappers: wrappers + 1, itemID: batchItemID(of: record, wrappers, itemID))
            } else {
                let found = "found \(EventError.names(record))"
                fail(
                    EventError(.unknownShape, "expected a record with s3, Sns or body; \(found)"),
                    Self.standingAlone(record), itemID)
            }
        }
    }

    /// Only the messages that the function was invoked with can be named in its answer, not those that one of them
    /// quotes.
    private mutating func batchItemID(of record: JSONValue, _ wrappers: Int, _ outer: String?) -> String? {
        guard wrappers == 0 else { return outer }
        // A message without an identifier cannot be in the answer; what fails of it is queued like the rest.
        guard let itemID = record["messageId"]?.text, !itemID.isEmpty else { return nil }
        batchItemIDs = (batchItemIDs ?? []) + [itemID]
        return itemID
    }

    private mutating func takeRecord(_ record: JSONValue, _ itemID: String?) {
        do throws(EventError) {
            add(try S3Events.fromRecord(record), itemID)
        } catch {
            fail(error, Self.standingAlone(record), itemID)
        }
    }

    private mutating func take(
        from value: JSONValue, _ itemID: String?, _ read: (JSONValue) throws(EventError) -> S3Events.Reading
    ) {
        do throws(EventError) {
            add(try read(value), itemID)
        } catch {
            fail(error, Array(value.source), itemID)
        }
    }

    private mutating func add(_ reading: S3Events.Reading, _ itemID: String?) {
        switch reading {
        case .push(let event): events.append((event, itemID))
        case .ignore(let reason, let name):
            let shown = printable(name.utf8.prefix(Self.maximumShownBytes))
            ignored.append(IncomingEvent.Ignored(reason: reason, name: shown, itemID: itemID))
        }
    }

    private mutating func fail(_ error: EventError, _ event: [UInt8], _ itemID: String?) {
        failures.append(IncomingEvent.Failure(error: error, event: event, itemID: itemID))
    }

    private static let maximumShownBytes = 80

    /// A record as an event of one record, byte for byte.
    private static func standingAlone(_ record: JSONValue) -> [UInt8] {
        Array("{\"Records\":[".utf8) + record.source + Array("]}".utf8)
    }
}
