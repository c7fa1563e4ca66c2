import TestKit
import Testing

@testable import SFTP

/// What is said to a proxy, and what is made of its answers.
struct ProxyDialogueTests {
    /// What a proxy and the server behind it send, given as they are asked for.
    private struct Talk {
        var sent: [[UInt8]] = []
        var refusal: ProxyRefusal?
        /// What was not fetched.
        var left: [UInt8]
        var isConnected: Bool { refusal == nil }
    }

    /// Gives all bytes, as many at once as are wanted or fewer.
    private func talk(
        _ proxy: ProxyServer, to host: String = "sftp.example.com", port: UInt16 = 22, answering answer: [UInt8],
        atOnce: Int = .max
    ) -> Talk {
        var dialogue = proxy.dialogue(to: host, port: port)
        var talk = Talk(sent: [dialogue.begin()], left: answer)
        while dialogue.wantedBytes > 0, !talk.left.isEmpty {
            let piece = Array(talk.left.prefix(min(dialogue.wantedBytes, atOnce)))
            talk.left.removeFirst(piece.count)
            do throws(ProxyRefusal) {
                let words = try dialogue.receive(piece)
                if !words.isEmpty { talk.sent.append(words) }
            } catch {
                talk.refusal = error
                return talk
            }
        }
        if dialogue.wantedBytes > 0 { talk.refusal = ProxyRefusal(.proxyLost, "it wants more") }
        return talk
    }

    private let socks = ProxyServer(kind: .socks5, host: "proxy", port: 1080)
    private let socksWithUser = ProxyServer(
        kind: .socks5, host: "proxy", port: 1080, user: "acme", password: "hunter2")
    private let http = ProxyServer(kind: .http, host: "proxy", port: 3128)
    private let httpWithUser = ProxyServer(kind: .http, host: "proxy", port: 3128, user: "acme", password: "hunter2")
    private let banner = Array("SSH-2.0-server\r\n".utf8)

    // MARK: SOCKS5

    @Test(arguments: [1, .max]) func socksIsSpokenAsRFC1928Says(atOnce: Int) {
        let answer: [UInt8] = [5, 0] + [5, 0, 0, 1, 10, 0, 0, 1, 0x1F, 0x90]
        let talk = talk(socks, answering: answer + banner, atOnce: atOnce)
        #expect(talk.isConnected)
        #expect(talk.left == banner, "the server's first byte is not the proxy's last")
        #expect(talk.sent == [[5, 1, 0], [5, 1, 0, 3, 16] + Array("sftp.example.com".utf8) + [0, 22]])
    }

    @Test func addressesAreGivenAsAddressesAndNamesAsNames() {
        func target(_ host: String, _ port: UInt16) -> [UInt8]? {
            talk(socks, to: host, port: port, answering: [5, 0]).sent.last.map { Array($0.dropFirst(3)) }
        }
        #expect(target("192.0.2.7", 2222) == [1, 192, 0, 2, 7, 8, 174])
        #expect(target("2001:db8::9", 22) == [4, 0x20, 1, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [9, 0, 22])
        #expect(target("host", 65_535) == [3, 4] + Array("host".utf8) + [255, 255])
    }

    @Test func userAndPasswordGoOnlyWhereTheProxyAsksForThem() {
        let end: [UInt8] = [5, 0, 0, 3, 2, 0x61, 0x62, 0, 22]
        let asked = talk(socksWithUser, answering: [5, 2, 1, 0] + end + banner)
        #expect(asked.isConnected && asked.left == banner)
        #expect(asked.sent[0] == [5, 2, 0, 2])
        #expect(asked.sent[1] == [1, 4] + Array("acme".utf8) + [7] + Array("hunter2".utf8))
        let notAsked = talk(socksWithUser, answering: [5, 0] + end + banner)
        #expect(notAsked.isConnected && notAsked.left == banner && notAsked.sent.count == 2)
    }

    @Test func everyReplyCodeHasItsName() {
        for (code, words) in [
            (1, "general SOCKS server failure"), (2, "not allowed by ruleset"), (3, "network unreachable"),
            (4, "host unreachable"), (5, "connection refused"), (6, "TTL expired"), (7, "command not supported"),
            (8, "address type not supported"), (99, "no name"),
        ] {
            // Some proxies hang up right behind the code.
            let refusal = talk(socks, answering: [5, 0, 5, UInt8(code)]).refusal
            #expect(refusal?.seen.contains("reply \(code): ") == true && refusal?.seen.contains(words) == true)
            #expect(refusal?.problem.reason == (code == 7 || code == 8 ? .unsupported : .unreachable))
        }
    }

    @Test func refusedLoginSaysSoAndShowsNoPassword() {
        let refused = talk(socksWithUser, answering: [5, 2, 1, 1]).refusal
        #expect(refused?.problem.reason == .authenticationRejected && refused?.remedy.contains("SFTP_PROXY") == true)
        let noWay = talk(socks, answering: [5, 0xFF]).refusal
        #expect(noWay?.problem.reason == .authenticationRejected)
        #expect(noWay?.seen.contains("without a user and a password") == true)
        for text in [refused?.seen, noWay?.seen, "\(socksWithUser)", String(reflecting: socksWithUser)] {
            #expect(text?.contains("hunter2") == false && text?.contains("acme") == false)
        }
        var dumped = ""
        dump(socksWithUser, to: &dumped)
        #expect(!dumped.contains("hunter2"))
    }

