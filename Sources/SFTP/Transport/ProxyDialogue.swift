import TextForms

/// What is said to a proxy, and what it answers, until it has connected us. Pure: it is told what came, says what to send,
/// and how many bytes it wants next.
///
/// It never wants a byte that could be the server's: what follows the proxy's last word belongs to SSH.
protocol ProxyDialogue {
    /// How many bytes to fetch at the most; 0 when the proxy has connected us.
    var wantedBytes: Int { get }

    /// The first words.
    mutating func begin() -> [UInt8]

    /// Takes bytes that came, at least one and no more than were wanted.
    /// - Returns: what to send next.
    mutating func receive(_ bytes: [UInt8]) throws(ProxyRefusal) -> [UInt8]
}

/// Why a proxy has not connected us.
struct ProxyRefusal: Error, Hashable {
    /// What has to be mended.
    let problem: ServerProblem
    /// What it answered.
    let seen: String
    /// What to do, where the answer says more than the problem's own words.
    let remedy: String

    init(_ problem: ServerProblem, _ seen: String, remedy: String? = nil) {
        self.problem = problem
        self.seen = seen
        self.remedy = remedy ?? problem.remedy
    }
}

/// What to do about answers that both kinds of proxies give.
private let rules = "ask who runs the proxy to permit connections to SFTP_HOST and SFTP_PORT"
private let itself = "check SFTP_PROXY: it may name the server itself, where there is no proxy"

extension ProxyServer {
    /// The dialogue that leads to a server. Names are given to the proxy as they are, which looks them up where it stands.
    func dialogue(to host: String, port: UInt16) -> any ProxyDialogue {
        switch kind {
        case .socks5: SOCKS5Dialogue(self, to: host, port: port)
        case .http: HTTPConnectDialogue(self, to: host, port: port)
        }
    }
}

// MARK: SOCKS5

/// SOCKS version 5 (RFC 1928) with user and password (RFC 1929).
struct SOCKS5Dialogue: ProxyDialogue {
    private enum State {
        case method, authentication, reply, addressType, addressLength, address, done
    }

    private static let version: UInt8 = 5
    private static let authenticationVersion: UInt8 = 1
    private static let noAuthentication: UInt8 = 0
    private static let userAndPassword: UInt8 = 2
    private static let noneAcceptable: UInt8 = 0xFF
    private static let connect: UInt8 = 1
    private static let (ipv4, domainName, ipv6): (UInt8, UInt8, UInt8) = (1, 3, 4)
    private static let portBytes = 2

    private let user: String?
    private let password: String
    private let target: [UInt8]
    private var state = State.method
    private var pending: [UInt8] = []
    private var expectedBytes = 2

    init(_ proxy: ProxyServer, to host: String, port: UInt16) {
        user = proxy.user
        password = proxy.password ?? ""
        target = Self.address(host) + [UInt8(port >> 8), UInt8(port & 0xFF)]
    }

    var wantedBytes: Int { expectedBytes - pending.count }

    mutating func begin() -> [UInt8] {
        let methods = user == nil ? [Self.noAuthentication] : [Self.noAuthentication, Self.userAndPassword]
        return [Self.version, UInt8(methods.count)] + methods
    }

    mutating func receive(_ bytes: [UInt8]) throws(ProxyRefusal) -> [UInt8] {
        pending += bytes
        guard pending.count >= expectedBytes else { return [] }
        let word = pending
        pending = []
        switch state {
        case .method: return try methodChosen(word)
        case .authentication:
            guard word[1] == 0 else {
                throw ProxyRefusal(
                    .proxyLoginRefused, "it refused the user and the password with the status \(word[1])")
            }
            return request()
        case .reply: try replied(word)
        case .addressType: try skipAddress(type: word[1])
        case .addressLength: expect(Int(word[0]) + Self.portBytes, .address)
        case .address: expect(0, .done)
        case .done: break
        }
        return []
    }

    private mutating func expect(_ countBytes: Int, _ next: State) { (expectedBytes, state) = (countBytes, next) }

