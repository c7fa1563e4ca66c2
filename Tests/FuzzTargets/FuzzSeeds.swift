import Foundation

@testable import SFTPLambdaCore

// What the fuzzing begins with: the fixtures of the other tests, and one of each form that there is.
extension FuzzTarget {
    /// Inputs that lead far into the code.
    public var seeds: [[UInt8]] {
        switch self {
        case .packets: Self.packetSeeds
        case .opening: Self.openingSeeds
        case .xml: Self.xmlSeeds.map { Array($0.utf8) }
        case .events: (EventFixtures.good.map(\.json) + EventFixtures.nothing.map(\.json)).map { Array($0.utf8) }
        case .json: Self.jsonSeeds.map { Array($0.utf8) }
        case .privateKey: Self.privateKeySeeds.map { Array($0.utf8) }
        case .hostKey: Self.hostKeySeeds.map { Array($0.utf8) }
        case .settings: Self.settingsSeeds
        case .patterns: Self.patternSeeds.map { Array($0.utf8) }
        case .texts: Self.textSeeds.map { Array($0.utf8) }
        }
    }

    /// One of each packet (draft-ietf-secsh-filexfer-02, section 7), behind the size of the pieces.
    private static var packetSeeds: [[UInt8]] {
        let packets = [
            "00000056 02 00000003 00000018 706f7369782d72656e616d65406f70656e7373682e636f6d 00000001 31 00000012"
                + "6c696d697473406f70656e7373682e636f6d 00000001 31 00000002 c3a9 00000003 00ff01 00000000 00000000",
            "00000016 65 00000007 00000002 00000003 6e6f21 00000002 656e", "0000000b 66 ffffffff 00000002 0001",
            "0000000c 67 00000001 00000003 000102", "00000009 67 00000001 00000000",
            "00000029 68 00000002 00000002 00000001 61 00000001 62 00000000 00000002 c328 00000000 00000004 000041ed",
            "00000034 69 00000003 8000000f 0000000100000000 00000001 00000002 000081a4 00000003 00000004 00000001"
                + "00000001 6e 00000002 7676",
            "00000008 c9 00000004 010203",
            "00000025 c9 00000004 0000000000040000 000000000003fc00 000000000003fc00 0000000000000400",
        ].map(bytes)
        return packets.map { [31] + $0 } + [[0] + packets.joined(), [6] + packets.joined()]
    }

    private static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = hexadecimal.filter { $0 != " " }.compactMap(\.hexDigitValue).map { UInt8($0) }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static var openingSeeds: [[UInt8]] {
        func list(_ text: String) -> [UInt8] { word(text.utf8.count) + text.utf8 }
        func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
        func packet(_ payload: [UInt8]) -> [UInt8] {
            word(payload.count + 9) + [8] + payload + [UInt8](repeating: 0, count: 8)
        }
        func opening(_ lists: [String]) -> [UInt8] {
            Array("hello\r\nSSH-2.0-OpenSSH_9.2p1\r\n".utf8) + packet([2] + list("x"))
                + packet([20] + [UInt8](repeating: 1, count: 16) + lists.flatMap(list) + [0, 0, 0, 0, 0])
        }
        return [
            opening([
                "curve25519-sha256,kex-strict-s-v00@openssh.com", "ssh-ed25519,rsa-sha2-512", "aes128-ctr",
                "aes128-ctr",
                "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "",
            ]),
            opening([
                "diffie-hellman-group1-sha1", "ssh-dss", "arcfour,3des-cbc", "aes128-cbc", "hmac-md5", "hmac-sha1", "",
                "",
                "", "",
            ]),
        ]
    }

    private static let xmlSeeds = [
        """
        <?xml version="1.0" encoding="UTF-8"?>
        <!-- a > comment --><s3:ListPartsResult xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/" a='>'>
        <Key>a &lt;b&gt; &amp;amp; &quot;&apos; &#228;&#xE4;&#x1F600; <![CDATA[<raw> &amp; ]]></Key><Empty/><Empty />
        <Part><PartNumber> 1 </PartNumber></Part></s3:ListPartsResult>
        """,
        "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><RequestId>1</RequestId></Error>",
        "<CopyObjectResult><ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag></CopyObjectResult>",
    ]

