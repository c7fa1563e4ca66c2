import Foundation
import Synchronization

/// A TCP port on the loopback that accepts, says a text and hangs up, or says nothing at all.
final class SilentListener: Sendable {
    let port: UInt16
    private let descriptor: Int32
    private let hasThread: Bool
    private let opened = Mutex<[Int32]>([])
    private let accepted = Mutex(false)
    private let isStopped = Mutex(false)

    /// Whether a connection was accepted.
    var hasAccepted: Bool { accepted.withLock { $0 } }

    /// - Parameter answer: nil keeps silent; else it is said to each connection, which is then closed.
    convenience init(answer: String? = nil, backlog: Int32 = 16) throws {
        try self.init(answer.map { Array($0.utf8) }, backlog: backlog)
    }

    /// The same with bytes.
    init(_ answer: [UInt8]?, backlog: Int32 = 16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var lengthBytes = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (listening, descriptor) = (descriptor, descriptor)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listening, $0, lengthBytes) == 0 && listen(listening, backlog) == 0
                    && getsockname(listening, $0, &lengthBytes) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRINUSE) }
        port = UInt16(bigEndian: address.sin_port)
        hasThread = backlog > 0
        guard hasThread else { return }
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(descriptor, nil, nil)
                // Only this thread closes the descriptor: closed by another, its number could be somebody else's by
                // the time of the next accept.
                guard connection >= 0 else {
                    close(descriptor)
                    return
                }
                self?.accepted.withLock { $0 = true }
                guard let bytes = answer else {
                    self?.opened.withLock { $0.append(connection) }
                    continue
                }
                var sent = 0
                while sent < bytes.count {
                    let count = bytes[sent...].withUnsafeBytes {
                        send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    guard count > 0 else { break }
                    sent += count
                }
                // What the client has said is taken, else the close would be a reset and take the answer with it.
                shutdown(connection, Int32(SHUT_WR))
                var buffer = [UInt8](repeating: 0, count: 1_024)
                while recv(connection, &buffer, buffer.count, 0) > 0 {}
                close(connection)
            }
        }
    }

    /// Takes every place in the backlog, so that further connections hear nothing.
    func fillBacklog() throws {
        for _ in 0..<4 {
            let connection = socket(
                AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            opened.withLock { $0.append(connection) }
        }
    }

    /// Closes the port and every connection.
    func stop() {
        let isFirst = isStopped.withLock { isStopped in
            defer { isStopped = true }
            return !isStopped
        }
        guard isFirst else { return }
        shutdown(descriptor, Int32(SHUT_RDWR))
        if !hasThread { close(descriptor) }
        for connection in opened.withLock({ $0 }) { close(connection) }
    }

    deinit { stop() }
}
