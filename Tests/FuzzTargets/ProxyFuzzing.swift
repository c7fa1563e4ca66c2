import TextForms

@testable import SFTP
@testable import SFTPLambdaCore

enum ProxyFuzzing {
    // MARK: What a proxy answers

    private static let user = "fuzz-user"
    static let password = "Zm9yLXRoZS1wcm94eS1hbmQtbm9ib2R5LWVsc2U"
    /// The longest sentence about a refusal.
    private static let longestRefusalBytes = 1_024

    /// What a dialogue came to.
    private struct Outcome: Equatable {
        var isConnected = false
        var refusal: ProxyRefusal?
        var sent: [UInt8] = []
        var takenBytes = 0
    }

    /// The first byte says which proxy it is, whether there is a user, and into how large pieces its answer is cut.
    static func answers(_ bytes: [UInt8]) throws {
        guard let first = bytes.first else { return }
        let stream = Array(bytes.dropFirst())
        var proxy = ProxyServer(kind: first & 1 == 0 ? .socks5 : .http, host: "proxy", port: 1_080)
        if first & 2 != 0 { (proxy.user, proxy.password) = (user, password) }
        let whole = try outcome(proxy, stream, pieceBytes: .max)
        let cut = try outcome(proxy, stream, pieceBytes: 1)
        let isSame =
            whole.isConnected == cut.isConnected && whole.refusal == cut.refusal && whole.sent == cut.sent
            && (whole.refusal != nil || whole.takenBytes == cut.takenBytes)
        try must(isSame, "in pieces it is \(cut) in place of \(whole)")
        if let refusal = whole.refusal { try check(refusal, of: proxy, stream) }
        switch proxy.kind {
        case .socks5: try checkSOCKS5(whole, proxy, stream)
        case .http: try checkHTTP(whole, stream)
        }
    }

    private static func outcome(_ proxy: ProxyServer, _ stream: [UInt8], pieceBytes: Int) throws -> Outcome {
        var dialogue = proxy.dialogue(to: "sftp.example.com", port: 22)
        var outcome = Outcome()
        var rest = stream[...]
        outcome.sent = dialogue.begin()
        do throws(ProxyRefusal) {
            while dialogue.wantedBytes > 0, !rest.isEmpty {
                let piece = rest.prefix(min(dialogue.wantedBytes, pieceBytes))
                rest = rest.dropFirst(piece.count)
                outcome.takenBytes += piece.count
                outcome.sent += try dialogue.receive(Array(piece))
            }
            outcome.isConnected = dialogue.wantedBytes == 0
        } catch {
            outcome.refusal = error
        }
        try must(dialogue.wantedBytes >= 0, "it wants \(dialogue.wantedBytes) bytes")
        try must(
            outcome.takenBytes <= HTTPConnectDialogue.maximumHeadBytes + 2, "it took \(outcome.takenBytes) bytes")
        return outcome
    }

    private static func check(_ refusal: ProxyRefusal, of proxy: ProxyServer, _ stream: [UInt8]) throws {
        let text = "\(refusal.seen): \(refusal.remedy)"
        try must(isOfOneLine(text), "a refusal that is not of one line: \(text)")
        try must(text.utf8.count <= longestRefusalBytes, "a refusal of \(text.utf8.count) bytes")
        let credentials = [password, Base64.encode(Array("\(user):\(password)".utf8))].map { Array($0.utf8) }
        // Where there is none, it knows none.
        for secret in credentials where proxy.user != nil {
            try must(
                text.firstPlace(of: String(decoding: secret, as: UTF8.self)) == nil,
                "the refusal shows the password: \(text)")
        }
    }

    /// Against RFC 1928, read a second time.
    private static func checkSOCKS5(_ outcome: Outcome, _ proxy: ProxyServer, _ stream: [UInt8]) throws {
        let hasAsked = stream.starts(with: [5, 2])
        let hasSent = shows(String(decoding: outcome.sent, as: UTF8.self), pieceOf: Array(password.utf8))
        try must(hasSent == (hasAsked && proxy.user != nil), "the password is sent to who did not ask, or is not sent")
        guard outcome.isConnected else { return }
        var rest = stream.dropFirst(2)
        if hasAsked { rest = rest.dropFirst(2) }
        let reply = Array(rest.prefix(5))
        let addressBytes = [1: 4, 4: 16][reply[3]] ?? Int(reply[4]) + 1
        let expectedBytes = (hasAsked ? 4 : 2) + 4 + addressBytes + 2
        try must(
            reply.starts(with: [5, 0]) && outcome.takenBytes == expectedBytes,
            "connected by \(outcome.takenBytes) bytes of \(expectedBytes): \(stream)")
    }

    /// Against RFC 9112, read a second time: it is a good answer that ends where nothing more is taken.
    private static func checkHTTP(_ outcome: Outcome, _ stream: [UInt8]) throws {
        guard outcome.isConnected else { return }
        var isFirst = true
        var status = ""
        var line: [UInt8] = []
        for (index, byte) in stream.enumerated() {
            guard byte == 0x0A else {
                line.append(byte)
                continue
            }
            if line.last == 0x0D { line.removeLast() }
            if isFirst {
                status = line.split(separator: 0x20).dropFirst().first.map { String(decoding: $0, as: UTF8.self) } ?? ""
            }
            isFirst = line.isEmpty
            line = []
            // One that only says to wait is followed by another.
            guard isFirst, !status.hasPrefix("1") else { continue }
            return try must(
                status.hasPrefix("2") && outcome.takenBytes == index + 1,
                "connected by \(status) and \(outcome.takenBytes) bytes of \(index + 1)")
        }
        throw FuzzFinding(description: "connected before the answer has ended")
    }

    // MARK: SFTP_PROXY

    static func address(_ bytes: [UInt8]) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        let proxy: ProxyServer
        do throws(SettingProblem) {
            proxy = try ProxyURL.parse(text)
        } catch {
            try must(isOfOneLine(error.text), "the problem is not of one line: \(error.text)")
            try must(!shows(error.text, pieceOf: bytes), "the problem shows the value: \(error.text)")
            return
        }
        try must(isOfOneLine(proxy.description), "the proxy is not of one line: \(proxy)")
        let again = try ProxyURL.parse(written(proxy))
        try must(again == proxy, "\(text) becomes another proxy by way of \(written(proxy))")
        try checkRequest(proxy)
    }

    private static func written(_ proxy: ProxyServer) -> String {
        func encoded(_ text: String) -> String {
            text.utf8.map { byte in
                let digits = String(byte, radix: 16)
                return "%" + (digits.utf8.count < 2 ? "0" : "") + digits
            }.joined()
        }
        let login = proxy.user.map { "\(encoded($0)):\(encoded(proxy.password ?? ""))@" } ?? ""
        let host = proxy.host.contains(":") ? "[\(proxy.host)]" : proxy.host
        return "\(proxy.kind.rawValue)://\(login)\(host):\(proxy.port)"
    }

    /// No user and no password can put a line of its own into what is said.
    private static func checkRequest(_ proxy: ProxyServer) throws {
        guard proxy.kind == .http else { return }
        var dialogue = proxy.dialogue(to: "sftp.example.com", port: 22)
        let request = String(decoding: dialogue.begin(), as: UTF8.self)
        let lines = request.split(separator: "\r\n", omittingEmptySubsequences: false)
        try must(lines.count == (proxy.user == nil ? 4 : 5) && lines.allSatisfy { isOfOneLine(String($0)) }, request)
        try must(lines.suffix(2).allSatisfy(\.isEmpty), "it does not end with an empty line: \(request)")
    }
}