    private static let jsonSeeds = [
        #"{"a":[1,-2.5e+10,true,false,null,"é\u00e9\ud83d\ude00\n\"\\\/"],"a":{"":{}}}"#, "[]", "0", #""\u0000""#,
        #"{"Username":"u","PrivateKey":"k","HostKey":["a","b"]}"#,
    ]

    /// Keys that nobody has: the numbers in them are 1, 2, 3, or nothing at all.
    private static var privateKeySeeds: [String] {
        func string(_ bytes: [UInt8]) -> [UInt8] { [0, 0, 0, UInt8(bytes.count)] + bytes }
        func pem(_ label: String, _ bytes: [UInt8], headers: String = "") -> String {
            "-----BEGIN \(label)-----\n\(headers)\(Data(bytes).base64EncodedString())\n-----END \(label)-----\n"
        }
        let point = [UInt8](repeating: 3, count: 32)
        let publicKey = string(Array("ssh-ed25519".utf8)) + string(point)
        let head = Array("openssh-key-v1\0".utf8)
        let none = string(Array("none".utf8))
        let plain = head + none + none + string([]) + [0, 0, 0, 1] + string(publicKey) + string(publicKey + publicKey)
        let hidden =
            head + string(Array("aes256-ctr".utf8)) + string(Array("bcrypt".utf8)) + string([0, 0, 0, 16])
            + [0, 0, 0, 1] + string(publicKey) + string(point)
        let seed = bytes("302e020100300506032b657004220420") + point
        let rsa = bytes("301b 020100 02020101 0203010001 020101 020102 020103 020104 020105 020106")
        let curve = bytes("3017 020101 0402 0102 a00a 06082a8648ce3d030107 a102 0300")
        return [
            pem("OPENSSH PRIVATE KEY", plain), pem("OPENSSH PRIVATE KEY", hidden), pem("PRIVATE KEY", seed),
            pem("RSA PRIVATE KEY", rsa), pem("EC PRIVATE KEY", curve),
            pem("ENCRYPTED PRIVATE KEY", bytes("3003020100")),
            pem("RSA PRIVATE KEY", rsa, headers: "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"),
            "\"" + pem("OPENSSH PRIVATE KEY", plain).replacingOccurrences(of: "\n", with: "\\n") + "\"",
            "PuTTY-User-Key-File-3: ssh-ed25519\r\n", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA user@host",
        ]
    }

    private static let hostKeySeeds = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH root@sftp",
        "[sftp.example.com]:2222,192.0.2.7 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI",
        "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\\nSHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=",
        "@revoked * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH,AAAAC3NzaC1lZDI1NTE5"
            + "AAAAIAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI",
        "# a comment\n|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQk=",
        "ssh-ed25519-cert-v01@openssh.com AAAA", "MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff", "ssh-dss AAAA",
    ]

    /// All examples together, each alone, and a secret.
    private static var settingsSeeds: [[UInt8]] {
        let each = Settings.declarations.enumerated().map { index, declaration in
            [UInt8(index)] + Array(declaration.example.filter { $0 != "'" }.utf8)
        }
        let secret = #"{"Username":"u","PrivateKey":"k","Passphrase":"p","Password":"w","HostKey":["a","b"]}"#
        return each + [Array(each.joined(separator: [0])), Array(secret.utf8)]
    }

    private static let patternSeeds = [
        "{dir}{stem}_{date}{ext}\0x/a.csv", "{{{path}}}\0a.b", "*.csv\0x/a.csv", "x/**/[!a-c]?\\*\0x/y/z/d1*", "**\0a",
        "[]a-]\0]", "^out/(a|b)*[^/]{2,3}?\\d+$\0out/abxx12",
        #"(?:x|\u0041|\x41|[\w-\s])+?\b"# + "\0A x-", "^my-path/?\0my-path/my-file", "(a*)*b\0aaaaaaaaaaaaaaaaaaaa",
    ]

    private static let textSeeds = [
        "in/red flower+1.jpg", "../up", "a/./b", "/etc/passwd", "a//b", "%41%zz+", "YWJj", "YWI=", "\u{1B}[2J\u{202E}",
        ".sftp-lambda.0123456789abcdef.x.part", "2026-03-01T10:15:30Z", "\"b1946ac92492d2347c6235b4d2611184-12\"",
        "sftp.example.com:22:acme",
    ]
}
