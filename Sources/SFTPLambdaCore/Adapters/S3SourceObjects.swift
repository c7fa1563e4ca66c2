import AWS
import Logging
import Transfers

/// The buckets that are pushed from, over S3.
struct S3SourceObjects: SourceObjects {
    /// Where one way of doing things ends and another begins. Tests make them small.
    struct Limits: Sendable {
        /// The largest object that CopyObject takes; a larger one is copied part by part.
        var largestCopyBytes: UInt64 = 5_000_000_000
        /// The size of the parts, from 5 MiB to 5 GiB. It grows where 10,000 parts would not do.
        var partBytes: UInt64 = 256 << 20
    }

    let client: S3Client
    let deadlineUptimeSeconds: Double?
    let lateUptimeSeconds: Double?
    let logger: Logger
    let clock: AWSClock
    let limits: Limits
    let watch: (any ContentWatch)?

    /// - Parameters:
    ///   - deadlineUptimeSeconds: what is not done by then ends.
    ///   - lateUptimeSeconds: until then a copy in parts that has ended so is still given up (`WorkWindow`).
    ///   - watch: watches what is read; nil where nobody does.
    init(
        client: S3Client, deadlineUptimeSeconds: Double?, lateUptimeSeconds: Double?, logger: Logger,
        clock: AWSClock = .system, limits: Limits = Limits(), watch: (any ContentWatch)? = nil
    ) {
        self.client = client
        self.deadlineUptimeSeconds = deadlineUptimeSeconds
        self.lateUptimeSeconds = lateUptimeSeconds
        self.logger = logger
        self.clock = clock
        self.limits = limits
        self.watch = watch
    }

    func current(_ address: ObjectAddress) async throws(StoreFailure) -> (any SourceObject)? {
        let info: S3ObjectInfo
        let place = S3Address(bucket: address.bucket, key: address.key.text)
        do throws(AWSError) {
            info = try await client.headObject(S3ReadRequest(place), deadlineUptimeSeconds: deadlineUptimeSeconds)
        } catch {
            if error.kind == .notFound { return nil }
            throw StoreFailure(looking: error)
        }
        let name = "\(address)"
        return S3SourceObject(
            objects: self, address: place, name: name, info: info, summary: try ObjectSummary(info, of: name))
    }

    var pauses: Pauses { Pauses(clock: clock, deadlineUptimeSeconds: deadlineUptimeSeconds) }
}

/// An object as HEAD showed it.
private struct S3SourceObject: SourceObject {
    let objects: S3SourceObjects
    let address: S3Address
    /// Bucket and key as text for people.
    let name: String
    let info: S3ObjectInfo
    let summary: ObjectSummary

    /// How often a copy is tried that another write is in the way of (409).
    private static let maximumCopies = 4

    func open(from position: ContentPosition?) async throws(StoreFailure) -> any ObjectContent {
        let content = try await S3ObjectContent(
            client: objects.client, address: address, info: info, from: position,
            deadlineUptimeSeconds: objects.deadlineUptimeSeconds, pauses: objects.pauses)
        if let watch = objects.watch {
            await content.count(
                on: watch.begins(name, sizeBytes: info.sizeBytes, startBytes: content.startBytes))
        }
        return content
    }

