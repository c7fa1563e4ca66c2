import Foundation
import Synchronization
import TestKit
import Testing

/// A proxy on the loopback: speaks SOCKS5 or HTTP and passes bytes on to one server, whatever name it is asked for; or does
/// what no proxy should.
final class ScriptedProxy: Sendable {
    /// What it does with a connection.
    enum Behaviour: Sendable, CustomTestStringConvertible {
        /// Connects whoever asks, or only whoever has the user and the password.
        case socks5(user: String?, password: String)
        /// The same with CONNECT; the value of Proxy-Authorization.
        case http(authorization: String?)
        /// Says these bytes one by one, without an end.
        case drip([UInt8], everyMilliseconds: UInt32)
        /// Says these bytes in one piece, and hangs up.
        case say([UInt8])

        /// Without the bytes, which may be many.
        var testDescription: String {
            switch self {
            case .socks5(let user, _): "SOCKS5 \(user == nil ? "without" : "with") a user"
            case .http(let authorization): "HTTP \(authorization == nil ? "without" : "with") a user"
            case .drip(let bytes, _): "a drip of \(bytes.prefix(8))"
            case .say(let bytes): "\(bytes.count) bytes, \(bytes.prefix(8))"
            }
        }
    }

    let port: UInt16
    private let listening: Int32
    private let serverPort: UInt16
    private let behaviour: Behaviour
    private let asked = Mutex<[String]>([])
    private let isStopped = Mutex(false)

    /// What it was asked to connect to, such as `name:22`.
    var targets: [String] { asked.withLock { $0 } }

    init(_ behaviour: Behaviour, to serverPort: UInt16) throws {
        self.behaviour = behaviour
        self.serverPort = serverPort
        let (listening, port) = try Loopback.listen(backlog: 8)
        self.listening = listening
        self.port = port
        Thread.detachNewThread { [weak self] in
            while true {
                let client = accept(listening, nil, nil)
                guard client >= 0 else {
                    close(listening)
                    return
                }
                guard let self else {
                    close(client)
                    continue
                }
                Thread.detachNewThread {
                    self.serve(client)
                    close(client)
                }
            }
        }
    }

    /// Takes no further connections; those that are there end with their clients.
    func stop() {
        // Once: the descriptor is closed after that, and its number may be somebody else's.
        let isFirst = isStopped.withLock { isStopped in
            defer { isStopped = true }
            return !isStopped
        }
        if isFirst { shutdown(listening, Int32(SHUT_RDWR)) }
    }

    deinit { stop() }

    // MARK: One connection

    private func serve(_ client: Int32) {
        switch behaviour {
        case .socks5(let user, let password): serveSOCKS5(client, user, password)
        case .http(let authorization): serveHTTP(client, authorization)
        case .drip(let bytes, let milliseconds):
            var index = 0
            while Self.write(client, [bytes[index % bytes.count]]) {
                index += 1
                usleep(milliseconds * 1_000)
            }
        case .say(let bytes):
            guard Self.write(client, bytes) else { return }
            shutdown(client, Int32(SHUT_WR))
            // What the client has said is taken, else the close would be a reset and take the answer with it.
            while !Self.read(client, 1).isEmpty {}
        }
    }

    private func serveSOCKS5(_ client: Int32, _ user: String?, _ password: String) {
        let greeting = Self.read(client, 2)
        guard greeting.first == 5, let count = greeting.last else { return }
        let methods = Self.read(client, Int(count))
        let method: UInt8 = user == nil ? 0 : 2
        guard methods.contains(method) else {
            _ = Self.write(client, [5, 0xFF])
            return
        }
        guard Self.write(client, [5, method]) else { return }
        if let user {
            _ = Self.read(client, 1)
            let name = Self.counted(client)
            let isRight = (name, Self.counted(client)) == (Array(user.utf8), Array(password.utf8))
            guard Self.write(client, [1, isRight ? 0 : 1]), isRight else { return }
        }
        let head = Self.read(client, 4)
        guard head.count == 4 else { return }
        let host: String
        switch head[3] {
        case 1: host = Self.read(client, 4).map(String.init).joined(separator: ".")
        case 3: host = String(decoding: Self.counted(client), as: UTF8.self)
        default: return
        }
        let port = Self.read(client, 2)
        guard port.count == 2 else { return }
        asked.withLock { $0.append("\(host):\(Int(port[0]) << 8 | Int(port[1]))") }
        connect(client, saying: [5, 0, 0, 1, 127, 0, 0, 1, 0, 0], orRefusing: [5, 5, 0, 1, 0, 0, 0, 0, 0, 0])
    }

    private func serveHTTP(_ client: Int32, _ authorization: String?) {
        var head = ""
        while !head.hasSuffix("\r\n\r\n") {
            let byte = Self.read(client, 1)
            guard !byte.isEmpty else { return }
            head.unicodeScalars.append(UnicodeScalar(byte[0]))
        }
        let lines = head.components(separatedBy: "\r\n")
        let words = lines[0].components(separatedBy: " ")
        guard words.count == 3, words[0] == "CONNECT" else { return }
        if let authorization, !lines.contains("Proxy-Authorization: \(authorization)") {
            _ = Self.write(client, Array("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n".utf8))
            return
        }
        asked.withLock { $0.append(words[1]) }
        connect(
            client, saying: Array("HTTP/1.1 200 Connection established\r\nVia: a test\r\n\r\n".utf8),
            orRefusing: Array("HTTP/1.1 502 Bad Gateway\r\n\r\n".utf8))
    }

    /// Connects with the server, and passes everything on. The answer and the first words of the server go out in one
    /// piece: whoever reads too much of it has lost the server's.
    private func connect(_ client: Int32, saying answer: [UInt8], orRefusing refusal: [UInt8]) {
        let (server, isConnected) = Loopback.connect(to: serverPort)
        defer { close(server) }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = isConnected ? recv(server, &buffer, buffer.count, 0) : 0
        guard count > 0 else {
            _ = Self.write(client, refusal)
            return
        }
        guard Self.write(client, answer + buffer[..<count]) else { return }
        Loopback.pass(between: client, server)
    }

    private static func counted(_ descriptor: Int32) -> [UInt8] {
        read(descriptor, Int(read(descriptor, 1).first ?? 0))
    }

    /// Exactly so many bytes; fewer at the end of the connection.
    private static func read(_ descriptor: Int32, _ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: max(1, count))
        while bytes.count < count {
            let got = recv(descriptor, &buffer, count - bytes.count, 0)
            guard got > 0 else { break }
            bytes += buffer[..<got]
        }
        return bytes
    }

    private static func write(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
