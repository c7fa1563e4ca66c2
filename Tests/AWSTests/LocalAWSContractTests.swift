import AWS
import Foundation
import HTTP
import TestKit
import Testing

/// The stand-in refuses what S3 refuses: each request here is good but for one fault.
@Suite(.serialized) struct LocalAWSContractTests {
    let aws: LocalAWS

    init() throws { aws = try SharedAWS.standIn() }

    private struct Answer {
        var status: Int
        var text: String
        var headers: HTTPHeaders
    }

    /// Signs and sends a request to `/plain/contract`.
    private func send(
        _ method: HTTPMethod = .put, _ target: String = "/plain/contract", headers: HTTPHeaders = [:],
        body: [UInt8] = Array("content".utf8), payloadHash: String? = nil, secret: String? = nil,
        accessKeyID: String? = nil,
        region: String? = nil, ageSeconds: Double = 0, changed: (inout HTTPRequest) -> Void = { _ in }
    ) async throws -> Answer {
        let request = HTTPRequest(
            method, aws.endpoint + target, headers: headers, body: body.isEmpty ? .empty : .bytes(body))
        let now = Int64(Date().timeIntervalSince1970 - ageSeconds)
        var signed = SigV4Signer().sign(
            request, scope: SigningScope(region: region ?? aws.region, service: "s3", epochSeconds: now),
            credentials: AWSCredentials(
                accessKeyID: accessKeyID ?? aws.accessKeyID, secretAccessKey: secret ?? aws.secretAccessKey),
            payloadHash: payloadHash ?? hexadecimal(SHA256Hasher.digest(body)), pathRule: .s3)
        changed(&signed)
        let response = try await SharedAWS.http.execute(signed)
        let text = String(decoding: try await response.body.collect(upTo: 100_000), as: UTF8.self)
        return Answer(status: response.status, text: text, headers: response.headers)
    }

    private static func checksum(_ text: String) -> String {
        Data(SHA256Hasher.digest(text.utf8)).base64EncodedString()
    }

    @Test func aGoodRequestIsTaken() async throws {
        #expect(try await send(headers: ["x-amz-checksum-sha256": Self.checksum("content")]).status == 200)
    }

    @Test func aWrongSecretOrSignatureIsRefused() async throws {
        let secret = try await send(secret: "wrong")
        #expect(secret.status == 403 && secret.text.contains("SignatureDoesNotMatch"))
        let changed = try await send(headers: ["x-amz-meta-a": "1"]) { $0.headers["x-amz-meta-a"] = "2" }
        #expect(changed.status == 403 && changed.text.contains("SignatureDoesNotMatch"))
        let target = try await send { $0.url = $0.url.replacingOccurrences(of: "contract", with: "other") }
        #expect(target.status == 403 && target.text.contains("SignatureDoesNotMatch"))
        let unknown = try await send(accessKeyID: "AKIAAAAAAAAAAAAAAAAA")
        #expect(unknown.status == 403 && unknown.text.contains("InvalidAccessKeyId"))
    }

    @Test func aBodyThatIsNotTheSignedOneIsRefused() async throws {
        let answer = try await send { $0.body = .bytes(Array("CONTENT".utf8)) }
        #expect(answer.status == 400 && answer.text.contains("XAmzContentSHA256Mismatch"))
        let read = try await send(.get, body: [])
        #expect(read.text != "CONTENT")
    }

    @Test func aWrongChecksumIsRefused() async throws {
        let answer = try await send(headers: ["x-amz-checksum-sha256": Self.checksum("another")])
        #expect(answer.status == 400 && answer.text.contains("BadDigest"))
    }

    @Test func aClockTooFarOffIsRefused() async throws {
        for age in [1000.0, -1000] {
            let answer = try await send(ageSeconds: age)
            #expect(answer.status == 403 && answer.text.contains("RequestTimeTooSkewed"))
            #expect(answer.headers["Date"] != nil)
        }
    }

    @Test func theWrongRegionIsRefusedAndTheRightOneNamed() async throws {
        let answer = try await send(region: "us-east-1")
        #expect(answer.status == 400 && answer.text.contains("<Region>eu-central-1</Region>"))
    }

    private static let chunk = String(repeating: "c", count: 9000)

