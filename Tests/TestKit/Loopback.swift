import Foundation

/// Sockets of TCP on 127.0.0.1, for servers and relays that a test plays itself.
public enum Loopback {
    /// Listens on a free port. The descriptor is the caller's.
    public static func listen(backlog: Int32) throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(0)
        var address = address(port: 0)
        var lengthBytes = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, lengthBytes) == 0 && Glibc.listen(descriptor, backlog) == 0
                    && getsockname(descriptor, $0, &lengthBytes) == 0
            }
        }
        guard isListening else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// Connects, or begins to where it does not block. The descriptor is the caller's, whatever comes of it.
    public static func connect(to port: UInt16, isBlocking: Bool = true) -> (descriptor: Int32, isConnected: Bool) {
        let descriptor = socket(isBlocking ? 0 : Int32(SOCK_NONBLOCK.rawValue))
        var address = address(port: port)
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        return (descriptor, isConnected)
    }

    /// Passes bytes on both ways, until one side ends or nothing has come from either for so long; -1: however long.
    public static func pass(between one: Int32, _ other: Int32, maximumSilenceMilliseconds: Int32 = -1) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            var polled = [one, other].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&polled, 2, maximumSilenceMilliseconds) > 0 else { return }
            for (from, to) in [(0, 1), (1, 0)] where polled[from].revents != 0 {
                let count = recv(polled[from].fd, &buffer, buffer.count, 0)
                guard count > 0, send(polled[to].fd, buffer, count, Int32(MSG_NOSIGNAL)) == count else { return }
            }
        }
    }

    private static func socket(_ flags: Int32) -> Int32 {
        Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | flags, 0)
    }

    private static func address(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return address
    }
}
