/// One request of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 6), or of the three extensions that are used.
/// Paths are bytes without NUL; one that does not begin with `/` counts from the login directory.
public enum SFTPRequest: Hashable, Sendable {
    /// Opens a file; answered by a handle. The attributes are those of a file that is created.
    case open([UInt8], SFTPOpenFlags, SFTPAttributes)
    /// Closes a file or directory. The handle is gone even when the server answers with an error.
    case close(SFTPHandle)
    /// Reads from an offset; answered by data, perhaps less than asked for. At most 255 KiB are asked for.
    case read(SFTPHandle, offset: UInt64, countBytes: Int)
    /// Writes at an offset. More than 32 KiB only when the server's limits allow it.
    case write(SFTPHandle, offset: UInt64, [UInt8])
    /// What is at the path, a link not followed; answered by attributes.
    case lstat([UInt8])
    /// What is at the path, links followed; answered by attributes.
    case stat([UInt8])
    /// What is open; answered by attributes.
    case fstat(SFTPHandle)
    /// Sets the attributes that are not nil; links are followed.
    case setstat([UInt8], SFTPAttributes)
    /// Sets the attributes that are not nil.
    case fsetstat(SFTPHandle, SFTPAttributes)
    /// Opens a directory; answered by a handle.
    case opendir([UInt8])
    /// The next entries of a directory; answered by names, or by EOF at the end.
    case readdir(SFTPHandle)
    /// Removes a file or link.
    case remove([UInt8])
    /// Makes a directory.
    case mkdir([UInt8], SFTPAttributes)
    /// Removes an empty directory.
    case rmdir([UInt8])
    /// The absolute form of a path; answered by one name.
    case realpath([UInt8])
    /// Renames. What happens to an existing file at the target differs between servers: most refuse.
    case rename([UInt8], to: [UInt8])
    /// Where a link leads; answered by one name.
    case readlink([UInt8])
    /// Makes a link at `path` that leads to `target`. Sent in the order of OpenSSH, which is not the draft's, as
    /// nearly all servers expect it.
    case symlink([UInt8], target: [UInt8])
    /// `posix-rename@openssh.com`: renames and replaces a file at the target in one step.
    case posixRename([UInt8], to: [UInt8])
    /// `fsync@openssh.com`: writes the file through to the disk.
    case fsync(SFTPHandle)
    /// `limits@openssh.com`; answered by limits.
    case limits
    /// Any other extension, with its data as it stands in the packet; answered by `.ok` or by bytes.
    case extended(SFTPExtension, [UInt8])
}

/// What a server answered to one request, when it did not refuse it.
public enum SFTPReply: Hashable, Sendable {
    /// Done; there is nothing to tell.
    case ok
    /// What was opened.
    case handle(SFTPHandle)
    /// What one READ gave.
    case data([UInt8])
    /// What a whole range gave (`SFTPClient.submitRead`).
    case content(SFTPContent)
    /// Names: a batch of a directory, or one path.
    case names([SFTPName])
    /// Attributes.
    case attributes(SFTPAttributes)
    /// The server's limits.
    case limits(SFTPLimits)
    /// The data of another extension's reply.
    case extended([UInt8])
}

/// Bytes of a file, as they were read.
public struct SFTPContent: Hashable, Sendable {
    /// The bytes in order, in the pieces they came in; none is empty.
    public var pieces: [[UInt8]]
    /// Whether part of it had to be asked for again, after the requests that stood behind the range in its flight.
    public var wasCompletedLater: Bool

    /// How many bytes there are.
    public var countBytes: Int { pieces.reduce(0) { $0 + $1.count } }
}

extension SFTPRequest {
    /// What kind of reply answers it, other than a status that refuses.
    enum ExpectedReply: Sendable {
        case status, handle, data, names, singleName, attributes, limits, extended
    }

    /// What kind of reply answers it.
    var expectedReply: ExpectedReply {
        switch self {
        case .open, .opendir: .handle
        case .read: .data
        case .lstat, .stat, .fstat: .attributes
        case .readdir: .names
        case .realpath, .readlink: .singleName
        case .limits: .limits
        case .extended: .extended
        case .close, .write, .setstat, .fsetstat, .remove, .mkdir, .rmdir, .rename, .symlink, .posixRename, .fsync:
            .status
        }
    }

    /// The path that it names, or that its handle was opened with.
    var path: [UInt8] {
        switch self {
        case .open(let path, _, _), .lstat(let path), .stat(let path), .setstat(let path, _), .opendir(let path),
            .remove(let path), .mkdir(let path, _), .rmdir(let path), .realpath(let path), .rename(let path, _),
            .readlink(let path), .symlink(let path, _), .posixRename(let path, _):
            path
        case .close(let handle), .read(let handle, _, _), .write(let handle, _, _), .fstat(let handle),
            .fsetstat(let handle, _), .readdir(let handle), .fsync(let handle):
            handle.path
        case .limits, .extended: []
        }
    }

    /// Why it cannot be sent to any server; nil when it can.
    var fault: String? {
        // Servers in C would end the path at a NUL and work on another file than the one that was named.
        if namedPaths.contains(where: { $0.contains(0) }) { return "the path holds a NUL byte" }
        if encodedSizeBytes > PacketLimit.sentBytes { return "it does not fit in a packet of 256 KiB" }
        return nil
    }

    private var namedPaths: [[UInt8]] {
        switch self {
        case .rename(let path, let other), .symlink(let path, let other), .posixRename(let path, let other):
            [path, other]
        case .close, .read, .write, .fstat, .fsetstat, .readdir, .fsync, .limits, .extended: []
        default: [path]
        }
    }
}

extension SFTPRequest: CustomStringConvertible {
    /// The operation and what it is done on, for errors: never any content.
    public var description: String {
        let path = "\"\(printableText(self.path))\""
        return switch self {
        case .open: "OPEN \(path)"
        case .close: "CLOSE of \(path)"
        case .read(_, let offset, _): "READ at \(offset) of \(path)"
        case .write(_, let offset, _): "WRITE at \(offset) of \(path)"
        case .lstat: "LSTAT \(path)"
        case .stat: "STAT \(path)"
        case .fstat: "FSTAT of \(path)"
        case .setstat: "SETSTAT \(path)"
        case .fsetstat: "FSETSTAT of \(path)"
        case .opendir: "OPENDIR \(path)"
        case .readdir: "READDIR of \(path)"
        case .remove: "REMOVE \(path)"
        case .mkdir: "MKDIR \(path)"
        case .rmdir: "RMDIR \(path)"
        case .realpath: "REALPATH \(path)"
        case .rename(_, let target): "RENAME \(path) to \"\(printableText(target))\""
        case .readlink: "READLINK \(path)"
        case .symlink(_, let target): "SYMLINK \(path) to \"\(printableText(target))\""
        case .posixRename(_, let target): "posix-rename \(path) to \"\(printableText(target))\""
        case .fsync: "fsync of \(path)"
        case .limits: "limits@openssh.com"
        case .extended(let name, _): printableText(name.rawValue.utf8, limitBytes: 128)
        }
    }
}
