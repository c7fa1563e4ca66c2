/// The partner's server, as the transfer rules see it. All operations may be called at once from many tasks; they
/// share one connection.
///
/// Every operation throws `RemoteFailure`. After one of reason `.connectionLost` all further ones fail the same way.
public protocol RemoteFiles: Sendable {
    /// How many files and directories the server lets be open at once; nil when it does not say, or has not yet.
    var maximumOpenHandles: Int? { get }

    /// Opens a directory for listing.
    func openDirectory(_ path: RemotePath) async throws(RemoteFailure) -> any RemoteListing

    /// Opens a file for reading. `expected` is what the listing said of it: it counts as far as the server does not
    /// say more of the file once it is open.
    func openFile(_ path: RemotePath, expected: FileVersion) async throws(RemoteFailure) -> any RemoteFileReader

    /// What is at the path, links not followed; nil when nothing is there.
    func attributes(of path: RemotePath) async throws(RemoteFailure) -> RemoteAttributes?

    /// Makes a directory. That it is there already is no error.
    func makeDirectory(_ path: RemotePath) async throws(RemoteFailure)

    /// Renames without ever replacing what is at `target`; an existing target throws `.alreadyExists`.
    func moveWithoutReplacing(_ path: RemotePath, to target: RemotePath) async throws(RemoteFailure)

    /// Sets the modification time. A server that refuses it throws `.denied` or `.unsupported`.
    func setModificationTime(of path: RemotePath, to time: UnixTime) async throws(RemoteFailure)

    /// Removes a file. That it is gone already is no error.
    func removeFile(_ path: RemotePath) async throws(RemoteFailure)
}

/// A directory being listed.
public protocol RemoteListing: Sendable {
    /// The next entries, or nil at the end. One caller at a time. Names that are not a `RemoteName` come as
    /// `RemoteEntry.refused`; `.` and `..` are left out.
    func next() async throws(RemoteFailure) -> [RemoteEntry]?

    /// Ends the listing, at its end or before. Must be called once, whatever happened.
    func close() async
}

/// A file open for reading.
public protocol RemoteFileReader: Sendable {
    /// What is being read: size and time of the open file as the server says them before its first byte is read, and
    /// as far as it does not, what was expected. The first read asks for it in its own flight; before any read this
    /// does.
    /// - Throws: `.changed` when its size is not the expected one. Another time is no reason to refuse it: servers
    ///   round in listings, and a file that was written to since then is read as it is now.
    func version() async throws(RemoteFailure) -> FileVersion

    /// Reads exactly `countBytes` from `offset` on and returns them as the pieces they came in. Ranges may be read
    /// at the same time; their requests are sent in the order of the calls.
    ///
    /// With `verifyingEnd` the same flight also asks for what stands behind the range and for the file's attributes:
    /// the file must end there and still be of the `version()` that it had before the first read.
    /// - Throws: `.changed` when the file is shorter, longer, or of another version than before (P3).
    func read(from offset: UInt64, countBytes: Int, verifyingEnd: Bool) async throws(RemoteFailure) -> [[UInt8]]

    /// Closes the file, moves it to `target`, replacing a file there if the server can, looks at what arrived, and sets
    /// its modification time, all in one flight where the server allows that. The file counts as closed whatever
    /// happens.
    ///
    /// - Returns: what was seen at the target after the move and before its time was set (P4).
    /// - Throws: `.notFound` when the file was no longer at its path. `.alreadyExists` when the server does not replace
    ///   what stands at the target; only then may this be called once more. When the move was refused, what stands at
    ///   the target has kept its content, and its time too unless it came there during the call.
    func closeAndMove(to target: RemotePath, settingTime time: UnixTime) async throws(RemoteFailure) -> MovedFile

    /// Closes the file. Harmless after another close.
    func close() async
}

/// What `RemoteFileReader.closeAndMove` did.
public struct MovedFile: Hashable, Sendable {
    /// What stood at the target after the move and before the time was set; nil when the server does not tell or
    /// the file was gone by then.
    public var seen: RemoteAttributes?
    /// Why the modification time could not be set; nil when it was.
    public var timeFailure: RemoteFailure?

    /// Makes a result.
    public init(seen: RemoteAttributes?, timeFailure: RemoteFailure? = nil) {
        self.seen = seen
        self.timeFailure = timeFailure
    }
}

/// One entry of a listing.
public enum RemoteEntry: Hashable, Sendable {
    /// A name that can be followed.
    case entry(RemoteName, RemoteAttributes)
    /// A name that must never be followed: it is not a `RemoteName` (P1). The bytes are the server's.
    case refused([UInt8])
}

/// What a server says of a file. It may leave any of it out.
public struct RemoteAttributes: Hashable, Sendable {
    /// What kind of thing it is.
    public enum Kind: String, Hashable, Sendable {
        /// A regular file.
        case file
        /// A directory.
        case directory
        /// A symbolic link.
        case symbolicLink
        /// A device, pipe or socket.
        case special
        /// The server does not say, even when asked for this one.
        case unknown
    }

    /// What kind of thing it is.
    public var kind: Kind
    /// Size and modification time.
    public var version: FileVersion

    /// Makes attributes.
    public init(kind: Kind, version: FileVersion) {
        self.kind = kind
        self.version = version
    }
}

/// What tells one version of a file from another: SFTP version 3 has no more than size and time in whole seconds.
public struct FileVersion: Hashable, Sendable {
    /// Size in bytes, when the server says it.
    public var sizeBytes: UInt64?
    /// Modification time, when the server says it.
    public var modified: UnixTime?

    /// Makes a version.
    public init(sizeBytes: UInt64?, modified: UnixTime?) {
        self.sizeBytes = sizeBytes
        self.modified = modified
    }
}

/// Why an operation on the partner's server failed.
public struct RemoteFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What a rule can act on.
    public enum Reason: String, Sendable {
        /// Nothing is at the path.
        case notFound
        /// The server does not permit it.
        case denied
        /// Something is at the target already.
        case alreadyExists
        /// The file is not the version that was expected.
        case changed
        /// The server cannot do this at all.
        case unsupported
        /// The connection is gone; everything on it fails.
        case connectionLost
        /// The task was cancelled.
        case cancelled
        /// The server broke the protocol, or said only that it failed.
        case failed
        /// A setting or the login cannot be used: there is no connection, and none without a change.
        case invalidSettings
    }

    /// What a rule can act on.
    public var reason: Reason
    /// The operation, the path and what the server answered.
    public var message: String

    /// Makes a failure.
    public init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
