import AWS
import Testing

@Suite struct SHA256Tests {
    /// FIPS 180-4 examples.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ]) func givesThePublishedDigest(_ text: String, _ digest: String) {
        #expect(hexadecimal(SHA256Hasher.digest(text.utf8)) == digest)
    }

    @Test func doesNotDependOnWhereThePiecesAreCut() {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let whole = SHA256Hasher.digest(bytes)
        #expect(
            SHA256Hasher.digest(pieces: [Array(bytes[..<1]), [], Array(bytes[1..<65536]), Array(bytes[65536...])])
                == whole)
        let hasher = SHA256Hasher()
        hasher.update(bytes[..<777])
        hasher.update(bytes[777...])
        #expect(hasher.finalize() == whole)
        hasher.update(bytes)
        #expect(hasher.finalize() == whole)
    }

    @Test(arguments: [0, 1, 63, 64, 65, 640, 65536, 99_968, 99_999])
    func goesOnFromItsText(_ count: Int) throws {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let first = SHA256Hasher()
        first.update(bytes[..<count])
        let text = first.state.text
        let state = try #require(SHA256State(text: text))
        #expect(state.countBytes == UInt64(count) && state.text == text)
        let second = SHA256Hasher(resuming: state)
        second.update(bytes[count...])
        #expect(second.finalize() == SHA256Hasher.digest(bytes))
    }

    /// Behind 2^29 bytes the count of bits fills more than one word.
    @Test func countsMoreThanAWordOfBits() throws {
        let piece = [UInt8](repeating: 7, count: 1 << 20)
        let whole = SHA256Hasher()
        for _ in 0..<520 { whole.update(piece) }
        let text = whole.state.text
        let resumed = SHA256Hasher(resuming: try #require(SHA256State(text: text)))
        whole.update([1, 2, 3])
        resumed.update([1, 2, 3])
        #expect(resumed.finalize() == whole.finalize())
    }

    @Test(arguments: [
        "", ":", "00:0", String(repeating: "0", count: 64), String(repeating: "0", count: 64) + ":",
        String(repeating: "0", count: 64) + ":63", String(repeating: "0", count: 64) + ":+64",
        String(repeating: "0", count: 64) + ":64:", String(repeating: "g", count: 64) + ":64",
        String(repeating: "0", count: 63) + ":64", String(repeating: "0", count: 64) + ":9223372036854775808",
        String(repeating: "0", count: 64) + ":65", String(repeating: "0", count: 64) + ":65:0",
        String(repeating: "0", count: 64) + ":65:0g", String(repeating: "0", count: 64) + ":65:0001",
        String(repeating: "0", count: 64) + ":64:00", String(repeating: "0", count: 64) + ":65:00:",
    ])
    func readsNoOtherText(_ text: String) { #expect(SHA256State(text: text) == nil) }
}
