import AWS
import Foundation
import HTTP
import Logging
import Synchronization
import TestKit
import Testing
import Transfers

@testable import SFTPLambdaCore

/// The buckets that are pushed from, over real HTTP: against the stand-in, which enforces every condition, and against
/// servers that break off and refuse.
@Suite(.serialized) struct SourceObjectsTests {
    // MARK: The stand-in

    /// Copies as S3 has them up to 5 GB, and the way of larger objects, for every object that has a byte.
    @Test(arguments: [S3SourceObjects.Limits(), S3SourceObjects.Limits(largestCopyBytes: 0, partBytes: 5 << 20)])
    func everyPromiseIsKeptOverS3(_ limits: S3SourceObjects.Limits) async throws {
        try await withStandIn { (s3: S3Client) async throws -> Void in
            let contract = SourceObjectsContract(
                objects: Self.objects(s3, limits: limits),
                bucket: SourceObjectsContract.Bucket(
                    name: "bucket", put: { try await Self.put(s3, $0, $1) }, read: { try await Self.read(s3, $0) },
                    remove: { try await s3.deleteObject(S3Address(bucket: "bucket", key: $0.text)) }))
            for promise in SourceObjectsContract.Promise.allCases {
                do { try await contract.check(promise) } catch { Issue.record("\(promise.rawValue): \(error)") }
            }
            let left = try await s3.listMultipartUploads(bucket: "bucket").items
            #expect(left.isEmpty)
        }
    }

    @Test func anObjectOfSeveralPartsIsCopiedWhole() async throws {
        try await withStandIn { (s3: S3Client) async throws -> Void in
            let key = try #require(ObjectKey("big"))
            let object = SourceObjectsContract.Object(
                bytes: sampleBytes((12 << 20) + 345), metadata: ["a": "b"],
                properties: SourceObjectsContract.allProperties)
            try await Self.put(s3, key, object)
            let objects = Self.objects(s3, limits: .init(largestCopyBytes: 12 << 20, partBytes: 5 << 20))
            let seen = try #require(try await objects.current(ObjectAddress(bucket: "bucket", key: key)))
            try await seen.setMetadata(["synced": "true"])
            let after = try #require(try await Self.read(s3, key))
            #expect(after.metadata == ["synced": "true"] && after.properties == object.properties)
            let isWhole = isSame(after.bytes, object.bytes)
            #expect(isWhole)
            let now = try #require(try await objects.current(ObjectAddress(bucket: "bucket", key: key)))
            #expect(now.summary.etag.hasSuffix("-3\""))
            let left = try await s3.listMultipartUploads(bucket: "bucket").items
            #expect(left.isEmpty)
        }
    }

    @Test func whoWatchesSeesTheContentPass() async throws {
        try await withStandIn { (s3: S3Client) async throws -> Void in
            let key = try #require(ObjectKey("a key"))
            let content = [sampleBytes(300_000)]
            _ = try await s3.putObject(S3PutRequest(S3Address(bucket: "bucket", key: key.text), content: content))
            let watch = WatchRecorder()
            let address = ObjectAddress(bucket: "bucket", key: key)
            let seen = try #require(try await Self.objects(s3, watch: watch).current(address))
            var record = WatchRecorder.Record(name: "bucket/a key", sizeBytes: 300_000, startBytes: 0)
            do {
                let content = try await seen.open()
                #expect(watch.records == [record])
                while try await content.next() != nil {}
                record.passedBytes = 300_000
                #expect(watch.records == [record])
            }
            record.isEnded = true
            try await waitUntil("the content is let go of") { watch.records == [record] }
        }
    }

    @Test func partsCoverTheObjectAndAreNeverTooMany() {
        func ranges(_ sizeBytes: UInt64, _ partBytes: UInt64) -> [ClosedRange<UInt64>] {
            S3MultipartCopy(
                client: Self.client("http://127.0.0.1:1"), address: S3Address(bucket: "bucket", key: "k"), etag: "",
                sizeBytes: sizeBytes, attributes: S3ObjectAttributes(), partBytes: partBytes,
                deadlineUptimeSeconds: nil, lateUptimeSeconds: nil, logger: Logger(label: "test")
            ).ranges
        }
        let five: UInt64 = 5 << 20
        #expect(ranges(five, five) == [0...five - 1])
        #expect(ranges(five + 1, five) == [0...five - 1, five...five])
        #expect(ranges(2 * five, 1) == [0...five - 1, five...2 * five - 1], "5 MiB at least")
        let largest: UInt64 = 50_000_000_000_000
        let many = ranges(largest, five)
        #expect(many.count <= 10_000 && many.last?.upperBound == largest - 1)
        #expect(many.allSatisfy { $0.upperBound - $0.lowerBound < 5 << 30 })
    }

