import JSON

/// Reads what S3 says of one object, in each of its forms.
enum S3Events {
    /// What an event asks for.
    enum Reading {
        case push(ObjectEvent)
        case ignore(IncomingEvent.Ignored.Reason, name: String)
    }

    // MARK: S3 notifications

    /// A record of a notification (Amazon S3 User Guide, "Event message structure"). Versions 2.1 to 2.3 tell kinds of
    /// events apart, 2.4 and later are common to all; a new minor version only adds fields.
    ///
    /// Records written by hand may lack version and name: they mean that the object is to be pushed.
    static func fromRecord(_ record: JSONValue) throws(EventError) -> Reading {
        if let version = try text("eventVersion", in: record, of: "the record") {
            let major = version.utf8.prefix { $0 != UInt8(ascii: ".") }
            guard major.elementsEqual("2".utf8) else {
                throw EventError(
                    .unsupportedVersion,
                    "expected an S3 record of version 2; found one of version \(printable(major.prefix(8)))")
            }
        }
        if let name = try text("eventName", in: record, of: "the record") {
            // Only notification configurations have the prefix, but some compatible stores write it here too.
            let bare = name.utf8.starts(with: "s3:".utf8) ? String(name.utf8.dropFirst(3)) ?? name : name
            if let reason = reasonToIgnore(name: bare) { return .ignore(reason, name: bare) }
        }
        let s3 = try object("s3", in: record, of: "the record")
        let fields = try object("object", in: s3, of: "s3")
        let encoded = try required("key", in: fields, of: "s3.object")
        guard let decoded = FormEncoding.decoded(encoded) else {
            throw EventError(.invalidKey, "s3.object.key is not form-encoded UTF-8")
        }
        return .push(
            ObjectEvent(
                bucket: try bucket(in: try object("bucket", in: s3, of: "s3"), "name", of: "s3.bucket"),
                key: try key(decoded, "s3.object.key"), etag: try etag("eTag", in: fields, of: "s3.object"),
                versionID: try text("versionId", in: fields, of: "s3.object"),
                sequencer: try sequencer(in: fields, of: "s3.object"), sizeBytes: try size(in: fields, of: "s3.object"),
                awsRegion: try text("awsRegion", in: record, of: "the record"), delivered: delivery(in: record),
                mustSend: mustSend(record), partial: partial(in: record)))
    }

    private static func reasonToIgnore(name: String) -> IncomingEvent.Ignored.Reason? {
        func begins(_ prefix: String) -> Bool { name.utf8.starts(with: prefix.utf8) }
        if begins("ObjectCreated:") || name == "ObjectRestore:Completed" { return nil }
        return begins("ObjectRemoved:") || begins("LifecycleExpiration:") ? .removed : .notCreated
    }

    /// What one of our own messages says besides. If it is not whole it counts as missing: then the object is sent once
    /// more, which is never wrong.
    private static func delivery(in record: JSONValue) -> Delivery? {
        guard let ours = record[RetryRecord.name], let etag = ours[RetryRecord.delivered]?.text.flatMap(ETag.init),
            let destination = ours[RetryRecord.deliveredTo]?.text, !destination.isEmpty
        else { return nil }
        return Delivery(etag: etag, destinationSHA256: destination)
    }

    /// A file to go on with. If it is not whole, or not what a push can have made, it counts as missing.
    private static func partial(in record: JSONValue) -> PartialFile? {
        guard let ours = record[RetryRecord.name]?[RetryRecord.partial],
            let name = ours[RetryRecord.partialName]?.text.flatMap({ RemoteName(bytes: Array($0.utf8)) }),
            let etag = ours[RetryRecord.partialETag]?.text.flatMap(ETag.init),
            let destination = ours[RetryRecord.deliveredTo]?.text,
            let offsetBytes = ours[RetryRecord.offsetBytes]?.unsignedInteger,
            let digest = ours[RetryRecord.digest]?.text, digest.utf8.count <= RetryRecord.maximumDigestBytes
        else { return nil }
        let attempts = ours[RetryRecord.fruitlessAttempts]?.unsignedInteger ?? 0
        return PartialFile(
            name: name, etag: etag, destinationSHA256: destination,
            position: ContentPosition(offsetBytes: offsetBytes, digest: digest),
            fruitlessAttempts: Int(min(attempts, 1000)),
            contentTime: ours[RetryRecord.contentTime]?.text.flatMap { UnixTime(rfc3339: $0) })
    }

    /// Whatever stands there other than false says that the object must be sent: that is never wrong.
    private static func mustSend(_ record: JSONValue) -> Bool {
        guard let said = record[RetryRecord.name]?[RetryRecord.mustSend] else { return false }
        if case .bool(false) = said.content { return false }
        return true
    }

    // MARK: EventBridge

