import Glibc

/// Has a proxy connect a socket to the server. What the proxy says is bounded in size and time.
struct ProxyConnector {
    let proxy: ProxyServer
    let configuration: SSHConfiguration
    let control: ConnectionControl

    /// Speaks with the proxy at the other end of the socket until the server is there.
    /// - Parameter deadline: when it has to be, however slowly the proxy answers.
    func connect(_ descriptor: Int32, until deadline: ContinuousClock.Instant) throws(SFTPError) {
        var dialogue = proxy.dialogue(to: configuration.host, port: configuration.port)
        var output = dialogue.begin()[...]
        var buffer = [UInt8](repeating: 0, count: Self.pieceBytes)
        var hasHeard = false
        while true {
            try control.check(.connect)
            guard ContinuousClock.now < deadline else { throw timeout(hasHeard) }
            if !output.isEmpty {
                let count = output.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                if count > 0 { output = output.dropFirst(count) }
                try check(count, descriptor, POLLOUT, until: deadline)
                continue
            }
            let wanted = min(dialogue.wantedBytes, buffer.count)
            guard wanted > 0 else { return }
            let count = recv(descriptor, &buffer, wanted, 0)
            guard count != 0 else { throw lost(hasHeard, because: nil) }
            try check(count, descriptor, POLLIN, until: deadline)
            guard count > 0 else { continue }
            hasHeard = true
            do throws(ProxyRefusal) {
                output = try dialogue.receive(Array(buffer.prefix(count)))[...]
            } catch {
                throw SFTPError(error.problem, place, seen: error.seen, remedy: error.remedy)
            }
        }
    }

    /// The longest address that a SOCKS5 proxy can name is shorter.
    private static let pieceBytes = 512

    /// Waits where the socket had nothing to do, and throws what has happened to it.
    private func check(
        _ count: Int, _ descriptor: Int32, _ event: Int32, until deadline: ContinuousClock.Instant
    ) throws(SFTPError) {
        let code = errno
        guard count < 0, code != EINTR else { return }
        guard code == EAGAIN else { throw lost(true, because: SystemError.text(code)) }
        var polled = [pollfd(fd: descriptor, events: Int16(event), revents: 0)]
        control.wakeUp.sleep(&polled, until: deadline)
    }

    private var place: ServerPlace {
        ServerPlace(host: proxy.host, port: "\(proxy.port)", user: configuration.user)
    }

    private func timeout(_ hasHeard: Bool) -> SFTPError {
        let seen = hasHeard ? "it stopped answering" : "it accepted the connection but never said a word"
        return SFTPError(.proxySilent, place, seen: "\(configuration.connectTimeoutSeconds) s; \(seen)")
    }

    private func lost(_ hasHeard: Bool, because cause: String?) -> SFTPError {
        let when = hasHeard ? "before it had connected us" : "before it said a word"
        return SFTPError(.proxyLost, place, seen: when + (cause.map { "; \($0)" } ?? ""))
    }
}

/// Addresses as numbers.
enum NumericAddress {
    /// The four bytes; nil when the text is no IPv4 address.
    static func ipv4(_ text: String) -> [UInt8]? {
        var address = in_addr()
        guard inet_pton(AF_INET, text, &address) == 1 else { return nil }
        return withUnsafeBytes(of: address) { Array($0) }
    }

    /// The sixteen bytes; nil when the text is no IPv6 address, or one with a zone, which means nothing elsewhere.
    static func ipv6(_ text: String) -> [UInt8]? {
        var address = in6_addr()
        guard inet_pton(AF_INET6, text, &address) == 1 else { return nil }
        return withUnsafeBytes(of: address) { Array($0) }
    }
}
