import Glibc

/// Finds the addresses of a host. Called on a thread that may block.
public protocol AddressResolver: Sendable {
    /// - Returns: the addresses, the best first.
    /// - Throws: `SFTPError` of step `.resolve`.
    func addresses(host: String, port: UInt16) throws(SFTPError) -> [SocketAddress]
}

/// An IPv4 or IPv6 address with its port.
public struct SocketAddress: Sendable, CustomStringConvertible {
    /// The form that the socket calls take.
    private var storage: sockaddr_storage
    private let lengthBytes: socklen_t

    /// Copies an address; nil when it is neither IPv4 nor IPv6.
    init?(_ address: UnsafePointer<sockaddr>, lengthBytes: socklen_t) {
        let family = Int32(address.pointee.sa_family)
        guard family == AF_INET || family == AF_INET6, Int(lengthBytes) <= MemoryLayout<sockaddr_storage>.size else {
            return nil
        }
        storage = sockaddr_storage()
        self.lengthBytes = lengthBytes
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(lengthBytes)))
        }
    }

    /// Reads a numeric address, such as `127.0.0.1` or `::1`; nil when it is none.
    public init?(_ numericHost: String, port: UInt16) {
        // A name is no address here, and that is all there is to say of it.
        guard
            let first = try? SystemResolver.look(up: numericHost, port: port, flags: AI_NUMERICHOST).first
        else { return nil }
        self = first
    }

    /// AF_INET or AF_INET6
    var family: Int32 { Int32(storage.ss_family) }

    /// Lends the address to a socket call.
    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, lengthBytes) }
        }
    }

    /// `192.0.2.1:22` or `[2001:db8::1]:22`
    public var description: String {
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var service = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        let result = withSockaddr {
            getnameinfo(
                $0, $1, &host, socklen_t(host.count), &service, socklen_t(service.count),
                NI_NUMERICHOST | NI_NUMERICSERV)
        }
        guard result == 0 else { return "an address that has no name" }
        let text = (Self.string(host), Self.string(service))
        return family == AF_INET6 ? "[\(text.0)]:\(text.1)" : "\(text.0):\(text.1)"
    }

    private static func string(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// The system's resolver: /etc/hosts and DNS.
public struct SystemResolver: AddressResolver {
    /// Makes one.
    public init() {}

    /// All addresses that getaddrinfo knows, in its order (RFC 6724).
    public func addresses(host: String, port: UInt16) throws(SFTPError) -> [SocketAddress] {
        try Self.look(up: host, port: port, flags: AI_ADDRCONFIG)
    }

    static func look(up host: String, port: UInt16, flags: Int32) throws(SFTPError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = flags | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, String(port), &hints, &list)
        guard result == 0 else { throw failure(host: host, result) }
        defer { freeaddrinfo(list) }
        var found: [SocketAddress] = []
        var next = list
        while let entry = next {
            if let address = entry.pointee.ai_addr,
                let usable = SocketAddress(address, lengthBytes: entry.pointee.ai_addrlen)
            {
                found.append(usable)
            }
            next = entry.pointee.ai_next
        }
        return found
    }

    private static func failure(host: String, _ code: Int32) -> SFTPError {
        let reason = gai_strerror(code).map { String(cString: $0) } ?? "error \(code)"
        let isUnknown = code == EAI_NONAME || code == EAI_NODATA
        return SFTPError(
            isUnknown ? .nameUnknown : .nameServiceFails, ServerPlace(host: host, port: "", user: ""), seen: reason)
    }

    private static let EAI_NODATA: Int32 = -5
}
