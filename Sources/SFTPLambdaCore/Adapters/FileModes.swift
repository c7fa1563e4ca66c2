/// The permissions of what a push makes on the server (SFTP_FILE_MODE, SFTP_DIRECTORY_MODE).
struct FileModes: Sendable, Hashable {
    /// Those of files; nil leaves them to the server.
    var file: UInt32?
    /// Those of directories; nil leaves them to the server.
    var directory: UInt32?
}
