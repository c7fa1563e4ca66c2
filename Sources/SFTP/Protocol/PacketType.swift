/// The packet types of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 3) as they stand on the wire.
enum PacketType {
    static let initialize: UInt8 = 1
    static let version: UInt8 = 2
    static let open: UInt8 = 3
    static let close: UInt8 = 4
    static let read: UInt8 = 5
    static let write: UInt8 = 6
    static let lstat: UInt8 = 7
    static let fstat: UInt8 = 8
    static let setstat: UInt8 = 9
    static let fsetstat: UInt8 = 10
    static let opendir: UInt8 = 11
    static let readdir: UInt8 = 12
    static let remove: UInt8 = 13
    static let mkdir: UInt8 = 14
    static let rmdir: UInt8 = 15
    static let realpath: UInt8 = 16
    static let stat: UInt8 = 17
    static let rename: UInt8 = 18
    static let readlink: UInt8 = 19
    static let symlink: UInt8 = 20
    static let status: UInt8 = 101
    static let handle: UInt8 = 102
    static let data: UInt8 = 103
    static let name: UInt8 = 104
    static let attributes: UInt8 = 105
    static let extended: UInt8 = 200
    static let extendedReply: UInt8 = 201
}

/// The sizes that bound what is sent and what is believed.
enum PacketLimit {
    /// The version that is spoken.
    static let protocolVersion: UInt32 = 3
    /// The most that one READ asks for and one WRITE holds: OpenSSH's own maximum, its 256 KiB packet less 1 KiB of head.
    static let transferBytes = 255 << 10
    /// What every server reads and writes at once (draft, section 3: packets of 34,000 bytes must be supported).
    static let safeTransferBytes = 32 << 10
    /// The most a server's packet may say of its length: OpenSSH sends at most 256 KiB; 1 KiB is for servers that
    /// count their payload without the head.
    static let receivedBytes = (256 << 10) + (1 << 10)
    /// The longest packet that is sent: OpenSSH closes the connection on a longer one.
    static let sentBytes = 256 << 10
    /// The longest handle (draft, section 6.3).
    static let handleBytes = 256
}
