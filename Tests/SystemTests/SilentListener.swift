import Foundation
import TestKit

/// Takes connections on a loopback port and never says a word.
final class SilentListener: Sendable {
    let port: UInt16
    private let descriptor: Int32

    init() throws { (descriptor, port) = try Loopback.listen(backlog: 16) }

    /// Whether somebody waits to be spoken to.
    var hasConnection: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) == 1
    }

    deinit { close(descriptor) }
}
