/// What becomes of a file on the server once it is stored (SFTP_AFTER_PULL).
public enum AfterPull: String, CaseIterable, Hashable, Sendable {
    /// It moves to the done directory beside it, and is removed from there when its retention is over.
    case done
    /// It moves there too, and the first run that begins `deletionDelaySeconds` later, or after that, removes it.
    ///
    /// Not at once: of two pulls at work, one can store an older version after the other has stored the newer one. It
    /// learns that from the newer file, which it finds in the done directory (rule P9). Were that removed already, the
    /// older object would stay the current one, and nobody would have the newer content any more.
    case delete
    /// It stays as it is, and nothing on the server is changed: for servers that only let files be read. What was pulled
    /// before is known by the size and time in the object's metadata.
    case keep

    /// Longer than two invocations can be at work at once, and their clocks apart.
    public static let deletionDelaySeconds: Int64 = 3600
}