    private mutating func methodChosen(_ word: [UInt8]) throws(ProxyRefusal) -> [UInt8] {
        guard word[0] == Self.version else { throw Self.otherProtocol(word) }
        switch word[1] {
        case Self.noAuthentication: return request()
        case Self.userAndPassword:
            guard let user else { break }
            expect(2, .authentication)
            return [Self.authenticationVersion] + Self.counted(user) + Self.counted(password)
        case Self.noneAcceptable:
            let offered = user == nil ? "without a user and a password" : "with a user and a password, nor without"
            throw ProxyRefusal(.proxyLoginRefused, "not \(offered)")
        default: break
        }
        throw ProxyRefusal(.noProxy, "it chose a way to log in that it was not offered, method \(word[1])")
    }

    private mutating func request() -> [UInt8] {
        expect(2, .reply)
        return [Self.version, Self.connect, 0] + target
    }

    private mutating func replied(_ word: [UInt8]) throws(ProxyRefusal) {
        guard word[0] == Self.version else { throw Self.otherProtocol(word) }
        guard word[1] == 0 else { throw Self.refusal(code: word[1]) }
        expect(2, .addressType)
    }

    /// The address that the proxy connected from, which is of no use here.
    private mutating func skipAddress(type: UInt8) throws(ProxyRefusal) {
        switch type {
        case Self.ipv4: expect(4 + Self.portBytes, .address)
        case Self.ipv6: expect(16 + Self.portBytes, .address)
        case Self.domainName: expect(1, .addressLength)
        default:
            throw ProxyRefusal(.noProxy, "it answered with an address of an unknown type (\(type))")
        }
    }

    /// RFC 1928, section 6.
    private static func refusal(code: UInt8) -> ProxyRefusal {
        let (problem, name, remedy): (ServerProblem, String, String?) =
            switch code {
            case 1: (.proxyRefuses, "general SOCKS server failure", nil)
            case 2: (.proxyRefuses, "connection not allowed by ruleset", rules)
            case 3: (.proxyRefuses, "network unreachable", nil)
            case 4: (.proxyRefuses, "host unreachable", "check SFTP_HOST, which the proxy may not be able to look up")
            case 5: (.proxyRefuses, "connection refused", "check SFTP_HOST and SFTP_PORT")
            case 6: (.proxyRefuses, "TTL expired", nil)
            case 7: (.proxyUnsuited, "command not supported", nil)
            case 8: (.proxyUnsuited, "address type not supported", nil)
            default: (.proxyRefuses, "a failure that has no name", nil)
            }
        return ProxyRefusal(problem, "reply \(code): \(name)", remedy: remedy)
    }

    private static func otherProtocol(_ word: [UInt8]) -> ProxyRefusal {
        let hint: String =
            switch UnicodeScalar(word[0]) {
            case "H": "; it looks like HTTP"
            case "S": "; it looks like SSH"
            case "\u{4}", "\0": "; it looks like SOCKS4, which is not supported"
            default: ""
            }
        return ProxyRefusal(
            .noProxy, "its answer begins with byte \(word[0])\(hint)", remedy: remedy(UnicodeScalar(word[0])))
    }

    private static func remedy(_ first: UnicodeScalar) -> String? {
        switch first {
        case "H": "check SFTP_PROXY: it may have to begin with http://"
        case "S": itself
        default: nil
        }
    }

    /// No longer than 255 bytes: `SFTP_PROXY` is read so.
    private static func counted(_ text: String) -> [UInt8] {
        let bytes = text.utf8.prefix(255)
        return [UInt8(bytes.count)] + bytes
    }

    private static func address(_ host: String) -> [UInt8] {
        if let bytes = NumericAddress.ipv4(host) { return [ipv4] + bytes }
        if let bytes = NumericAddress.ipv6(host) { return [ipv6] + bytes }
        return [domainName] + counted(host)
    }
}

// MARK: HTTP

/// The method CONNECT (RFC 9110, section 9.3.6).
struct HTTPConnectDialogue: ProxyDialogue {
    /// The longest answer until its empty line.
    static let maximumHeadBytes = 16 * 1_024
    /// How much of what it says of a refusal is shown.
    private static let shownBytes = 100
    private static let (lineFeed, carriageReturn) = (UInt8(ascii: "\n"), UInt8(ascii: "\r"))
    private static let opening = Array("HTTP/1.".utf8)
    /// More answers than this that only say to wait are none.
    private static let maximumInterimAnswers = 8

