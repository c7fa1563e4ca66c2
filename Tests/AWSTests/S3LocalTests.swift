import AWS
import Foundation
import HTTP
import TestKit
import Testing

/// The S3 client over the real HTTP client against the stand-in, which checks signatures and checksums.
@Suite(.serialized) struct S3LocalTests {
    static let oddKeys = [
        "plain.txt", "with space", "a+b", "100% sure", "%41", "q\"u'o`te", "\u{FC}ber", "u\u{308}ber", "日本語/ファイル.txt",
        "😀", "//double//slash", "/leading", "trailing/", "a/./b", "a/../b", "..", ".", "a?b#c;d=e&f", "tab\there",
        "back\\slash", "<xml>&amp;", "*!()~_-.,:@$", "star*", String(repeating: "k", count: 1024),
        String(repeating: "ö", count: 512),
    ]

    let folder: TemporaryFolder
    let aws: LocalAWS
    let s3: S3Client

    init() throws {
        folder = try TemporaryFolder()
        aws = try Self.shared(folder)
        s3 = S3Client(Self.configuration(aws))
    }

    /// One stand-in for all tests of the suite: each uses keys of its own.
    private static func shared(_ folder: TemporaryFolder) throws -> LocalAWS { try SharedAWS.standIn() }

    static func configuration(
        _ aws: LocalAWS, environment: [String: String] = [:], region: String? = nil, clock: AWSClock = .system
    ) -> AWSConfiguration {
        let environment = aws.environment.merging(environment) { $1 }
        return AWSConfiguration(
            http: SharedAWS.http, credentials: EnvironmentCredentials(environment: environment),
            region: region ?? aws.region, environment: environment, clock: clock)
    }

    private func key(_ name: String = #function) -> S3Address { S3Address(bucket: "plain", key: "\(name)/\(UUID())") }

    @Test(arguments: oddKeys) func storesAndReadsUnderOddKeys(_ key: String) async throws {
        let address = S3Address(bucket: "plain", key: key)
        let content = Array("content of \(key)".utf8)
        let stored = try await s3.putObject(
            S3PutRequest(address, content: [Array(content[..<3]), Array(content[3...])]))
        #expect(stored.sha256 == hexadecimal(SHA256Hasher.digest(content)))
        let head = try await s3.headObject(S3ReadRequest(address))
        #expect(head.etag == stored.etag && head.sizeBytes == UInt64(content.count))
        let (info, body) = try await s3.getObject(S3ReadRequest(address, ifMatch: stored.etag))
        #expect(try await body.collect(upTo: 10_000) == content)
        #expect(info.checksumSHA256 != nil)

        let copy = S3Address(bucket: "versioned", key: key)
        _ = try await s3.copyObject(S3CopyRequest(source: address, destination: copy))
        let copied = try await s3.getObject(S3ReadRequest(copy)).body.collect(upTo: 10_000)
        #expect(copied == content)

        try await s3.deleteObject(address)
        await #expect { try await s3.headObject(S3ReadRequest(address)) } throws: {
            ($0 as? AWSError)?.kind == .notFound
        }
    }

    @Test func composedAndDecomposedKeysAreTwoObjects() async throws {
        let composed = S3Address(bucket: "plain", key: "form/\u{E9}")
        let decomposed = S3Address(bucket: "plain", key: "form/e\u{301}")
        _ = try await s3.putObject(S3PutRequest(composed, content: [Array("1".utf8)]))
        _ = try await s3.putObject(S3PutRequest(decomposed, content: [Array("2".utf8)]))
        #expect(try await s3.getObject(S3ReadRequest(composed)).body.collect(upTo: 10) == Array("1".utf8))
        #expect(try await s3.getObject(S3ReadRequest(decomposed)).body.collect(upTo: 10) == Array("2".utf8))
    }

    @Test func virtualHostAddressingWorks() async throws {
        let endpoint = aws.endpoint.replacingOccurrences(of: "127.0.0.1", with: "localhost")
        let client = S3Client(
            Self.configuration(aws, environment: ["AWS_ENDPOINT_URL_S3": endpoint]), addressing: .virtualHost)
        let address = S3Address(bucket: "plain", key: "virtual host/ü//x")
        _ = try await client.putObject(S3PutRequest(address, content: [[1, 2, 3]]))
        #expect(try await s3.getObject(S3ReadRequest(address)).body.collect(upTo: 10) == [1, 2, 3])
    }

