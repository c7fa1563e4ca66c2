import Foundation
import JSON

@testable import AWS
@testable import SFTPLambdaCore
@testable import Transfers

// What the fuzzing begins with: the fixtures of the other tests, and one of each form that there is.
extension FuzzTarget {
    /// Inputs that lead far into the code.
    public var seeds: [[UInt8]] {
        switch self {
        case .packets: Self.packetSeeds
        case .opening: Self.openingSeeds
        case .proxy: Self.proxySeeds
        case .xml: Self.xmlSeeds.map { Array($0.utf8) }
        case .listings: Self.listingSeeds.map { Array($0.utf8) }
        case .queue: Self.queueSeeds.map { Array($0.utf8) }
        case .head: Self.headSeeds.map { Array($0.utf8) }
        case .credentials: Self.credentialsSeeds.map { Array($0.utf8) }
        case .events: (EventFixtures.good.map(\.json) + EventFixtures.nothing.map(\.json)).map { Array($0.utf8) }
        case .json: Self.jsonSeeds.map { Array($0.utf8) }
        case .privateKey: Self.privateKeySeeds.map { Array($0.utf8) }
        case .hostKey: Self.hostKeySeeds.map { Array($0.utf8) }
        case .proxyAddress: Self.proxyAddressSeeds.map { Array($0.utf8) }
        case .settings: Self.settingsSeeds
        case .patterns: Self.patternSeeds.map { Array($0.utf8) }
        case .texts: Self.textSeeds.map { Array($0.utf8) }
        case .checkpoint: [Self.checkpointSeed]
        case .marks: Self.markSeeds.map { Array($0.utf8) }
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

    /// Behind the byte that says which proxy it is: 0 and 2 are SOCKS5, 1 and 3 HTTP; 2 and 3 with a user.
    private static var proxySeeds: [[UInt8]] {
        let server = Array("SSH-2.0-OpenSSH_9.2p1\r\n".utf8)
        let socks: [[UInt8]] = [
            [0, 5, 0, 5, 0, 0, 1, 192, 0, 2, 7, 0, 22],
            [2, 5, 0, 5, 0, 0, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 22],
            [2, 5, 2, 1, 0, 5, 0, 0, 3, 3, 97, 46, 98, 0, 22], [2, 5, 2, 1, 1], [0, 5, 0xFF], [0, 5, 0, 5, 5, 0, 1],
            [0, 5, 2], [0, 4, 90], [0],
        ]
        let http = [
            "HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 OK\nVia: a\n\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n",
            "HTTP/1.1 403 \(ProxyFuzzing.password)\r\n\r\n", "HTTP/1.1 403 \u{1B}[2J\r\n\r\n",
            "HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", "HTTP/2 200\r\n\r\n", "\u{5}",
        ]
        let withServer = socks.map { $0 + server }
        let plain: [[UInt8]] = http.map { [1] + Array($0.utf8) }
        let withUser: [[UInt8]] = http.map { [3] + Array($0.utf8) + server }
        return socks + withServer + plain + withUser
    }

    private static let proxyAddressSeeds = [
        "socks5://proxy.example.com:1080", "http://acme:s%3Acret@[2001:db8::7]:3128/", "socks5h://u:@192.0.2.7:1",
        "https://proxy:443", "http://u:p/w@proxy:1", "socks5://us%C3%A9r:%0A@h:1", "http://a:b:c@[fe80::1%eth0]:8080",
        "http://us%0D%0AX-Y:%0A@h:1", "http://u:Zm9yLXRoZS1w/cm94eS1hbmQtbm9ib2R5@h:1", "proxy:3128", "socks4://h:1",
        "http://@h:1", "http://h:0", "http://Zm9yLXRoZS1wcm94eS1hbmQtbm9ib2R5:x@h:99999",
    ]

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

    private static let listingSeeds = [
        """
        <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>
        <NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J</NextContinuationToken><EncodingType>url</EncodingType>
        <Contents><Key>in/red+flower%2B1.jpg</Key><LastModified>2026-03-01T10:15:30.000Z</LastModified><Size>1024</Size>
        </Contents><Contents><Key>a%0Ab</Key><LastModified>2026-03-01T10:15:30+01:00</LastModified><Size>0</Size>
        </Contents></ListBucketResult>
        """,
        """
        <ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>8</NextPartNumberMarker><Part><PartNumber>8
        </PartNumber><ETag>"7778aef83f66abc1fa1e8477f296d394"</ETag><Size>5242880</Size><ChecksumSHA256>uU0=</ChecksumSHA256>
        </Part></ListPartsResult>
        """,
        """
        <ListMultipartUploadsResult><EncodingType>url</EncodingType><NextKeyMarker>a%2Fb</NextKeyMarker><NextUploadIdMarker>x
        </NextUploadIdMarker><IsTruncated>true</IsTruncated><Upload><Key>in%2Fa</Key><UploadId>VXBsb2FkIElE</UploadId>
        <Initiated>2026-03-01T10:15:30.000Z</Initiated></Upload></ListMultipartUploadsResult>
        """,
        """
        <Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong; expecting 'eu-west-1'</Message><Region>
        eu-west-1</Region><RequestId>4442587FB7D0A2F9</RequestId><HostId>a/b=</HostId></Error>
        """,
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>token</NextContinuationToken></ListBucketResult>",
        "<Error><Code>PermanentRedirect</Code><Endpoint>partner-files.s3.eu-west-1.amazonaws.com</Endpoint></Error>",
    ]

    private static var queueSeeds: [String] {
        let body = EventFixtures.records(EventFixtures.record())
        let digest = MD5.hexadecimal(Array(body.utf8)) ?? ""
        return [
            #"{"Messages":[{"MessageId":"m1","ReceiptHandle":"AQEB","Body":\#(quoted(body)),"MD5OfBody":"\#(digest)","#
                + #""Attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1772360130123"},"MessageAttributes":{"#
                + #""attempt":{"DataType":"Number","StringValue":"2"},"b":{"DataType":"Binary","BinaryValue":"AQI="}},"#
                + #""MD5OfMessageAttributes":"00"}]}"#,
            #"{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"00","MD5OfMessageAttributes":"00"}],"#
                + #""Failed":[{"Id":"1","SenderFault":true,"Code":"InvalidMessageContents","Message":"no"}]}"#,
            #"{"QueueUrl":"https://sqs.eu-central-1.amazonaws.com/111122223333/push-retry"}"#,
            #"{"QueueUrl":"https://eu-west-1.queue.amazonaws.com/1/q","Attributes":{"ApproximateNumberOfMessages":"7"}}"#,
            #"{"__type":"com.amazonaws.sqs#QueueDoesNotExist:http://a","message":"The specified queue does not exist."}"#,
            "{}", #"{"Messages":[{"MessageAttributes":{"a\u001b[2J":{"DataType":7}}}]}"#,
        ]
    }

    private static let headSeeds = [
        """
        HTTP/1.1 100 Continue\r
        \r
        HTTP/1.1 200 OK\r
        ETag: "b1946ac92492d2347c6235b4d2611184"\r
        Content-Length: 1024\r
        Last-Modified: Sun, 01 Mar 2026 10:15:30 GMT\r
        Date: Sun, 01 Mar 2026 10:15:31 GMT\r
        Content-Encoding: aws-chunked,gzip\r
        x-amz-meta-synced-from: sftp.example.com:22:acme\r
        x-amz-meta-note: =?UTF-8?B?w6k=?= =?utf-8?q?a=20b?=\r
         folded\r
        x-amz-meta-Note: é\r
        x-amz-server-side-encryption: aws:kms\r
        """,
        """
        HTTP/1.1 200 OK
        Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd
        Lambda-Runtime-Deadline-Ms: 1772360190123
        Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:111122223333:function:pull
        Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1
        Lambda-Runtime-Invocation-Id: 1
        """,
        """
        HTTP/1.1 307 Temporary Redirect
        x-amz-bucket-region: eu-west-1
        x-amz-request-id: 4442587FB7D0A2F9
        x-amz-id-2: vlR7PnpV2Ce81l0PRw6jlUpck7Jo5ZsQjryTjKlc5aLWGVHPZLj5NeC6qMa0emYBDXOo6QBU0Wo=
        Date: Sun, 01 Mar 2026 11:15:31 GMT
        """,
    ]

    /// Keys that nobody has.
    private static let credentialsSeeds = [
        """
        # a comment
        [default]
        aws_access_key_id = AKIAIOSFODNN7EXAMPLE
        aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY ; theirs
        region\t=\teu-central-1\r
        s3 =
          max_concurrent_requests = 20
        [ profile  p ]
        role_arn=arn:aws:iam::111122223333:role/r
        [p]
        aws_session_token=#abc
        """,
        #"{"RoleArn":"r","AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY","#
            + #""Token":"AQoDYXdzEJr1K","Expiration":"2026-03-01T10:15:30Z"}"#,
        #"{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":7,"Token":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#,
        #"{"AccessKeyId":"a","SecretAccessKey":"b","Expiration":"9999-12-31t23:59:60.1+23:59"}"#,
    ]

    private static var checkpointSeed: [UInt8] {
        guard let key = ObjectKey("in/large") else { return [] }
        let part = UploadProgress.Part(
            etag: "\"7778aef83f66abc1fa1e8477f296d394\"", sha256: "uU0nuZNNPgilLlLX2n2r+sSE7=")
        return Checkpoint(
            origin: "sftp.example.com:22:acme", path: "outgoing/large", key: key,
            sizeBytes: 3 * UInt64(PartPlan.partBytes), modified: UnixTime(seconds: 1_772_360_130),
            partBytes: PartPlan.partBytes,
            progress: UploadProgress(uploadID: "VXBsb2FkIElE", parts: [part, part], digest: "AAECAw=="), attempts: 2
        ).jsonBytes
    }

    private static let markSeeds = [
        "synced=true\nsynced-at=2026-03-01T10:15:30Z\nsynced-etag=0123,4567-2\nsynced-to="
            + String(repeating: "0f", count: 32) + "," + String(repeating: "2d", count: 32)
            + "\nsynced-modified=2026-03-01T09:00:00Z\nowner=é",
        "synched=true", "synced=true\nsynced-to=" + (0..<9).map { "\($0)" }.joined(separator: ","),
        "synced-from=another\nmtime=1772360130\nmtime-listed=1772360131", "synced=true\nsynced-at=0000-02-30T00:00:00Z",
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
        "*.done\0a.csv", "ready.*\0ready.ready.a", "a*a\0a",
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
