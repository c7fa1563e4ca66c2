import JSON

extension ObjectEvent {
    /// The event as an S3 notification with one record, for the retry queue (rule U7; `docs/retry-message.md`).
    /// `IncomingEvent` reads the same event from it.
    public var s3EventJSON: String {
        var text = JSONText()
        text.object { event in
            event.append(name: "Records")
            event.append(raw: "[")
            event.object { writeRecord(to: &$0) }
            event.append(raw: "]")
        }
        return String(decoding: text.bytes, as: UTF8.self)
    }

    private func writeRecord(to record: inout JSONText) {
        record.member("eventVersion", "2.1")
        record.member("eventSource", "aws:s3")
        record.member("awsRegion", awsRegion)
        // Which way the object was made is not kept: it changes nothing for push.
        record.member("eventName", "ObjectCreated:Put")
        record.member("s3") { s3 in
            s3.member("s3SchemaVersion", "1.0")
            s3.member("bucket") { $0.member("name", bucket) }
            s3.member("object") { object in
                object.member("key", FormEncoding.encoded(key.text))
                object.member("size", sizeBytes)
                object.member("eTag", etag?.text)
                object.member("versionId", versionID)
                object.member("sequencer", sequencer?.text)
            }
        }
        guard delivered != nil || mustSend || partial != nil else { return }
        record.member(RetryRecord.name) { ours in
            ours.member(RetryRecord.delivered, delivered?.etag.text)
            ours.member(RetryRecord.deliveredTo, delivered?.destinationSHA256)
            if mustSend { ours.member(RetryRecord.mustSend, true) }
            if let partial { write(partial, to: &ours) }
        }
    }
}

extension ObjectEvent {
    private func write(_ partial: PartialFile, to ours: inout JSONText) {
        // A name that is no text is of a key that is none, which there cannot be.
        guard let name = String(validating: partial.name.bytes, as: UTF8.self) else { return }
        ours.member(RetryRecord.partial) { file in
            file.member(RetryRecord.partialName, name)
            file.member(RetryRecord.partialETag, partial.etag.text)
            file.member(RetryRecord.deliveredTo, partial.destinationSHA256)
            file.member(RetryRecord.offsetBytes, partial.position.offsetBytes)
            file.member(RetryRecord.digest, partial.position.digest)
            file.member(RetryRecord.fruitlessAttempts, UInt64(max(0, partial.fruitlessAttempts)))
            file.member(RetryRecord.contentTime, partial.contentTime?.rfc3339)
        }
    }
}

/// What our own messages say beside `s3` in a record. It stands in the body, because a message that is redriven by hand
/// may lose its attributes, never its body.
enum RetryRecord {
    static let name = "sftpLambda"
    static let delivered = "delivered"
    static let deliveredTo = "deliveredTo"
    static let mustSend = "mustSend"
    static let partial = "partial"
    static let partialName = "name"
    static let partialETag = "eTag"
    static let offsetBytes = "offsetBytes"
    static let digest = "digest"
    static let fruitlessAttempts = "fruitlessAttempts"
    static let contentTime = "lastModified"
    /// The longest digest that is read.
    static let maximumDigestBytes = 256
}