    @Test func attributesAndMetadataComeBackAsTheyWereStated() async throws {
        var attributes = S3ObjectAttributes(metadata: [
            "plain": "value with  two spaces", "umlaut": "Grüße aus Köln",
            "japanese": String(repeating: "日本", count: 60),
            "edges": " padded ", "empty": "", "looks-encoded": "=?UTF-8?B?eA==?=", "newline": "a\r\nb", "emoji": "😀",
        ])
        attributes.contentType = "text/x-odd; charset=utf-8"
        attributes.cacheControl = "max-age=60"
        attributes.contentDisposition = "attachment; filename=\"a b\""
        attributes.contentLanguage = "de"
        attributes.contentEncoding = "identity"
        attributes.storageClass = "STANDARD_IA"
        attributes.encryption = S3Encryption(algorithm: "aws:kms", kmsKeyID: "alias/some-key")
        let address = key()
        _ = try await s3.putObject(
            S3PutRequest(address, content: [[1]], attributes: attributes, tagging: "team=a%2Bb&x=y"))
        let head = try await s3.headObject(S3ReadRequest(address))
        #expect(head.attributes.metadata == attributes.metadata)
        #expect(head.attributes.contentType == attributes.contentType)
        #expect(head.attributes.cacheControl == attributes.cacheControl)
        #expect(head.attributes.contentDisposition == attributes.contentDisposition)
        #expect(head.attributes.contentLanguage == attributes.contentLanguage)
        #expect(head.attributes.contentEncoding == attributes.contentEncoding)
        #expect(head.attributes.storageClass == attributes.storageClass)
        #expect(head.attributes.encryption?.algorithm == "aws:kms")
        let age = Date().timeIntervalSince1970 - Double(head.lastModifiedEpochSeconds ?? 0)
        #expect(abs(age) < 100)
        #expect(try await s3.getObject(S3ReadRequest(address)).info.tagCount == 2)
    }