    private let request: [UInt8]
    private let proxy: ProxyServer
    private var head: [UInt8] = []
    private var totalBytes = 0
    private var interimAnswers = 0
    private var isDone = false

    init(_ proxy: ProxyServer, to host: String, port: UInt16) {
        let authority = (NumericAddress.ipv6(host) == nil ? host : "[\(host)]") + ":\(port)"
        var lines = ["CONNECT \(authority) HTTP/1.1", "Host: \(authority)"]
        if let user = proxy.user {
            lines.append("Proxy-Authorization: Basic \(proxy.basicCredentials(user))")
        }
        self.proxy = proxy
        request = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    /// The head ends with an empty line; a proxy may end its lines with a bare line feed (RFC 9112, section 2.2). So one
    /// byte or two are certain to come before anything of the server's.
    var wantedBytes: Int {
        if isDone { return 0 }
        let isBehindLine = head.last == Self.lineFeed || head.suffix(2) == [Self.lineFeed, Self.carriageReturn]
        return isBehindLine ? 1 : 2
    }

    mutating func begin() -> [UInt8] { request }

    mutating func receive(_ bytes: [UInt8]) throws(ProxyRefusal) -> [UInt8] {
        for byte in bytes {
            head.append(byte)
            totalBytes += 1
            guard totalBytes <= Self.maximumHeadBytes else {
                throw ProxyRefusal(.noProxy, "its answer has no end within \(Self.maximumHeadBytes) bytes")
            }
            guard head.prefix(Self.opening.count).elementsEqual(Self.opening.prefix(head.count)) else {
                throw otherProtocol()
            }
            if endsWithEmptyLine { try answered() }
        }
        return []
    }

    private var endsWithEmptyLine: Bool {
        guard head.last == Self.lineFeed else { return false }
        let before = head.dropLast()
        return before.last == Self.lineFeed || before.suffix(2) == [Self.lineFeed, Self.carriageReturn]
    }

    private mutating func answered() throws(ProxyRefusal) {
        let line = head.prefix { $0 != Self.lineFeed && $0 != Self.carriageReturn }
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard words.count > 1, words[1].count == 3, let status = Int(String(decoding: words[1], as: UTF8.self)) else {
            throw ProxyRefusal(.noProxy, "its first line is none of HTTP: \(shown(line))")
        }
        switch status {
        case 200..<300: isDone = true
        case 100..<200:
            interimAnswers += 1
            guard interimAnswers <= Self.maximumInterimAnswers else {
                throw ProxyRefusal(.noProxy, "it only says to wait, again and again")
            }
            head = []
        case 407:
            let what = proxy.user != nil ? "it refused the user and the password" : "it wants a user and a password"
            throw ProxyRefusal(.proxyLoginRefused, "\(what): \(shown(line))")
        default:
            let remedy: String? =
                switch status {
                case 403, 405: rules
                case 502, 503, 504: "check SFTP_HOST and SFTP_PORT, and that the proxy reaches the server"
                default: nil
                }
            throw ProxyRefusal(.proxyRefuses, "it answered \(shown(line))", remedy: remedy)
        }
    }

    private func otherProtocol() -> ProxyRefusal {
        let (hint, remedy): (String, String?) =
            switch UnicodeScalar(head.first ?? 0) {
            case "S": ("; it looks like SSH", itself)
            case "\u{5}": ("; it looks like SOCKS5", "check SFTP_PROXY: it may have to begin with socks5://")
            case "\u{15}", "\u{16}": ("; it looks like TLS, which is not spoken with proxies", nil)
            default: ("", nil)
            }
        return ProxyRefusal(.noProxy, "its answer begins with \(shown(head[...]))\(hint)", remedy: remedy)
    }

    private func shown(_ bytes: some Collection<UInt8>) -> String {
        guard !proxy.isRepeated(in: bytes) else { return ProxyServer.repeatedLogin }
        return "\"\(ServerText.printable(bytes.prefix(Self.shownBytes)))\""
    }
}