    // MARK: Broken transfers

    private static let content = sampleBytes(1_200_000)
    private static let checksum = Data(SHA256Hasher.digest(content)).base64EncodedString()

    /// Answers HEAD, and GET as far as `sentBytes` says for the so many-th GET (nil: to the end).
    private static func server(
        checksum: String? = nil, sentBytes: @escaping @Sendable (Int) -> Int?,
        refuses: @escaping @Sendable (Int) -> ScriptedHTTPServer.Response? = { _ in nil }
    ) throws -> ScriptedHTTPServer {
        let gets = Counter()
        return try ScriptedHTTPServer { (exchange: ScriptedHTTPServer.Exchange) throws -> Void in
            try exchange.readBody()
            var headers: HTTPHeaders = ["ETag": "\"e1\"", "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"]
            if let checksum { headers["x-amz-checksum-sha256"] = checksum }
            guard exchange.request.method == "GET" else {
                headers["Content-Length"] = "\(content.count)"
                try exchange.sendHead(200, headers: headers)
                return
            }
            let number: Int = gets.next()
            if let refusal = refuses(number) {
                try exchange.respond(refusal)
            } else {
                try answer(exchange, headers, sentBytes(number))
            }
        }
    }

    private static func answer(
        _ exchange: ScriptedHTTPServer.Exchange, _ fields: HTTPHeaders, _ sentBytes: Int?
    ) throws {
        var headers = fields
        guard exchange.request.headers["If-Match"] == "\"e1\"" else { return try exchange.respond(412) }
        let range = exchange.request.headers["Range"]
        let first = range.flatMap { Int($0.dropFirst("bytes=".count).dropLast()) } ?? 0
        // S3 tells the checksum of the whole only with the whole.
        if first > 0 { headers["x-amz-checksum-sha256"] = nil }
        headers["Content-Length"] = "\(content.count - first)"
        try exchange.sendHead(range == nil ? 200 : 206, headers: headers)
        let end = sentBytes.map { first + $0 } ?? content.count
        try exchange.send(Array(content[first..<end]))
        if sentBytes != nil { exchange.close() }
    }

    private static func read(_ server: ScriptedHTTPServer) async throws -> (bytes: [UInt8], sha256: String?) {
        let object = try #require(try await seen(server))
        let content = try await object.open()
        var bytes: [UInt8] = []
        do {
            while let piece = try await content.next() { bytes += piece }
        } catch {
            #expect(await content.sha256 == nil)
            throw error
        }
        return (bytes, await content.sha256)
    }

    private static func seen(_ server: ScriptedHTTPServer) async throws -> (any SourceObject)? {
        let key = try #require(ObjectKey("k y"))
        return try await objects(client(server.url)).current(ObjectAddress(bucket: "bucket", key: key))
    }

    @Test func aBrokenTransferGoesOnWhereItBroke() async throws {
        let server = try Self.server(checksum: Self.checksum, sentBytes: { [1: 300_000, 2: 1, 3: 200_000][$0] })
        defer { server.stop() }
        let (bytes, sha256) = try await Self.read(server)
        let isWhole = isSame(bytes, Self.content)
        #expect(isWhole && sha256 == ReferenceSHA256.hexadecimal(Self.content))
        let gets = server.requests.filter { $0.method == "GET" }
        #expect(gets.map { $0.headers["Range"] } == [nil, "bytes=300000-", "bytes=300001-", "bytes=500001-"])
        #expect(gets.allSatisfy { $0.headers["If-Match"] == "\"e1\"" })
    }

    @Test func aTransferWithoutProgressIsGivenUp() async throws {
        let server = try Self.server(sentBytes: { $0 == 1 ? 100_000 : 100 })
        defer { server.stop() }
        let failure = try #require(await Self.failure { _ = try await Self.read(server) })
        #expect(failure.reason == .unavailable)
        // The first, and five more without progress.
        #expect(server.requests.count { $0.method == "GET" } == 6)
    }