    @Test func metadataBeyondTheLimitIsRefusedBeforeItIsSent() async throws {
        let attributes = S3ObjectAttributes(metadata: ["a": String(repeating: "x", count: 2048)])
        let error = await #expect(throws: AWSError.self) {
            try await s3.putObject(S3PutRequest(key(), content: [], attributes: attributes))
        }
        #expect(error?.kind == .rejected && error?.attempts == 0)
    }

    @Test func copyReplacesMetadataAndObeysItsConditions() async throws {
        let address = key()
        let first = try await s3.putObject(
            S3PutRequest(address, content: [[1, 2]], attributes: S3ObjectAttributes(metadata: ["old": "1"])))
        var attributes = S3ObjectAttributes(metadata: ["synced": "true", "wer": "Jürgen"])
        attributes.contentType = "text/plain"
        let mark = S3CopyRequest(
            source: address, ifSourceMatches: first.etag, destination: address,
            conditions: S3WriteConditions(ifMatch: first.etag), replacesMetadata: true, attributes: attributes)
        _ = try await s3.copyObject(mark)
        let head = try await s3.headObject(S3ReadRequest(address))
        #expect(head.attributes.metadata == attributes.metadata)
        #expect(head.attributes.contentType == "text/plain")

        _ = try await s3.putObject(S3PutRequest(address, content: [[3]]))
        for stale in [
            S3CopyRequest(source: address, ifSourceMatches: first.etag, destination: address, replacesMetadata: true),
            S3CopyRequest(
                source: address, destination: address, conditions: S3WriteConditions(ifMatch: first.etag),
                replacesMetadata: true),
            S3CopyRequest(
                source: address, destination: address, conditions: S3WriteConditions(ifAbsent: true),
                replacesMetadata: true),
        ] {
            let error = await #expect(throws: AWSError.self) { try await s3.copyObject(stale) }
            #expect(error?.kind == .preconditionFailed)
        }
        #expect(try await s3.getObject(S3ReadRequest(address)).body.collect(upTo: 9) == [3])
    }

    @Test func rangesAndConditionsOfReadsAreObeyed() async throws {
        let address = key()
        let content = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        let stored = try await s3.putObject(S3PutRequest(address, content: [content]))
        let (info, middle) = try await s3.getObject(S3ReadRequest(address, range: S3ByteRange(first: 10, last: 19)))
        #expect(try await middle.collect(upTo: 100) == Array(content[10...19]))
        #expect(info.etag == stored.etag && info.sizeBytes == 10)
        let end = try await s3.getObject(S3ReadRequest(address, range: S3ByteRange(first: 990))).body
        #expect(try await end.collect(upTo: 100) == Array(content[990...]))
        for read in [
            S3ReadRequest(address, ifMatch: "\"00000000000000000000000000000000\""),
            S3ReadRequest(address, range: S3ByteRange(first: 5000)),
        ] {
            let error = await #expect(throws: AWSError.self) { try await s3.getObject(read) }
            #expect(error?.kind == (read.range == nil ? .preconditionFailed : .rejected))
        }
        let error = await #expect(throws: AWSError.self) {
            try await s3.headObject(S3ReadRequest(address, ifMatch: "\"0\""))
        }
        #expect(error?.kind == .preconditionFailed)
    }

    @Test func createOnceRefusesASecondObject() async throws {
        let request = S3PutRequest(key(), content: [[1]], conditions: S3WriteConditions(ifAbsent: true))
        _ = try await s3.putObject(request)
        let error = await #expect(throws: AWSError.self) { try await s3.putObject(request) }
        #expect(error?.kind == .preconditionFailed && error?.status == 412)
    }

    @Test func versionsAreToldAndRead() async throws {
        let address = S3Address(bucket: "versioned", key: "versions")
        let first = try await s3.putObject(S3PutRequest(address, content: [[1]]))
        let second = try await s3.putObject(S3PutRequest(address, content: [[2]]))
        #expect(first.versionID != nil && first.versionID != second.versionID)
        let old = try await s3.getObject(S3ReadRequest(address, versionID: first.versionID))
        #expect(try await old.body.collect(upTo: 9) == [1])
        #expect(old.info.versionID == first.versionID)
        try await s3.deleteObject(address)
        await #expect { try await s3.headObject(S3ReadRequest(address)) } throws: {
            ($0 as? AWSError)?.kind == .notFound
        }
        try await s3.deleteObject(address, versionID: second.versionID)
    }

    @Test func whatIsMissingIsNamed() async throws {
        let missing = try await error {
            try await s3.getObject(S3ReadRequest(S3Address(bucket: "plain", key: "no/such key")))
        }
        #expect(missing.kind == .notFound && missing.code == "NoSuchKey" && missing.status == 404)
        #expect(missing.description.contains("GetObject plain/no/such key: 404 NoSuchKey"))
        let bucket = try await error {
            try await s3.putObject(S3PutRequest(S3Address(bucket: "no-such-bucket", key: "k"), content: []))
        }
        #expect(bucket.kind == .notFound && bucket.code == "NoSuchBucket")
        try await s3.deleteObject(S3Address(bucket: "plain", key: "never was there"))
        let name = try await error { try await s3.headObject(S3ReadRequest(S3Address(bucket: "a/b?c", key: "k"))) }
        #expect(name.kind == .rejected && name.attempts == 0)
    }

    @Test func aWrongSecretIsDenied() async throws {
        let client = S3Client(Self.configuration(aws, environment: ["AWS_SECRET_ACCESS_KEY": "wrong"]))
        let denied = try await error { try await client.putObject(S3PutRequest(key(), content: [[1]])) }
        #expect(denied.kind == .denied && denied.code == "SignatureDoesNotMatch" && denied.attempts == 1)
        #expect(!denied.description.contains("wrong") && !denied.description.contains(aws.accessKeyID))
        let head = try await error { try await client.headObject(S3ReadRequest(key())) }
        #expect(head.kind == .denied)
    }

    @Test func theBucketsRegionIsLearnedFromTheRefusal() async throws {
        let client = S3Client(Self.configuration(aws, region: "us-west-2"))
        let address = key()
        _ = try await client.putObject(S3PutRequest(address, content: [[7]]))
        #expect(try await client.getObject(S3ReadRequest(address)).body.collect(upTo: 9) == [7])
    }

    @Test(arguments: [-7200.0, 7200]) func aWrongClockIsCorrected(_ offset: Double) async throws {
        var clock = AWSClock.system
        clock.epochSeconds = { AWSClock.system.epochSeconds() + offset }
        let client = S3Client(Self.configuration(aws, clock: clock))
        let address = key()
        _ = try await client.putObject(S3PutRequest(address, content: [[7]]))
        // Without an error body the Date header must tell.
        let other = S3Client(Self.configuration(aws, clock: clock))
        #expect(try await other.headObject(S3ReadRequest(address)).sizeBytes == 1)
    }

    @Test func manyRequestsAtOnceShareConnections() async throws {
        let prefix = key().key
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    let address = S3Address(bucket: "plain", key: "\(prefix)/\(number)")
                    let content = [UInt8](repeating: UInt8(number), count: 50_000 + number)
                    _ = try await s3.putObject(S3PutRequest(address, content: [content]))
                    let read = try await s3.getObject(S3ReadRequest(address)).body.collect(upTo: 100_000)
                    #expect(read == content)
                }
            }
            try await group.waitForAll()
        }
    }

    private func error(_ body: () async throws -> Any) async throws -> AWSError {
        do {
            _ = try await body()
        } catch let error as AWSError {
            return error
        }
        Issue.record("nothing was thrown")
        return AWSError(.rejected, operation: "", subject: "", message: "")
    }
}

/// What the suites against the stand-in share, started when it is first asked for.
enum SharedAWS {
    static let http = HTTPClient(HTTPClientConfiguration(environment: [:]))

    private static let folder = Result { try TemporaryFolder() }
    private static let started = Result {
        var options = LocalAWS.Options()
        options.buckets = ["plain"]
        options.versionedBuckets = ["versioned"]
        options.queues = [
            "retry", "sqs-plain", "sqs-visibility", "sqs-batches", "sqs-poll",
            .init("sqs-redrive", deadLetters: ("sqs-dead", afterReceives: 2)),
        ]
        options.secrets = ["partner": #"{"Username":"u","PrivateKey":"k\n"}"#]
        return try LocalAWS(options, workFolder: folder.get().url)
    }

    static func standIn() throws -> LocalAWS { try started.get() }
}
