/// A file or directory that the server holds open for us: opaque bytes of the server's choice, at most 256.
public struct SFTPHandle: Hashable, Sendable {
    /// What the server calls it.
    let bytes: [UInt8]
    /// The path it was opened with, for messages only.
    let path: [UInt8]
}

/// How a file is opened (draft-ietf-secsh-filexfer-02, section 6.3).
public struct SFTPOpenFlags: OptionSet, Hashable, Sendable {
    /// The bits on the wire.
    public let rawValue: UInt32

    /// Makes flags from the bits on the wire.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// SSH_FXF_READ
    public static let read = SFTPOpenFlags(rawValue: 0x01)
    /// SSH_FXF_WRITE
    public static let write = SFTPOpenFlags(rawValue: 0x02)
    /// SSH_FXF_APPEND: every write goes to the end, whatever its offset says.
    public static let append = SFTPOpenFlags(rawValue: 0x04)
    /// SSH_FXF_CREAT
    public static let create = SFTPOpenFlags(rawValue: 0x08)
    /// SSH_FXF_TRUNC; needs `create`.
    public static let truncate = SFTPOpenFlags(rawValue: 0x10)
    /// SSH_FXF_EXCL: fails when the file exists; needs `create`.
    public static let exclusive = SFTPOpenFlags(rawValue: 0x20)
}