    @Test(arguments: [
        (412, "PreconditionFailed", StoreFailure.Reason.preconditionFailed), (404, "NoSuchKey", .notFound),
    ])
    func theRestOfAnObjectThatIsGoneIsLost(
        _ status: Int, _ code: String, _ reason: StoreFailure.Reason
    ) async throws {
        let server = try Self.server(
            sentBytes: { _ in 1000 }, refuses: { $0 > 1 ? Self.error(status, code) : nil })
        defer { server.stop() }
        #expect(await Self.failure { _ = try await Self.read(server) }?.reason == reason)
        #expect(server.requests.count { $0.method == "GET" } == 2)
    }

    @Test(arguments: [false, true]) func otherBytesThanWereStoredAreNotTaken(_ breaks: Bool) async throws {
        let other = Data(SHA256Hasher.digest([1])).base64EncodedString()
        let server = try Self.server(checksum: other, sentBytes: { breaks && $0 == 1 ? 1000 : nil })
        defer { server.stop() }
        let failure = try #require(await Self.failure { _ = try await Self.read(server) })
        #expect(failure.reason == .unavailable && failure.message.contains("SHA-256"))
        // Nor does another push go on behind them.
        let content = try await #require(try await Self.seen(server)).open()
        var sawPlace = false
        do {
            while try await content.next() != nil {
                let isThere = await content.position(upTo: .max) != nil
                sawPlace = sawPlace || isThere
            }
            Issue.record("they were taken")
        } catch {
            #expect(sawPlace)
            #expect(await content.position(upTo: .max) == nil)
        }
    }

    @Test func aChecksumOfPartsIsNotComparedWithTheBytes() async throws {
        let server = try Self.server(checksum: Data(SHA256Hasher.digest([1])).base64EncodedString() + "-3") { _ in nil }
        defer { server.stop() }
        #expect(try await Self.read(server).sha256 == ReferenceSHA256.hexadecimal(Self.content))
    }

    @Test func pausesEndAtTheDeadline() async {
        let slept = Counter()
        let clock = AWSClock(
            epochSeconds: { 0 }, uptimeSeconds: { 100 }, sleep: { _ in _ = slept.next() }, random: { 0.99 })
        #expect(await Pauses(clock: clock, deadlineUptimeSeconds: 100.15).wait(afterAttempt: 1))
        #expect(await !Pauses(clock: clock, deadlineUptimeSeconds: 100.15).wait(afterAttempt: 2))
        #expect(await Pauses(clock: clock, deadlineUptimeSeconds: nil).wait(afterAttempt: 60))
        #expect(slept.count == 2)
    }

    // MARK: Refusals

    @Test func whatIsArchivedIsToBeRestored() async throws {
        let server = try Self.server(sentBytes: { _ in nil }, refuses: { _ in Self.error(403, "InvalidObjectState") })
        defer { server.stop() }
        let failure = try #require(await Self.failure { _ = try await Self.read(server) })
        #expect(failure.reason == .rejected && failure.message.contains("restore it"))
    }

    @Test func aDeniedLookNamesThePermissions() async throws {
        let server = try ScriptedHTTPServer { try $0.sendHead(403, headers: ["Content-Length": "0"]) }
        defer { server.stop() }
        let failure = try #require(await Self.failure { _ = try await Self.seen(server) })
        #expect(failure.reason == .denied)
        #expect(failure.message.contains("s3:GetObject") && failure.message.contains("s3:ListBucket"))
    }

    @Test func aLookThatS3CallsABadRequestSpeaksOfKeysOfOnesOwn() async throws {
        let server = try ScriptedHTTPServer { try $0.sendHead(400, headers: ["Content-Length": "0"]) }
        defer { server.stop() }
        let failure = try #require(await Self.failure { _ = try await Self.seen(server) })
        #expect(failure.reason == .rejected && failure.message.contains("SSE-C"))
    }