    /// Copies the object onto itself, since S3 changes the metadata of none in place. All that HEAD told is stated
    /// anew; tags are kept. No version is named: it is the current object that is copied, if it is the one that was
    /// seen, and only over itself (`x-amz-copy-source-if-match`, `If-Match`).
    ///
    /// An access control list is not kept: CopyObject sets the bucket's default, and lists are switched off in buckets
    /// made since April 2023 (Amazon S3 User Guide, "Controlling ownership of objects"). A retention that has ended is
    /// not stated anew either, since S3 refuses it.
    ///
    /// When the answer to a copy that changes the ETag is lost, the next attempt finds another ETag and fails with
    /// `.preconditionFailed`: the next look then shows an object that is marked.
    func setMetadata(_ metadata: [String: String]) async throws(StoreFailure) {
        guard info.missingMetadataCount == 0 else {
            throw StoreFailure(
                .rejected,
                "CopyObject \(summary.name(address)): it has metadata that cannot be told over HTTP "
                    + "(x-amz-missing-meta: \(info.missingMetadataCount)), and would lose it")
        }
        let attributes = info.attributes.restated(metadata, epochSeconds: objects.clock.epochSeconds())
        do throws(AWSError) {
            if info.sizeBytes > objects.limits.largestCopyBytes {
                let copy = S3MultipartCopy(
                    client: objects.client, address: address, etag: info.etag, sizeBytes: info.sizeBytes,
                    attributes: attributes, partBytes: objects.limits.partBytes,
                    deadlineUptimeSeconds: objects.deadlineUptimeSeconds, lateUptimeSeconds: objects.lateUptimeSeconds,
                    logger: objects.logger)
                try await copy.run()
            } else {
                try await copy(attributes)
            }
        } catch {
            throw StoreFailure(copying: error)
        }
    }

    private func copy(_ attributes: S3ObjectAttributes) async throws(AWSError) {
        let request = S3CopyRequest(
            source: address, ifSourceMatches: info.etag, destination: address,
            conditions: S3WriteConditions(ifMatch: info.etag), replacesMetadata: true, attributes: attributes)
        var attempt = 1
        while true {
            do throws(AWSError) {
                _ = try await objects.client.copyObject(request, deadlineUptimeSeconds: objects.deadlineUptimeSeconds)
                return
            } catch {
                guard error.kind == .conflict, attempt < Self.maximumCopies,
                    await objects.pauses.wait(afterAttempt: attempt)
                else { throw error }
                attempt += 1
            }
        }
    }
}

extension ObjectSummary {
    fileprivate func name(_ address: S3Address) -> String {
        "\(address.bucket)/\(printable(address.key.utf8))"
    }
}

extension S3ObjectAttributes {
    /// What a copy onto itself must state to keep everything but the metadata.
    func restated(_ metadata: [String: String], epochSeconds: Double) -> S3ObjectAttributes {
        var attributes = self
        attributes.metadata = metadata
        attributes.lock = lock.withoutPastRetention(epochSeconds: epochSeconds)
        // HEAD leaves it out for an object without a bucket key; unsaid, the copy would get what the bucket has.
        if attributes.encryption?.algorithm == "aws:kms", attributes.encryption?.usesBucketKey == nil {
            attributes.encryption?.usesBucketKey = false
        }
        return attributes
    }
}

extension StoreFailure {
    /// What an AWS error means to a push, and what to do about it.
    init(ofSource error: AWSError) {
        self.init(error)
        if let code = error.code, AWSProblem.archivedCodes.contains(code) {
            reason = .rejected
            message += "; the object is archived: restore it, and the event of the restore's end has it pushed"
        }
    }

    /// What it means that an object could not be looked at. HEAD has no body, so S3 can only say 400 of one that is
    /// encrypted under a key of its writer's own (Amazon S3 User Guide, "Using server-side encryption with
    /// customer-provided keys").
    fileprivate init(looking error: AWSError) {
        self.init(ofSource: error)
        if error.status == 400, reason == .rejected {
            message +=
                "; an object that its writer encrypted under a key of his own (SSE-C) is answered so: nobody "
                + "else can read it, so it cannot be pushed"
        }
    }

    /// What it means that metadata could not be set.
    fileprivate init(copying error: AWSError) {
        self.init(ofSource: error)
        // Another write was in the way to the end of the tries: there is, or will be, another object.
        if error.kind == .conflict { reason = .preconditionFailed }
        // It is the upload that is gone, ended by somebody else, and not the object.
        if error.code == "NoSuchUpload" { reason = .unavailable }
    }
}
