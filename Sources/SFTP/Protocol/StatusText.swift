extension SFTPStatus: CustomStringConvertible {
    /// The code's name and number, as in `NO_SUCH_FILE (2)`. Beyond the draft's nine these are the names of the later
    /// drafts, which some version 3 servers use.
    public var description: String {
        let index = Int(rawValue)
        let name = index < Self.names.count ? Self.names[index] : "status"
        return "\(name) (\(rawValue))"
    }

    private static let names = [
        "OK", "EOF", "NO_SUCH_FILE", "PERMISSION_DENIED", "FAILURE", "BAD_MESSAGE", "NO_CONNECTION", "CONNECTION_LOST",
        "OP_UNSUPPORTED", "INVALID_HANDLE", "NO_SUCH_PATH", "FILE_ALREADY_EXISTS", "WRITE_PROTECT", "NO_MEDIA",
        "NO_SPACE_ON_FILESYSTEM", "QUOTA_EXCEEDED", "UNKNOWN_PRINCIPAL", "LOCK_CONFLICT", "DIR_NOT_EMPTY",
        "NOT_A_DIRECTORY", "INVALID_FILENAME", "LINK_LOOP",
    ]
}

extension SFTPError {
    /// The server sent what the protocol does not allow.
    static func violation(_ what: String) -> SFTPError {
        SFTPError(.operation, .protocolViolation, "the server broke the SFTP protocol: \(what)")
    }
}
