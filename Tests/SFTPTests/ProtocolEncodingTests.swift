import Testing

@testable import SFTP

/// Packets written out by hand from draft-ietf-secsh-filexfer-02, and from OpenSSH's PROTOCOL file for extensions.
@Suite struct ProtocolEncodingTests {
    private static let handle = SFTPHandle(bytes: [0xAB, 0xCD], path: [])
    private static let attributes = SFTPAttributes(
        sizeBytes: 0x0102_0304_0506_0708, owner: .init(userID: 1000, groupID: 100), permissions: 0o100_644,
        times: .init(accessSeconds: 1, modificationSeconds: 0xFFFF_FFFF),
        extended: [.init(name: Array("a@b".utf8), value: [0xFF, 0])])

    private static let goldenRequests: [(SFTPRequest, String)] = [
        (
            .open(Array("/é".utf8), [.read], .init()),
            "00000014 03 01020304 00000003 2fc3a9 00000001 00000000"
        ),
        (
            .open([0x66], [.write, .create, .exclusive], .init(permissions: 0o600)),
            "00000016 03 01020304 00000001 66 0000002a 00000004 00000180"
        ),
        (.close(handle), "0000000b 04 01020304 00000002 abcd"),
        (
            .read(handle, offset: 0x1_0000_0002, countBytes: 32_768),
            "00000017 05 01020304 00000002 abcd 0000000100000002 00008000"
        ),
        (
            .write(handle, offset: 3, [0xDE, 0xAD]),
            "00000019 06 01020304 00000002 abcd 0000000000000003 00000002 dead"
        ),
        (.lstat([0x2F]), "0000000a 07 01020304 00000001 2f"),
        (.fstat(handle), "0000000b 08 01020304 00000002 abcd"),
        (
            .setstat([0x2F], .init(times: .init(accessSeconds: 1, modificationSeconds: 2))),
            "00000016 09 01020304 00000001 2f 00000008 00000001 00000002"
        ),
        (
            .fsetstat(handle, attributes),
            """
            0000003c 0a 01020304 00000002 abcd 8000000f 0102030405060708 000003e8 00000064 000081a4 00000001 ffffffff
            00000001 00000003 614062 00000002 ff00
            """
        ),
        (.opendir([0x2E]), "0000000a 0b 01020304 00000001 2e"),
        (.readdir(handle), "0000000b 0c 01020304 00000002 abcd"),
        (.remove([0x66]), "0000000a 0d 01020304 00000001 66"),
        (.mkdir([0x66], .init()), "0000000e 0e 01020304 00000001 66 00000000"),
        (.rmdir([0x66]), "0000000a 0f 01020304 00000001 66"),
        (.realpath([]), "00000009 10 01020304 00000000"),
        (.stat([0x2F]), "0000000a 11 01020304 00000001 2f"),
        (.rename([0x61], to: [0x62, 0x0A]), "00000010 12 01020304 00000001 61 00000002 620a"),
        (.readlink([0x66]), "0000000a 13 01020304 00000001 66"),
        (.symlink([0x61], target: [0x62]), "0000000f 14 01020304 00000001 62 00000001 61"),
        (
            .posixRename([0x61], to: [0x62]),
            "0000002b c8 01020304 00000018 706f7369782d72656e616d65406f70656e7373682e636f6d 00000001 61 00000001 62"
        ),
        (.fsync(handle), "00000020 c8 01020304 00000011 6673796e63406f70656e7373682e636f6d 00000002 abcd"),
        (.limits, "0000001b c8 01020304 00000012 6c696d697473406f70656e7373682e636f6d"),
        (.extended(SFTPExtension(rawValue: "x@y"), [1, 2, 3]), "0000000f c8 01020304 00000003 784079 010203"),
    ]

    @Test func requestsAreTheBytesOfTheDraft() {
        for (request, expected) in Self.goldenRequests {
            var output: [UInt8] = [0x55]
            request.append(to: &output, id: 0x0102_0304)
            #expect(output == [0x55] + bytes(expected), "\(request)")
            #expect(request.encodedSizeBytes == output.count - 1, "\(request)")
        }
        // One of each: a case that is added without bytes here is seen.
        #expect(Set(Self.goldenRequests.map { bytes($0.1)[4] }) == Set((3...20).map { UInt8($0) } + [200]))
    }

    @Test func initializeAsksForVersionThree() {
        var output: [UInt8] = []
        SFTPRequest.appendInitialize(to: &output)
        #expect(output == bytes("00000005 01 00000003"))
    }

    @Test func writeOfSeveralPiecesIsTheWriteOfTheirBytes() {
        let data = (0..<100).map { UInt8($0) }
        var whole: [UInt8] = []
        SFTPRequest.write(Self.handle, offset: 7, data).append(to: &whole, id: 9)
        var gathered: [UInt8] = []
        SFTPRequest.appendWrite(
            to: &gathered, id: 9, handle: Self.handle, offset: 7, pieces: [data[0..<1], data[1..<60], data[60...]])
        #expect(gathered == whole)
    }

    @Test func readAsksForNoMoreThanAPacketCanHold() {
        var output: [UInt8] = []
        SFTPRequest.read(Self.handle, offset: 0, countBytes: 1 << 40).append(to: &output, id: 1)
        #expect(Array(output.suffix(4)) == bytes("0003fc00"))
    }

    @Test func requestsNoServerCanTakeAreRefusedHere() {
        #expect(SFTPRequest.lstat([0x61, 0, 0x62]).fault != nil)
        #expect(SFTPRequest.rename([0x61], to: [0]).fault != nil)
        #expect(SFTPRequest.mkdir([UInt8](repeating: 0x61, count: 256 << 10), .init()).fault != nil)
        #expect(SFTPRequest.write(Self.handle, offset: 0, [UInt8](repeating: 0, count: 256 << 10)).fault != nil)
        #expect(SFTPRequest.write(Self.handle, offset: 0, [0, 0]).fault == nil)
        #expect(SFTPRequest.lstat(Array("/a\nb".utf8)).fault == nil)
    }

    @Test func descriptionsNameThePathAndShowNoContentAndNoControlCharacters() {
        let open = SFTPHandle(bytes: [1], path: Array("/in/a\u{1B}[2J\n\"é\u{202E}".utf8))
        let text = SFTPRequest.write(open, offset: 65_536, Array("secret".utf8)).description
        #expect(text == #"WRITE at 65536 of "/in/a\x1b[2J\x0a\"é\xe2\x80\xae""#)
        #expect(SFTPRequest.rename([0xFF, 0x61], to: [0x62]).description == #"RENAME "\xffa" to "b""#)
        #expect(printableText([UInt8](repeating: 0x61, count: 2_000), limitBytes: 3) == "aaa…")
    }
}

/// The bytes that hexadecimal digits stand for; white space is for the reader.
func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = hexadecimal.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
