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
}