    @Test(
        arguments: [
            ([4, 0], "begins with byte 4"), ([0x48, 0x54], "looks like HTTP"), ([0x53, 0x53], "looks like SSH"),
            ([0, 90], "SOCKS4"), ([5, 1], "method 1"), ([5, 2], "method 2"), ([5, 0, 4, 0], "begins with byte 4"),
            ([5, 0, 5, 0, 0, 2], "unknown type (2)"),
        ] as [([UInt8], String)])
    func whatIsNoSOCKS5IsNamed(answer: [UInt8], words: String) {
        let refusal = talk(socks, answering: answer).refusal
        #expect(
            refusal?.problem.reason == .protocolViolation && refusal?.seen.contains(words) == true, "\(refusal as Any)")
    }

    // MARK: HTTP

    @Test(
        arguments: [
            "HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\n",
            "HTTP/1.1 204\n\n",
            "HTTP/1.1 200 OK\nA: b\r\n\n", "HTTP/1.1 200 OK\r\nA: b\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ], [1, .max])
    func connectIsAskedForAndWhatFollowsTheHeadIsTheServers(answer: String, atOnce: Int) {
        let talk = talk(http, answering: Array(answer.utf8) + banner, atOnce: atOnce)
        #expect(talk.isConnected, "\(talk.refusal as Any)")
        #expect(talk.left == banner)
        #expect(
            talk.sent.map { String(decoding: $0, as: UTF8.self) }
                == ["CONNECT sftp.example.com:22 HTTP/1.1\r\nHost: sftp.example.com:22\r\n\r\n"])
    }

    @Test func userAndPasswordAreSentAsBasic() {
        let sent = talk(httpWithUser, to: "2001:db8::9", port: 2222, answering: Array("HTTP/1.1 200 OK\n\n".utf8)).sent
        #expect(
            sent.first.map { String(decoding: $0, as: UTF8.self) }
                == "CONNECT [2001:db8::9]:2222 HTTP/1.1\r\nHost: [2001:db8::9]:2222\r\n"
                + "Proxy-Authorization: Basic YWNtZTpodW50ZXIy\r\n\r\n")
    }

    @Test(arguments: [
        ("HTTP/1.1 407 Proxy Authentication Required", "wants a user and a password"),
        ("HTTP/1.1 403 Forbidden", "\"HTTP/1.1 403 Forbidden\""), ("HTTP/1.1 502 Bad Gateway", "502 Bad Gateway"),
        ("HTTP/1.1 500 x", "\"HTTP/1.1 500 x\""), ("HTTP/1.1 301 Moved", "301"), ("HTTP/1.1", "none of HTTP"),
        ("HTTP/1.1 2000 OK", "none of HTTP"), ("HTTP/1.1 abc", "none of HTTP"),
        ("HTTP/2 200", "begins with \"HTTP/2\""),
        ("SSH-2.0-OpenSSH_9.2", "looks like SSH"), ("\u{5}\u{0}", "looks like SOCKS5"),
        ("\u{15}\u{3}", "looks like TLS"),
        ("HTTP/1.1 403 \u{1B}[2J\"" + String(repeating: "x", count: 500), "\\x1b"),
    ])
    func refusalOfHTTPSaysWhatWasAnswered(line: String, words: String) {
        let refusal = talk(http, answering: Array("\(line)\r\n\r\n".utf8)).refusal
        #expect(refusal?.seen.contains(words) == true, "\(refusal as Any)")
        #expect((refusal?.seen.utf8.count ?? 0) < 400)
        #expect(refusal?.seen.contains("\u{1B}") == false)
        let withUser = talk(httpWithUser, answering: Array("\(line)\r\n\r\n".utf8)).refusal
        #expect(withUser?.seen.contains("hunter2") == false)
    }

    /// What helps is mostly no setting of the server's.
    @Test func everyRefusalSaysWhatToDo() {
        for (answer, words) in [
            ([5, 0, 5, 2], "permit connections"), ([5, 0, 5, 4], "check SFTP_HOST"), ([5, 0, 5, 5], "SFTP_PORT"),
            ([5, 0, 5, 1], "ask who runs the proxy"), ([5, 0, 5, 8], "another one"),
            ([5, 0xFF], "user and the password"),
            ([0x48, 0x54], "begin with http://"), ([0x53, 0x53], "the server itself"), ([4, 0], "check SFTP_PROXY"),
        ] as [([UInt8], String)] {
            let refusal = talk(socks, answering: answer).refusal
            #expect(refusal?.remedy.contains(words) == true, "\(refusal as Any)")
        }
        for (line, words) in [
            ("HTTP/1.1 407 x", "user and the password"), ("HTTP/1.1 403 x", "permit connections"),
            ("HTTP/1.1 502 x", "SFTP_HOST and SFTP_PORT"), ("HTTP/1.1 500 x", "ask who runs the proxy"),
            ("SSH-2.0-x", "the server itself"), ("\u{5}\u{0}", "begin with socks5://"),
            ("\u{15}\u{3}", "check SFTP_PROXY"),
        ] {
            let refusal = talk(http, answering: Array("\(line)\r\n\r\n".utf8)).refusal
            #expect(refusal?.remedy.contains(words) == true, "\(refusal as Any)")
        }
    }

    @Test func answerWithoutAnEndIsGivenUp() {
        let endless = Array("HTTP/1.1 200 OK\r\n".utf8) + [UInt8](repeating: 0x61, count: 100_000)
        let talk = talk(http, answering: endless)
        #expect(talk.refusal?.seen.contains("no end within 16384 bytes") == true)
        #expect(talk.left.count > 80_000)
        let waiting = Array(String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 20).utf8)
        #expect(self.talk(http, answering: waiting).refusal?.seen.contains("again and again") == true)
    }
}
