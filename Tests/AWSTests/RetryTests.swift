import HTTP
import Synchronization
import Testing
import TextForms

@testable import AWS

@Suite struct RetryTests {
    typealias Script = ScriptedExecutor

    static let address = S3Address(bucket: "bucket", key: "key")
    static let put = S3PutRequest(address, content: [[1, 2, 3], [4]])

    struct Passing: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var answer: ScriptedExecutor.Answer
    }

    static let passing = [
        Passing(testDescription: "500 InternalError", answer: Script.error(500, "InternalError")),
        Passing(testDescription: "503 SlowDown", answer: Script.error(503, "SlowDown")),
        Passing(testDescription: "503 ServiceUnavailable", answer: Script.error(503, "ServiceUnavailable")),
        Passing(testDescription: "429", answer: Script.status(429)),
        Passing(testDescription: "400 RequestTimeout", answer: Script.error(400, "RequestTimeout")),
        Passing(testDescription: "500 without a body", answer: Script.status(500)),
        Passing(testDescription: "502 of a proxy", answer: Script.status(502, "<html>bad gateway")),
        Passing(testDescription: "504 of a proxy", answer: Script.status(504)),
        Passing(testDescription: "dropped", answer: Script.failure(.connectionLost)),
        Passing(testDescription: "not connected", answer: Script.failure(.connect)),
        Passing(testDescription: "not resolved", answer: Script.failure(.resolve)),
        Passing(testDescription: "stalled", answer: Script.failure(.stalled)),
        Passing(testDescription: "no HTTP", answer: Script.failure(.malformedResponse)),
    ]

    @Test(arguments: passing) func whatPassesIsTriedAgainWithTheWholeBody(_ passing: Passing) async throws {
        let http = Script([passing.answer, passing.answer, Script.stored])
        let clock = ManualClock()
        let stored = try await S3Client(configuration(http, clock: clock.clock())).putObject(Self.put)
        #expect(stored.etag == "\"e\"")
        #expect(http.seen.map(\.body) == [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]])
        #expect(clock.sleeps.count == 2 && clock.sleeps[1] == 2 * clock.sleeps[0])
    }

    @Test(arguments: [
        (400, "InvalidRequest", AWSError.Kind.rejected), (400, "BadDigest", .rejected), (403, "AccessDenied", .denied),
        (403, "SignatureDoesNotMatch", .denied), (404, "NoSuchBucket", .notFound), (404, "NoSuchKey", .notFound),
        (409, "OperationAborted", .conflict), (409, "ConditionalRequestConflict", .conflict),
        (412, "PreconditionFailed", .preconditionFailed), (416, "InvalidRange", .rejected),
        (501, "NotImplemented", .rejected),
    ]) func whatDoesNotPassIsNotTriedAgain(_ status: Int, _ code: String, _ kind: AWSError.Kind) async throws {
        let http = Script([Script.error(status, code, headers: ["x-amz-id-2": "H1"]), Script.stored])
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(http)).putObject(Self.put)
        }
        #expect(error?.kind == kind && error?.code == code && error?.status == status && error?.attempts == 1)
        #expect(error?.requestID == "R1" && error?.hostID == "H1")
        #expect(http.seen.count == 1)
    }

    @Test(arguments: [HTTPError.Kind.tls, .bodySource, .invalidRequest, .closed, .cancelled])
    func failuresOfOurOwnSideAreNotTriedAgain(_ kind: HTTPError.Kind) async throws {
        let http = Script([Script.failure(kind), Script.stored])
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(http)).putObject(Self.put)
        }
        #expect(http.seen.count == 1)
        #expect(error?.kind == (kind == .cancelled ? .cancelled : .network(HTTPError(kind, "scripted"))))
    }

    @Test func aRefusalWhoseReasonCannotBeReadIsStillARefusal() async throws {
        let lost: ScriptedExecutor.Answer = { _ throws(HTTPError) in
            HTTPResponse(status: 403, headers: [:], body: HTTPResponseBody(Broken()))
        }
        for (answer, words) in [(lost, "lost on the way: connectionLost"), (Script.status(403, "<html>no"), "no XML")] {
            let error = await failure { () throws(AWSError) in
                _ = try await S3Client(configuration(Script([answer]))).putObject(Self.put)
            }
            #expect(error?.kind == .denied && error?.status == 403)
            #expect(error?.message.contains(words) == true)
        }
    }

    private final class Broken: HTTPResponseBodySource {
        func next() async throws(HTTPError) -> [UInt8]? { throw HTTPError(.connectionLost, "scripted") }
    }

    @Test func attemptsHaveALimitAndTheLastFailureIsTold() async throws {
        let http = Script(Array(repeating: Script.error(503, "SlowDown"), count: 20))
        let clock = ManualClock()
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(http, clock: clock.clock())).putObject(Self.put)
        }
        #expect(http.seen.count == RetryPolicy.standard.maximumAttempts)
        #expect(error?.kind == .throttled && error?.attempts == 6 && error?.isTransient == true)
        // Full jitter: half of 0.5, 1, 2, 4 and 8 seconds.
        #expect(clock.sleeps == [0.25, 0.5, 1, 2, 4])
    }

    @Test func waitsGrowOnlyToTheirLimit() {
        let policy = RetryPolicy(maximumDelaySeconds: 3)
        #expect(policy.delaySeconds(afterAttempt: 60, isThrottled: true, random: 0.999) < 3)
        #expect(policy.delaySeconds(afterAttempt: 1, isThrottled: false, random: 0) == 0)
    }

    @Test func noAttemptBeginsBehindTheDeadline() async throws {
        let http = Script(Array(repeating: Script.failure(.connectionLost), count: 20))
        let clock = ManualClock()
        let retry = RetryPolicy(maximumAttempts: 20, baseDelaySeconds: 4)
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(http, retry: retry, clock: clock.clock()))
                .putObject(Self.put, deadlineUptimeSeconds: 1010)
        }
        // After 2 and 6 seconds; the next wait of 8 would end at 14.
        #expect(http.seen.count == 3)
        #expect(http.seen.map(\.request.limits.totalTimeoutSeconds) == [10, 8, 4])
        #expect(error?.kind == .network(HTTPError(.connectionLost, "scripted")))
    }

    @Test func whyTheLastAttemptFailedIsToldWhenThereIsNoTimeForAnother() async throws {
        let http = Script(Array(repeating: Script.error(503, "SlowDown"), count: 20))
        let error = await failure { () throws(AWSError) in
            // The first wait, of 0.25 s, leaves less than an attempt needs.
            _ = try await S3Client(configuration(http)).putObject(Self.put, deadlineUptimeSeconds: 1000.29)
        }
        #expect(error?.kind == .throttled && error?.code == "SlowDown" && http.seen.count == 1)
    }

    @Test func theTimeOfAllAttemptsHasALimit() async throws {
        let http = Script(Array(repeating: Script.failure(.connectionLost), count: 50))
        let retry = RetryPolicy(maximumAttempts: 50, maximumSeconds: 9, baseDelaySeconds: 4)
        _ = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(http, retry: retry)).putObject(Self.put)
        }
        #expect(http.seen.count == 3)
    }

    @Test func waitingEndsWhenTheTaskIsCancelled() async throws {
        let http = Script(Array(repeating: Script.failure(.connectionLost), count: 20))
        var clock = ManualClock().clock()
        clock.sleep = { _ in throw CancellationError() }
        let error = await failure { [clock] () throws(AWSError) in
            _ = try await S3Client(configuration(http, clock: clock)).putObject(Self.put)
        }
        #expect(error?.kind == .cancelled && http.seen.count == 1)
    }

    // MARK: errors inside good answers

    @Test(arguments: ["", "   \n  ", "<?xml version=\"1.0\"?>\n   "])
    func anErrorInsideAGoodAnswerIsAnError(_ before: String) async throws {
        let inside = "\(before)<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        let http = Script([Script.status(200, inside)])
        let error = await failure { () throws(AWSError) in
            let copy = S3CopyRequest(source: Self.address, destination: Self.address)
            _ = try await S3Client(configuration(http)).copyObject(copy)
        }
        #expect(error?.kind == .denied && error?.status == 200 && error?.message == "no")
    }

    @Test func aPassingErrorInsideAGoodAnswerIsTriedAgain() async throws {
        let upload = S3Upload(address: Self.address, uploadID: "u")
        let http = Script([
            Script.status(200, "  \n <Error><Code>InternalError</Code></Error>"), Script.status(200, ""),
            Script.status(200, "<CopyPartResult><ETag>&quot;p&quot;</ETag></CopyPartResult>"),
        ])
        let part = try await S3Client(configuration(http)).uploadPartCopy(
            upload, number: 3, from: S3PartCopyRequest(source: Self.address, range: 0...9))
        #expect(part.etag == "\"p\"" && http.seen.count == 3)
        #expect(http.seen[0].request.headers["x-amz-copy-source-range"] == "bytes=0-9")
        #expect(http.seen[0].request.url.hasSuffix("/key?partNumber=3&uploadId=u"))
    }

    // MARK: a completion whose answer was lost

    static let parts = [S3Part(number: 1, etag: "\"p\"", checksumSHA256: Base64.encode(SHA256Hasher.digest([1])))]
    static let checksum = Base64.encode(SHA256Hasher.digest(SHA256Hasher.digest([1]))) + "-1"

    @Test func aCompletionThatHadHappenedIsRecognised() async throws {
        let http = Script([
            Script.failure(.connectionLost), Script.error(404, "NoSuchUpload"),
            Script.status(200, headers: ["ETag": "\"whole-1\"", "x-amz-checksum-sha256": Self.checksum]),
        ])
        let stored = try await S3Client(configuration(http)).completeMultipartUpload(
            S3Upload(address: Self.address, uploadID: "u"), parts: Self.parts)
        #expect(stored.etag == "\"whole-1\"")
        #expect(http.seen[2].request.method == .head)
    }

    @Test func anotherObjectIsNotTakenForTheCompletedOne() async throws {
        let other = ScriptedExecutor.status(
            200, headers: ["ETag": "\"x-1\"", "x-amz-checksum-sha256": Base64.encode(SHA256Hasher.digest([9])) + "-1"])
        for last in [other, Script.status(404), Script.status(200, headers: ["ETag": "\"x\""])] {
            let http = Script([Script.failure(.connectionLost), Script.error(404, "NoSuchUpload"), last])
            let error = await failure { () throws(AWSError) in
                _ = try await S3Client(configuration(http)).completeMultipartUpload(
                    S3Upload(address: Self.address, uploadID: "u"), parts: Self.parts)
            }
            #expect(error?.code == "NoSuchUpload" && error?.kind == .notFound)
        }
    }

    @Test func anUploadThatNeverWasIsNotLookedFor() async throws {
        let http = Script([Script.error(404, "NoSuchUpload")])
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(http)).completeMultipartUpload(
                S3Upload(address: Self.address, uploadID: "u"), parts: Self.parts)
        }
        #expect(error?.code == "NoSuchUpload" && http.seen.count == 1)
    }

    @Test func otherPartsThanThoseSentAreCorruption() async throws {
        let answer =
            "<CompleteMultipartUploadResult><ETag>e</ETag><ChecksumSHA256>AAAA-1</ChecksumSHA256>"
            + "</CompleteMultipartUploadResult>"
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(Script([Script.status(200, answer)]))).completeMultipartUpload(
                S3Upload(address: Self.address, uploadID: "u"), parts: Self.parts)
        }
        #expect(error?.kind == .corrupted)
    }

    @Test func aPreconditionThatMayHaveFailedThroughOurselvesIsTold() async throws {
        let http = Script([Script.failure(.connectionLost), Script.error(412, "PreconditionFailed")])
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(http)).putObject(Self.put)
        }
        #expect(error?.kind == .preconditionFailed && error?.earlierAttemptMayHaveSucceeded == true)
        let slow = Script([Script.error(503, "SlowDown"), Script.error(412, "PreconditionFailed")])
        let clean = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(slow)).putObject(Self.put)
        }
        #expect(clean?.earlierAttemptMayHaveSucceeded == false)
    }

    // MARK: clock, region, credentials

    @Test func theServersClockIsTakenOverOnce() async throws {
        let late = Script.error(403, "RequestTimeTooSkewed", headers: ["Date": "Tue, 14 Nov 2023 23:13:20 GMT"])
        let http = Script([late, Script.stored, Script.stored])
        let client = S3Client(configuration(http))
        _ = try await client.putObject(Self.put)
        _ = try await client.putObject(Self.put)
        #expect(
            http.seen.map { $0.request.headers["X-Amz-Date"] } == [
                "20231114T221320Z", "20231114T231320Z", "20231114T231320Z",
            ])
        let stubborn = Script([late, late, late])
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(stubborn)).putObject(Self.put)
        }
        #expect(error?.kind == .clockSkew && stubborn.seen.count == 2)
        #expect(error?.message.contains("its clock says 20231114T231320Z, this machine's 20231114T221320Z") == true)
    }

    @Test func headWithoutABodyStillTellsAWrongClock() async throws {
        let http = Script([
            Script.status(403, headers: ["Date": "Tue, 14 Nov 2023 23:13:20 GMT"]), Script.stored,
        ])
        _ = try await S3Client(configuration(http)).headObject(S3ReadRequest(Self.address))
        let denied = Script([Script.status(403, headers: ["Date": "Tue, 14 Nov 2023 22:13:25 GMT"])])
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(denied)).headObject(S3ReadRequest(Self.address))
        }
        #expect(error?.kind == .denied)
    }

    static let elsewhere = [
        Passing(
            testDescription: "301 with a header",
            answer: Script.error(301, "PermanentRedirect", headers: ["x-amz-bucket-region": "ap-south-1"])),
        Passing(
            testDescription: "301 with an endpoint",
            answer: Script.error(
                301, "PermanentRedirect", "<Endpoint>bucket.s3.ap-south-1.amazonaws.com</Endpoint>")),
        Passing(
            testDescription: "301 with an old endpoint",
            answer: Script.error(301, "PermanentRedirect", "<Endpoint>bucket.s3-ap-south-1.amazonaws.com</Endpoint>")),
        Passing(
            testDescription: "307",
            answer: Script.error(307, "TemporaryRedirect", headers: ["x-amz-bucket-region": "ap-south-1"])),
        Passing(
            testDescription: "AuthorizationHeaderMalformed",
            answer: Script.error(400, "AuthorizationHeaderMalformed", "<Region>ap-south-1</Region>")),
        Passing(
            testDescription: "400 to HEAD", answer: Script.status(400, headers: ["x-amz-bucket-region": "ap-south-1"])),
    ]

    @Test(arguments: elsewhere) func theNamedRegionIsUsedAndRemembered(_ answer: Passing) async throws {
        let http = Script([answer.answer, Script.stored, Script.stored])
        let client = S3Client(configuration(http))
        _ = try await client.putObject(Self.put)
        _ = try await client.putObject(Self.put)
        #expect(
            http.seen.map(\.request.url) == [
                "https://bucket.s3.eu-central-1.amazonaws.com/key", "https://bucket.s3.ap-south-1.amazonaws.com/key",
                "https://bucket.s3.ap-south-1.amazonaws.com/key",
            ])
        #expect(http.seen[1].request.headers["Authorization"]?.contains("/ap-south-1/s3/aws4_request") == true)
    }

    @Test func aRegionThatIsNotNamedOrNotOneIsAnError() async throws {
        for answer in [
            Script.error(301, "PermanentRedirect"),
            Script.error(301, "PermanentRedirect", headers: ["x-amz-bucket-region": "evil.example/"]),
            Script.error(301, "PermanentRedirect", headers: ["x-amz-bucket-region": "eu-central-1"]),
        ] {
            let http = Script([answer, Script.stored])
            let error = await failure { () throws(AWSError) in
                _ = try await S3Client(configuration(http)).putObject(Self.put)
            }
            #expect(error?.kind == .wrongRegion && http.seen.count == 1)
            #expect(error?.region == "eu-central-1" && error?.rightRegion != "evil.example/")
        }
    }

    /// As where the endpoint is a custom one, whatever the region.
    @Test func aRegionThatIsNamedAndDoesNotHelpIsInTheError() async throws {
        func named(_ region: String) -> ScriptedExecutor.Answer {
            Script.error(301, "PermanentRedirect", headers: ["x-amz-bucket-region": region])
        }
        let http = Script([named("ap-south-1"), named("us-west-2"), Script.stored])
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(http)).putObject(Self.put)
        }
        #expect(error?.kind == .wrongRegion && http.seen.count == 2)
        #expect(error?.region == "ap-south-1" && error?.rightRegion == "us-west-2")
    }

    /// Gives `old` until it is told that it has expired.
    final class Rotating: CredentialsProvider {
        private let current = Mutex("old")
        let canRotate: Bool

        init(canRotate: Bool) { self.canRotate = canRotate }

        func credentials(deadlineUptimeSeconds: Double?) async throws(CredentialsError) -> AWSCredentials {
            AWSCredentials(accessKeyID: current.withLock(\.self), secretAccessKey: "s", sessionToken: "t")
        }

        func credentials(
            insteadOf expired: AWSCredentials, deadlineUptimeSeconds: Double?
        ) async throws(CredentialsError) -> AWSCredentials {
            if canRotate { current.withLock { $0 = "new" } }
            return try await credentials()
        }
    }

    @Test(arguments: [ScriptedExecutor.error(400, "ExpiredToken"), ScriptedExecutor.status(400)])
    func expiredCredentialsAreReplacedOnce(_ expired: @escaping ScriptedExecutor.Answer) async throws {
        let http = Script([expired, Script.stored])
        _ = try await S3Client(configuration(http, credentials: Rotating(canRotate: true)))
            .headObject(S3ReadRequest(Self.address))
        #expect(http.seen[1].request.headers["Authorization"]?.contains("Credential=new/") == true)
        let stubborn = Script([expired, expired, expired])
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(stubborn, credentials: Rotating(canRotate: true)))
                .headObject(S3ReadRequest(Self.address))
        }
        #expect(stubborn.seen.count == 2)
        #expect(error?.kind == .expiredCredentials || error?.kind == .rejected)
        let fixed = Script([expired, Script.stored])
        _ = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(fixed, credentials: Rotating(canRotate: false)))
                .headObject(S3ReadRequest(Self.address))
        }
        #expect(fixed.seen.count == 1)
    }

    @Test func whatS3StoredMustBeWhatWasSent() async throws {
        let http = Script([Script.status(200, headers: ["ETag": "e", "x-amz-checksum-sha256": "AAAA"])])
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(http)).putObject(Self.put)
        }
        #expect(error?.kind == .corrupted)
        let read = Script([
            Script.status(
                200, headers: ["ETag": "e", "x-amz-checksum-sha256": Base64.encode(SHA256Hasher.digest([1]))], "x")
        ])
        let (_, body) = try await S3Client(configuration(read)).getObject(S3ReadRequest(Self.address))
        let corrupted = await failure { () throws(AWSError) in _ = try await body.collect(upTo: 9) }
        #expect(corrupted?.kind == .corrupted)
    }

    @Test func errorsHoldNoSecretsAndNoSignatures() async throws {
        let http = Script([
            Script.error(
                403, "SignatureDoesNotMatch",
                "<AWSAccessKeyId>AKID</AWSAccessKeyId><StringToSign>AWS4-HMAC</StringToSign><SignatureProvided>abc</SignatureProvided>"
            )
        ])
        let error = await failure { () throws(AWSError) in
            _ = try await S3Client(configuration(http)).putObject(Self.put)
        }
        var dumped = ""
        dump(error, to: &dumped)
        dump(AWSCredentials(accessKeyID: "AKID", secretAccessKey: "the-secret", sessionToken: "the-token"), to: &dumped)
        dumped += "\(AWSCredentials(accessKeyID: "AKID", secretAccessKey: "the-secret", sessionToken: "the-token"))"
        for secret in ["the-secret", "the-token", "AWS4-HMAC", "StringToSign", "abc"] {
            #expect(!dumped.contains(secret))
        }
    }
}
