import Testing

@testable import SFTP

/// Server packets written out by hand from draft-ietf-secsh-filexfer-02.
@Suite struct ProtocolDecodingTests {
    static let goldenPackets: [(String, ServerPacket)] = [
        (
            """
            00000056 02 00000003 00000018 706f7369782d72656e616d65406f70656e7373682e636f6d 00000001 31
            00000012 6c696d697473406f70656e7373682e636f6d 00000001 31 00000002 c3a9 00000003 00ff01
            00000000 00000000
            """,
            .version(
                SFTPServerInfo(
                    version: 3,
                    extensions: [
                        .posixRename: [0x31], .limits: [0x31], SFTPExtension(rawValue: "é"): [0, 0xFF, 1],
                        SFTPExtension(rawValue: ""): [],
                    ]))
        ),
        ("00000005 02 00000002", .version(SFTPServerInfo(version: 2))),
        (
            "00000016 65 00000007 00000002 00000003 6e6f21 00000002 656e",
            .reply(id: 7, .status(.noSuchFile, text: Array("no!".utf8)))
        ),
        ("00000009 65 00000007 00000000", .reply(id: 7, .status(.ok, text: []))),
        (
            "00000010 65 00000007 00000004 00000003 6e6f21",
            .reply(id: 7, .status(.failure, text: Array("no!".utf8)))
        ),
        ("0000000b 66 ffffffff 00000002 0001", .reply(id: .max, .handle([0, 1]))),
        ("0000000c 67 00000001 00000003 000102", .reply(id: 1, .data([0, 1, 2]))),
        ("00000009 67 00000001 00000000", .reply(id: 1, .data([]))),
        (
            "00000029 68 00000002 00000002 00000001 61 00000001 62 00000000 00000002 c328 00000000 00000004 000041ed",
            .reply(
                id: 2,
                .names([
                    SFTPName(filename: [0x61], longname: [0x62], attributes: .init()),
                    SFTPName(filename: [0xC3, 0x28], longname: [], attributes: .init(permissions: 0o040_755)),
                ]))
        ),
        (
            """
            00000034 69 00000003 8000000f 0000000100000000 00000001 00000002 000081a4 00000003 00000004
            00000001 00000001 6e 00000002 7676
            """,
            .reply(
                id: 3,
                .attributes(
                    SFTPAttributes(
                        sizeBytes: 1 << 32, owner: .init(userID: 1, groupID: 2), permissions: 0o100_644,
                        times: .init(accessSeconds: 3, modificationSeconds: 4),
                        extended: [.init(name: [0x6E], value: [0x76, 0x76])])))
        ),
        ("00000009 69 00000003 00000000", .reply(id: 3, .attributes(.init()))),
        ("00000008 c9 00000004 010203", .reply(id: 4, .extended([1, 2, 3]))),
    ]

    private static let malformed: [(String, String)] = [
        ("no type", "00000000"),
        ("type of no reply", "00000005 63 00000001"),
        ("a request", "0000000a 07 01020304 00000001 2f"),
        ("VERSION without number", "00000001 02"),
        ("VERSION with half a pair", "0000000a 02 00000003 00000001 31"),
        ("reply without id", "00000003 65 0000"),
        ("STATUS without code", "00000005 65 00000007"),
        ("STATUS with text cut off", "0000000f 65 00000007 00000002 00000003 6e6f"),
        ("STATUS with more behind", "00000017 65 00000007 00000002 00000003 6e6f21 00000002 656e 00"),
        ("HANDLE of 257 bytes", "0000010a 66 00000001 00000101" + String(repeating: "00", count: 257)),
        ("HANDLE with more behind", "0000000c 66 ffffffff 00000002 000100"),
        ("DATA shorter than it says", "0000000b 67 00000001 00000003 0001"),
        ("DATA longer than it says", "0000000d 67 00000001 00000003 00010203"),
        ("DATA without length", "00000005 67 00000001"),
        ("DATA of 4 GiB", "0000000c 67 00000001 ffffffff 000102"),
        ("NAME of 4 billion entries", "00000015 68 00000002 ffffffff 00000000 00000000 00000000"),
        ("NAME with one entry too few", "00000015 68 00000002 00000002 00000000 00000000 00000000"),
        ("ATTRS with size cut off", "0000000d 69 00000003 00000001 00000001"),
        ("ATTRS with 4 billion pairs", "0000000d 69 00000003 80000000 ffffffff"),
        ("ATTRS with more behind", "0000000a 69 00000003 00000000 00"),
        ("a packet too long by one byte", "00040401 65 00000007 00000000"),
        ("a packet of 4 GiB", "ffffffff 67 00000007 00000000"),
    ]

