import Foundation
import Synchronization
import TestKit

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
        (descriptor, port) = try Loopback.listen(backlog: backlog)
        let descriptor = descriptor
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
            let connection = Loopback.connect(to: port, isBlocking: false).descriptor
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
