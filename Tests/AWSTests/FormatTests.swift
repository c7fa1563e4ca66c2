import Foundation
import HTTP
import TestKit
import Testing
import TextForms

@testable import AWS

@Suite struct FormatTests {
    @Test func timesAgreeWithFoundation() throws {
        let basic = DateFormatter()
        basic.locale = Locale(identifier: "en_US_POSIX")
        basic.timeZone = TimeZone(secondsFromGMT: 0)
        var random = SeededGenerator(seed: 1)
        for _ in 0..<500 {
            let seconds = Int64.random(in: -2_000_000_000...8_000_000_000, using: &random)
            let date = Date(timeIntervalSince1970: Double(seconds))
            basic.dateFormat = "yyyyMMdd'T'HHmmss'Z'"
            #expect(Timestamps.basicISO8601(epochSeconds: seconds) == basic.string(from: date))
            basic.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
            #expect(Timestamps.parseHTTPDate(basic.string(from: date)) == seconds)
            basic.dateFormat = "yyyy-MM-dd'T'HH:mm:ss'.123Z'"
            #expect(Timestamps.parseISO8601(basic.string(from: date)) == seconds)
        }
        #expect(Timestamps.parseISO8601("1970-01-01T02:00:00+01:30") == 1800)
        for bad in [
            "", "2023-13-01T00:00:00Z", "2023-01-01T00:00:00", "2023-01-01T00:00:00+1:00", "2023-01-01 00:00:00Zx",
        ] {
            #expect(Timestamps.parseISO8601(bad) == nil)
        }
        for bad in ["", "Sun, 06 Nov 1994 08:49:37", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT"]
        {
            #expect(Timestamps.parseHTTPDate(bad) == nil)
        }
    }

    @Test func base64AgreesWithFoundation() {
        var random = SeededGenerator(seed: 2)
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let text = Data(bytes).base64EncodedString()
            #expect(Base64.encode(bytes) == text)
            #expect(Base64.decode(padded: text.utf8) == bytes)
        }
        for bad in ["A", "AA", "AAA", "A===", "====", "AA=A", "AA A", "AAA=AAAA"] {
            #expect(Base64.decode(padded: bad.utf8) == nil)
        }
    }

    @Test func percentDecodingNeverFails() {
        #expect(Text.percentDecoded("a%20b%C3%A4%".utf8) == Array("a bä%".utf8))
        #expect(Text.percentDecoded("%4%zz+%2B".utf8, plusIsSpace: true) == Array("%4%zz +".utf8))
    }

    @Test(arguments: [
        ("eu-central-1", "bucket", "a/b c", "https://bucket.s3.eu-central-1.amazonaws.com/a/b%20c"),
        ("us-east-1", "bucket", "//x", "https://bucket.s3.us-east-1.amazonaws.com///x"),
        ("cn-north-1", "bucket", "k", "https://bucket.s3.cn-north-1.amazonaws.com.cn/k"),
        ("us-gov-west-1", "bucket", "k", "https://bucket.s3.us-gov-west-1.amazonaws.com/k"),
        ("eu-central-1", "dotted.name", "k", "https://s3.eu-central-1.amazonaws.com/dotted.name/k"),
        ("us-east-1", "Upper_Case", "k", "https://s3.us-east-1.amazonaws.com/Upper_Case/k"),
    ]) func bucketsAreInTheHostWhereTheyCanBe(_ region: String, _ bucket: String, _ key: String, _ url: String) {
        let endpoint = S3Endpoint(customURL: nil, addressing: .automatic)
        #expect(endpoint.url(region: region, bucket: bucket, key: key, query: []) == url)
    }

    @Test func aCustomEndpointHasTheBucketInThePath() {
        let http = ScriptedExecutor([])
        let environment = ["AWS_ENDPOINT_URL": "http://other", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000/base/"]
        let endpoint = S3Client(configuration(http, environment: environment)).endpoint
        let url = endpoint.url(region: "r", bucket: "bucket", key: "k", query: [("uploads", nil), ("a b", "c&d")])
        #expect(url == "http://127.0.0.1:9000/base/bucket/k?uploads=&a%20b=c%26d")
    }

    @Test func keysInListingsAreDecodedWhenS3EncodedThem() async throws {
        let http = ScriptedExecutor([
            ScriptedExecutor.status(
                200,
                """
                <ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
                <NextKeyMarker>a%2Bb+c</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>
                <Upload><Key>a%2Bb+c%01</Key><UploadId>u</UploadId><Initiated>2023-11-14T22:13:20.000Z</Initiated></Upload>
                </ListMultipartUploadsResult>
                """)
        ])
        let page = try await S3Client(configuration(http)).listMultipartUploads(bucket: "bucket")
        #expect(page.items.map(\.address.key) == ["a+b c\u{1}"])
        #expect(page.items.first?.initiatedEpochSeconds == 1_700_000_000)
        #expect(page.next == S3UploadMarker(key: "a+b c", uploadID: "u"))
    }

    @Test func theCodedLengthIsTheLengthThatIsSent() async throws {
        actor Bytes: HTTPBodySource {
            private var left: Int
            init(_ count: Int) { left = count }
            func next() async throws -> [UInt8]? {
                defer { left = 0 }
                return left == 0 ? nil : [UInt8](repeating: 7, count: left)
            }
        }
        for count in [0, 1, 15, 16, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (5 << 20) + 255] {
            let source = TrailerChecksumSource(Bytes(count), lengthBytes: UInt64(count))
            var sent: UInt64 = 0
            while let piece = try await source.next() { sent += UInt64(piece.count) }
            #expect(sent == TrailerChecksumSource.codedLength(lengthBytes: UInt64(count)))
            #expect(await source.digest == SHA256Hasher.digest([UInt8](repeating: 7, count: count)))
        }
    }
}
