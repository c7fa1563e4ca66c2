import Foundation
import Synchronization

/// A TCP port on the loopback that passes one connection on to a server, and changes one bit of what comes back.
final class TamperingRelay: Sendable {
    let port: UInt16
    private let tamper: Tamper
    private let listener: Int32

    private struct Tamper: Sendable {
        let serverPort: UInt16
        let byte: Int
    }

    /// - Parameter byte: the byte of the server's whose lowest bit is changed, counted from 0.
    init(to serverPort: UInt16, tampersWithByte byte: Int) throws {
        tamper = Tamper(serverPort: serverPort, byte: byte)
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = Self.loopback(0)
        var lengthBytes = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listening = listener
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listening, $0, lengthBytes) == 0 && listen(listening, 1) == 0
                    && getsockname(listening, $0, &lengthBytes) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRINUSE) }
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread { [tamper] in
            let client = accept(listening, nil, nil)
            close(listening)
            guard client >= 0 else { return }
            let server = Self.connection(to: tamper.serverPort)
            Thread.detachNewThread { Self.pass(from: client, to: server, changing: nil) }
            Self.pass(from: server, to: client, changing: tamper.byte)
        }
    }

    /// Ends it, if nobody has connected yet. Else it ends with the connection.
    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return address
    }

    private static func connection(to port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = loopback(port)
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return descriptor
    }

    /// Passes bytes on until one side ends; then both hear of it, and the descriptor that is read from is closed.
    private static func pass(from source: Int32, to target: Int32, changing byte: Int?) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var passed = 0
        while true {
            let count = recv(source, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            if let byte, (passed..<passed + count).contains(byte) { buffer[byte - passed] ^= 1 }
            passed += count
            guard send(target, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
        }
        shutdown(target, Int32(SHUT_RDWR))
        shutdown(source, Int32(SHUT_RDWR))
        close(source)
    }
}
