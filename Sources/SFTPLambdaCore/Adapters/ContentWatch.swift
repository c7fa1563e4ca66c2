/// Watches the content of files while it passes through the adapters: for a display. Where nobody watches, the adapters
/// have none, and it costs nothing. Called from many tasks and threads at once, and under locks: it must return at once.
package protocol ContentWatch: Sendable {
    /// The content of a file begins to pass.
    /// - Parameters:
    ///   - name: the file's path on the server, or the object's `BUCKET/KEY`: as text for people, and as observers of
    ///     the rules have it.
    ///   - sizeBytes: the size of the whole; nil when the server does not say it.
    ///   - startBytes: where in it this begins; what lies before has passed at another time.
    func begins(_ name: String, sizeBytes: UInt64?, startBytes: UInt64) -> any ContentPassage
}

/// Content on its way. Whoever carries it holds this meanwhile: letting go of it says that the file is no longer read.
package protocol ContentPassage: AnyObject, Sendable {
    /// So many more bytes have passed.
    func passed(_ countBytes: Int)
}
