import CLibSSH2
import Glibc
import Synchronization

/// Finds the server's addresses and opens a TCP connection to the first that answers (RFC 8305, "happy eyeballs"). Where
/// there is a proxy, it is the proxy's addresses, and the server's name is the proxy's to look up.
struct SocketConnector {
    /// The time that an address has for itself before the next one is tried beside it (RFC 8305, section 8).
    private static let staggerSeconds = 0.25
    /// Addresses beyond this many are not tried.
    private static let addressLimit = 16

    let configuration: SSHConfiguration
    let control: ConnectionControl

    /// Whom the socket is connected with.
    private var host: String { configuration.proxy?.host ?? configuration.host }
    private var port: UInt16 { configuration.proxy?.port ?? configuration.port }

    /// The error for a problem on the way to the server, or to the proxy, which another setting names.
    private func error(_ problem: ServerProblem, seen: String = "") -> SFTPError {
        guard let proxy = configuration.proxy else {
            return SFTPError(problem, ServerPlace(configuration), seen: seen)
        }
        let host = problem.step == .resolve ? proxy.host : "the proxy \(proxy.host)"
        let place = ServerPlace(host: host, port: "\(proxy.port)", user: configuration.user)
        return SFTPError(problem, place, seen: seen, remedy: Self.proxyRemedy)
    }

    private static let proxyRemedy = "check SFTP_PROXY, that the proxy runs, and the firewalls between"

    /// The addresses of the host.
    func resolve(until deadline: ContinuousClock.Instant) throws(SFTPError) -> [SocketAddress] {
        let found = try lookUp(until: deadline)
        guard !found.isEmpty else { throw error(.nameUnknown) }
        return found
    }

    /// A socket that is connected with the server, which the caller closes, and the address that answered.
    func connect(
        _ addresses: [SocketAddress], until deadline: ContinuousClock.Instant
    ) throws(SFTPError) -> (descriptor: Int32, address: SocketAddress) {
        let found = try race(Array(Self.interleaved(addresses).prefix(Self.addressLimit)), until: deadline)
        guard let proxy = configuration.proxy else { return found }
        do throws(SFTPError) {
            let connector = ProxyConnector(proxy: proxy, configuration: configuration, control: control)
            try connector.connect(found.descriptor, until: deadline)
            return found
        } catch {
            _ = close(found.descriptor)
            throw error
        }
    }

    // MARK: Resolving

    /// The look-up goes on a thread of its own, because nothing can interrupt getaddrinfo: when the time is over or
    /// the caller has gone, that thread is left to end by itself, and what it finds is dropped.
    private func lookUp(until deadline: ContinuousClock.Instant) throws(SFTPError) -> [SocketAddress] {
        let (host, port) = (self.host, self.port)
        if let address = SocketAddress(host, port: port) { return [address] }
        let answer = Answer()
        let (resolver, wakeUp) = (configuration.resolver, control.wakeUp)
        let isStarted = DetachedThread.start {
            let result: Result<[SocketAddress], SFTPError>
            do throws(SFTPError) {
                result = .success(try resolver.addresses(host: host, port: port))
            } catch {
                result = .failure(error)
            }
            answer.result.withLock { $0 = result }
            wakeUp.wake()
        }
        guard isStarted else {
            throw SFTPError(.resolve, .unreachable, "cannot look up \(host): the system has no thread left")
        }
        var none: [pollfd] = []
        while true {
            switch answer.result.withLock({ $0 }) {
            case .success(let addresses)?: return addresses
            case .failure(let error)?:
                throw configuration.proxy == nil ? error : error.remedied(by: Self.proxyRemedy)
            case nil: break
            }
            try control.check(.resolve)
            guard ContinuousClock.now < deadline else {
                throw error(.nameServiceSilent, seen: "\(configuration.connectTimeoutSeconds) s")
            }
            wakeUp.sleep(&none, until: deadline)
        }
    }

    private final class Answer: Sendable {
        let result = Mutex<Result<[SocketAddress], SFTPError>?>(nil)
    }

    /// The two families in turn, beginning with that of the first address, each in its own order.
    static func interleaved(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let family = addresses.first?.family else { return [] }
        let preferred = addresses.filter { $0.family == family }
        let other = addresses.filter { $0.family != family }
        var result: [SocketAddress] = []
        for index in 0..<max(preferred.count, other.count) {
            if index < preferred.count { result.append(preferred[index]) }
            if index < other.count { result.append(other[index]) }
        }
        return result
    }

