import HTTP
import Testing

@testable import AWS

@Suite struct UserMetadataTests {
    @Test(arguments: ["", "plain", "two  spaces", "a=b?c", "=?broken?=", "100 %"]) func plainTextGoesAsItIs(
        _ value: String
    ) {
        #expect(UserMetadata.encoded(value) == value)
        #expect(UserMetadata.decoded(value) == value)
    }

    @Test(arguments: [
        "ä", " edges ", "tab\tinside", "line\nbreak", "=?UTF-8?B?eA==?=", "x =?UTF-8?Q?y?= z", "😀", "e\u{301}",
        "\u{7F}",
        String(repeating: "日本語", count: 100),
    ]) func otherTextSurvivesAsEncodedWords(_ value: String) {
        let encoded = UserMetadata.encoded(value)
        #expect(encoded != value)
        #expect(encoded.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
        #expect(encoded.split(separator: " ").allSatisfy { $0.utf8.count <= 75 })
        #expect(UserMetadata.decoded(encoded).utf8.elementsEqual(value.utf8))
    }

    /// What S3 itself answers with.
    @Test(arguments: [
        ("=?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=", "Grüße aus Köln"), ("=?utf-8?b?w6Q=?=", "ä"),
        ("=?UTF-8?B?w6Q=?= =?UTF-8?B?w7Y=?=", "äö"), ("a =?UTF-8?B?w6Q=?= b", "a ä b"),
        ("=?ISO-8859-1?Q?=E4?=", "ä"), ("=?UTF-8?B?!!?=", "=?UTF-8?B?!!?="), ("=?UTF-8?Q?=ZZ?=", "=?UTF-8?Q?=ZZ?="),
        ("=?KOI8-R?Q?x?=", "=?KOI8-R?Q?x?="), ("=?UTF-8?X?x?=", "=?UTF-8?X?x?="),
    ]) func encodedWordsAreRead(_ received: String, _ text: String) {
        #expect(UserMetadata.decoded(received) == text)
    }

    @Test func namesAreHeaderNamesInLowerCase() throws {
        let fields = try UserMetadata.fields(["Synced-From": "x", "a_b.c": "y"])
        #expect(fields.map(\.name) == ["x-amz-meta-synced-from", "x-amz-meta-a_b.c"])
        for name in ["", "a b", "ä", "a:b", "a\r\nb"] {
            #expect(throws: AWSRejection.self) { try UserMetadata.fields([name: "x"]) }
        }
        #expect(
            UserMetadata.read(["X-Amz-Meta-Synced-From": "1", "x-amz-meta-a": "2", "X-AMZ-META-A": "3"]) == [
                "synced-from": "1", "a": "2,3",
            ])
    }

    @Test func theLimitCountsNamesAndValues() throws {
        _ = try UserMetadata.fields(["name": String(repeating: "x", count: 2044)])
        #expect(throws: AWSRejection.self) { try UserMetadata.fields(["name": String(repeating: "x", count: 2045)]) }
    }
}
