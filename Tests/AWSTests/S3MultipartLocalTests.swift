import Foundation
import HTTP
import TestKit
import Testing

@testable import AWS

@Suite(.serialized) struct S3MultipartLocalTests {
    let s3: S3Client

    init() throws { s3 = S3Client(S3LocalTests.configuration(try SharedAWS.standIn())) }

    private func address(_ name: String = #function) -> S3Address {
        S3Address(bucket: "versioned", key: "mp ü/\(name)")
    }

    private static func content(_ seed: UInt64, _ count: Int) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        var bytes: [UInt8] = []
        while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes += $0 } }
        return Array(bytes[..<count])
    }

    /// Pieces of odd sizes, as a stream.
    private actor Pieces: HTTPBodySource {
        private var rest: ArraySlice<UInt8>
        private var sizes = [1, 70_000, 0, 3, 1_048_576, 999_999, 262_144]

        init(_ bytes: [UInt8]) { rest = bytes[...] }

        func next() async throws -> [UInt8]? {
            if rest.isEmpty { return nil }
            let size = sizes.removeFirst()
            sizes.append(size)
            let piece = rest.prefix(size)
            rest = rest.dropFirst(size)
            return Array(piece)
        }
    }

    @Test func threePartsBecomeOneObject() async throws {
        let address = address()
        var attributes = S3ObjectAttributes(metadata: ["synced-from": "höst:22:user"])
        attributes.contentType = "application/x-big"
        let upload = try await s3.createMultipartUpload(address, attributes: attributes)
        #expect(!upload.uploadID.isEmpty)
        let contents = [Self.content(1, 5 << 20), Self.content(2, (5 << 20) + 12_345), Self.content(3, 77)]
        let last = try await s3.uploadPart(upload, number: 3, content: .buffered([contents[2]]))
        let streamed = try await s3.uploadPart(
            upload, number: 2, content: .stream(lengthBytes: UInt64(contents[1].count)) { Pieces(contents[1]) })
        #expect(streamed.checksumSHA256 == Data(SHA256Hasher.digest(contents[1])).base64EncodedString())
        let halves = [Array(contents[0][..<1_000_000]), Array(contents[0][1_000_000...])]
        let first = try await s3.uploadPart(upload, number: 1, content: .buffered(halves))

        let listed = try await s3.listParts(upload)
        #expect(listed.next == nil)
        #expect(listed.items.map(\.number) == [1, 2, 3])
        #expect(listed.items.map(\.etag) == [first.etag, streamed.etag, last.etag])
        #expect(listed.items.map(\.sizeBytes) == contents.map { UInt64($0.count) })
        let uploads = try await s3.listMultipartUploads(bucket: "versioned", prefix: "mp ü/")
        #expect(uploads.items.contains { $0.uploadID == upload.uploadID && $0.address == address })

        let stored = try await s3.completeMultipartUpload(upload, parts: [last, first, streamed])
        #expect(stored.etag.hasSuffix("-3\"") && stored.versionID != nil)
        let (info, body) = try await s3.getObject(S3ReadRequest(address))
        #expect(info.attributes.metadata == attributes.metadata && info.attributes.contentType == "application/x-big")
        #expect(info.checksumSHA256 == S3Client.compositeChecksum([first, streamed, last]))
        #expect(try await body.collect(upTo: 20 << 20) == contents.flatMap(\.self))
    }

    @Test func aPartStoredTwiceCountsOnceAsTheLastOne() async throws {
        let upload = try await s3.createMultipartUpload(address())
        let first = try await s3.uploadPart(upload, number: 1, content: .buffered([[1]]))
        let second = try await s3.uploadPart(upload, number: 1, content: .buffered([[2, 2]]))
        let stale = await failure { () throws(AWSError) in
            _ = try await s3.completeMultipartUpload(upload, parts: [first])
        }
        #expect(stale?.code == "InvalidPart" && stale?.kind == .rejected)
        _ = try await s3.completeMultipartUpload(upload, parts: [second])
        #expect(try await s3.getObject(S3ReadRequest(upload.address)).body.collect(upTo: 9) == [2, 2])
    }

    @Test func anEmptyStreamAndOneChunkExactlyAreStored() async throws {
        for count in [0, 1, 8191, 1 << 20, (1 << 20) + 1, 3 << 20] {
            let upload = try await s3.createMultipartUpload(address("stream \(count)"))
            let content = Self.content(7, count)
            let part = try await s3.uploadPart(
                upload, number: 1, content: .stream(lengthBytes: UInt64(count)) { Pieces(content) })
            _ = try await s3.completeMultipartUpload(upload, parts: [part])
            #expect(try await s3.getObject(S3ReadRequest(upload.address)).body.collect(upTo: 5 << 20) == content)
        }
    }

    @Test(arguments: [-1, 1]) func aStreamOfAnotherLengthFails(_ difference: Int) async throws {
        let upload = try await s3.createMultipartUpload(address())
        let content = Self.content(7, 100_000)
        let error = await failure { () throws(AWSError) in
            _ = try await s3.uploadPart(
                upload, number: 1, content: .stream(lengthBytes: UInt64(content.count + difference)) { Pieces(content) }
            )
        }
        guard case .network(let cause) = error?.kind else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(cause.kind == .bodySource)
        try await s3.abortMultipartUpload(upload)
    }

    @Test func abortFreesThePartsAndMayBeRepeated() async throws {
        let upload = try await s3.createMultipartUpload(address())
        _ = try await s3.uploadPart(upload, number: 1, content: .buffered([[1]]))
        try await s3.abortMultipartUpload(upload)
        try await s3.abortMultipartUpload(upload)
        let error = await failure { () throws(AWSError) in
            _ = try await s3.uploadPart(upload, number: 2, content: .buffered([[1]]))
        }
        #expect(error?.code == "NoSuchUpload" && error?.kind == .notFound)
        let uploads = try await s3.listMultipartUploads(bucket: "versioned", prefix: upload.address.key)
        #expect(uploads.items.isEmpty)
    }

    @Test func partsAreCopiedFromAnotherObject() async throws {
        let source = address("source + of parts")
        let content = Self.content(4, 6 << 20)
        let stored = try await s3.putObject(S3PutRequest(source, content: [content]))
        let upload = try await s3.createMultipartUpload(address())
        let part = try await s3.uploadPartCopy(
            upload, number: 1,
            from: S3PartCopyRequest(source: source, ifSourceMatches: stored.etag, range: 0...UInt64((5 << 20) - 1)))
        let rest = try await s3.uploadPartCopy(
            upload, number: 2,
            from: S3PartCopyRequest(source: source, range: UInt64(5 << 20)...UInt64(content.count - 1)))
        _ = try await s3.completeMultipartUpload(upload, parts: [part, rest])
        #expect(try await s3.getObject(S3ReadRequest(upload.address)).body.collect(upTo: 9 << 20) == content)
        let stale = await failure { () throws(AWSError) in
            let from = S3PartCopyRequest(source: source, ifSourceMatches: "\"0\"")
            _ = try await s3.uploadPartCopy(upload, number: 3, from: from)
        }
        #expect(stale?.kind == .preconditionFailed)
    }

    @Test func anUploadIsCompletedOnlyOverTheObjectThatWasSeen() async throws {
        let address = address()
        let seen = try await s3.putObject(S3PutRequest(address, content: [[1]]))
        let upload = try await s3.createMultipartUpload(address)
        let part = try await s3.uploadPart(upload, number: 1, content: .buffered([[2]]))
        _ = try await s3.putObject(S3PutRequest(address, content: [[3]]))
        for conditions in [S3WriteConditions(ifMatch: seen.etag), S3WriteConditions(ifAbsent: true)] {
            let refused = await failure { () throws(AWSError) in
                _ = try await s3.completeMultipartUpload(upload, parts: [part], conditions: conditions)
            }
            #expect(refused?.kind == .preconditionFailed)
        }
        #expect(try await s3.getObject(S3ReadRequest(address)).body.collect(upTo: 9) == [3])
        try await s3.abortMultipartUpload(upload)
    }

    @Test func tagsComeBackAsTheyWereStated() async throws {
        let address = address()
        let tags = [
            S3Tag(key: "a b", value: "c+d=e"), S3Tag(key: "empty", value: ""), S3Tag(key: "who", value: "x@y: 1/2_3"),
        ]
        _ = try await s3.putObject(S3PutRequest(address, content: [], tagging: S3Tag.queryString(tags)))
        #expect(try await s3.getObjectTagging(address).sorted { $0.key < $1.key } == tags)
        _ = try await s3.putObject(S3PutRequest(address, content: []))
        #expect(try await s3.getObjectTagging(address).isEmpty && S3Tag.queryString([]) == nil)
    }

    @Test func aPartNumberOutOfRangeIsRefusedBeforeItIsSent() async throws {
        for number in [0, 10_001, -1] {
            let error = await failure { () throws(AWSError) in
                _ = try await s3.uploadPart(
                    S3Upload(address: address(), uploadID: "u"), number: number, content: .buffered([]))
            }
            #expect(error?.kind == .rejected && error?.attempts == 0)
        }
    }
}