    /// An event of the source aws.s3 (Amazon S3 User Guide, "EventBridge event message structure"). Its key is not
    /// encoded.
    static func fromEventBridge(_ event: JSONValue) throws(EventError) -> Reading {
        let type = try required("detail-type", in: event, of: "the event")
        switch type {
        case "Object Created", "Object Restore Completed": break
        case "Object Deleted": return .ignore(.removed, name: type)
        default:
            guard type.utf8.starts(with: "Object ".utf8) else { throw unknownShape(event) }
            return .ignore(.notCreated, name: type)
        }
        let detail = try object("detail", in: event, of: "the event")
        let fields = try object("object", in: detail, of: "detail")
        return .push(
            ObjectEvent(
                bucket: try bucket(in: try object("bucket", in: detail, of: "detail"), "name", of: "detail.bucket"),
                key: try key(try required("key", in: fields, of: "detail.object"), "detail.object.key"),
                etag: try etag("etag", in: fields, of: "detail.object"),
                versionID: try text("version-id", in: fields, of: "detail.object"),
                sequencer: try sequencer(in: fields, of: "detail.object"),
                sizeBytes: try size(in: fields, of: "detail.object"),
                awsRegion: try text("region", in: event, of: "the event")))
    }

    // MARK: By hand

    /// The fields of `{"Bucket": …, "Key": …}`: what the JavaScript system put on its queue, and what people write. The
    /// names of the AWS API and their lower-case forms are taken.
    struct PlainFields {
        let bucket: String
        let key: String
        let versionID: String
        let value: JSONValue
    }

    static func plainFields(of value: JSONValue) -> PlainFields? {
        for (bucket, key, versionID) in [("Bucket", "Key", "VersionId"), ("bucket", "key", "versionId")]
        where value[bucket] != nil && value[key] != nil {
            return PlainFields(bucket: bucket, key: key, versionID: versionID, value: value)
        }
        return nil
    }

    /// The key is taken as it stands, as in a request to S3.
    static func fromPlain(_ fields: PlainFields) throws(EventError) -> Reading {
        let text = try required(fields.key, in: fields.value, of: "the event")
        return .push(
            ObjectEvent(
                bucket: try bucket(in: fields.value, fields.bucket, of: "the event"), key: try key(text, fields.key),
                versionID: try self.text(fields.versionID, in: fields.value, of: "the event")))
    }

    // MARK: Fields

    static func unknownShape(_ value: JSONValue) -> EventError {
        EventError(
            .unknownShape,
            "expected an S3 notification, an EventBridge event of S3, either of them wrapped in SNS, SQS or a Lambda "
                + "on-failure record, or {\"Bucket\", \"Key\"}; found \(EventError.names(value))")
    }

    private static func object(
        _ name: String, in value: JSONValue, of owner: String
    ) throws(EventError) -> JSONValue {
        guard let found = value[name] else { throw missing(name, owner, value) }
        guard found.isObject else { throw wrong(name, owner, "an object", found) }
        return found
    }

    private static func text(
        _ name: String, in value: JSONValue, of owner: String
    ) throws(EventError) -> String? {
        guard let found = value[name] else { return nil }
        guard let text = found.text else { throw wrong(name, owner, "text", found) }
        return text
    }

    private static func required(
        _ name: String, in value: JSONValue, of owner: String
    ) throws(EventError) -> String {
        guard let text = try text(name, in: value, of: owner) else { throw missing(name, owner, value) }
        return text
    }

    private static func key(_ text: String, _ name: String) throws(EventError) -> ObjectKey {
        guard let key = ObjectKey(text) else {
            throw EventError(
                .invalidKey, "\(name) has \(text.utf8.count) bytes; S3's keys have 1 to \(ObjectKey.maximumBytes)")
        }
        return key
    }

    /// The oldest rules for bucket names allowed more than today's, nothing else (Amazon S3 User Guide, "Bucket naming
    /// rules").
    private static func bucket(
        in value: JSONValue, _ name: String, of owner: String
    ) throws(EventError) -> String {
        let text = try required(name, in: value, of: owner)
        let isName = text.utf8.allSatisfy { byte in
            switch UnicodeScalar(byte) {
            case "A"..."Z", "a"..."z", "0"..."9", ".", "-", "_": true
            default: false
            }
        }
        guard isName, (3...255).contains(text.utf8.count), text.utf8.contains(where: { $0 != UInt8(ascii: ".") })
        else { throw EventError(.invalidField, "\(name) of \(owner) is not the name of a bucket") }
        return text
    }

    private static func etag(
        _ name: String, in value: JSONValue, of owner: String
    ) throws(EventError) -> ETag? {
        guard let text = try text(name, in: value, of: owner), !text.isEmpty else { return nil }
        guard let etag = ETag(text) else { throw EventError(.invalidField, "\(name) of \(owner) is not an ETag") }
        return etag
    }

    /// What is no sequencer orders nothing; the event is good without.
    private static func sequencer(in value: JSONValue, of owner: String) throws(EventError) -> Sequencer? {
        try text("sequencer", in: value, of: owner).flatMap { Sequencer($0) }
    }

    private static func size(in value: JSONValue, of owner: String) throws(EventError) -> UInt64? {
        guard let found = value["size"] else { return nil }
        guard let size = found.unsignedInteger else { throw wrong("size", owner, "a whole number", found) }
        return size
    }

    private static func missing(_ name: String, _ owner: String, _ value: JSONValue) -> EventError {
        EventError(.invalidField, "expected \(name) in \(owner); found \(EventError.names(value))")
    }

    private static func wrong(_ name: String, _ owner: String, _ expected: String, _ value: JSONValue) -> EventError {
        EventError(.invalidField, "expected \(name) of \(owner) to be \(expected); found \(value.kind)")
    }
}