    @Test(arguments: [
        ("2328\r\n\(chunk)\r\n0\r\nx-amz-checksum-sha256:GOOD\r\n\r\n", ""),
        ("2328\r\n\(chunk)\r\n0\r\nx-amz-checksum-sha256:\(checksum("other"))\r\n\r\n", "BadDigest"),
        ("2328\r\n\(chunk)\r\n0\r\n\r\n", "MalformedTrailerError"),
        ("2328\r\n\(chunk)\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "MalformedTrailerError"),
        ("2329\r\n\(chunk)\r\n0\r\nx-amz-checksum-sha256:GOOD\r\n\r\n", "IncompleteBody"),
        ("zz\r\n\(chunk)\r\n0\r\nx-amz-checksum-sha256:GOOD\r\n\r\n", "MalformedTrailerError"),
        ("1\r\nc\r\n2327\r\n\(chunk.dropLast())\r\n0\r\nx-amz-checksum-sha256:GOOD\r\n\r\n", "InvalidChunkSizeError"),
        ("0\r\nx-amz-checksum-sha256:GOOD\r\n\r\n", "IncompleteBody"),
    ]) func aChunkedBodyIsCheckedWithItsTrailer(_ coded: String, _ code: String) async throws {
        let body = coded.replacingOccurrences(of: "GOOD", with: Self.checksum(Self.chunk))
        let headers: HTTPHeaders = [
            "Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": "9000",
            "x-amz-trailer": "x-amz-checksum-sha256",
        ]
        let answer = try await send(
            headers: headers, body: Array(body.utf8), payloadHash: "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        #expect(answer.status == (code.isEmpty ? 200 : 400))
        #expect(code.isEmpty || answer.text.contains(code))
    }

    @Test func conditionsThatDoNotHoldAreRefused() async throws {
        let target = "/plain/conditions"
        _ = try await send(.put, target)
        let none = "\"00000000000000000000000000000000\""
        func copying(_ name: String, _ value: String) -> HTTPHeaders {
            ["x-amz-copy-source": target, "x-amz-metadata-directive": "REPLACE", name: value]
        }
        let cases: [(HTTPMethod, HTTPHeaders)] = [
            (.get, ["If-Match": none]), (.head, ["If-Match": none]), (.put, ["If-None-Match": "*"]),
            (.put, ["If-Match": none]), (.put, copying("x-amz-copy-source-if-match", none)),
            (.put, copying("If-Match", none)), (.put, copying("If-None-Match", "*")),
        ]
        for (method, headers) in cases {
            let hasBody = method == .put && headers["x-amz-copy-source"] == nil
            let answer = try await send(method, target, headers: headers, body: hasBody ? Array("new".utf8) : [])
            #expect(answer.status == 412, "\(method) \(headers)")
        }
        #expect(try await send(.get, target, body: []).text == "content")
    }

    @Test func aCopyIsHeldBackBeforeOrAfterItIsDone() async throws {
        let target = "/plain/held"
        _ = try await send(.put, target)
        for held in [LocalAWS.Held.request, .answer] {
            let copy: HTTPHeaders = [
                "x-amz-copy-source": target, "x-amz-metadata-directive": "REPLACE", "x-amz-meta-held": held.rawValue,
            ]
            try await aws.holdNextCopy(held)
            async let copied = send(.put, target, headers: copy, body: [])
            try await waitUntil("the copy is held back") { try await aws.isHolding() }
            let seen = try await send(.head, target, body: []).headers["x-amz-meta-held"]
            #expect((seen == held.rawValue) == (held == .answer))
            try await aws.letGo()
            #expect(try await copied.status == 200)
            let isHolding = try await aws.isHolding()
            #expect(!isHolding)
        }
    }

    @Test func aConnectionIsKept() async throws {
        for _ in 0..<3 {
            let answer = try await send(.get, "/plain/none", body: [])
            #expect(answer.status == 404 && answer.headers["Connection"]?.lowercased() != "close")
        }
    }

    @Test func itEndsWithItsStandardInput() throws {
        let folder = try TemporaryFolder()
        var options = LocalAWS.Options()
        options.buckets = ["one"]
        let own = try LocalAWS(options, workFolder: folder.url)
        #expect(own.environment["AWS_ENDPOINT_URL"]?.hasPrefix("http://127.0.0.1:") == true)
        own.stop()
    }
}
