public import Foundation
import Synchronization

/// A folder that goes away with its owner, and with the process at the latest: the owners of what many tests share are
/// never freed.
public final class TemporaryFolder: Sendable {
    /// Where it is.
    public let url: URL

    private static let present = Mutex<Set<URL>>([])
    private static let isRemovedAtExit: Bool =
        atexit { TemporaryFolder.present.withLock { $0 }.forEach(TemporaryFolder.remove) } == 0

    /// Makes an empty folder.
    public init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("sftp-lambda-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        precondition(Self.isRemovedAtExit, "nothing can be done at the end of this process")
        Self.present.withLock { _ = $0.insert(url) }
    }

    deinit {
        Self.present.withLock { _ = $0.remove(url) }
        Self.remove(url)
    }

    private static func remove(_ url: URL) {
        // What a test took away itself is gone already.
        try? FileManager.default.removeItem(at: url)
    }
}