    @Test(arguments: [
        (403, "ObjectNotInActiveTierError", StoreFailure.Reason.rejected, "restore it", 1),
        (403, "AccessDenied", .denied, "s3:PutObjectTagging", 1),
        (400, "MetadataTooLarge", .rejected, "MetadataTooLarge", 1),
        (400, "InvalidRequest", .rejected, "InvalidRequest", 1),
        (412, "PreconditionFailed", .preconditionFailed, "412", 1),
        (404, "NoSuchKey", .notFound, "NoSuchKey", 1),
        (409, "ConditionalRequestConflict", .preconditionFailed, "ConditionalRequestConflict", 4),
    ]) func aRefusedCopySaysWhy(
        _ status: Int, _ code: String, _ reason: StoreFailure.Reason, _ text: String, _ copies: Int
    ) async throws {
        let server = try Self.copyServer { _ in Self.error(status, code) }
        defer { server.stop() }
        let object = try #require(try await Self.seen(server))
        let failure = try #require(await Self.failure { try await object.setMetadata(["a": "b"]) })
        #expect(failure.reason == reason && failure.message.contains(text), "\(failure)")
        #expect(server.requests.count { $0.method == "PUT" } == copies)
    }

    @Test func aCopyThatAnotherWriteWasInTheWayOfIsTriedAgain() async throws {
        let server = try Self.copyServer { $0 < 3 ? Self.error(409, "ConditionalRequestConflict") : Self.copied }
        defer { server.stop() }
        let object = try #require(try await Self.seen(server))
        try await object.setMetadata(["a": "b"])
        #expect(server.requests.count { $0.method == "PUT" } == 3)
    }

    @Test func metadataThatCannotBeToldIsNotLost() async throws {
        let server = try Self.copyServer(["x-amz-missing-meta": "2"]) { _ in Self.copied }
        defer { server.stop() }
        let object = try #require(try await Self.seen(server))
        let failure = try #require(await Self.failure { try await object.setMetadata(["a": "b"]) })
        #expect(failure.reason == .rejected && failure.message.contains("x-amz-missing-meta: 2"))
        #expect(!server.requests.contains { $0.method == "PUT" })
    }

    @Test func lockAndKeyAreStatedAnew() async throws {
        let kept: HTTPHeaders = [
            "x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z",
            "x-amz-object-lock-legal-hold": "ON", "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-central-1:1:key/k",
            "x-amz-version-id": "v1",
        ]
        let server = try Self.copyServer(kept) { _ in Self.copied }
        defer { server.stop() }
        let object = try #require(try await Self.seen(server))
        try await object.setMetadata(["a": "b"])
        let put = try #require(server.requests.last)
        for field in kept where field.name != "x-amz-version-id" {
            #expect(put.headers[field.name] == field.value, "\(field.name)")
        }
        #expect(put.headers["x-amz-server-side-encryption-bucket-key-enabled"] == "false")
        #expect(put.headers["x-amz-copy-source"] == "/bucket/k%20y", "no version is named")
        #expect(put.headers["x-amz-copy-source-if-match"] == "\"e1\"" && put.headers["If-Match"] == "\"e1\"")
        #expect(put.headers["x-amz-metadata-directive"] == "REPLACE" && put.headers["x-amz-tagging-directive"] == nil)
    }

    @Test func aRetentionThatHasEndedIsNotStatedAnew() async throws {
        let server = try Self.copyServer([
            "x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": "2020-01-01T00:00:00.000Z",
            "x-amz-object-lock-legal-hold": "OFF",
        ]) { _ in Self.copied }
        defer { server.stop() }
        let object = try #require(try await Self.seen(server))
        try await object.setMetadata([:])
        let put = try #require(server.requests.last)
        #expect(put.headers["x-amz-object-lock-mode"] == nil)
        #expect(put.headers["x-amz-object-lock-retain-until-date"] == nil)
        #expect(put.headers["x-amz-object-lock-legal-hold"] == "OFF")
    }

    // MARK: Helpers

    private static let copied = ScriptedHTTPServer.Response(
        200, text: "<CopyObjectResult><ETag>\"e2\"</ETag></CopyObjectResult>")

    private static func error(_ status: Int, _ code: String) -> ScriptedHTTPServer.Response {
        ScriptedHTTPServer.Response(status, text: "<Error><Code>\(code)</Code><Message>m</Message></Error>")
    }

    /// Answers HEAD with these fields, and the so many-th PUT as told.
    private static func copyServer(
        _ fields: HTTPHeaders = [:], _ answer: @escaping @Sendable (Int) -> ScriptedHTTPServer.Response
    ) throws -> ScriptedHTTPServer {
        let puts = Counter()
        return try ScriptedHTTPServer { exchange in
            try exchange.readBody()
            guard exchange.request.method == "HEAD" else { return try exchange.respond(answer(puts.next())) }
            var headers: HTTPHeaders = [
                "ETag": "\"e1\"", "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT", "Content-Length": "5",
            ]
            for field in fields { headers[field.name] = field.value }
            try exchange.sendHead(200, headers: headers)
        }
    }

