import Foundation
import Synchronization
import TestKit

/// A TCP port on the loopback that passes one connection on to a server, and changes what comes back.
final class TamperingRelay: Sendable {
    let port: UInt16
    /// Nil once it is closed: its number may be that of another file then.
    private let listener: Mutex<Int32?>
    private let clientOpening = Mutex<[UInt8]>([])

    /// What is kept of what the client says.
    private static let openingBytes = 16 * 1_024

    /// The first bytes of the client.
    var openingOfClient: [UInt8] { clientOpening.withLock { $0 } }

    /// Changes the bytes of the server, piece by piece as they come. One thread calls it.
    typealias Change = @Sendable ([UInt8]) -> [UInt8]

    /// - Parameter byte: the byte of the server's whose lowest bit is changed, counted from 0.
    convenience init(to serverPort: UInt16, tampersWithByte byte: Int) throws {
        let passed = Mutex(0)
        try self.init(to: serverPort) { piece in
            passed.withLock { passed in
                defer { passed += piece.count }
                guard (passed..<passed + piece.count).contains(byte) else { return piece }
                var changed = piece
                changed[byte - passed] ^= 1
                return changed
            }
        }
    }

    init(to serverPort: UInt16, changing change: @escaping Change = { $0 }) throws {
        let (listening, port) = try Loopback.listen(backlog: 1)
        listener = Mutex(listening)
        self.port = port
        Thread.detachNewThread { [self] in
            let client = accept(listening, nil, nil)
            listener.withLock {
                close(listening)
                $0 = nil
            }
            guard client >= 0 else { return }
            let server = Loopback.connect(to: serverPort).descriptor
            let other = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                Self.pass(from: client, to: server) { piece in
                    self.clientOpening.withLock { $0 += piece.prefix(Self.openingBytes - $0.count) }
                    return piece
                }
                other.signal()
            }
            Self.pass(from: server, to: client, changing: change)
            // Closed while the other thread still uses it, a descriptor's number could be that of another connection.
            other.wait()
            close(client)
            close(server)
        }
    }

    /// Ends it, if nobody has connected yet. Else it ends with the connection.
    func stop() {
        listener.withLock { listener in
            if let listener { shutdown(listener, Int32(SHUT_RDWR)) }
        }
    }

    /// Passes bytes on until one side ends; then both hear of it.
    private static func pass(from source: Int32, to target: Int32, changing change: Change) {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = recv(source, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            let piece = change(Array(buffer[..<count]))
            guard send(target, piece, piece.count, Int32(MSG_NOSIGNAL)) == piece.count else { break }
        }
        shutdown(target, Int32(SHUT_RDWR))
        shutdown(source, Int32(SHUT_RDWR))
    }
}
