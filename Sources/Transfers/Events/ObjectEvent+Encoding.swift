extension ObjectEvent {
    /// The event as an S3 notification with one record, for the retry queue (rule U7; `docs/retry-message.md`).
    /// `IncomingEvent` reads the same event from it.
    public var s3EventJSON: String {
        var object = "\"key\":" + jsonString(FormEncoding.encoded(key.text))
        if let sizeBytes { object += ",\"size\":\(sizeBytes)" }
        if let etag { object += ",\"eTag\":" + jsonString(etag.text) }
        if let versionID { object += ",\"versionId\":" + jsonString(versionID) }
        if let sequencer { object += ",\"sequencer\":" + jsonString(sequencer.text) }
        var record = "\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\""
        if let awsRegion { record += ",\"awsRegion\":" + jsonString(awsRegion) }
        // Which way the object was made is not kept: it changes nothing for push.
        record += ",\"eventName\":\"ObjectCreated:Put\",\"s3\":{\"s3SchemaVersion\":\"1.0\",\"bucket\":{\"name\":"
        record += jsonString(bucket) + "},\"object\":{" + object + "}}"
        var ours: [String] = []
        if let delivered {
            ours.append("\"\(RetryRecord.delivered)\":" + jsonString(delivered.etag.text))
            ours.append("\"\(RetryRecord.deliveredTo)\":" + jsonString(delivered.destinationSHA256))
        }
        if mustSend { ours.append("\"\(RetryRecord.mustSend)\":true") }
        if !ours.isEmpty { record += ",\"\(RetryRecord.name)\":{" + ours.joined(separator: ",") + "}" }
        return "{\"Records\":[{" + record + "}]}"
    }
}

/// What our own messages say beside `s3` in a record. It stands in the body, because a message that is redriven by hand
/// may lose its attributes, never its body.
enum RetryRecord {
    static let name = "sftpLambda"
    static let delivered = "delivered"
    static let deliveredTo = "deliveredTo"
    static let mustSend = "mustSend"
}