    @Test func repliesAreReadAsTheDraftWritesThem() throws {
        for (hexadecimal, expected) in Self.goldenPackets { #expect(try parse([bytes(hexadecimal)]) == [expected]) }
    }

    @Test func malformedPacketsAreErrors() {
        for (name, hexadecimal) in Self.malformed {
            // Whole, and byte by byte: the two ways through the parser.
            let packet = bytes(hexadecimal)
            for parts in [[packet], packet.map { [$0] }] {
                let error = #expect(throws: SFTPError.self, "\(name)") { try parse(parts) }
                #expect(error?.reason == .protocolViolation, "\(name)")
            }
        }
    }

    @Test func textOfALoginShellIsNamedForWhatItIs() {
        let error = #expect(throws: SFTPError.self) { try parse([Array("Welcome to the server!\r\n".utf8)]) }
        #expect(error?.message.contains(#""Welcome to the server!\x0d\x0a""#) == true)
        #expect(error?.message.contains("login shell") == true)
    }

    @Test func kindComesFromTheAttributesAndFromTheLongnameOnlyWithoutThem() {
        let line = Array("lrwxrwxrwx 1 user group 5 Jan 1 00:00 a -> b".utf8)
        #expect(SFTPName(filename: [], longname: line, attributes: .init()).kind == .symbolicLink)
        #expect(SFTPName(filename: [], longname: line, attributes: .init(permissions: 0o777)).kind == .symbolicLink)
        #expect(SFTPName(filename: [], longname: line, attributes: .init(permissions: 0o100_644)).kind == .file)
        #expect(SFTPName(filename: [], longname: Array("d".utf8), attributes: .init()).kind == nil)
        #expect(SFTPName(filename: [], longname: Array("description.txt 12".utf8), attributes: .init()).kind == nil)
        #expect(SFTPName(filename: [], longname: Array("-rw-r--r--".utf8), attributes: .init()).kind == .file)
        #expect(SFTPName(filename: [], longname: Array("prw-r--r--".utf8), attributes: .init()).kind == .special)
        #expect(SFTPAttributes(permissions: 0o040_755).kind == .directory)
        #expect(SFTPAttributes(permissions: 0o140_755).kind == .special)
        #expect(SFTPAttributes().kind == nil)
    }

    @Test func limitsAreUsedNoFurtherThanTheyAreSaidAndSafe() throws {
        let openSSH = try SFTPLimits(
            decoding: bytes("0000000000040000 000000000003fc00 000000000003fc00 00000000000003fb"))
        #expect(
            openSSH == SFTPLimits(packetBytes: 262_144, readBytes: 261_120, writeBytes: 261_120, openHandles: 1_019))
        #expect(openSSH.usedReadBytes == 255 << 10)
        #expect(openSSH.usedWriteBytes == 255 << 10)
        let silent = SFTPLimits(packetBytes: 0, readBytes: 0, writeBytes: 0, openHandles: 0)
        #expect(silent.usedReadBytes == 32 << 10)
        #expect(silent.usedWriteBytes == 32 << 10)
        let small = SFTPLimits(packetBytes: 10_000, readBytes: .max, writeBytes: 4_096, openHandles: 1)
        #expect(small.usedReadBytes == 9_987)
        #expect(small.usedWriteBytes == 4_096)
        #expect(throws: SFTPError.self) { try SFTPLimits(decoding: [1, 2, 3]) }
        #expect(throws: SFTPError.self) { try SFTPLimits(decoding: [UInt8](repeating: 0, count: 33)) }
    }

    @Test func extensionsCountOnlyInTheirFirstRevision() {
        let info = SFTPServerInfo(version: 3, extensions: [.posixRename: [0x31], .fsync: [0x32]])
        #expect(info.supports(.posixRename))
        #expect(!info.supports(.fsync))
        #expect(!info.supports(.limits))
    }

    @Test func statusNamesItsCode() {
        #expect(SFTPStatus.noSuchFile.description == "NO_SUCH_FILE (2)")
        #expect(SFTPStatus.fileAlreadyExists.description == "FILE_ALREADY_EXISTS (11)")
        #expect(SFTPStatus(rawValue: .max).description == "status (4294967295)")
    }
}

/// What a parser makes of bytes that arrive in these parts.
func parse(_ parts: [[UInt8]]) throws(SFTPError) -> [ServerPacket] {
    var parser = PacketParser()
    var packets: [ServerPacket] = []
    for part in parts {
        try part.withRawBytes { (bytes) throws(SFTPError) in
            try parser.consume(bytes) { packets.append($0) }
        }
    }
    return packets
}