    private static func failure(_ body: () async throws -> Void) async -> StoreFailure? {
        do { try await body() } catch let failure as StoreFailure { return failure } catch {
            Issue.record("not a StoreFailure: \(error)")
        }
        return nil
    }

    /// Waits for nothing, so that tests of retries take no time.
    private static let hastyClock = AWSClock(
        epochSeconds: AWSClock.system.epochSeconds, uptimeSeconds: AWSClock.system.uptimeSeconds,
        sleep: { _ in try Task.checkCancellation() }, random: { 0 })

    static func objects(
        _ s3: S3Client, limits: S3SourceObjects.Limits = .init(), watch: (any ContentWatch)? = nil
    ) -> S3SourceObjects {
        S3SourceObjects(
            client: s3, deadlineUptimeSeconds: nil, lateUptimeSeconds: nil, logger: Logger(label: "test"),
            clock: hastyClock, limits: limits, watch: watch)
    }

    private static let http = HTTPClient(HTTPClientConfiguration(environment: [:]))

    private static func client(_ endpoint: String) -> S3Client {
        S3Client(
            AWSConfiguration(
                http: http, credentials: StaticCredentials(AWSCredentials(accessKeyID: "id", secretAccessKey: "s")),
                region: "eu-central-1", environment: ["AWS_ENDPOINT_URL_S3": endpoint], clock: hastyClock))
    }

    private func withStandIn(_ body: (S3Client) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        var options = LocalAWS.Options()
        options.versionedBuckets = ["bucket"]
        let aws = try LocalAWS(options, workFolder: folder.url)
        defer { aws.stop() }
        try await body(
            S3Client(
                AWSConfiguration(
                    http: Self.http, credentials: EnvironmentCredentials(environment: aws.environment),
                    region: aws.region, environment: aws.environment)))
    }

    static func put(_ s3: S3Client, _ key: ObjectKey, _ object: SourceObjectsContract.Object) async throws {
        var attributes = S3ObjectAttributes(metadata: object.metadata)
        let properties = object.properties
        attributes.contentType = properties["content-type"]
        attributes.cacheControl = properties["cache-control"]
        attributes.contentDisposition = properties["content-disposition"]
        attributes.contentEncoding = properties["content-encoding"]
        attributes.contentLanguage = properties["content-language"]
        attributes.expires = properties["expires"]
        attributes.storageClass = properties["storage-class"]
        attributes.encryption = properties["encryption"].map { S3Encryption(algorithm: $0) }
        attributes.websiteRedirectLocation = properties["redirect"]
        _ = try await s3.putObject(
            S3PutRequest(
                S3Address(bucket: "bucket", key: key.text), content: [object.bytes], attributes: attributes,
                tagging: properties["tags"]))
    }

    static func read(_ s3: S3Client, _ key: ObjectKey) async throws -> SourceObjectsContract.Object? {
        let address = S3Address(bucket: "bucket", key: key.text)
        do {
            let (info, body) = try await s3.getObject(S3ReadRequest(address))
            let attributes = info.attributes
            var properties = [
                "cache-control": attributes.cacheControl, "content-disposition": attributes.contentDisposition,
                "content-encoding": attributes.contentEncoding, "content-language": attributes.contentLanguage,
                "expires": attributes.expires, "storage-class": attributes.storageClass,
                "encryption": attributes.encryption?.algorithm, "redirect": attributes.websiteRedirectLocation,
                "content-type": attributes.contentType,
            ].compactMapValues(\.self)
            // What S3 says of an object of which nothing was said.
            if properties["content-type"] == "binary/octet-stream" { properties["content-type"] = nil }
            let tags = try await s3.getObjectTagging(address).sorted { $0.key < $1.key }
            properties["tags"] = S3Tag.queryString(tags)
            return SourceObjectsContract.Object(
                bytes: try await body.collect(upTo: 64 << 20), metadata: attributes.metadata, properties: properties)
        } catch {
            if error.kind == .notFound { return nil }
            throw error
        }
    }
}

/// Counts calls from 1.
final class Counter: Sendable {
    private let value = Mutex(0)

    var count: Int { value.withLock { $0 } }

    func next() -> Int {
        value.withLock { value in
            value += 1
            return value
        }
    }
}