    // MARK: Connecting

    private struct Attempt {
        let descriptor: Int32
        let address: SocketAddress
    }

    private func race(
        _ addresses: [SocketAddress], until deadline: ContinuousClock.Instant
    ) throws(SFTPError) -> (descriptor: Int32, address: SocketAddress) {
        var waiting = addresses[...]
        var attempts: [Attempt] = []
        var refusals: [Refusal] = []
        var nextStart = ContinuousClock.now
        defer { for attempt in attempts { _ = close(attempt.descriptor) } }

        while true {
            try control.check(.connect)
            let now = ContinuousClock.now
            guard now < deadline else { throw timeout(attempts, refusals) }
            if !waiting.isEmpty, attempts.isEmpty || now >= nextStart {
                switch start(waiting.removeFirst()) {
                case .success(let attempt): attempts.append(attempt)
                case .failure(let refusal): refusals.append(refusal)
                }
                nextStart = now + .seconds(Self.staggerSeconds)
                continue
            }
            guard !attempts.isEmpty else { throw unreachable(refusals) }
            var polled = attempts.map { pollfd(fd: $0.descriptor, events: Int16(POLLOUT), revents: 0) }
            control.wakeUp.sleep(&polled, until: waiting.isEmpty ? deadline : min(deadline, nextStart))
            for index in polled.indices.reversed() where polled[index].revents != 0 {
                let attempt = attempts.remove(at: index)
                let code = Self.pendingError(attempt.descriptor)
                if code == 0 { return (attempt.descriptor, attempt.address) }
                _ = close(attempt.descriptor)
                refusals.append(Refusal(address: attempt.address, code: code))
                nextStart = now
            }
        }
    }

    private struct Refusal: Error {
        let address: SocketAddress
        let code: Int32

        var text: String { "\(address): \(SystemError.text(code))" }
    }

    private func start(_ address: SocketAddress) -> Result<Attempt, Refusal> {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else { return .failure(Refusal(address: address, code: errno)) }
        configure(descriptor)
        let result = address.withSockaddr { Glibc.connect(descriptor, $0, $1) }
        let code = errno
        guard result == 0 || code == EINPROGRESS || code == EINTR else {
            _ = close(descriptor)
            return .failure(Refusal(address: address, code: code))
        }
        return .success(Attempt(descriptor: descriptor, address: address))
    }

    /// Every option is an improvement only: a system that refuses one still connects.
    private func configure(_ descriptor: Int32) {
        Self.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        // A partner's firewall or a NAT gateway forgets a silent connection, some after less than a minute.
        Self.set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        Self.set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 30)
        Self.set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10)
        Self.set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
        for option in configuration.socketOptions { Self.set(descriptor, option.level, option.name, option.value) }
    }

    /// Sets a socket option that takes a number.
    static func set(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func pendingError(_ descriptor: Int32) -> Int32 {
        var code: Int32 = 0
        var lengthBytes = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &lengthBytes) == 0 ? code : errno
    }

    /// Where only a part of the addresses refused, the network to the others is what has to be mended.
    private func unreachable(_ refusals: [Refusal]) -> SFTPError {
        let isRefused = refusals.allSatisfy { $0.code == ECONNREFUSED }
        return error(isRefused ? .connectionRefused : .hostUnreachable, seen: Self.joined(refusals))
    }

    private func timeout(_ attempts: [Attempt], _ refusals: [Refusal]) -> SFTPError {
        let silent = attempts.map { "\($0.address): no answer" }
        let heard = (silent + (refusals.isEmpty ? [] : [Self.joined(refusals)])).joined(separator: "; ")
        return error(.connectTimeout, seen: "\(configuration.connectTimeoutSeconds) s; \(heard)")
    }

    private static func joined(_ refusals: [Refusal]) -> String { refusals.map(\.text).joined(separator: "; ") }
}

/// The system's words for its error numbers.
enum SystemError {
    /// Such as `Connection refused`.
    static func text(_ code: Int32) -> String {
        var characters = [CChar](repeating: 0, count: 128)
        guard strerror_r(code, &characters, characters.count) == 0 else { return "error \(code)" }
        return String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
